import type { Ref } from '../src/backend.js'
import type { Id } from '../src/ids.js'
import { isStorageObject, stateOf } from '../src/objects/storage-object.js'
import type { Store } from '../src/store.js'
import { currentUnit, runIn } from '../src/unit/context.js'
import { refFrom } from '../src/unit/references.js'
import { Transaction } from '../src/unit/transaction.js'
import { notFound, type ReadOnly, unsavedBefore } from '../src/unit/unit-errors.js'
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

  /** @throws NotFoundError, UnsavedChangesError of values, before the body runs; WrongDirectionError of what it has changed */
  async run<T>(body: (...values: any[]) => T | PromiseLike<T>): Promise<T> {
    const program = await currentUnit()
    const unit = new Transaction(program.store)
    try {
      const given = this.values.map((value) => persistentRef(value, program.store))
      const refs = given.filter((ref) => ref !== undefined)
      const loaded = [...(await unit.fetchAnywhere(refs))]
      const missing = refs[loaded.indexOf(undefined)]
      if (missing) throw notFound(missing.id, missing.store ?? program.store.url)
      const args = this.values.map((value, i) => (given[i] ? loaded.shift() : value))
      const result = await runIn(unit, () => body(...args))
      await unit.beforeEnd?.()
      const readOnly = new Map<Id, ReadOnly>()
      for (const [i, ref] of given.entries())
        if (ref && !isWriting(this.options.directions?.[i] ?? 'IN')) readOnly.set(ref.id, { task: 'the body', argument: i + 1 })
      await unit.commit({ readOnly })
      await program.store.reached()
      return result
    } catch (error) {
      unit.rollback()
      throw error
    }
  }
}

/** A value that a body is to have as the store has it. */
function persistentRef(value: unknown, store: Store): Ref | undefined {
  if (typeof value !== 'object' || value === null || !isStorageObject(value)) return undefined
  const state = stateOf(value)
  if (!state.ref) return undefined
  if (state.loaded && state.unit?.isDirty(state)) throw unsavedBefore('TaskContext.run()', state.ref.id)
  return refFrom(store, state)
}
