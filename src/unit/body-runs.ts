/**
 * The runs of one body of `transact`. Of instances of the program that it changes by itself and saves, it changes what the run before has left,
 * since nobody knows what they held at first: what is to be committed then may have been done twice.
 */
import type { ObjectState } from '../objects/object-state.js'
import type { Store } from '../store.js'
import { type Change, changesOf, planOf } from './persist-plan.js'
import { changedTwice } from './unit-errors.js'

type Changes = ReadonlyMap<string, Change>

export class BodyRuns {
  /** What a run that failed has left unsaved in instances that it had saved. */
  readonly #left = new Map<ObjectState, Changes>()
  #hasStoppedShort = false

  /** A run has failed: having saved instances of the program, or, where `isComplete` is false, perhaps before it came to saving them. */
  failed(saved: Iterable<ObjectState>, store: Store, isComplete: boolean): void {
    if (!isComplete) this.#hasStoppedShort = true
    for (const state of saved) this.#left.set(state, unsavedOf(state, store))
  }

  /**
   * What a run is about to commit of an instance of the program.
   * @throws UnsavedChangesError if it may hold what an earlier run did to it, and this one did once more
   */
  assertDoneOnce(state: ObjectState, now: Changes): void {
    const before = this.#left.get(state)
    if (now.size === 0 || before?.size === 0) return
    if (before ? !areSame(before, now) : this.#hasStoppedShort) throw changedTwice(state)
  }
}

function unsavedOf(state: ObjectState, store: Store): Changes {
  try {
    return changesOf(planOf([state], store).objects[0]!)
  } catch {
    return UNKNOWN // what cannot be stored is not committed as it is
  }
}

const UNKNOWN: Changes = new Map([['', undefined]])

const areSame = (a: Changes, b: Changes): boolean =>
  a.size === b.size && [...a].every(([name, change]) => b.has(name) && b.get(name) === change)
