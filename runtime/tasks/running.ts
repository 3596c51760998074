/** What a body may know of the attempt that it is: its name and number, and the signal that asks it to stop. */
import { AsyncLocalStorage } from 'node:async_hooks'

export class Attempt {
  #abort: AbortController | undefined

  constructor(
    readonly task: string,
    /** 1 for the first. */
    readonly number: number,
  ) {}

  /** Aborted when the task is cancelled or out of time. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    return this.#abort.signal
  }

  abort(): void {
    this.#abort ??= new AbortController()
    this.#abort.abort()
  }
}

const running = new AsyncLocalStorage<Attempt>()

export const runAs = <T>(attempt: Attempt, body: () => T): T => running.run(attempt, body)

/** The attempt that the running code belongs to. */
export const currentAttempt = (): Attempt | undefined => running.getStore()
