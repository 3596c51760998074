import type { CommitClock } from './commit-clock.js'

const FIRST_MS = 2
const LONGEST_MS = 500

/** Waits a random part of a span that doubles: two writers that met twice are unlikely to meet a third time. */
export const pause = (clock: CommitClock, nth: number): Promise<void> =>
  clock.sleep(Math.ceil((0.1 + 0.9 * clock.random()) * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(nth, 16))))

/** How long a writer has stood back for others. */
export class Patience {
  readonly #untilMs: number
  #times = 0

  constructor(
    readonly clock: CommitClock,
    patienceMs: number,
  ) {
    this.#untilMs = clock.nowMs() + patienceMs
  }

  get over(): boolean {
    return this.clock.nowMs() > this.#untilMs
  }

  wait(): Promise<void> {
    return pause(this.clock, this.#times++)
  }
}
