import { Status } from './constants.js'
import type { RuntimeState } from './state.js'

export interface SchedulerStats {
  readonly tasks: number
  readonly waiting: number
  readonly ready: number
  readonly assigned: number
  readonly done: number
  readonly ignored: number
  readonly failed: number
  readonly cancelled: number
  readonly workers: number
  readonly slots: number
  /** Attempts sent where all known bytes of their data lie, and others with the bytes they were expected to move. */
  readonly ranWhereDataIs: number
  readonly moved: number
  readonly bytesMoved: number
  /** Reports of attempts that were no longer current. */
  readonly stale: number
  readonly lost: number
  readonly retried: number
  readonly conflicts: number
  readonly recalled: number
  /** Rows of the graph in use: they follow what is pending, not what was submitted. */
  readonly accessRows: number
  readonly groupRows: number
}

export function statsOf(state: RuntimeState): SchedulerStats {
  const { counts, tasks, livingHosts, accesses, groups } = state
  return {
    tasks: tasks.count,
    waiting: counts[Status.WAITING]!,
    ready: counts[Status.READY]!,
    assigned: counts[Status.ASSIGNED]!,
    done: counts[Status.DONE]!,
    ignored: counts[Status.IGNORED]!,
    failed: counts[Status.FAILED]!,
    cancelled: counts[Status.CANCELLED]!,
    workers: livingHosts.reduce((n, h) => n + h.workers.length, 0),
    slots: livingHosts.reduce((n, h) => n + h.slots, 0),
    ...state.totals,
    accessRows: accesses.size,
    groupRows: groups.size,
  }
}
