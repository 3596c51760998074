import { isDict, type StorageDict } from '../../src/dict/storage-dict.js'
import { isStorageObject, type StorageObject, stateOf } from '../../src/objects/storage-object.js'

export type Held = StorageObject | StorageDict<any, any>

/**
 * Persistent objects and collections that stand in a value: it itself, or in lists, maps (as keys too), sets and plain objects, however deep. Not
 * what objects refer to. Each once.
 */
export function heldIn(value: unknown): readonly Held[] {
  const held: Held[] = []
  const met = new Set<object>()
  const meet = (item: unknown): void => {
    if (typeof item === 'object' && item !== null) met.add(item)
  }
  meet(value)
  for (const one of met)
    if (isDict(one)) held.push(one)
    else if (!isStorageObject(one)) meetItems(one, meet)
    else if (stateOf(one).ref) held.push(one)
  return held
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
