import { NONE, RECALL_AFTER_MS, STUCK_AFTER_MS } from './constants.js'
import type { RuntimeState } from './state.js'
import { Mark } from './task-table.js'
import type { Worker } from './workers.js'

export function recallOne(state: RuntimeState, task: number, abort: boolean): void {
  const { tasks } = state
  tasks.marks[task]! |= Mark.RECALLED
  state.totals.recalled++
  state.outbox.recall(tasks.at[task]!, task, tasks.attempt[task]!, abort)
}

/**
 * A queue was given by what was learned; if one task in it turns out long, those behind it wait while others have nothing to do.
 * They are asked back from a worker that has not reported for a while. Nothing is done while every worker is busy.
 */
export function recallFromSlow(state: RuntimeState): void {
  let isIdle = false
  let hasQueue = false
  for (const host of state.livingHosts) {
    for (const worker of host.workers) {
      if (worker.busy > worker.slots) hasQueue = true
      else if (worker.busy < worker.slots) isIdle = true
    }
  }
  if (isIdle && hasQueue) for (const host of state.livingHosts) for (const worker of host.workers) recallOrWait(state, worker)
}

function recallOrWait(state: RuntimeState, worker: Worker): void {
  if (worker.busy <= worker.slots) return
  if (isOverdue(state, worker)) recallQueue(state, worker)
  else state.outbox.wake(worker.heardAt + RECALL_AFTER_MS)
}

/**
 * A lane whose next task follows others has nothing to do until they end, which is mostly at once. If it takes long, one that was taken for
 * short runs somewhere: then what followers stand behind it, and what they keep others from, comes back.
 */
export function recallStuck(state: RuntimeState): void {
  let isStuck = false
  for (const host of state.livingHosts)
    for (const worker of host.workers) {
      if (worker.head === NONE || !isFollower(state, worker.head)) continue
      const at = worker.heardAt + STUCK_AFTER_MS
      if (state.now >= at) isStuck = true
      else state.outbox.wake(at)
    }
  if (!isStuck) return
  for (const host of state.livingHosts)
    for (const worker of host.workers) if (state.now >= worker.heardAt + STUCK_AFTER_MS) recallFollowersOf(state, worker)
}

function recallFollowersOf(state: RuntimeState, worker: Worker): void {
  const { tasks } = state
  for (let task = worker.head; task !== NONE; task = tasks.next[task]!)
    if (isFollower(state, task) && (tasks.marks[task]! & Mark.RECALLED) === 0) recallOne(state, task, false)
}

const isFollower = ({ tasks }: RuntimeState, task: number): boolean => tasks.missing[task]! > 0

/** What it was given takes longer than was expected: nothing further is queued behind it. */
export const isOverdue = (state: RuntimeState, worker: Worker): boolean => state.now >= worker.heardAt + RECALL_AFTER_MS

function recallQueue(state: RuntimeState, worker: Worker): void {
  const { tasks } = state
  let place = 0
  for (let task = worker.head; task !== NONE; task = tasks.next[task]!) {
    const hasRun = tasks.charge[task] === 0
    if (hasRun || isFollower(state, task)) continue
    if (place++ >= worker.slots && (tasks.marks[task]! & Mark.RECALLED) === 0) recallOne(state, task, false)
  }
}
