/**
 * Where a ready task goes. Estimated start = wait for a free slot + bytes that would have to move ÷ link speed; where that ties, the
 * host where the function was learned to be faster; then the one with more free slots. `decide` only reads; `place` applies it.
 */
import { NONE, Why } from './constants.js'
import { differ, isLong, knownUs } from './expected.js'
import { pinnedQueueOf, QUEUE_ANYWHERE, queueOf } from './ready-queues.js'
import { hostAt, type RuntimeState } from './state.js'
import type { Host } from './workers.js'

/** Estimates closer than this are a tie: they are not known better. */
const TIE_US = 1

export interface Choice {
  readonly host: Host
  readonly why: Why
  /** Estimated microseconds until it starts there, and bytes moved before. */
  readonly startUs: number
  readonly moveBytes: number
}

export function place(state: RuntimeState, task: number): void {
  const { tasks, livingHosts, hosts } = state
  tasks.moves[task] = 0
  if (isWorthAThought(state, task)) return joinPool(state, task)
  const pinned = tasks.pinned[task]!
  if (pinned !== NONE) return placePinned(state, task, hostAt(state, pinned))
  if (livingHosts.length === 0) return enqueue(state, task, QUEUE_ANYWHERE, Why.NO_WORKERS, 0)
  // Nothing to weigh, and nothing can lie elsewhere: the common case costs nothing.
  if (hosts.length === 1) return enqueue(state, task, queueOf(hosts[0]!.index), Why.ONLY_HOST, 0)
  const choice = decide(state, task)
  enqueue(state, task, queueOf(choice.host.index), choice.why, choice.moveBytes)
}

/** Needs beyond one unit, or long enough that the best start is worth more than a quick one. */
const isWorthAThought = (state: RuntimeState, task: number): boolean =>
  state.tasks.need[task] !== 0 || (state.tasks.pinned[task] === NONE && isLong(state, task))

function joinPool(state: RuntimeState, task: number): void {
  const { tasks } = state
  if (tasks.rank[task]! <= 0) tasks.rank[task] = Math.max(0, knownUs(state, task))
  tasks.why[task] = state.livingHosts.length === 0 ? Why.NO_WORKERS : Why.NONE
  state.pool.add(task)
  state.isPlanDue = true
}

function placePinned(state: RuntimeState, task: number, host: Host): void {
  const total = gatherLocal(state, task)
  enqueue(state, task, pinnedQueueOf(host.index), Why.PINNED, Math.max(0, total - host.localBytes))
}

function enqueue(state: RuntimeState, task: number, queue: number, why: Why, moveBytes: number): void {
  state.tasks.why[task] = why
  state.tasks.moves[task] = moveBytes
  state.queues.push(state.tasks, queue, task)
}

/** The best of the living hosts, of which there is at least one. Changes nothing but the hosts' scratch fields. */
export function decide(state: RuntimeState, task: number): Choice {
  const total = gatherLocal(state, task)
  for (const host of state.livingHosts) estimate(state, task, host, total)
  const best = bestBut(state.livingHosts, undefined)!
  const why = whyNot(bestBut(state.livingHosts, best), best)
  return { host: best, why, startUs: best.startUs, moveBytes: best.moveBytes }
}

function bestBut(hosts: readonly Host[], not: Host | undefined): Host | undefined {
  let best: Host | undefined
  for (const host of hosts) if (host !== not && (best === undefined || compare(host, best) < 0)) best = host
  return best
}

function compare(a: Host, b: Host): number {
  if (Math.abs(a.startUs - b.startUs) > TIE_US) return a.startUs - b.startUs
  if (differ(a.runUs, b.runUs)) return a.runUs - b.runUs
  return b.free - a.free
}

/** What spoke for `best` against the second best. */
function whyNot(second: Host | undefined, best: Host): Why {
  if (second === undefined) return Why.ONLY_HOST
  if (second.startUs - best.startUs > TIE_US) return best.moveBytes < second.moveBytes ? Why.DATA : Why.FREE_SLOT
  return differ(best.runUs, second.runUs) ? Why.FASTER : Why.SPREAD
}

function estimate(state: RuntimeState, task: number, host: Host, total: number): void {
  const { queues, tasks } = state
  const queued = queues.length[queueOf(host.index)]! + queues.length[pinnedQueueOf(host.index)]!
  host.free = host.slots - host.assigned - queued
  host.waitUs = host.free > 0 ? 0 : (host.assignedUs + queued * host.learned.meanUs) / Math.max(host.slots, 1)
  host.moveBytes = Math.max(0, total - host.localBytes)
  host.startUs = host.waitUs + host.moveBytes / state.linkBytesPerUs
  host.runUs = host.learned.of(tasks.fn[task]!)
}

/** Bytes that a task needs and a host does not hold. */
export function missingAt(state: RuntimeState, task: number, host: Host): number {
  return Math.max(0, gatherLocal(state, task) - host.localBytes)
}

/** Whether it is known where any of its data lies. */
export function hasPlacedData({ accesses, data, tasks }: RuntimeState, task: number): boolean {
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) if (data.bytes[accesses.datum(a)]! > 0) return true
  return false
}

/** Sums what each host holds of the task's data into `localBytes`; gives the total that the task needs. */
function gatherLocal(state: RuntimeState, task: number): number {
  const { accesses, data, hosts, locations } = state
  for (const host of hosts) host.localBytes = 0
  let total = 0
  for (let a = state.tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    total += data.bytes[d]!
    for (let l = data.location[d]!; l !== NONE; l = locations.next[l]!) hosts[locations.host[l]!]!.localBytes += locations.bytes[l]!
  }
  return total
}

/**
 * A task queued at another host that `host`, which has a free slot, would start sooner. Only the task that would start last at the
 * host with the longest wait is looked at: one look a slot, however long the queues are.
 */
export function taskToHelpWith(state: RuntimeState, host: Host): number {
  const busiest = busiestBut(state, host)
  if (busiest === undefined) return NONE
  const task = state.queues.last(queueOf(busiest.index))
  if (busiest.workers.length === 0) return moveHere(state, task, host, gatherLocal(state, task))
  const total = gatherLocal(state, task)
  estimate(state, task, busiest, total)
  const hereUs = Math.max(0, total - host.localBytes) / state.linkBytesPerUs
  return hereUs < busiest.startUs - TIE_US ? moveHere(state, task, host, total) : NONE
}

function moveHere(state: RuntimeState, task: number, host: Host, total: number): number {
  state.tasks.why[task] = Why.HELP
  state.tasks.moves[task] = Math.max(0, total - host.localBytes)
  return task
}

/** Hosts without workers first: their tasks have nobody else. */
function busiestBut(state: RuntimeState, host: Host): Host | undefined {
  let busiest: Host | undefined
  for (const other of state.hosts) {
    if (other === host || state.queues.length[queueOf(other.index)] === 0) continue
    if (other.workers.length === 0) return other
    if (busiest === undefined || pressure(state, other) > pressure(state, busiest)) busiest = other
  }
  return busiest
}

const pressure = (state: RuntimeState, host: Host): number => state.queues.length[queueOf(host.index)]! / Math.max(host.slots, 1)
