import { Outbox } from './commands.js'
import { IN_POOL, isSettled, NONE, STATUS_NAMES, Status } from './constants.js'
import { DataTable } from './data-table.js'
import { Durations } from './durations.js'
import type { Millis } from './events.js'
import { Fetches } from './fetches.js'
import { Followers } from './lanes.js'
import { ANY_HOST, type Need } from './needs.js'
import { Pool } from './pool.js'
import { AccessPool, GroupPool, LocationPool } from './pools.js'
import { ReadyQueues } from './ready-queues.js'
import { IllegalTransition, Story } from './story.js'
import { TaskTable } from './task-table.js'
import { Host, Worker } from './workers.js'

export interface SchedulerOptions {
  /** Speed of the link between hosts; 125 = 1 Gbit/s. */
  readonly linkBytesPerUs?: number
  /** Whether the driver can bring data to a host before a task starts there (FetchData). Else tasks fetch when they start. Default false. */
  readonly fetchesAhead?: boolean
  /** Whether the driver can bar the mark of a task that is given up (SealTasks). Else such a task settles at once. Default false. */
  readonly seals?: boolean
  /** Whether workers let tasks go by themselves when those that they follow have ended (see lanes.ts). Default false. */
  readonly lanes?: boolean
}

/** Everything the scheduler knows. Owned and changed by `step` alone; readers use `view`, `explain`, `statsOf` and `dump`. */
export class RuntimeState {
  readonly tasks = new TaskTable()
  readonly data = new DataTable()
  readonly accesses = new AccessPool()
  readonly groups = new GroupPool()
  readonly locations = new LocationPool()
  readonly queues = new ReadyQueues()
  readonly pool = new Pool(this.tasks)
  readonly fetches = new Fetches()
  /** What tasks may need of a host, by index. */
  readonly needs: Need[] = [ANY_HOST]
  /** Of all hosts together. */
  readonly learned = new Durations()
  /** Functions whose tasks have been seen to change stored objects. */
  readonly committing = new Set<number>()
  /** Tasks submitted since ranks were worked out; or durations were learned since that change them. */
  readonly ranks = { unranked: 0, isStale: false }
  /** Something changed that planning stands on. */
  isPlanDue = false
  /** Pairs of a waiting task and an input of it that was made in this step. */
  readonly outlook: number[] = []
  readonly workers: (Worker | undefined)[] = []
  readonly hosts: Host[] = []
  /** Hosts with a living worker, by index. */
  livingHosts: Host[] = []
  readonly story = new Story()
  readonly outbox = new Outbox()
  readonly linkBytesPerUs: number
  readonly fetchesAhead: boolean
  readonly seals: boolean
  readonly lanes: boolean
  readonly followers = new Followers()
  /** Tasks by status. */
  readonly counts = new Int32Array(STATUS_NAMES.length)
  readonly totals = { stale: 0, moved: 0, bytesMoved: 0, ranWhereDataIs: 0, lost: 0, retried: 0, conflicts: 0, recalled: 0 }
  /** All tasks below it have settled. */
  settledBelow = 0
  /** The failed task of policy FAIL that stopped the run, until the program has seen it. */
  stoppedBy = NONE
  /** Tasks settled badly whose effect on others is still to be worked out. */
  readonly doomed: number[] = []
  /** Failures that spoilt a datum beside the one in its row, with the accesses that each spares: rare, so not a column. */
  readonly furtherCauses = new Map<number, Map<number, number>>()
  /** Data to look at for release when the step ends. */
  readonly idleData: number[] = []
  /** By COMMUTATIVE group: tasks that lacked nothing but their turn, in the order in which they came to that. */
  readonly seekers = new Map<number, { readonly tasks: number[]; next: number }>()
  now: Millis = 0
  steps = 0
  /** Index into EVENT_NAMES of what is being applied. */
  event = 0

  constructor(options: SchedulerOptions = {}) {
    this.linkBytesPerUs = options.linkBytesPerUs ?? 125
    this.fetchesAhead = options.fetchesAhead ?? false
    this.seals = options.seals ?? false
    this.lanes = options.lanes ?? false
  }
}

export const createState = (options?: SchedulerOptions): RuntimeState => new RuntimeState(options)

const bits = (...statuses: number[]): number => statuses.reduce((mask, s) => mask | (1 << s), 0)

/** WAITING → ASSIGNED: behind what it waits for, see lanes.ts. */
const LEGAL: readonly number[] = [
  bits(Status.WAITING),
  bits(Status.READY, Status.ASSIGNED, Status.ENDING, Status.IGNORED, Status.FAILED, Status.CANCELLED),
  bits(Status.ASSIGNED, Status.ENDING, Status.CANCELLED),
  // WAITING: for an input that is made again after it was lost.
  bits(Status.WAITING, Status.READY, Status.ENDING, Status.DONE, Status.IGNORED, Status.FAILED, Status.CANCELLED),
  bits(Status.DONE, Status.IGNORED, Status.FAILED, Status.CANCELLED),
  0,
  0,
  0,
  0,
]

/** The one place where a status changes. */
export function setStatus(state: RuntimeState, task: number, to: Status): void {
  const from = state.tasks.status[task]!
  if ((LEGAL[from]! & (1 << to)) === 0) throw illegal(state, task, `a task cannot go from ${STATUS_NAMES[from]} to ${STATUS_NAMES[to]}`)
  state.tasks.status[task] = to
  state.counts[from]!--
  state.counts[to]!++
  state.story.record(task, from, to, state.event, state.steps, state.now)
}

/** Takes a ready task out of where it waits. */
export function leaveReady(state: RuntimeState, task: number): void {
  if (state.tasks.at[task] === IN_POOL) state.pool.drop(task)
  else state.queues.remove(state.tasks, task)
}

export function illegal(state: RuntimeState, task: number, what: string): IllegalTransition {
  return new IllegalTransition(`task ${task}: ${what}`, task, state.story.of(task))
}

/** The lowest task that may still be pending. Amortised O(1): it only goes up. */
export function firstPending(state: RuntimeState): number {
  const { status, count } = state.tasks
  while (state.settledBelow < count && isSettled(status[state.settledBelow]!)) state.settledBelow++
  return state.settledBelow
}

export const workerAt = (state: RuntimeState, worker: number): Worker => (state.workers[worker] ??= new Worker(worker))

export function hostAt(state: RuntimeState, host: number): Host {
  for (let h = state.hosts.length; h <= host; h++) state.hosts.push(new Host(h))
  state.queues.reserve(2 * state.hosts.length + 1)
  return state.hosts[host]!
}
