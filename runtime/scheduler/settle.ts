/** How tasks end, and what that does to those behind them. */

import { cutBehind, leaveAll } from './chains.js'
import { Access, isSettled, Kind, NONE, Policy, Reason as R, type Reason, Status, writes } from './constants.js'
import { ANY_MODE } from './data-table.js'
import type { TasksCommitted, TasksSealed } from './events.js'
import { recallFollowers } from './lanes.js'
import { recallOne } from './recall.js'
import { firstPending, leaveReady, type RuntimeState, setStatus } from './state.js'
import { Mark } from './task-table.js'

export function settleWell(state: RuntimeState, task: number, status: typeof Status.DONE | typeof Status.IGNORED): void {
  // What followed it has no value to go on with: it is filled in when they are sent again.
  if (status === Status.IGNORED) recallFollowers(state, task)
  setStatus(state, task, status)
  state.tasks.cause[task] = NONE // it may have been asked to stop, and have succeeded first
  state.outbox.settleWell(task, status)
  leaveAll(state, task)
}

/** The task will not be tried again. Its policy says what that means for others. */
export function failForGood(state: RuntimeState, task: number, reason: Reason): void {
  if (isSealedFirst(state, task, task, reason)) return
  state.tasks.reason[task] = reason
  const policy = state.tasks.policy[task]
  if (policy === Policy.IGNORE) return settleWell(state, task, Status.IGNORED)
  doom(state, task, Status.FAILED, task, reason)
  spread(state)
  if (policy === Policy.FAIL) stopRun(state, task)
}

export function cancel(state: RuntimeState, task: number, cause: number, reason: Reason): void {
  if (isSealedFirst(state, task, cause, reason)) state.tasks.marks[task]! |= Mark.CANCELLING
  else stop(state, task, cause, reason)
}

function stop(state: RuntimeState, task: number, cause: number, reason: Reason): void {
  doom(state, task, Status.CANCELLED, cause, reason)
  spread(state)
}

/** What the program is told of a task must stay true: an attempt that was given up may have committed, or may yet. So its mark is barred first. */
function isSealedFirst(state: RuntimeState, task: number, cause: number, reason: Reason): boolean {
  const { tasks } = state
  if ((tasks.marks[task]! & Mark.UNSURE) === 0) return false
  tasks.marks[task]! &= ~Mark.UNSURE
  recallFollowers(state, task)
  state.outbox.seal(task)
  if (tasks.status[task] === Status.READY) leaveReady(state, task)
  setStatus(state, task, Status.ENDING)
  tasks.cause[task] = cause
  tasks.reason[task] = reason
  return true
}

export function onTasksSealed(state: RuntimeState, event: TasksSealed): void {
  const { tasks } = state
  for (const task of event.tasks) {
    if (tasks.status[task] !== Status.ENDING) continue
    const reason = tasks.reason[task]! as Reason
    if ((tasks.marks[task]! & Mark.CANCELLING) === 0) failForGood(state, task, reason)
    else stop(state, task, tasks.cause[task]!, reason)
  }
}

export function onTasksCommitted(state: RuntimeState, event: TasksCommitted): void {
  for (const task of event.tasks) if (state.tasks.status[task] === Status.ENDING) settleWell(state, task, Status.DONE)
}

function doom(
  state: RuntimeState,
  task: number,
  status: typeof Status.FAILED | typeof Status.CANCELLED,
  cause: number,
  reason: Reason,
): void {
  const { tasks } = state
  if (tasks.status[task] === Status.READY) leaveReady(state, task)
  setStatus(state, task, status)
  tasks.cause[task] = cause
  tasks.reason[task] = reason
  state.outbox.settleBadly(task, status, cause, reason)
  state.doomed.push(task)
}

/** Works out what the doomed tasks mean for others: over a list and not by recursion, since chains are long. */
function spread(state: RuntimeState): void {
  const { doomed } = state
  for (let i = 0; i < doomed.length; i++) {
    const task = doomed[i]!
    const cause = state.tasks.cause[task]!
    const onMember = (member: number): void => {
      if (state.tasks.status[member] === Status.ASSIGNED) askToStop(state, member, cause, R.PREDECESSOR)
      else if (isSealedFirst(state, member, cause, R.PREDECESSOR)) state.tasks.marks[member]! |= Mark.CANCELLING
      else doom(state, member, Status.CANCELLED, cause, R.PREDECESSOR)
    }
    for (let a = state.tasks.access[task]!; a !== NONE; a = state.accesses.nextOfTask(a)) poisonBehind(state, a, cause, onMember)
    leaveAll(state, task)
  }
  doomed.length = 0
}

function poisonBehind(state: RuntimeState, a: number, cause: number, onMember: (task: number) => void): void {
  const { accesses, data, groups } = state
  const g = accesses.group(a)
  const d = accesses.datum(a)
  if (g === NONE || !writes(accesses.mode(a), data.kind[d]!)) return
  const isLast = groups.next(g) === NONE
  if (!isLast) cutBehind(state, g, onMember)
  poison(state, d, cause, isLast && !groups.isCut(g) ? groups.mode(g) : ANY_MODE)
}

/**
 * From now on accesses of `d` are cancelled, except those of a shared mode directly behind the failed one: they do not build on it.
 * Without the exception it would matter whether a CONCURRENT task was submitted before or after its neighbour's failure was known.
 */
function poison(state: RuntimeState, d: number, cause: number, mode: number): void {
  const { data } = state
  const spared = mode === Access.CONCURRENT || mode === Access.COMMUTATIVE ? mode : ANY_MODE
  const standing = activePoison(state, d)
  if (standing === NONE) {
    data.poison[d] = cause
    data.poisonMode[d] = spared
  } else if (standing !== cause) addFurtherCause(state, d, cause, spared)
  else if (data.poisonMode[d] !== spared) data.poisonMode[d] = ANY_MODE
}

/**
 * Several tasks failed, each for itself: the datum is clean only when the program has seen all of it. Each spares whom it spares: failures
 * of a writer and of CONCURRENT tasks behind it come in any order, and the program may see either of them first.
 */
function addFurtherCause(state: RuntimeState, d: number, cause: number, spared: number): void {
  const causes = state.furtherCauses.get(d) ?? new Map<number, number>()
  state.furtherCauses.set(d, causes)
  causes.set(cause, (causes.get(cause) ?? spared) === spared ? spared : ANY_MODE)
}

/** The failure that stands between the program's order and this datum, or NONE. */
function activePoison(state: RuntimeState, d: number): number {
  const { data, furtherCauses } = state
  const cause = data.poison[d]!
  if (cause === NONE || !isSeen(state, d, cause)) return cause
  const [next = NONE, spared = ANY_MODE] = [...(furtherCauses.get(d) ?? [])][0] ?? []
  data.poison[d] = next
  data.poisonMode[d] = spared
  furtherCauses.get(d)?.delete(next)
  if (next === NONE) furtherCauses.delete(d)
  return next === NONE ? NONE : activePoison(state, d)
}

const isSeen = ({ data, tasks }: RuntimeState, d: number, cause: number): boolean =>
  data.kind[d] !== Kind.RENAMED && (tasks.marks[cause]! & Mark.SEEN) !== 0

/** As `activePoison`, for one access; one that is not spared ends the run of those that are. */
export function poisonFor(state: RuntimeState, d: number, mode: number): number {
  const { data, furtherCauses } = state
  const standing = activePoison(state, d)
  if (standing === NONE) return NONE
  let cause: number = NONE
  if (data.poisonMode[d] !== mode) {
    data.poisonMode[d] = ANY_MODE
    cause = standing
  }
  for (const [further, spared] of furtherCauses.get(d) ?? []) {
    if (spared === mode) continue
    furtherCauses.get(d)!.set(further, ANY_MODE)
    if (cause === NONE && !isSeen(state, d, further)) cause = further
  }
  return cause
}

/** Policy FAIL: all that has not begun is cancelled, all that runs is asked to stop. */
function stopRun(state: RuntimeState, cause: number): void {
  const { tasks } = state
  state.stoppedBy = cause
  for (let task = firstPending(state); task < tasks.count; task++) {
    const status = tasks.status[task]!
    if (isSettled(status) || status === Status.ENDING) continue
    if (status === Status.ASSIGNED) askToStop(state, task, cause, R.RUN_STOPPED)
    else cancel(state, task, cause, R.RUN_STOPPED)
  }
}

/** The failure that stopped the run and was not seen yet, or NONE. */
export function runStoppedBy(state: RuntimeState): number {
  const cause = state.stoppedBy
  if (cause === NONE || (state.tasks.marks[cause]! & Mark.SEEN) === 0) return cause
  state.stoppedBy = NONE
  return NONE
}

/** It stays with its worker until that reports: what it commits before it stops is true, and others may not run beside it. */
export function askToStop(state: RuntimeState, task: number, cause: number, reason: Reason): void {
  const { tasks } = state
  if ((tasks.marks[task]! & Mark.CANCELLING) !== 0) return
  tasks.marks[task]! |= Mark.CANCELLING
  tasks.cause[task] = cause
  tasks.reason[task] = reason
  recallOne(state, task, true)
}
