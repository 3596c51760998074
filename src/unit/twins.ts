/** Objects of which a program has an instance, and a transaction that is over leaves it another: what it goes on with refers to the first. */
import type { Stamp } from '../backend.js'
import { isDict } from '../dict/storage-dict.js'
import type { ObjectState } from '../objects/object-state.js'
import { isStorageObject, type StorageObject, stateOf } from '../objects/storage-object.js'
import type { UnitOfWork } from './unit-of-work.js'

export class Twins {
  /** The program's, by the transaction's. */
  readonly #own = new Map<StorageObject, StorageObject>()
  readonly #holders: StorageObject[] = []

  /** `own` is the program's instance of the same object. */
  add(met: StorageObject, own: StorageObject): void {
    this.#own.set(met, own)
  }

  /** An instance that the program goes on with, and that may refer to others of the transaction. */
  addHolder(instance: StorageObject): void {
    this.#holders.push(instance)
  }

  /**
   * Lets references lead to the program's instances, once these are as new as what the transaction has met. One that cannot be had, or has
   * unsaved changes, changes nothing: what the transaction has met then stays beside it. Gives `result`, what its body gave, or the program's
   * instance of that.
   */
  async join<T>(result: T): Promise<T> {
    if (this.#own.size === 0) return result
    const met = new Set<StorageObject>()
    const given = { result }
    this.#redirect(given, (one) => {
      if (this.#own.has(one)) met.add(one)
      return one
    })
    if (met.size === 0) return result
    await this.#bringUpToDate(met)
    this.#redirect(given, (one) => (met.has(one) ? this.#ownOf(one) : one))
    return given.result
  }

  #redirect(given: object, meet: Meet): void {
    for (const holder of this.#holders) redirect(holder, meet)
    redirect(given, meet, isPlain)
  }

  #ownOf(met: StorageObject): StorageObject {
    const own = this.#own.get(met)!
    return stateOf(own).loaded || !stateOf(met).loaded ? own : met
  }

  async #bringUpToDate(met: ReadonlySet<StorageObject>): Promise<void> {
    const byUnit = new Map<UnitOfWork, ObjectState[]>()
    for (const one of met) {
      const own = stateOf(this.#own.get(one)!)
      if (!own.unit || !isNewer(stateOf(one), own)) continue
      byUnit.set(own.unit, [...(byUnit.get(own.unit) ?? []), own])
    }
    const refs = (states: readonly ObjectState[]) => states.map(({ ref }) => ref!)
    await Promise.allSettled(Array.from(byUnit, ([unit, states]) => unit.fetch(refs(states), {})))
  }
}

const isNewer = (met: ObjectState, own: ObjectState): boolean => met.loaded && !(own.loaded && isSame(met.stamp, own.stamp))
const isSame = (a: Stamp | undefined, b: Stamp | undefined): boolean => a?.commit === b?.commit && a?.revision === b?.revision

type Meet = (one: StorageObject) => StorageObject

/** Of what a body gives nothing else is looked into: it may be anything, and is the body's. */
function isPlain(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value)
  return proto === Object.prototype || proto === Array.prototype || proto === Map.prototype || proto === Set.prototype
}

/**
 * Puts what `meet` gives in the place of each object that the fields of another hold, in lists, maps, sets and records as well, as far as
 * `goesInto` says.
 */
function redirect(holder: object, meet: Meet, goesInto: (value: object) => boolean = () => true): void {
  const seen = new Set<object>([holder])
  for (const container of seen) {
    const visit = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null) return value
      if (isStorageObject(value)) return meet(value)
      if (!isDict(value) && !ArrayBuffer.isView(value) && goesInto(value)) seen.add(value)
      return value
    }
    if (container instanceof Map) redirectMap(container, visit)
    else if (container instanceof Set) redirectSet(container, visit)
    else redirectFields(container as Record<string, unknown>, visit)
  }
}

function redirectFields(fields: Record<string, unknown>, visit: (value: unknown) => unknown): void {
  for (const [name, value] of Object.entries(fields)) {
    const next = visit(value)
    if (next !== value && Object.getOwnPropertyDescriptor(fields, name)?.writable) fields[name] = next
  }
}

/** Filled anew where a key changes, since its order is kept. */
function redirectMap(map: Map<unknown, unknown>, visit: (value: unknown) => unknown): void {
  const entries = Array.from(map, ([key, value]) => [visit(key), visit(value)] as const)
  if (entries.every(([key, value]) => map.has(key) && map.get(key) === value)) return
  map.clear()
  for (const [key, value] of entries) map.set(key, value)
}

function redirectSet(set: Set<unknown>, visit: (value: unknown) => unknown): void {
  const values = Array.from(set, visit)
  if (values.every((value) => set.has(value))) return
  set.clear()
  for (const value of values) set.add(value)
}
