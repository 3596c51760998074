import { isDict, type StorageDict } from '../../src/dict/storage-dict.js'
import { isStorageObject, type StorageObject, stateOf } from '../../src/objects/storage-object.js'

export type Held = StorageObject | StorageDict<any, any>

/**
 * Persistent objects and collections that stand in a value: it itself, or in lists, maps (as keys too), sets and plain objects, however deep. Not
 * what objects refer to. Each once. `insteadOf`: what stands in a part that is taken in another form.
 */
export function heldIn(value: unknown, insteadOf?: (part: object) => readonly Held[] | undefined): readonly Held[] {
  const held: Held[] = []
  if (typeof value !== 'object' || value === null) return held
  for (const one of partsOf(value, insteadOf)) if (isDict(one) || (isStorageObject(one) && stateOf(one).ref)) held.push(one)
  return held
}

/** A value and all that stands in it, as above: each object once. */
export function partsOf(value: object, insteadOf?: (part: object) => readonly object[] | undefined): ReadonlySet<object> {
  const met = new Set<object>([value])
  const meet = (item: unknown): void => {
    if (typeof item === 'object' && item !== null) met.add(item)
  }
  for (const one of met) {
    const instead = insteadOf?.(one)
    if (instead) {
      met.delete(one)
      instead.forEach(meet)
    } else if (!isDict(one) && !isStorageObject(one)) meetItems(one, meet)
  }
  return met
}

/** Whether the place of a call may depend on it. */
export const mayBeHeld = (value: object): boolean => isStorageObject(value) || isDict(value)

function meetItems(value: object, meet: (item: unknown) => void): void {
  if (Array.isArray(value) || value instanceof Set) value.forEach(meet)
  else if (value instanceof Map)
    for (const [key, item] of value) {
      meet(key)
      meet(item)
    }
  else if (isPlain(value)) Object.values(value).forEach(meet)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
