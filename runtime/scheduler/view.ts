import { type Access, IN_POOL, isSettled, NONE, type Reason, Status, type Why } from './constants.js'
import { QUEUE_ANYWHERE } from './ready-queues.js'
import type { RuntimeState } from './state.js'
import { Mark } from './task-table.js'

/** What is true of a task, and only that: a reading of the packed columns for tests, `explain` and `dump`. Costs more than a step. */
export type TaskView =
  | { readonly status: 'unknown' }
  | { readonly status: 'waiting'; readonly promises: number; readonly behind: readonly Obstacle[] }
  | { readonly status: 'ready'; readonly host: number | 'any'; readonly pinned: boolean; readonly why: Why; readonly attempt: number }
  | AssignedView
  | { readonly status: 'ending'; readonly attempt: number; readonly cause: number; readonly reason: Reason }
  | { readonly status: 'done' | 'ignored'; readonly attempt: number }
  | { readonly status: 'failed' | 'cancelled'; readonly attempt: number; readonly cause: number; readonly reason: Reason }

export interface AssignedView {
  readonly status: 'assigned'
  readonly worker: number
  readonly host: number
  readonly attempt: number
  /** Place in the worker's queue: those below its slots are taken for running. */
  readonly place: number
  readonly why: Why
  readonly stopping: boolean
}

/** A datum that the task may not use yet, and the tasks in front of it. */
export interface Obstacle {
  readonly datum: number
  readonly access: Access
  readonly tasks: readonly number[]
}

export function view(state: RuntimeState, task: number): TaskView {
  const { tasks } = state
  const status = tasks.status[task]
  const attempt = tasks.attempt[task]!
  switch (status as Status | undefined) {
    case undefined:
    case Status.VOID:
      return { status: 'unknown' }
    case Status.WAITING:
      return { status: 'waiting', promises: tasks.promises[task]!, behind: obstacles(state, task) }
    case Status.READY:
      return { status: 'ready', host: queuedAt(tasks.at[task]!), pinned: tasks.pinned[task] !== NONE, why: tasks.why[task] as Why, attempt }
    case Status.ASSIGNED:
      return assignedView(state, task)
    case Status.ENDING:
      return { status: 'ending', attempt, cause: tasks.cause[task]!, reason: tasks.reason[task] as Reason }
    case Status.DONE:
      return { status: 'done', attempt }
    case Status.IGNORED:
      return { status: 'ignored', attempt }
    case Status.FAILED:
      return { status: 'failed', attempt, cause: tasks.cause[task]!, reason: tasks.reason[task] as Reason }
    case Status.CANCELLED:
      return { status: 'cancelled', attempt, cause: tasks.cause[task]!, reason: tasks.reason[task] as Reason }
    default:
      return status as never
  }
}

const queuedAt = (queue: number): number | 'any' => (queue === QUEUE_ANYWHERE || queue === IN_POOL ? 'any' : (queue - 1) >> 1)

function assignedView(state: RuntimeState, task: number): AssignedView {
  const { tasks } = state
  const worker = tasks.at[task]!
  let place = 0
  for (let t = tasks.prev[task]!; t !== NONE; t = tasks.prev[t]!) place++
  return {
    status: 'assigned',
    worker,
    host: state.workers[worker]!.host,
    attempt: tasks.attempt[task]!,
    place,
    why: tasks.why[task] as Why,
    stopping: (tasks.marks[task]! & Mark.CANCELLING) !== 0,
  }
}

/** In front of a waiting access are the nearest earlier group with somebody in it or, in a COMMUTATIVE group, whoever has its turn. */
function obstacles(state: RuntimeState, task: number): Obstacle[] {
  const { accesses, tasks } = state
  const found: Obstacle[] = []
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    if (accesses.isGranted(a)) continue
    found.push({ datum: accesses.datum(a), access: accesses.mode(a) as Access, tasks: inFrontOf(state, a) })
  }
  return found.reverse()
}

function inFrontOf(state: RuntimeState, a: number): number[] {
  const { accesses, data, groups } = state
  const own = accesses.group(a)
  const head = data.head[accesses.datum(a)]!
  let group = NONE
  for (let g = head; g !== own; g = groups.next(g)) if (groups.pending(g) > 0) group = g
  if (group === NONE) group = own
  return membersOf(state, group)
    .filter((m) => group !== own || m.granted)
    .map((m) => m.task)
}

/** Tasks in a group, by a scan of all pending accesses: granted ones stand in no list. */
export function membersOf(state: RuntimeState, group: number): { task: number; granted: boolean }[] {
  const { accesses, tasks } = state
  const members: { task: number; granted: boolean }[] = []
  for (let a = 0; a < accesses.size; a++) {
    const task = accesses.task(a)
    if (task === NONE || accesses.group(a) !== group || isSettled(tasks.status[task]!)) continue
    members.push({ task, granted: accesses.isGranted(a) })
  }
  return members.sort((x, y) => x.task - y.task)
}
