import { FEED_AHEAD_US, FEED_TASKS_MAX, NONE } from './constants.js'
import { Durations } from './durations.js'
import type { TaskTable } from './task-table.js'

/** Workers and hosts are few: objects, where the tasks are columns. */
export class Worker {
  alive = false
  slots = 0
  host = 0
  /** Tasks given and not yet reported, oldest first: the first `slots` of them are taken for running. */
  head = NONE
  tail = NONE
  assigned = 0
  /** Those of them whose bodies have ended and whose changes are on their way into the store: their charge is 0. */
  ran = 0
  /** Expected work given, no task counting for more than one full slot. */
  queuedUs = 0
  /** When it last reported, or got work after having none. */
  heardAt = 0

  constructor(readonly index: number) {}

  get freeSlots(): number {
    return this.slots - this.busy
  }

  /** Tasks given whose bodies have not ended. */
  get busy(): number {
    return this.assigned - this.ran
  }

  /** Whether a further short task would still start within FEED_AHEAD_US. */
  get wantsMore(): boolean {
    return this.assigned < FEED_TASKS_MAX && this.queuedUs < FEED_AHEAD_US * this.slots
  }

  append(tasks: TaskTable, task: number): void {
    tasks.at[task] = this.index
    tasks.prev[task] = this.tail
    tasks.next[task] = NONE
    if (this.tail === NONE) this.head = task
    else tasks.next[this.tail] = task
    this.tail = task
    this.assigned++
    this.queuedUs += Math.min(tasks.charge[task]!, FEED_AHEAD_US)
  }

  /** The task is still here, but no longer work to be done. */
  uncharge(tasks: TaskTable, task: number): void {
    if (tasks.charge[task] === 0) return
    this.queuedUs -= Math.min(tasks.charge[task]!, FEED_AHEAD_US)
    tasks.charge[task] = 0
    this.ran++
  }

  remove(tasks: TaskTable, task: number): void {
    const prev = tasks.prev[task]!
    const next = tasks.next[task]!
    if (prev === NONE) this.head = next
    else tasks.next[prev] = next
    if (next === NONE) this.tail = prev
    else tasks.prev[next] = prev
    this.assigned--
    if (tasks.charge[task] === 0) this.ran--
    this.queuedUs -= Math.min(tasks.charge[task]!, FEED_AHEAD_US)
  }
}

export class Host {
  /** Living workers. */
  readonly workers: Worker[] = []
  slots = 0
  assigned = 0
  assignedUs = 0
  readonly learned = new Durations()
  /** Scratch of placement: what is estimated of the task that is being placed. */
  localBytes = 0
  moveBytes = 0
  startUs = 0
  waitUs = 0
  runUs = 0
  free = 0

  constructor(readonly index: number) {}
}
