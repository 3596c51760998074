/**
 * A look at tasks that still wait: where one is going to run can often be told before its last input is made, and what is there
 * already can be brought while the rest is computed. A merge of hundreds of parts would else fetch all of them when it is due.
 */
import { NONE, Status } from './constants.js'
import { missingAt } from './fetches.js'
import type { RuntimeState } from './state.js'

/** The share of its inputs that must exist before a host is chosen: with fewer the choice would be a guess. */
const KNOWN_SHARE = 0.1
/** What moves within this time is not worth a thought beforehand. */
const WORTH_US = 1000

/** A datum that the task reads has been made. */
export function noteInput(state: RuntimeState, task: number, datum: number): void {
  if (!state.fetchesAhead || state.livingHosts.length < 2) return
  if (state.data.bytes[datum]! >= WORTH_US * state.linkBytesPerUs) state.outlook.push(task, datum)
}

export function lookOut(state: RuntimeState): void {
  const { outlook, tasks } = state
  for (let i = 0; i < outlook.length; i += 2) {
    const task = outlook[i]!
    if (tasks.status[task] === Status.WAITING && tasks.pinned[task] === NONE) bring(state, task, outlook[i + 1]!)
  }
  outlook.length = 0
}

function bring(state: RuntimeState, task: number, datum: number): void {
  const { tasks, hosts } = state
  const bound = tasks.bound[task]!
  if (bound !== NONE && hosts[bound]!.workers.length > 0) return want(state, task, datum, bound)
  tasks.bound[task] = chooseHost(state, task)
  if (tasks.bound[task] === NONE) return
  const { accesses } = state
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a))
    if (accesses.isGranted(a)) want(state, task, accesses.datum(a), tasks.bound[task]!)
}

function want(state: RuntimeState, task: number, datum: number, bound: number): void {
  const host = state.hosts[bound]!
  if (missingAt(state, datum, host) > 0) host.later.push({ datum, task })
}

/** The living host that holds most of what has been made of its inputs, or NONE while too few have. */
function chooseHost(state: RuntimeState, task: number): number {
  const { accesses, data, hosts, livingHosts, locations, tasks } = state
  for (const host of hosts) host.localBytes = 0
  let all = 0
  let known = 0
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    all++
    if (accesses.isGranted(a) && data.bytes[d]! > 0) known++
    for (let l = data.location[d]!; l !== NONE; l = locations.next[l]!) hosts[locations.host[l]!]!.localBytes += locations.bytes[l]!
  }
  if (known < all * KNOWN_SHARE) return NONE
  const { units } = state.needs[tasks.need[task]!]!
  const fitting = livingHosts.filter((host) => host.slots >= units)
  return fitting.reduce((best, host) => (best === NONE || host.localBytes > hosts[best]!.localBytes ? host.index : best), NONE as number)
}
