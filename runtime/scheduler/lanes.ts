/**
 * Tasks that follow others in the lanes of workers. One that waits for nothing but results of tasks that have workers already is given to a
 * worker too, behind them: its lane holds it back until they have ended, and the worker that ends the last of them lets it go. So what
 * depends on one another costs no message in between. That a task is given ahead changes nothing of what it waits for: here its accesses stay
 * as they are until reports come.
 */
import { Access, FEED_AHEAD_US, Flag, Kind, NONE, Status, Why, writes } from './constants.js'
import { expectedUs } from './expected.js'
import { isOverdue, recallOne } from './recall.js'
import type { RuntimeState } from './state.js'
import { Mark } from './task-table.js'
import type { Host, Worker } from './workers.js'

/** Of a task that waits for more, only the end is near enough to count: looking at all of it each time would be quadratic. */
const WAITS_MAX = 16
/** Followers that are passed over because their lane has no room. */
const STAYING_MAX = 8

/** Bits of what a worker is told of a task. */
export const Lane = {
  /** Others may wait for its result. */
  LEADS: 1,
  /** It may lack results of others when it is given. */
  FOLLOWS: 2,
} as const

/** A task has got a worker: what reads its result may follow it. Whether anything does. */
export function leads(state: RuntimeState, task: number): boolean {
  if (!state.lanes) return false
  const { accesses, tasks } = state
  let isLeading = false
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    for (let b = firstReader(state, a); b !== NONE; b = accesses.nextOfGroup(b)) {
      isLeading = true
      if (accesses.task(b) !== NONE) state.followers.push(accesses.task(b))
    }
  }
  return isLeading
}

/** The first access that waits for the volatile value that an access writes, if it writes one; the others hang behind it. */
function firstReader({ accesses, data, groups }: RuntimeState, a: number): number {
  const g = accesses.group(a)
  if (g === NONE || data.kind[accesses.datum(a)] !== Kind.RENAMED || !writes(accesses.mode(a), Kind.RENAMED)) return NONE
  const next = groups.next(g)
  return next === NONE ? NONE : groups.first(next)
}

/**
 * Gives those that may follow to lanes, as long as there is room. What has to wait for its lane is passed over: what comes behind may have its own.
 */
export function feedFollowers(state: RuntimeState, assign: (task: number, worker: Worker, host: Host) => void): void {
  const { followers, tasks } = state
  followers.sweep((task) => {
    const host = hostToFollow(state, task)
    if (host === undefined) return true
    const worker = laneFor(state, task, host)
    if (worker === undefined) return false
    tasks.why[task] = Why.LANE
    tasks.moves[task] = 0
    assign(task, worker, host)
    return true
  })
}

/** The host of all that it waits for, if it may be given now. */
function hostToFollow(state: RuntimeState, task: number): Host | undefined {
  const { tasks } = state
  const may = tasks.status[task] === Status.WAITING && tasks.promises[task] === 0 && tasks.missing[task]! <= WAITS_MAX
  if (!may || (tasks.flags[task]! & (Flag.TAKES_RESULTS | Flag.ALONE)) !== Flag.TAKES_RESULTS || tasks.need[task] !== 0) return undefined
  const host = hostOfLeaders(state, task)
  if (host === undefined || (tasks.pinned[task] !== NONE && tasks.pinned[task] !== host.index)) return undefined
  return expectedUs(state, task, host) < FEED_AHEAD_US ? host : undefined
}

function hostOfLeaders(state: RuntimeState, task: number): Host | undefined {
  const { accesses, tasks, workers } = state
  let host: number = NONE
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    if (accesses.isGranted(a)) continue
    const leader = leaderOf(state, a)
    if (leader === NONE) return undefined
    const at = workers[tasks.at[leader]!]!.host
    if (host !== NONE && at !== host) return undefined
    host = at
  }
  return host === NONE ? undefined : state.hosts[host]
}

/** The task whose result an access waits for, if that can be had in a lane. */
function leaderOf({ accesses, data, tasks }: RuntimeState, a: number): number {
  const d = accesses.datum(a)
  if (data.kind[d] !== Kind.RENAMED || accesses.mode(a) !== Access.READ) return NONE
  const leader = data.writer[d]!
  if (leader === NONE || tasks.status[leader] !== Status.ASSIGNED || tasks.charge[leader]! >= FEED_AHEAD_US) return NONE
  return (tasks.marks[leader]! & (Mark.LEADS | Mark.CANCELLING | Mark.RECALLED)) === Mark.LEADS ? leader : NONE
}

/**
 * The lane of a task that it waits for, and that nobody follows in its lane so far: so a chain stays where it is, and what follows two lanes
 * goes on in two. Of several the one with the least to do. It waits for that lane's next turn rather than stand in another one's way, unless
 * that has nothing to do. What finds all in front of it followed goes where least is to do.
 */
function laneFor(state: RuntimeState, task: number, host: Host): Worker | undefined {
  const leader = leaderToSucceed(state, task)
  const own = leader === NONE ? undefined : state.workers[state.tasks.at[leader]!]!
  const worker = own?.wantsMore ? own : leastBusy(state, host, own !== undefined)
  if (worker !== undefined) markSucceeded(state, task, worker)
  return worker
}

function leaderToSucceed(state: RuntimeState, task: number): number {
  const { accesses, data, tasks, workers } = state
  let best: number = NONE
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    if (accesses.isGranted(a)) continue
    const leader = data.writer[accesses.datum(a)]!
    const worker = workers[tasks.at[leader]!]!
    if ((tasks.marks[leader]! & Mark.SUCCEEDED) !== 0 || isOverdue(state, worker)) continue
    // Accesses are met from the last to the first.
    if (best === NONE || worker.queuedUs <= workers[tasks.at[best]!]!.queuedUs) best = leader
  }
  return best
}

function leastBusy(state: RuntimeState, host: Host, onlyIdle: boolean): Worker | undefined {
  let best: Worker | undefined
  for (const worker of host.workers) {
    if (worker.slots === 0 || !worker.wantsMore || (worker.assigned > 0 && (onlyIdle || isOverdue(state, worker)))) continue
    if (best === undefined || worker.queuedUs < best.queuedUs) best = worker
  }
  return best
}

/** The task follows the first of those that it waits for there. */
function markSucceeded({ accesses, data, tasks }: RuntimeState, task: number, worker: Worker): void {
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    if (accesses.isGranted(a)) continue
    const leader = data.writer[accesses.datum(a)]!
    if (tasks.at[leader] !== worker.index || (tasks.marks[leader]! & Mark.SUCCEEDED) !== 0) continue
    tasks.marks[leader]! |= Mark.SUCCEEDED
    return
  }
}

/** The task will not end well with this attempt: what was given behind it comes back. */
export function recallFollowers(state: RuntimeState, task: number): void {
  const { accesses, tasks } = state
  if ((tasks.marks[task]! & Mark.LEADS) === 0) return
  tasks.marks[task]! &= ~Mark.LEADS
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    for (let b = firstReader(state, a); b !== NONE; b = accesses.nextOfGroup(b)) {
      const reader = accesses.task(b)
      const isGiven = reader !== NONE && tasks.status[reader] === Status.ASSIGNED && (tasks.marks[reader]! & Mark.RECALLED) === 0
      if (isGiven) recallOne(state, reader, false)
    }
  }
}

/** Tasks that may follow others, in the order in which that came to be known. */
export class Followers {
  private tasks: number[] = []
  private next = 0

  push(task: number): void {
    this.tasks.push(task)
  }

  /** Looks at each until so many have to stay; `look` says whether it is done with. It may push. */
  sweep(look: (task: number) => boolean): void {
    const staying: number[] = []
    while (this.next < this.tasks.length && staying.length < STAYING_MAX) {
      const task = this.tasks[this.next++]!
      if (!look(task)) staying.push(task)
    }
    for (let task = staying.pop(); task !== undefined; task = staying.pop()) this.tasks[--this.next] = task
    if (this.next < this.tasks.length) return
    this.tasks = []
    this.next = 0
  }
}
