import { askForTurn, join, modeOf } from './chains.js'
import { Access, Kind, NONE, Policy, Reason, Status, writes } from './constants.js'
import type { TasksSubmitted } from './events.js'
import { becomeReady } from './ready.js'
import { levelOf } from './ready-queues.js'
import { cancel, poisonFor, runStoppedBy } from './settle.js'
import { illegal, type RuntimeState, setStatus } from './state.js'

export function onTasksSubmitted(state: RuntimeState, event: TasksSubmitted): void {
  const { tasks } = state
  const { first, count, accesses } = event
  if (first !== tasks.count) throw illegal(state, first, `submitted where ${tasks.count} comes next`)
  tasks.reserve(first + count)
  tasks.count = first + count
  state.ranks.unranked += count
  let at = 0
  for (let i = 0; i < count; i++) {
    fillRow(state, first + i, event, i)
    setStatus(state, first + i, Status.WAITING)
    at = takeAccesses(state, first + i, accesses, at)
    begin(state, first + i)
  }
  if (at !== accesses.length) throw illegal(state, accesses[at]!, 'its accesses are not in the order of tasks')
}

function fillRow(state: RuntimeState, task: number, event: TasksSubmitted, i: number): void {
  const { tasks } = state
  tasks.fn[task] = event.fn[i]!
  tasks.flags[task] = event.flags?.[i] ?? 0
  tasks.level[task] = levelOf(event.priority?.[i] ?? 0)
  tasks.policy[task] = event.policy?.[i] ?? Policy.CANCEL_SUCCESSORS
  const promises = event.promises?.[i] ?? 0
  tasks.promises[task] = promises
  tasks.missing[task] = promises
  tasks.pinned[task] = event.host?.[i] ?? NONE
  tasks.expect[task] = event.microseconds?.[i] ?? NONE
  tasks.need[task] = event.need?.[i] ?? 0
  if (state.needs[tasks.need[task]!] === undefined)
    throw illegal(state, task, `has needs of kind ${tasks.need[task]}, which was not declared`)
}

/** Reads the task's triples from `at`; gives the place behind them. A datum named twice becomes one access that allows both. */
function takeAccesses(state: RuntimeState, task: number, triples: TasksSubmitted['accesses'], at: number): number {
  const { accesses, data, tasks } = state
  for (; at < triples.length && triples[at] === task; at += 3) {
    const d = triples[at + 1]!
    if (!data.isKnown(d)) throw illegal(state, task, `names datum ${d}, which was not declared or was released`)
    const mode = modeOf(triples[at + 2]!, data.kind[d]!)
    if (data.touched[d] === task) {
      mergeAccess(state, task, d, mode)
      continue
    }
    data.touched[d] = task
    tasks.access[task] = accesses.take(task, d, mode, tasks.access[task]!)
  }
  return at
}

/** Two different accesses of one datum by one task: WRITE is what allows both and orders as strictly as either. */
function mergeAccess(state: RuntimeState, task: number, d: number, mode: number): void {
  const { accesses, tasks } = state
  let a = tasks.access[task]!
  while (accesses.datum(a) !== d) a = accesses.nextOfTask(a)
  if (accesses.mode(a) !== mode) accesses.setMode(a, Access.WRITE)
}

/** The task joins its chains even if it is cancelled at once, so that what comes behind it is ordered as if the failure were news. */
function begin(state: RuntimeState, task: number): void {
  const { accesses, data, tasks } = state
  let cause = NONE
  let waits = 0
  for (let a = tasks.access[task]!; a !== NONE; a = accesses.nextOfTask(a)) {
    const d = accesses.datum(a)
    const mode = accesses.mode(a)
    if (data.kind[d] === Kind.RENAMED && writes(mode, Kind.RENAMED)) checkWrittenOnce(state, task, d)
    if (data.poison[d] !== NONE) {
      const poisonedBy = poisonFor(state, d, mode)
      if (cause === NONE) cause = poisonedBy
    }
    if (!join(state, a)) waits++
  }
  tasks.missing[task]! += waits
  const stopped = runStoppedBy(state)
  if (stopped !== NONE) cancel(state, task, stopped, Reason.RUN_STOPPED)
  else if (cause !== NONE) cancel(state, task, cause, Reason.PREDECESSOR)
  else if (tasks.missing[task] === 0) becomeReady(state, task)
  else if (tasks.missing[task] === 1) askForTurn(state, task)
}

function checkWrittenOnce(state: RuntimeState, task: number, d: number): void {
  if (state.data.written[d] === 1 || state.data.tail[d] !== NONE)
    throw illegal(state, task, `writes renamed datum ${d} after it was written or read`)
  state.data.written[d] = 1
  state.data.writer[d] = task
}
