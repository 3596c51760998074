/** What workers say of the tasks they were given. */
import { join } from './chains.js'
import { Access, CONFLICTS_MAX, NONE, Policy, RETRIES_MAX, Reason, Status } from './constants.js'
import type { InputsLost, TasksConflicted, TasksFailed, TasksFinished, TasksRan, TasksReturned } from './events.js'
import { recallFollowers } from './lanes.js'
import { becomeReady } from './ready.js'
import { cancel, failForGood, poisonFor, settleWell } from './settle.js'
import { illegal, type RuntimeState, setStatus } from './state.js'
import { Mark } from './task-table.js'
import type { Host } from './workers.js'

/** A worker that reports ends of tasks gets on with its queue. */
const heard = (state: RuntimeState, worker: number): void => {
  const from = state.workers[worker]
  if (from !== undefined) from.heardAt = state.now
}

/** Late or repeated reports are part of life: a worker that was taken for lost may thaw. They are counted and ignored. */
function isCurrent(state: RuntimeState, worker: number, task: number, attempt: number): boolean {
  const { tasks } = state
  if (tasks.status[task] === Status.ASSIGNED && tasks.at[task] === worker && tasks.attempt[task] === attempt) return true
  if (task < 0 || task >= tasks.count) throw illegal(state, task, `worker ${worker} reports a task that was never submitted`)
  state.totals.stale++
  return false
}

/** Takes the task from its worker's list. Its status is the caller's to change. */
export function unassign(state: RuntimeState, task: number): void {
  const worker = state.workers[state.tasks.at[task]!]!
  const host = state.hosts[worker.host]!
  if (state.tasks.charge[task] !== 0) release(state, host, task)
  worker.remove(state.tasks, task)
  host.assigned--
  host.assignedUs -= state.tasks.charge[task]!
}

/** Its body is over, or will not begin: others may have its place. */
function release(state: RuntimeState, host: Host, task: number): void {
  state.isPlanDue = true
  const need = state.tasks.need[task]!
  if (need !== 0) host.occupy(state.needs[need]!, -1)
}

export function onTasksRan(state: RuntimeState, event: TasksRan): void {
  const { worker: index, tasks, attempts, microseconds } = event
  heard(state, index)
  for (let i = 0; i < tasks.length; i++) {
    const task = tasks[i]!
    if (!isCurrent(state, index, task, attempts[i]!)) continue
    learn(state, index, task, microseconds[i]!)
    state.committing.add(state.tasks.fn[task]!)
    const worker = state.workers[index]!
    const host = state.hosts[worker.host]!
    host.assignedUs -= state.tasks.charge[task]!
    if (state.tasks.charge[task] !== 0) release(state, host, task)
    worker.uncharge(state.tasks, task)
  }
}

export function onTasksFinished(state: RuntimeState, event: TasksFinished): void {
  const { worker, tasks, attempts, microseconds } = event
  heard(state, worker)
  for (let i = 0; i < tasks.length; i++) {
    const task = tasks[i]!
    if (!isCurrent(state, worker, task, attempts[i]!)) continue
    if (microseconds !== undefined) learn(state, worker, task, microseconds[i]!)
    unassign(state, task)
    settleWell(state, task, Status.DONE)
  }
}

function learn(state: RuntimeState, worker: number, task: number, microseconds: number): void {
  const fn = state.tasks.fn[task]!
  state.hosts[state.workers[worker]!.host]!.learned.learn(fn, microseconds)
  if (state.learned.of(fn) < 0) state.ranks.isStale = true
  state.learned.learn(fn, microseconds)
}

export function onTasksFailed(state: RuntimeState, event: TasksFailed): void {
  heard(state, event.worker)
  forCurrent(state, event, (task) => {
    const { tasks } = state
    if (event.isUnsure) noteUnsure(state, task)
    const mayRetry = event.retryable && tasks.policy[task] === Policy.RETRY && tasks.errors[task]! < RETRIES_MAX
    if (tasks.errors[task]! < 255) tasks.errors[task]!++
    if (mayRetry) state.totals.retried++
    again(state, task, mayRetry, Reason.BODY)
  })
}

export function onTasksConflicted(state: RuntimeState, event: TasksConflicted): void {
  heard(state, event.worker)
  forCurrent(state, event, (task) => {
    state.totals.conflicts++
    if (event.isUnsure) noteUnsure(state, task)
    again(state, task, ++state.tasks.conflicts[task]! <= CONFLICTS_MAX, Reason.CONFLICTS)
  })
}

/** Giving tasks back is no sign that the one before them will end soon: the worker does not count as heard. */
export function onTasksReturned(state: RuntimeState, event: TasksReturned): void {
  forCurrent(state, event, (task) => again(state, task, true, Reason.NONE))
}

/** The task waits for its input like any reader that was submitted now. */
export function onInputsLost(state: RuntimeState, event: InputsLost): void {
  const { worker, tasks, attempts, data } = event
  heard(state, worker)
  for (let i = 0; i < tasks.length; i++) {
    const task = tasks[i]!
    if (!isCurrent(state, worker, task, attempts[i]!)) continue
    unassign(state, task)
    if (!waitFor(state, task, data[i]!)) again(state, task, true, Reason.NONE)
  }
}

/** False if there is nothing to wait for: it has been made, or the task is to stop. */
function waitFor(state: RuntimeState, task: number, d: number): boolean {
  const { accesses, tasks } = state
  if (!state.data.isKnown(d))
    throw illegal(state, task, `lost an input that datum ${d} should replace, which was not declared or was released`)
  if ((tasks.marks[task]! & Mark.CANCELLING) !== 0 || reads(state, task, d)) return false
  const cause = state.data.poison[d] === NONE ? NONE : poisonFor(state, d, Access.READ)
  if (cause !== NONE) {
    cancel(state, task, cause, Reason.PREDECESSOR)
    return true
  }
  const a = accesses.take(task, d, Access.READ, tasks.access[task]!)
  tasks.access[task] = a
  if (join(state, a)) return false
  tasks.missing[task]!++
  tasks.marks[task]! &= ~Mark.RECALLED
  tasks.at[task] = NONE
  setStatus(state, task, Status.WAITING)
  return true
}

function reads({ accesses, tasks }: RuntimeState, task: number, d: number): boolean {
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) if (accesses.datum(a) === d) return true
  return false
}

function forCurrent(state: RuntimeState, event: TasksFailed | TasksConflicted | TasksReturned, act: (task: number) => void): void {
  for (let i = 0; i < event.tasks.length; i++) {
    const task = event.tasks[i]!
    if (!isCurrent(state, event.worker, task, event.attempts[i]!)) continue
    unassign(state, task)
    act(task)
  }
}

/** Nobody will hear how this attempt ended. */
export function noteUnsure(state: RuntimeState, task: number): void {
  if (state.seals) state.tasks.marks[task]! |= Mark.UNSURE
}

/** An attempt ended without success: the task stops if it was asked to, runs again if it may, or has failed. */
export function again(state: RuntimeState, task: number, may: boolean, reason: Reason): void {
  const { tasks } = state
  const stopping = (tasks.marks[task]! & Mark.CANCELLING) !== 0
  tasks.marks[task]! &= ~(Mark.CANCELLING | Mark.RECALLED)
  if (stopping) return cancel(state, task, tasks.cause[task]!, tasks.reason[task]! as Reason)
  if (!may) return failForGood(state, task, reason)
  recallFollowers(state, task)
  tasks.at[task] = NONE
  if (tasks.missing[task] === 0) becomeReady(state, task)
  else setStatus(state, task, Status.WAITING) // it had been given ahead
}
