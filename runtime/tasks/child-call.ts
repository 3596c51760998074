/** Calls that a body makes: what their futures know, and what the body's end and its barriers wait for. */
import { cancelledError } from './cancelled-error.js'
import { AggregateTaskError } from './failures.js'
import type { FutureSource } from './future.js'
import { CANCEL_GRACE_MS } from './in-time.js'
import { onAbort } from './on-abort.js'

/** One call, waiting or running. */
export class ChildCall implements FutureSource<unknown> {
  seen = false
  /** What it gives. To look at it is not to be told: see `promise`. */
  readonly result: Promise<unknown>
  /** The failed call because of which its body was not run. */
  #began: ChildCall | undefined
  #cancelled: { readonly reason: unknown } | undefined
  /** What it does can be stopped no more. */
  #isEnding = false
  #stop: (() => void) | undefined
  #isHeard = false
  #refuse!: (error: Error) => void

  /** `begin` runs it, and says by `begins` and `isOver` how far it is. */
  constructor(
    readonly name: string,
    readonly number: number,
    signal: AbortSignal | undefined,
    begin: (call: ChildCall) => Promise<unknown>,
  ) {
    this.result = new Promise((resolve, reject) => {
      this.#refuse = reject
      begin(this).then(
        (value) => {
          this.#isEnding = true
          resolve(value)
        },
        (error: unknown) => reject(this.#cancelled && !this.#isEnding ? this.#cancelledError() : error),
      )
    })
    // Failures that nobody awaits are the barrier's to report, not the process's.
    this.result.catch(() => {})
    if (signal) this.#listen(signal)
  }

  promise(): Promise<unknown> {
    this.seen = true
    if (this.#began) this.#began.seen = true
    return this.result
  }

  /** What it was to be given is of a call that has failed. Whoever is told of this one is told of that; the barrier tells that one alone. */
  notRunFor(source: ChildCall): void {
    this.#began = source.#began ?? source
    if (this.seen) this.#began.seen = true
  }

  get isNotRun(): boolean {
    return this.#began !== undefined
  }

  get isCancelled(): boolean {
    return this.#cancelled !== undefined && !this.#isEnding
  }

  /** It begins, unless it was cancelled before. `stop` asks what it does to end; `isHeard`: whoever does it tells how it ends, however late. */
  begins(stop: () => void, isHeard = false): void {
    if (this.#cancelled) throw this.#cancelledError()
    this.#stop = stop
    this.#isHeard = isHeard
  }

  /** Asked when its body has ended: whether nothing of it must be stored. */
  isOver(): boolean {
    if (!this.#cancelled) this.#isEnding = true
    return !this.#isEnding
  }

  cancel(reason?: unknown): void {
    if (this.#isEnding || this.#cancelled) return
    this.#cancelled = { reason }
    if (!this.#stop) return this.#refuse(this.#cancelledError())
    this.#stop()
    if (!this.#isHeard) setTimeout(() => this.#refuse(this.#cancelledError()), CANCEL_GRACE_MS).unref()
  }

  #listen(signal: AbortSignal): void {
    const forget = onAbort(signal, () => this.cancel(signal.reason))
    this.result.then(forget, forget)
  }

  describe(): string {
    return this.name
  }

  #cancelledError(): Error {
    return cancelledError(this.name, this.#cancelled?.reason)
  }
}

/** The calls of one body that are not over, and those that have failed without anybody being told. */
export class ChildCalls {
  readonly #open = new Set<ChildCall>()
  #failed: { readonly call: ChildCall; readonly error: unknown }[] = []

  add(call: ChildCall): void {
    this.#open.add(call)
    call.result.then(
      () => this.#open.delete(call),
      (error: unknown) => {
        this.#open.delete(call)
        if (!call.seen && !call.isCancelled && !call.isNotRun) this.#failed.push({ call, error })
      },
    )
  }

  /** Waits until all are over, also those that are called meanwhile. */
  async over(): Promise<void> {
    while (this.#open.size > 0) await Promise.allSettled(Array.from(this.#open, ({ result }) => result))
  }

  /** The same. @throws AggregateTaskError of failures that nobody awaited, once */
  async settled(): Promise<void> {
    await this.over()
    const untold = this.#failed.filter(({ call }) => !call.seen).sort((a, b) => a.call.number - b.call.number)
    this.#failed = []
    for (const { call } of untold) call.seen = true
    if (untold.length > 0) throw new AggregateTaskError(untold.map(({ error }) => error))
  }
}
