/** Inputs that are promises outside the graph: what they bring, and what the task waits for because of it. */
import { grant, join, modeOf } from './chains.js'
import { isSettled, Kind, NONE, Reason, Status, writes } from './constants.js'
import type { InputsArrived, InputsFailed } from './events.js'
import { cancel, failForGood, poisonFor } from './settle.js'
import { illegal, type RuntimeState } from './state.js'

export function onInputsArrived(state: RuntimeState, { tasks, accesses = NO_ACCESSES }: InputsArrived): void {
  for (let at = 0; at < accesses.length; at += 3) takeAccess(state, accesses[at]!, accesses[at + 1]!, accesses[at + 2]!)
  for (const task of tasks) if (takePromise(state, task)) grant(state, task)
}

const NO_ACCESSES: readonly number[] = []

export function onInputsFailed(state: RuntimeState, event: InputsFailed): void {
  for (const task of event.tasks) if (takePromise(state, task)) failForGood(state, task, Reason.INPUT)
}

/** False for a task that was cancelled meanwhile: its promises settle all the same. */
function takePromise(state: RuntimeState, task: number): boolean {
  const { tasks } = state
  const status = tasks.status[task]!
  if (task < tasks.count && isSettled(status)) return false
  if (status !== Status.WAITING || tasks.promises[task] === 0) throw illegal(state, task, 'was not waiting for an input from outside')
  tasks.promises[task]!--
  return true
}

/** A datum that came with an input: the task takes its place behind all that use it by now. */
function takeAccess(state: RuntimeState, task: number, d: number, access: number): void {
  const { accesses, data, tasks } = state
  if (isSettled(tasks.status[task]!) || uses(state, task, d)) return
  if (!data.isKnown(d)) throw illegal(state, task, `was brought datum ${d}, which was not declared or was released`)
  const mode = modeOf(access, data.kind[d]!)
  if (data.poison[d] !== NONE) {
    const cause = poisonFor(state, d, mode)
    if (cause !== NONE) return cancel(state, task, cause, Reason.PREDECESSOR)
  }
  if (data.tail[d] !== NONE && isBehind(state, task, d)) return withoutPlace(state, task, d)
  const a = accesses.take(task, d, mode, tasks.access[task]!)
  tasks.access[task] = a
  if (data.kind[d] === Kind.RENAMED && writes(mode, Kind.RENAMED)) {
    data.written[d] = 1
    data.writer[d] = task
  }
  if (!join(state, a)) tasks.missing[task]!++
}

/**
 * Among those that use the datum is one that waits for this task: both would wait for ever. An object is used without a place, and the store
 * decides, as it does between programs. A value that has still to be made never will be.
 */
function withoutPlace(state: RuntimeState, task: number, d: number): void {
  if (state.data.kind[d] === Kind.RENAMED) failForGood(state, task, Reason.INPUT)
}

function uses({ accesses, tasks }: RuntimeState, task: number, d: number): boolean {
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) if (accesses.datum(a) === d) return true
  return false
}

/** Whether something that uses the datum waits for the task, through whatever lies between. */
function isBehind(state: RuntimeState, task: number, d: number): boolean {
  const { accesses, tasks } = state
  const reached = new Set([task])
  const walked = new Set<number>()
  for (const one of reached) {
    if (one !== task && uses(state, one, d)) return true
    for (let a = tasks.access[one]!; a !== NONE; a = accesses.nextOfTask(a)) addWaiting(state, accesses.group(a), reached, walked)
  }
  return false
}

/** Adds the tasks in the groups behind `group` to those reached; each group is walked once. */
function addWaiting({ accesses, groups }: RuntimeState, group: number, reached: Set<number>, walked: Set<number>): void {
  if (group === NONE) return
  for (let g = groups.next(group); g !== NONE && !walked.has(g); g = groups.next(g)) {
    walked.add(g)
    for (let a = groups.first(g); a !== NONE; a = accesses.nextOfGroup(a)) if (accesses.task(a) !== NONE) reached.add(accesses.task(a))
  }
}
