import { askForTurn } from './chains.js'
import { Status } from './constants.js'
import { place } from './placement.js'
import { type RuntimeState, setStatus } from './state.js'

/** One thing less that the task waits for. */
export function grant(state: RuntimeState, task: number): void {
  const missing = --state.tasks.missing[task]!
  if (missing > 1 || state.tasks.status[task] !== Status.WAITING) return
  if (missing === 0) becomeReady(state, task)
  else askForTurn(state, task)
}

/** Nothing is missing (any more): the task is placed and stands in a queue until a worker is fed. */
export function becomeReady(state: RuntimeState, task: number): void {
  setStatus(state, task, Status.READY)
  place(state, task)
}
