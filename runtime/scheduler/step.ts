import type { Commands } from './commands.js'
import { isSettled, NONE, Reason, Status } from './constants.js'
import { onDataDeclared, onDataHeld, onDataReleased, onLocationsLearned, releaseIdleData } from './data-events.js'
import type { RuntimeEvent, RuntimeEvents, TasksCancelled } from './events.js'
import { EVENT_CODES, type FailuresSeen, type Millis, type NeedsDeclared } from './events.js'
import { feed } from './feed.js'
import { issueFetches, onFetchesEnded } from './fetches.js'
import { onInputsArrived, onInputsFailed } from './inputs.js'
import { onSlotsChanged, onWorkersJoined, onWorkersLost } from './membership.js'
import { lookOut } from './outlook.js'
import { recallFromSlow, recallStuck } from './recall.js'
import { onInputsLost, onTasksConflicted, onTasksFailed, onTasksFinished, onTasksRan, onTasksReturned } from './reports.js'
import { askToStop, cancel, onTasksCommitted, onTasksSealed } from './settle.js'
import type { RuntimeState } from './state.js'
import { onTasksSubmitted } from './submit.js'
import { Mark } from './task-table.js'

/**
 * Applies what happened and decides what to do about it. The only way the state changes: no I/O, clock, randomness or user code
 * inside, so the same events at the same times give the same commands. If it throws, the events were impossible (a bug of the
 * scheduler or its driver) and the state is of no further use.
 */
export function step(state: RuntimeState, events: RuntimeEvents, now: Millis): Commands {
  state.now = now
  state.steps++
  for (const event of events) {
    state.event = EVENT_CODES[event.on]
    apply(state, event)
  }
  state.event = 0
  lookOut(state)
  feed(state)
  issueFetches(state)
  recallFromSlow(state)
  if (state.lanes) recallStuck(state)
  releaseIdleData(state)
  return state.outbox.take()
}

function apply(state: RuntimeState, event: RuntimeEvent): void {
  switch (event.on) {
    case 'WorkersJoined':
      return onWorkersJoined(state, event)
    case 'WorkersLost':
      return onWorkersLost(state, event)
    case 'SlotsChanged':
      return onSlotsChanged(state, event)
    case 'NeedsDeclared':
      return onNeedsDeclared(state, event)
    case 'FetchesEnded':
      return onFetchesEnded(state, event)
    case 'DataDeclared':
      return onDataDeclared(state, event)
    case 'DataHeld':
      return onDataHeld(state, event)
    case 'DataReleased':
      return onDataReleased(state, event)
    case 'LocationsLearned':
      return onLocationsLearned(state, event)
    case 'TasksSubmitted':
      return onTasksSubmitted(state, event)
    case 'InputsArrived':
      return onInputsArrived(state, event)
    case 'InputsFailed':
      return onInputsFailed(state, event)
    case 'TasksRan':
      return onTasksRan(state, event)
    case 'TasksFinished':
      return onTasksFinished(state, event)
    case 'TasksFailed':
      return onTasksFailed(state, event)
    case 'TasksConflicted':
      return onTasksConflicted(state, event)
    case 'TasksReturned':
      return onTasksReturned(state, event)
    case 'InputsLost':
      return onInputsLost(state, event)
    case 'TasksSealed':
      return onTasksSealed(state, event)
    case 'TasksCommitted':
      return onTasksCommitted(state, event)
    case 'TasksCancelled':
      return onTasksCancelled(state, event)
    case 'FailuresSeen':
      return onFailuresSeen(state, event)
    case 'TimePassed':
      return
    default:
      return event satisfies never
  }
}

function onNeedsDeclared(state: RuntimeState, { first, needs }: NeedsDeclared): void {
  if (first !== state.needs.length) throw new RangeError(`needs ${first} are declared where ${state.needs.length} come next`)
  state.needs.push(...needs)
}

function onTasksCancelled(state: RuntimeState, event: TasksCancelled): void {
  for (const task of event.tasks) {
    const status = state.tasks.status[task]!
    if (status === Status.ASSIGNED) askToStop(state, task, task, Reason.REQUEST)
    else if (status === Status.WAITING || status === Status.READY) cancel(state, task, task, Reason.REQUEST)
  }
}

/** What was seen is the failure that began it, whichever of its victims was awaited. */
function onFailuresSeen(state: RuntimeState, event: FailuresSeen): void {
  const { tasks } = state
  for (const task of event.tasks) {
    const cause = tasks.cause[task]!
    if (cause !== NONE && isSettled(tasks.status[task]!)) tasks.marks[cause]! |= Mark.SEEN
  }
}
