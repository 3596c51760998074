/** The program's instances after others of the same program have committed: tasks and transactions. */
import type { Receipt, Stamp, Stored } from '../backend.js'
import { ConflictError } from '../errors.js'
import type { Id } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import type { Store } from '../store.js'
import { nameOf } from './unit-errors.js'

/** Objects that a transaction changed, as it met them and as it left them. */
export type Committed = ReadonlyMap<Id, { readonly before: Stamp; readonly stored: Stored }>

/** The instances that a unit of work holds. */
export interface Held {
  readonly store: Store
  stateOf(id: Id): ObjectState | undefined
  isDirty(state: ObjectState): boolean
  take(state: ObjectState, stored: Stored): void
}

/**
 * Brings clean loaded instances up to date; gives why those with unsaved changes were not. What is `known` of an instance that is as the
 * transaction met it is not read: over several domains the store would have to be asked what became of intents that this very program is
 * just settling.
 */
export async function refresh(
  held: Held,
  ids: ReadonlySet<string>,
  receipt?: Receipt,
  known?: Committed,
): Promise<readonly ConflictError[]> {
  const stale: ObjectState[] = []
  const conflicts: ConflictError[] = []
  const takeIfClean = (state: ObjectState, found: Stored): void => {
    if (held.isDirty(state)) conflicts.push(changedBoth(state, found))
    else held.take(state, found)
  }
  for (const id of ids as ReadonlySet<Id>) {
    const state = held.stateOf(id)
    // What a transaction handed over has the stamp of its commit already.
    if (!state?.loaded || (state.stamp && receipt?.stamps.get(id)?.commit === state.stamp.commit)) continue
    const now = known?.get(id)
    if (now && isSame(now.before, state.stamp)) takeIfClean(state, now.stored)
    else stale.push(state)
  }
  if (stale.length === 0) return conflicts
  const stored = await held.store.read(stale.map((state) => state.ref!))
  stored.forEach((found, i) => {
    if (found && found.stamp.commit !== stale[i]!.stamp?.commit) takeIfClean(stale[i]!, found)
  })
  return conflicts
}

const isSame = (a: Stamp, b: Stamp | undefined): boolean => a.commit === b?.commit && a.revision === b.revision

const changedBoth = (state: ObjectState, found: Stored): ConflictError =>
  new ConflictError(
    `${nameOf(state)} was changed by a task and has unsaved changes here: save() before the call, or reload({ discard: true })`,
    { ref: state.ref, expected: state.stamp, found: found.stamp },
  )
