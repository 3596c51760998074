import { AsyncLocalStorage } from 'node:async_hooks'
import { AggregateTaskError } from './failures.js'
import type { Future } from './future.js'
import { TaskFuture } from './future.js'

const running = new AsyncLocalStorage<TaskGroup>()
let used = false

/** The tasks that a piece of the program called. */
export class TaskGroup {
  readonly #futures: TaskFuture<unknown>[] = []

  /** How many tasks were called in it so far. */
  get size(): number {
    return this.#futures.length
  }

  /** Asks all of its tasks to stop. */
  cancel(reason?: unknown): void {
    for (const future of this.#futures) future.cancel(reason)
  }

  /** Runs a piece of the program whose calls belong to this group. */
  run<T>(body: () => T): T {
    used = true
    return running.run(this, body)
  }

  add(future: TaskFuture<unknown>): void {
    this.#futures.push(future)
  }

  /** Waits until all of them are over, those too that are called meanwhile. @throws AggregateTaskError of failures that nobody awaited */
  async settled(): Promise<void> {
    const failures: unknown[] = []
    for (let i = 0; i < this.#futures.length; i++) {
      const { source } = this.#futures[i]!
      const { seen } = source
      await source.promise().catch((error: unknown) => {
        if (!seen) failures.push(error)
      })
    }
    if (failures.length > 0) throw new AggregateTaskError(failures)
  }
}

/** Puts a call into the group that it was made in, and into those around that. */
export function joinGroup(future: Future<unknown>): void {
  if (used && future instanceof TaskFuture) running.getStore()?.add(future)
}
