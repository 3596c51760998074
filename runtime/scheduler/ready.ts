import { Status } from './constants.js'
import { place } from './placement.js'
import { type RuntimeState, setStatus } from './state.js'

/** Nothing is missing (any more): the task is placed and stands in a queue until a worker is fed. */
export function becomeReady(state: RuntimeState, task: number): void {
  setStatus(state, task, Status.READY)
  place(state, task)
}
