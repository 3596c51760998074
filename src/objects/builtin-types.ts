/** Fields declared to be of a built-in type (`static fields = { n: () => Number }`), the only ones whose type can be checked on its own. */
import { types as is } from 'node:util'
import type { Constructor } from '../classes/class-locator.js'
import { declaredTypes } from '../codec/nested-classes.js'

const MEMORY = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]

const CHECKS = new Map<unknown, (value: unknown) => boolean>([
  [String, (v) => typeof v === 'string'],
  [Number, (v) => typeof v === 'number'],
  [Boolean, (v) => typeof v === 'boolean'],
  [BigInt, (v) => typeof v === 'bigint'],
  [Date, (v) => v instanceof Date],
  [Map, is.isMap],
  [Set, is.isSet],
  [RegExp, is.isRegExp],
  [Array, Array.isArray],
  [ArrayBuffer, is.isAnyArrayBuffer],
  [DataView, is.isDataView],
  ...MEMORY.map((kind) => [kind, (v: unknown) => v instanceof kind] as const),
])

/** Fields whose declared types are all built in. */
export function builtinsOf(ctor: Constructor): ReadonlyMap<string, readonly object[]> {
  let fields = known.get(ctor)
  if (!fields) {
    fields = new Map([...declaredTypes(ctor)].filter(([, types]) => types.length > 0 && types.every((type) => CHECKS.has(type))))
    known.set(ctor, fields)
  }
  return fields
}

const known = new WeakMap<Constructor, ReadonlyMap<string, readonly object[]>>()

/** True for such a value, for none, and for arrays and sets of such values. */
export function isOfBuiltin(value: unknown, types: readonly object[]): boolean {
  if (value === null || value === undefined) return true
  if (types.some((type) => CHECKS.get(type)!(value))) return true
  return (Array.isArray(value) || value instanceof Set) && [...value].every((item) => isOfBuiltin(item, types))
}
