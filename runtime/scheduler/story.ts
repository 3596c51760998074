import { STATUS_NAMES } from './constants.js'
import { EVENT_NAMES, type Millis } from './events.js'

/** Short, since the ring is written thrice a task and should stay in the processor's cache. */
const LENGTH = 2048

/** The last transitions of all tasks, in a ring: what `explain` and an illegal transition tell of a task's past. */
export class Story {
  private readonly task = new Int32Array(LENGTH)
  private readonly step = new Int32Array(LENGTH)
  private readonly at = new Float64Array(LENGTH)
  /** From status, to status, event, each a byte. */
  private readonly change = new Int32Array(LENGTH)
  private count = 0

  record(task: number, from: number, to: number, event: number, step: number, now: Millis): void {
    const i = this.count++ & (LENGTH - 1)
    this.task[i] = task
    this.step[i] = step
    this.at[i] = now
    this.change[i] = from | (to << 8) | (event << 16)
  }

  /** Lines, oldest first; what fell out of the ring is missing. */
  of(task: number): string[] {
    const lines: string[] = []
    for (let n = Math.max(0, this.count - LENGTH); n < this.count; n++) {
      const i = n & (LENGTH - 1)
      if (this.task[i] === task) lines.push(this.line(i))
    }
    return lines
  }

  private line(i: number): string {
    const change = this.change[i]!
    const from = STATUS_NAMES[change & 255]
    const to = STATUS_NAMES[(change >> 8) & 255]
    return `${this.at[i]} ms, step ${this.step[i]}: ${from} → ${to} (${EVENT_NAMES[change >> 16]})`
  }
}

/** A bug of the scheduler or of its driver: an event that cannot follow what was before. The state is of no further use. */
export class IllegalTransition extends Error {
  constructor(
    message: string,
    readonly task: number,
    readonly story: readonly string[],
  ) {
    super([message, ...story].join('\n  '))
    this.name = 'IllegalTransition'
  }
}
