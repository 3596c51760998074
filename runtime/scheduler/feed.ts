/**
 * Ready tasks → workers. First every free slot gets one task, in turns, so that few tasks spread over many workers. Then what is left
 * and known to be short is dealt out ahead of need, so that a worker never waits for a message between two short tasks.
 */
import { FEED_AHEAD_US, FEED_COMMITS_US, NONE, Status, Why } from './constants.js'
import { expectedUs } from './expected.js'
import { feedFollowers, Lane, leads } from './lanes.js'
import { hasPlacedData, missingAt, taskToHelpWith } from './placement.js'
import { plan } from './plan.js'
import { pinnedQueueOf, QUEUE_ANYWHERE, queueOf } from './ready-queues.js'
import { isOverdue } from './recall.js'
import { leaveReady, type RuntimeState, setStatus } from './state.js'
import { Mark } from './task-table.js'
import type { Host, Worker } from './workers.js'

export function feed(state: RuntimeState): void {
  if (state.counts[Status.READY]! > 0) feedReady(state)
  if (state.lanes) feedFollowers(state, (task, worker, host) => give(state, task, worker, host))
}

function feedReady(state: RuntimeState): void {
  if (state.pool.length > 0) {
    const first = state.pool.first()
    for (const host of state.livingHosts) fillSlots(state, host, false, first)
    plan(state, (task, worker, host) => assign(state, task, worker, host))
  }
  for (const host of state.livingHosts) fillSlots(state, host, false)
  if (state.hosts.length > 1) for (const host of state.livingHosts) fillSlots(state, host, true)
  for (const host of state.livingHosts) feedAhead(state, host)
}

/**
 * One task to each free slot, in turns. With `helps`, from other hosts: what would start sooner here than there. With `rival`, only
 * what goes before that task of the pool: by priority, then by submission, so that neither kind waits for ever behind the other.
 */
function fillSlots(state: RuntimeState, host: Host, helps: boolean, rival: number = NONE): void {
  const workers = idleFirst(host)
  for (let dealt = true; dealt; ) {
    dealt = false
    for (const worker of workers) {
      if (worker.freeSlots <= 0) continue
      if (host.wide > 0 && host.freeUnits <= 0) return
      const task = helps ? taskToHelpWith(state, host) : nextFor(state, host)
      if (task === NONE || (rival !== NONE && !goesBefore(state, task, rival))) return
      assign(state, task, worker, host)
      dealt = true
    }
  }
}

/** Whose parents only wait has a slot as well, but what ends that worker takes them along. */
const idleFirst = ({ workers, slots }: Host): readonly Worker[] =>
  slots > workers.length ? workers.toSorted((a, b) => a.busy - b.busy) : workers

function goesBefore(state: RuntimeState, task: number, rival: number): boolean {
  const { level } = state.tasks
  return level[task]! > level[rival]! || (level[task] === level[rival] && task < rival)
}

function feedAhead(state: RuntimeState, host: Host): void {
  if (host.wide > 0) return // what is queued behind a wide task would take the units of the next one
  let workersLeft = host.workers.length
  for (const worker of host.workers) {
    const queued = queuedFor(state, host)
    if (queued === 0) return
    let share = Math.ceil(queued / workersLeft--)
    if (isOverdue(state, worker)) continue
    while (share-- > 0) {
      const task = nextFor(state, host)
      if (task === NONE || !worker.hasRoom(aheadOf(state, task))) break
      // One that fills a slot waits for a free one: behind others it would start late, and others behind it later still.
      if (expectedUs(state, task, host) >= FEED_AHEAD_US) break
      assign(state, task, worker, host)
    }
  }
}

/** Tasks that change stored objects commit together: the more are at hand, the less each waits for the store. */
const aheadOf = (state: RuntimeState, task: number): number =>
  state.committing.has(state.tasks.fn[task]!) ? FEED_COMMITS_US : FEED_AHEAD_US

const queuedFor = (state: RuntimeState, host: Host): number =>
  state.queues.length[QUEUE_ANYWHERE]! + state.queues.length[queueOf(host.index)]! + state.queues.length[pinnedQueueOf(host.index)]!

/** The task of highest priority that this host's workers may take; at equal priority pinned ones first, since nobody else takes them. */
function nextFor(state: RuntimeState, host: Host): number {
  const { queues } = state
  let queue = pinnedQueueOf(host.index)
  let level = queues.topLevel(queue)
  const own = queueOf(host.index)
  const ownLevel = queues.topLevel(own)
  if (ownLevel > level) {
    queue = own
    level = ownLevel
  }
  if (queues.topLevel(QUEUE_ANYWHERE) > level) queue = QUEUE_ANYWHERE
  return queues.first(queue)
}

function assign(state: RuntimeState, task: number, worker: Worker, host: Host): void {
  leaveReady(state, task)
  give(state, task, worker, host)
}

function give(state: RuntimeState, task: number, worker: Worker, host: Host): void {
  const { tasks } = state
  const charge = expectedUs(state, task, host)
  setStatus(state, task, Status.ASSIGNED)
  tasks.charge[task] = charge
  tasks.since[task] = state.now
  if (tasks.need[task] !== 0) host.occupy(state.needs[tasks.need[task]!]!, 1)
  if (worker.assigned === 0) worker.heardAt = state.now
  worker.append(tasks, task)
  host.assigned++
  host.assignedUs += charge
  state.outbox.start(worker.index, task, ++tasks.attempt[task]!, laneOf(state, task))
  // Placed when there was nobody: only now is known where it runs.
  if (tasks.why[task] === Why.NO_WORKERS && state.hosts.length > 1) tasks.moves[task] = missingAt(state, task, host)
  countMove(state, task)
}

function laneOf(state: RuntimeState, task: number): number {
  if (!state.lanes) return 0
  const isLeader = leads(state, task)
  if (isLeader) state.tasks.marks[task]! |= Mark.LEADS
  return (isLeader ? Lane.LEADS : 0) | (state.tasks.missing[task]! > 0 ? Lane.FOLLOWS : 0)
}

/** Where there are several hosts, a task without data is no proof of anything. */
function countMove(state: RuntimeState, task: number): void {
  const bytes = state.tasks.moves[task]!
  if (bytes === 0) state.totals.ranWhereDataIs += state.hosts.length === 1 || hasPlacedData(state, task) ? 1 : 0
  else {
    state.totals.moved++
    state.totals.bytesMoved += bytes
  }
}
