import { FEED_AHEAD_US, Flag } from './constants.js'
import type { RuntimeState } from './state.js'
import type { Host } from './workers.js'

/** How long the task is known to take: as the submitter said, else as its function did on any host; NONE if neither is known. */
export function knownUs(state: RuntimeState, task: number): number {
  const { tasks } = state
  const told = tasks.expect[task]!
  return told >= 0 ? told : state.learned.of(tasks.fn[task]!)
}

/** What the task is expected to take on this host. A function never seen, a suspect and a loner fill a slot. */
export function expectedUs(state: RuntimeState, task: number, host: Host): number {
  const { tasks } = state
  if (tasks.losses[task]! > 0 || (tasks.flags[task]! & Flag.ALONE) !== 0) return Math.max(FEED_AHEAD_US, knownUs(state, task))
  const told = tasks.expect[task]!
  const here = told >= 0 ? told : host.learned.of(tasks.fn[task]!)
  const us = here >= 0 ? here : state.learned.of(tasks.fn[task]!)
  return us < 0 ? FEED_AHEAD_US : Math.max(1, Math.ceil(us))
}

/** Durations closer than this factor are not known to differ. */
const FASTER_BY = 1.25
export const differ = (a: number, b: number): boolean => a >= 0 && b >= 0 && Math.max(a, b) > FASTER_BY * Math.min(a, b)

/** Whether tasks of its kind are known to fill a slot; what is unknown is fed as it comes. */
export const isLong = (state: RuntimeState, task: number): boolean => knownUs(state, task) >= FEED_AHEAD_US
