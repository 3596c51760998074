/**
 * Time limits within which somebody else must answer, on a machine that may stand still. A process that was stopped for seconds finds its
 * timers over before it looks at what has arrived meanwhile: by the clock nobody has answered it, and everybody was given no time at all.
 */
const TICK_MS = 20
/** What lies between two ticks counts for no more. */
const GAP_MS_MAX = 200

/** Counts the time in which this process has run since. Holds a timer, which keeps no process alive, until it is stopped. */
export class AwakeTime {
  readonly #beganMs = performance.now()
  readonly #timer = setInterval(() => this.#tick(), TICK_MS).unref()
  #tickedMs = this.#beganMs
  #lostMs = 0

  /** Milliseconds in which it has run. */
  get ms(): number {
    this.#tick()
    return this.#tickedMs - this.#beganMs - this.#lostMs
  }

  /** Milliseconds in which it has not, or was too busy to listen. */
  get lostMs(): number {
    this.#tick()
    return this.#lostMs
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    this.#lostMs += Math.max(0, now - this.#tickedMs - GAP_MS_MAX)
    this.#tickedMs = now
  }
}
