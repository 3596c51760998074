import { FEED_AHEAD_US, FEED_TASKS_MAX, NONE } from './constants.js'
import { Durations } from './durations.js'
import type { Want } from './fetches.js'
import type { Need } from './needs.js'
import type { TaskTable } from './task-table.js'
import { Timeline } from './timeline.js'

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
    return this.hasRoom(FEED_AHEAD_US)
  }

  /** The same within so many microseconds. */
  hasRoom(aheadUs: number): boolean {
    return this.assigned < FEED_TASKS_MAX && this.queuedUs < aheadUs * this.slots
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
  /** Units that its tasks take beside the slot that each runs in. */
  wide = 0
  /** Memory for tasks, and what running ones have taken of it. */
  memoryMb = Number.POSITIVE_INFINITY
  memoryTakenMb = 0
  labels: ReadonlySet<string> = new Set()
  /** Data on their way here, and their bytes; bytes on their way from here. */
  fetching = 0
  fetchingBytes = 0
  sendingBytes = 0
  /** What it should get next, for ready tasks and for tasks that still wait. */
  readonly wants: Want[] = []
  readonly later: Want[] = []
  /** Ready tasks that are meant to start here, by each datum that they still lack. */
  readonly awaiting = new Map<number, number[]>()
  readonly learned = new Durations()
  /** Scratch of placement: what is estimated of the task that is being placed. */
  localBytes = 0
  moveBytes = 0
  startUs = 0
  waitUs = 0
  runUs = 0
  free = 0
  /** Scratch of planning: when its units are free, what its links have still to do, and what a task's data are to it. */
  readonly timeline = new Timeline()
  incomingBytes = 0
  outgoingBytes = 0
  onTheWay = 0
  asked = 0

  constructor(readonly index: number) {}

  get freeUnits(): number {
    let free = -this.wide
    for (const worker of this.workers) free += Math.max(0, worker.freeSlots)
    return free
  }

  get freeMemoryMb(): number {
    return this.memoryMb - this.memoryTakenMb
  }

  /** A task with needs begins (1) or is over (-1). */
  occupy({ units, memoryMb }: Need, by: 1 | -1): void {
    this.wide += by * (units - 1)
    this.memoryTakenMb += by * memoryMb
  }
}
