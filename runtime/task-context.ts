import { type StorageObject, stateOf } from '../src/objects/storage-object.js'
import { currentUnit, runIn } from '../src/unit/context.js'
import { Transaction } from '../src/unit/transaction.js'
import { type Direction, isWriting } from './tasks/directions.js'
import { type Attempt, currentAttempt } from './tasks/running.js'

export interface TaskContextOptions {
  /** Directions of `values`, by place; default IN. */
  readonly directions?: readonly Direction[]
}

export type RunningTask = Pick<Attempt, 'task' | 'number' | 'signal'>

/**
 * What happens on entering and leaving a task: `run` gives the body arguments loaded in a unit of work of their own, and commits
 * everything it changed as one group when it returns; when it throws, nothing is stored and the error passes on.
 */
export class TaskContext {
  /**
   * Of the task whose body runs: its name, the number of the attempt, and the signal that asks it to stop (it was cancelled or is out
   * of time). `undefined` outside of tasks.
   */
  static get current(): RunningTask | undefined {
    return currentAttempt()
  }

  constructor(
    readonly values: readonly unknown[],
    readonly options: TaskContextOptions = {},
  ) {}

  async run<T>(body: (...values: any[]) => T | PromiseLike<T>): Promise<T> {
    const program = await currentUnit()
    const unit = new Transaction(program.store)
    try {
      const given = this.values.map((v) => (v instanceof Object && 'getID' in v ? stateOf(v as StorageObject).ref : undefined))
      const loaded = await unit.fetch(
        given.filter((r) => r !== undefined),
        {},
      )
      const args = this.values.map((v, i) => (given[i] ? loaded.shift() : v))
      const result = await runIn(unit, () => body(...args))
      await unit.beforeEnd?.()
      const readOnly = new Set(given.flatMap((ref, i) => (ref && !isWriting(this.options.directions?.[i] ?? 'IN') ? [ref.id] : [])))
      await unit.commit({ readOnly })
      await program.store.reached()
      return result
    } catch (error) {
      unit.rollback()
      throw error
    }
  }
}
