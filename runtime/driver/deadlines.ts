import { CANCEL_GRACE_MS, TIMEOUT_GRACE_MS } from '../tasks/in-time.js'

/** A body that has ended and commits is let be. */
const COMMIT_CHECK_MS = 5

export interface Stopper {
  /** Whether the attempt still runs on this worker. */
  isRunning(task: number, attempt: number, worker: number): boolean
  isCommitting(worker: number): boolean
  /** Tells the body's signal. */
  ask(task: number, attempt: number, worker: number): void
  /** Ends the worker, whatever it does. */
  kill(worker: number): void
  /** The time of an attempt is over; called once, before it is killed. */
  timedOut(task: number, attempt: number, worker: number): void
}

/** Ends attempts that take too long: first by asking, then with their worker. */
export class Deadlines {
  readonly #timers = new Map<number, NodeJS.Timeout>()
  readonly #late = new Set<number>()

  constructor(readonly stopper: Stopper) {}

  /** The attempt has begun and may take `ms`. */
  begin(task: number, attempt: number, worker: number, ms: number): void {
    this.#late.delete(task)
    this.#after(ms, task, attempt, worker, () => {
      this.#late.add(task)
      this.stopper.ask(task, attempt, worker)
      this.#after(TIMEOUT_GRACE_MS, task, attempt, worker, () => this.#end(task, attempt, worker, true))
    })
  }

  /** The attempt was asked to stop. */
  asked(task: number, attempt: number, worker: number): void {
    this.#after(CANCEL_GRACE_MS, task, attempt, worker, () => this.#end(task, attempt, worker, false))
  }

  /** Whether the attempt that now ends was out of time. */
  wasLate(task: number): boolean {
    return this.#late.has(task)
  }

  over(task: number): void {
    if (this.#timers.size === 0 && this.#late.size === 0) return
    clearTimeout(this.#timers.get(task))
    this.#timers.delete(task)
    this.#late.delete(task)
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #end(task: number, attempt: number, worker: number, late: boolean): void {
    // What has begun to commit will have happened: it must not be reported as failed.
    if (this.stopper.isCommitting(worker))
      return this.#after(COMMIT_CHECK_MS, task, attempt, worker, () => this.#end(task, attempt, worker, late))
    if (late) this.stopper.timedOut(task, attempt, worker)
    this.stopper.kill(worker)
  }

  #after(ms: number, task: number, attempt: number, worker: number, act: () => void): void {
    clearTimeout(this.#timers.get(task))
    const timer = setTimeout(() => {
      this.#timers.delete(task)
      if (this.stopper.isRunning(task, attempt, worker)) act()
    }, ms)
    this.#timers.set(task, timer)
  }
}
