/**
 * How long the longest chain behind each pending task is, by expected durations: what lies on the longest one should start first. One
 * pass over what is pending, last submitted first, since a task only ever waits for earlier ones.
 */
import { Access, isSettled, NONE, writes } from './constants.js'
import { knownUs } from './expected.js'
import { firstPending, type RuntimeState } from './state.js'

/** A pass is due when this share of what is pending is new since the last one: so each task is passed over a few times, not each step. */
const NEW_SHARE = 1 / 8

/** By datum: the longest chain of later tasks that wait for a write of it, and of those that wait for a read. */
let behindWrite = new Float32Array(0)
let behindRead = new Float32Array(0)

/** True if ranks changed. */
export function refreshRanks(state: RuntimeState): boolean {
  const pending = state.tasks.count - firstPending(state)
  if (!state.ranks.isStale && state.ranks.unranked <= pending * NEW_SHARE) return false
  state.ranks.isStale = false
  state.ranks.unranked = 0
  rankAll(state)
  return true
}

function rankAll(state: RuntimeState): void {
  const { tasks, data } = state
  if (behindWrite.length < data.capacity) {
    behindWrite = new Float32Array(data.capacity)
    behindRead = new Float32Array(data.capacity)
  } else {
    behindWrite.fill(0)
    behindRead.fill(0)
  }
  for (let task = tasks.count - 1; task >= state.settledBelow; task--) if (!isSettled(tasks.status[task]!)) rank(state, task)
}

function rank(state: RuntimeState, task: number): void {
  const { tasks, accesses, data } = state
  const known = knownUs(state, task)
  let behind = 0
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    const longest = isAlone(accesses.mode(a), data.kind[d]!) ? behindWrite[d]! : behindRead[d]!
    if (longest > behind) behind = longest
  }
  const whole = (known < 0 ? state.learned.meanUs : known) + behind
  tasks.rank[task] = whole
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    if (whole > behindWrite[d]!) behindWrite[d] = whole
    if (writes(accesses.mode(a), data.kind[d]!) && whole > behindRead[d]!) behindRead[d] = whole
  }
}

/** Everybody behind it waits for it; those of a shared mode count only what is not theirs. */
const isAlone = (mode: number, kind: number): boolean => writes(mode, kind) && mode !== Access.CONCURRENT && mode !== Access.COMMUTATIVE
