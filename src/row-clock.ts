/** Both clocks are of one machine, which may correct the one that says the time by bits of a millisecond. */
const APART_MS_MAX = 2

/**
 * The clock that orders writers of a row: microseconds since the epoch, never the same twice. It follows the clock of the machine: the fine
 * one stands still while the machine sleeps, and does not hear when the time is set, so that a program which has run for long would
 * write rows of hours ago, and they would lose against those that others have written meanwhile.
 */
export class RowClock {
  #originMs: number
  #last = 0n

  constructor(
    /** When the fine clock began: milliseconds since the epoch, with fractions. */
    originMs = performance.timeOrigin,
    /** Whole milliseconds since the epoch. */
    readonly coarse: () => number = Date.now,
    /** Milliseconds since it began, with fractions. */
    readonly fine: () => number = () => performance.now(),
  ) {
    this.#originMs = originMs
  }

  micros(): bigint {
    const beforeMs = this.fine()
    const wallMs = this.coarse()
    const fineMs = this.fine()
    // Somewhere between the two the machine's clock said so, and did for a millisecond: only what no such moment explains sets this one.
    if (wallMs - APART_MS_MAX > this.#originMs + fineMs) this.#originMs = wallMs - fineMs
    else if (wallMs + 1 + APART_MS_MAX < this.#originMs + beforeMs) this.#originMs = wallMs + 1 - beforeMs
    const now = BigInt(Math.round((this.#originMs + fineMs) * 1000))
    this.#last = now > this.#last ? now : this.#last + 1n
    return this.#last
  }
}

const clock = new RowClock()

/** Of this process. */
export const nowMicros = (): bigint => clock.micros()
