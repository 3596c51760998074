import type { Stored } from '../backend.js'
import { changeFields, constructorOfInstance, defaultFieldsOf, storedFields } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'
import { changedFields, fieldsIn } from './changed-fields.js'
import { isDeleted, planOf } from './persist-plan.js'
import type { UnitOfWork } from './unit-of-work.js'

/** Moves unsaved changes onto what is stored now (`static merge = 'fields'`). Gives false, and does nothing, if that changed the same fields. */
export function rebase(state: ObjectState, stored: Stored, unit: UnitOfWork): boolean {
  const { set, unset } = planOf([state], unit.store).objects[0]!
  const mine = fieldsIn(set, unset)
  const theirs = changedFields(stored.cells, state.base)
  for (const name of mine) if (theirs.has(name) && !isAbsentAgain(state, stored, name)) return false
  const fields = storedFields(state.instance)
  unit.take(state, stored)
  changeFields(state.instance, new Map(Array.from(mine, (name) => [name, fields.has(name) ? { value: fields.get(name) } : undefined])))
  return true
}

/** Whether others have set a field and deleted it since: the note that it is deleted says no more than that there was none before. */
function isAbsentAgain({ instance, base }: ObjectState, { cells }: Stored, name: string): boolean {
  const cell = cells.get(name)
  return cell !== undefined && isDeleted(cell) && !base.has(name) && !defaultFieldsOf(constructorOfInstance(instance)).includes(name)
}
