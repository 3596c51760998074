import { changedOnlyHome, type Outcome } from '../attempt.js'
import type { Ints } from '../scheduler/events.js'
import type { Carried, DoneMore, Report, TaskBad, TaskConflicted } from './messages.js'

interface OpenReport extends Omit<Report, 'tasks' | 'attempts' | 'microseconds'> {
  /** Three a finished task: number, attempt, microseconds. */
  readonly finished: number[]
  readonly results: Carried[]
  readonly ran: number[]
  readonly changedHome: number[]
  readonly more: DoneMore[]
  readonly failed: TaskBad[]
  readonly conflicted: TaskConflicted[]
  readonly returned: [number, number][]
}

const REPORTED_AT_ONCE = 256
/** Half of what a worker is given ahead (FEED_AHEAD_US): it is given more before it runs dry. */
const REPORTED_AFTER_MS = 1
const MICROSECONDS_MAX = 2 ** 31 - 1
/** Smaller buffers are copied faster than they are handed over. */
const MOVED_BYTES_MIN = 16 * 1024

/** What a worker has to tell, until a message is worth while. */
export class ReportBox {
  #report = empty()
  #unsent = 0
  #sentAt = performance.now()

  constructor(readonly post: (report: Report, moved: ArrayBuffer[]) => void) {}

  done(task: number, attempt: number, microseconds: number, outcome: Outcome): void {
    const { result, written, changed, home, children, seen } = outcome
    const report = this.#report
    report.finished.push(task, attempt, Math.min(microseconds, MICROSECONDS_MAX) | 0)
    report.results.push(result)
    if (changed && !written && !children && changedOnlyHome(outcome)) report.changedHome.push(report.results.length - 1)
    else if (written || changed || children || seen)
      report.more.push({ at: report.results.length - 1, written, changed, home, children, seen })
    this.#unsent++
  }

  /** The body has ended; what became of it is told when it is committed. */
  ran(task: number, attempt: number, microseconds: number): void {
    this.#report.ran.push(task, attempt, Math.min(microseconds, MICROSECONDS_MAX) | 0)
    this.#unsent++
  }

  failed(bad: TaskBad): void {
    this.#report.failed.push(bad)
    this.#unsent++
  }

  conflicted(bad: TaskConflicted): void {
    this.#report.conflicted.push(bad)
    this.#unsent++
  }

  returned(task: number, attempt: number): void {
    this.#report.returned.push([task, attempt])
    this.#unsent++
  }

  /** Sends when there is much to tell or the last message is long ago. */
  sendIfDue(now: number): void {
    if (this.#unsent >= REPORTED_AT_ONCE || now - this.#sentAt > REPORTED_AFTER_MS) this.send()
  }

  send(): void {
    if (this.#unsent === 0) return
    this.#sentAt = performance.now()
    this.#unsent = 0
    const { finished, ...report } = this.#report
    this.#report = empty()
    const columns = { tasks: columnOf(finished, 0), attempts: columnOf(finished, 1), microseconds: columnOf(finished, 2) }
    this.post(Object.assign(report, columns), movedBuffers(report.results))
  }
}

/** Few numbers travel faster as a plain array, many as a packed one. */
export function columnOf(rows: readonly number[], n: number): Ints {
  const column: number[] = []
  for (let at = n; at < rows.length; at += 3) column.push(rows[at]!)
  return column.length > PLAIN_MAX ? new Int32Array(column) : column
}
const PLAIN_MAX = 16

/** Memory that nobody here will look at again goes over without a copy. */
function movedBuffers(results: readonly Carried[]): ArrayBuffer[] {
  const moved = new Set<ArrayBuffer>()
  for (const result of results) {
    if (typeof result !== 'object' || result === null || result.k !== 'v' || result.b.length < MOVED_BYTES_MIN) continue
    const { buffer, byteLength } = result.b
    if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) moved.add(buffer)
  }
  return [...moved]
}

const empty = (): OpenReport => ({
  do: 'report',
  finished: [],
  results: [],
  ran: [],
  changedHome: [],
  more: [],
  failed: [],
  conflicted: [],
  returned: [],
})
