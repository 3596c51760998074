import { AsyncLocalStorage } from 'node:async_hooks'
import { AggregateTaskError } from './failures.js'
import type { Future } from './future.js'
import { TaskFuture } from './future.js'

const running = new AsyncLocalStorage<TaskGroup>()
let used = false

/** The tasks that a piece of the program called, those of groups in it included. */
export class TaskGroup {
  readonly #futures: TaskFuture<unknown>[] = []
  #size = 0
  /** The group in which it was opened. */
  readonly #around = running.getStore()
  /** Groups that were opened in it and are not over. */
  readonly #inner = new Set<TaskGroup>()
  #close!: () => void
  readonly #closed = new Promise<void>((resolve) => (this.#close = resolve))

  constructor() {
    if (this.#around) this.#around.#inner.add(this)
  }

  /** How many tasks were called in it so far. */
  get size(): number {
    return this.#size
  }

  /** Asks all of its tasks to stop. */
  cancel(reason?: unknown): void {
    for (const future of this.#futures) future.cancel(reason)
    for (const group of this.#inner) group.cancel(reason)
  }

  /** Runs a piece of the program whose calls belong to this group. */
  run<T>(body: () => T): T {
    used = true
    return running.run(this, body)
  }

  add(future: TaskFuture<unknown>): void {
    this.#futures.push(future)
    for (let group: TaskGroup | undefined = this; group; group = group.#around) group.#size++
  }

  /** Waits until all of them are over, those too that are called meanwhile. @throws AggregateTaskError of failures that nobody awaited */
  async settled(): Promise<void> {
    const failures: unknown[] = []
    for (let i = 0; i < this.#futures.length || this.#inner.size > 0; ) {
      if (i === this.#futures.length) await Promise.all(Array.from(this.#inner, (group) => group.#closed))
      else await this.#settledOne(this.#futures[i++]!, failures)
    }
    if (failures.length > 0) throw new AggregateTaskError(failures)
  }

  async #settledOne({ source }: TaskFuture<unknown>, failures: unknown[]): Promise<void> {
    const { seen } = source
    await source.promise().catch((error: unknown) => {
      if (!seen) failures.push(error)
    })
  }

  /** It is over, and holds up nobody any more. */
  close(): void {
    if (this.#around) this.#around.#inner.delete(this)
    this.#close()
  }
}

/** Puts a call into the group that it was made in. */
export function joinGroup(future: Future<unknown>): void {
  if (used && future instanceof TaskFuture) running.getStore()?.add(future)
}
