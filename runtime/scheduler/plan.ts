/**
 * Which tasks of the pool start now, and where: a list schedule of the most urgent ones, made anew whenever something has changed that
 * it stands on. Each task in turn takes the host where it would end first, by when units are free there and when its data can be
 * there; units that are promised to tasks whose data are on their way may be used by what ends before. Only what can start at once is
 * started. The rest is not bound to a host yet, but its data are fetched to where it looks best.
 */
import { NONE, Why } from './constants.js'
import { differ, expectedUs, knownUs } from './expected.js'
import { missingAt } from './fetches.js'
import { hasRoom, misfit, type Need } from './needs.js'
import { refreshRanks } from './ranks.js'
import type { RuntimeState } from './state.js'
import type { Host, Worker } from './workers.js'

/** How many tasks are looked at, in units of all hosts: enough to fill them and to fetch for those that come next. */
const LOOKED_AT = 2
/** How many at most, while units are idle. */
const LOOKED_AT_MAX = 8
/** What moves burdens the links of others too: a move counts this often beside the wait for it. */
const MOVE_WEIGHT = 2
/** Of what is on its way, this share is taken to be still to come. */
const STILL_COMING = 0.5
/** Milliseconds: ends closer than this are a tie. */
const TIE_MS = 0.001

interface Choice {
  host: Host | undefined
  startMs: number
  runMs: number
  score: number
  missingBytes: number
  /** The next best score, and what spoke for the best. */
  secondScore: number
  secondBytes: number
  isFaster: boolean
}

/** Starts what can start now, by the caller's `start`. */
export function plan(state: RuntimeState, start: (task: number, worker: Worker, host: Host) => void): void {
  const { pool } = state
  if (pool.length === 0 || !state.isPlanDue || state.livingHosts.length === 0) return
  state.isPlanDue = false
  pool.order(refreshRanks(state))
  const units = openTimelines(state)
  let looked = 0
  let started = 0
  pool.visit((task) => {
    if (looked++ >= LOOKED_AT * units && (looked > LOOKED_AT_MAX * units || !hasIdle(state))) return false
    if (consider(state, task, start)) started++
    return true
  })
  if (started === 0) startSomething(state, start)
}

function openTimelines(state: RuntimeState): number {
  let units = 0
  for (const host of state.livingHosts) {
    host.wants.length = 0
    host.awaiting.clear()
    host.incomingBytes = host.fetchingBytes * STILL_COMING
    host.outgoingBytes = host.sendingBytes * STILL_COMING
    openTimeline(state, host)
    units += host.timeline.units
  }
  return units
}

/** Each unit is free when the task that takes it should end; what stands behind in a worker's queue delays all of its slots alike. */
function openTimeline(state: RuntimeState, host: Host): void {
  const { tasks, now } = state
  const { timeline } = host
  timeline.clear()
  let wide = host.wide
  for (const worker of host.workers) {
    const queuedMs = worker.busy > worker.slots ? worker.queuedUs / worker.slots / 1000 : 0
    let slots = Math.max(worker.slots, 0)
    for (let task = worker.head; task !== NONE && slots > 0; task = tasks.next[task]!) {
      if (tasks.charge[task] === 0) continue
      const end = Math.max(now, tasks.since[task]! + tasks.charge[task]! / 1000) + queuedMs
      const units = Math.min(slots, state.needs[tasks.need[task]!]!.units)
      wide -= units - 1
      slots -= units
      for (let u = 0; u < units; u++) timeline.add(end)
    }
    for (; slots > 0; slots--) timeline.add(wide-- > 0 ? endOfWide(state, host) : now)
  }
  timeline.order()
}

/** Units that a task takes beside its worker's own. */
function endOfWide(state: RuntimeState, host: Host): number {
  const { tasks, now } = state
  let end = now
  for (const worker of host.workers)
    for (let task = worker.head; task !== NONE; task = tasks.next[task]!)
      if (state.needs[tasks.need[task]!]!.units > 1) end = Math.max(end, tasks.since[task]! + tasks.charge[task]! / 1000)
  return end
}

const hasIdle = (state: RuntimeState): boolean => state.livingHosts.some((host) => host.timeline.idle(state.now) > 0)

/** True if it was started. */
function consider(state: RuntimeState, task: number, start: (task: number, worker: Worker, host: Host) => void): boolean {
  const choice = choose(state, task)
  const { host } = choice
  if (host === undefined) {
    state.tasks.why[task] = Why.NO_FIT
    return false
  }
  const need = state.needs[state.tasks.need[task]!]!
  host.timeline.earliest(need.units, choice.startMs, choice.runMs)
  host.timeline.promise(need.units, choice.startMs, choice.runMs)
  state.tasks.why[task] = whyOf(state, task, choice)
  state.tasks.bound[task] = host.index
  const worker = choice.startMs <= state.now && !waitsForData(state, task, host) && hasRoom(need, host) ? freeWorker(host) : undefined
  if (worker !== undefined) {
    state.tasks.moves[task]! += choice.missingBytes
    start(task, worker, host)
    return true
  }
  if (state.fetchesAhead && choice.missingBytes > 0) wantData(state, task, host)
  return false
}

const freeWorker = (host: Host): Worker | undefined => host.workers.find((worker) => worker.freeSlots > 0)

/** Whether something that it lacks there can be fetched before it starts. */
function waitsForData(state: RuntimeState, task: number, host: Host): boolean {
  if (!state.fetchesAhead) return false
  const { accesses, fetches, tasks } = state
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    if (missingAt(state, d, host) > 0 && !fetches.wasRefused(d, host)) return true
  }
  return false
}

function wantData(state: RuntimeState, task: number, host: Host): void {
  const { accesses, data, fetches, tasks } = state
  let lacks = 0
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const datum = accesses.datum(a)
    const bytes = missingAt(state, datum, host)
    // What cannot be brought ahead is not waited for: it would keep the last of the others from making planning due.
    if (bytes <= 0 || fetches.wasRefused(datum, host)) continue
    lacks++
    const others = host.awaiting.get(datum)
    if (others) others.push(task)
    else host.awaiting.set(datum, [task])
    if (others || fetches.isComing(datum, host)) continue
    host.wants.push({ datum, task })
    host.incomingBytes += bytes
    const first = data.location[datum]!
    if (first !== NONE) state.hosts[state.locations.host[first]!]!.outgoingBytes += bytes
  }
  tasks.lacks[task] = lacks
}

const choice: Choice = {
  host: undefined,
  startMs: 0,
  runMs: 0,
  score: 0,
  missingBytes: 0,
  secondScore: 0,
  secondBytes: 0,
  isFaster: false,
}

/** The host where the task would end first; of equals the one with the least to move, then the one with the most units free. */
function choose(state: RuntimeState, task: number): Choice {
  const { tasks, now } = state
  const need = state.needs[tasks.need[task]!]!
  const pinned = tasks.pinned[task]!
  const total = gather(state, task)
  const busiest = busiestSources(state)
  const linkBytesPerMs = state.linkBytesPerUs * 1000
  choice.host = undefined
  choice.score = choice.secondScore = Number.POSITIVE_INFINITY
  choice.isFaster = false
  for (const host of state.livingHosts) {
    if ((pinned !== NONE && host.index !== pinned) || host.timeline.units < need.units || isUnfit(need, host)) continue
    const missing = Math.max(0, total - host.localBytes)
    const fresh = Math.max(0, missing - host.onTheWay)
    const sending = busiest.of(host)
    const bytesAhead = Math.max(fresh + host.incomingBytes, fresh > 0 ? sending : 0)
    const there = missing === 0 ? now : now + bytesAhead / linkBytesPerMs
    const runMs = runUs(state, task, host) / 1000
    // Where data are fetched when a task starts, the fetch takes its slot's time.
    const isAhead = missing > 0 && waitsForData(state, task, host)
    const startMs = host.timeline.earliest(need.units, isAhead ? there : now, runMs)
    const endMs = startMs + runMs + (isAhead ? 0 : there - now)
    const score = endMs + (MOVE_WEIGHT * fresh) / linkBytesPerMs
    keepBetter(state, host, { score, startMs, runMs, missing })
  }
  return choice
}

interface Estimate {
  readonly score: number
  readonly startMs: number
  readonly runMs: number
  readonly missing: number
}

function keepBetter(state: RuntimeState, host: Host, { score, startMs, runMs, missing }: Estimate): void {
  if (choice.host !== undefined && !isBetter(state, host, score, missing)) {
    if (score < choice.secondScore) {
      choice.secondScore = score
      choice.secondBytes = missing
      choice.isFaster = differ(choice.runMs, runMs)
    }
    return
  }
  if (choice.host !== undefined) {
    choice.secondScore = choice.score
    choice.secondBytes = choice.missingBytes
    choice.isFaster = differ(choice.runMs, runMs)
  }
  choice.host = host
  choice.score = score
  choice.startMs = startMs
  choice.runMs = runMs
  choice.missingBytes = missing
}

function isBetter(state: RuntimeState, host: Host, score: number, missing: number): boolean {
  if (Math.abs(score - choice.score) > TIE_MS) return score < choice.score
  if (missing !== choice.missingBytes) return missing < choice.missingBytes
  return host.timeline.idle(state.now) > choice.host!.timeline.idle(state.now)
}

const isUnfit = (need: Need, host: Host): boolean => (need.memoryMb > 0 || need.labels.length > 0) && misfit(need, host) !== undefined

function runUs(state: RuntimeState, task: number, host: Host): number {
  const known = knownUs(state, task)
  const here = host.learned.of(state.tasks.fn[task]!)
  if (state.tasks.expect[task]! < 0 && differ(here, known)) return here
  return known >= 0 ? known : expectedUs(state, task, host)
}

function whyOf(state: RuntimeState, task: number, { missingBytes, secondScore, secondBytes, score, isFaster }: Choice): Why {
  if (state.tasks.pinned[task] !== NONE) return Why.PINNED
  if (secondScore === Number.POSITIVE_INFINITY) return Why.ONLY_HOST
  if (missingBytes < secondBytes) return Why.DATA
  if (isFaster) return Why.FASTER
  return secondScore - score > TIE_MS ? Why.FREE_SLOT : Why.SPREAD
}

/** Sums what each host holds of the task's data, and what is on its way there; gives the total that the task needs. */
function gather(state: RuntimeState, task: number): number {
  const { accesses, data, fetches, hosts, locations, tasks } = state
  for (const host of hosts) host.localBytes = host.onTheWay = host.asked = 0
  let total = 0
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    const bytes = data.bytes[d]!
    if (bytes === 0) continue
    total += bytes
    const first = data.location[d]!
    if (first !== NONE) hosts[locations.host[first]!]!.asked += bytes
    for (let l = first; l !== NONE; l = locations.next[l]!) hosts[locations.host[l]!]!.localBytes += locations.bytes[l]!
    for (const coming of fetches.hostsOf(d)) coming.host.onTheWay += coming.bytes
  }
  return total
}

/** The source that has the most to send if this task's data are asked from it too, for any host but that source. */
const busiestSources = (() => {
  let first: Host | undefined
  let most = 0
  let secondMost = 0
  const of = (host: Host): number => (host === first ? secondMost : most)
  return (state: RuntimeState): { of(host: Host): number } => {
    first = undefined
    most = secondMost = 0
    for (const host of state.hosts) {
      if (host.asked === 0) continue
      const sends = host.outgoingBytes + host.asked
      if (sends > most) {
        secondMost = most
        most = sends
        first = host
      } else if (sends > secondMost) secondMost = sends
    }
    return { of }
  }
})()

/** Nothing runs and nothing comes: waiting would be for ever. The most urgent task that fits anywhere starts and fetches for itself. */
function startSomething(state: RuntimeState, start: (task: number, worker: Worker, host: Host) => void): void {
  if (!state.fetches.isEmpty || state.livingHosts.some((host) => host.assigned > 0 || host.wants.length > 0)) return
  state.pool.visit((task) => {
    const { host, missingBytes } = choose(state, task)
    const worker = host && hasRoom(state.needs[state.tasks.need[task]!]!, host) ? freeWorker(host) : undefined
    if (host === undefined || worker === undefined) return true
    state.tasks.moves[task]! += missingBytes
    start(task, worker, host)
    return false
  })
}
