/** Values of fields: made from a description, changed in place, copied, and told as a text. The same for real objects and for their models. */
import fc from 'fast-check'
import { Point } from './objects-classes.js'

/** What a value is made from. Made twice from one, two values are alike and share nothing. */
export type Spec =
  | { readonly is: 'plain'; readonly value: unknown }
  | { readonly is: 'object'; readonly at: number }
  | { readonly is: 'again'; readonly at: number }
  | { readonly is: 'bytes'; readonly length: number; readonly fill: number }
  | { readonly is: 'date'; readonly ms: number }
  | { readonly is: 'floats'; readonly of: readonly number[] }
  | { readonly is: 'regexp'; readonly at: number }
  | { readonly is: 'list' | 'map' | 'set' | 'record' | 'point'; readonly of: readonly Spec[] }

const PLAIN = [undefined, null, true, false, 0, -0, 1, 2.5, Number.NaN, Number.NEGATIVE_INFINITY, '', 'text', 'ü🦊', 0n, 2n ** 70n]

const leaf = fc.oneof(
  { weight: 6, arbitrary: fc.record({ is: fc.constant('plain' as const), value: fc.constantFrom(...PLAIN) }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constant('object' as const), at: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('again' as const), at: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('date' as const), ms: fc.constantFrom(0, 1, Number.NaN) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('floats' as const), of: fc.array(fc.constantFrom(0, -0, 1.5), { maxLength: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('regexp' as const), at: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant('bytes' as const), length: fc.constantFrom(0, 3, 5000, 70_000), fill: fc.nat(255) }),
  },
)

const { value: spec } = fc.letrec<{ value: Spec; node: Spec }>((tie) => ({
  node: fc.record({
    is: fc.constantFrom('list' as const, 'map' as const, 'set' as const, 'record' as const, 'point' as const),
    of: fc.array(tie('value'), { maxLength: 3 }),
  }),
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, leaf, tie('node')),
}))

export const specs: fc.Arbitrary<Spec> = spec

/** Makes a value; `object` gives the object for a number. */
export function build(from: Spec, object: (at: number) => unknown, made: unknown[] = []): unknown {
  const part = (one: Spec): unknown => build(one, object, made)
  const keep = <T>(value: T): T => {
    made.push(value)
    return value
  }
  switch (from.is) {
    case 'plain':
      return from.value
    case 'object':
      return object(from.at)
    case 'again':
      return made.length > 0 ? made[from.at % made.length] : null
    case 'bytes':
      return keep(new Uint8Array(from.length).fill(from.fill))
    case 'date':
      return keep(new Date(from.ms))
    case 'floats':
      return keep(Float64Array.from(from.of))
    case 'regexp':
      return keep(Object.assign(/a+/g, { lastIndex: from.at }))
    case 'list': {
      const list = keep<unknown[]>([])
      for (const one of from.of) list.push(part(one))
      return list
    }
    case 'map': {
      const map = keep(new Map<unknown, unknown>())
      for (const [i, one] of from.of.entries()) map.set(i % 2 === 0 ? `k${i}` : part(one), part(one))
      return map
    }
    case 'set': {
      const set = keep(new Set<unknown>())
      for (const one of from.of) set.add(part(one))
      return set
    }
    case 'record': {
      const record = keep<Record<string, unknown>>({})
      for (const [i, one] of from.of.entries()) record[`p${i}`] = part(one)
      return record
    }
    case 'point': {
      const point = keep(new Point())
      for (const one of from.of) point.next = part(one)
      return point
    }
    default:
      return from satisfies never
  }
}

/** Changes a value in place; which part and how is told by `how`. Gives whether there was something to change. */
export function changeInPlace(value: unknown, how: number, isObject: (value: object) => boolean): boolean {
  if (typeof value !== 'object' || value === null || isObject(value)) return false
  const deeper = how >= 4
  const parts = deeper ? partsOf(value) : []
  if (parts.length > 0) return changeInPlace(parts[how % parts.length], how - 4, isObject)
  if (Array.isArray(value)) how % 2 === 0 ? value.push(how) : value.pop()
  else if (value instanceof Map) how % 2 === 0 ? value.set('k0', how) : value.delete('k0')
  else if (value instanceof Set) how % 2 === 0 ? value.add(how) : value.clear()
  else if (value instanceof Date) value.setTime(how)
  else if (value instanceof RegExp) value.lastIndex = how
  else if (value instanceof Point) value.x++
  else if (ArrayBuffer.isView(value)) (value as Uint8Array).fill(how)
  else (value as Record<string, unknown>)[`p${how % 2}`] = how
  return true
}

function partsOf(value: object): unknown[] {
  if (value instanceof Map) return [...value.values()]
  if (value instanceof Set) return [...value]
  return ArrayBuffer.isView(value) ? [] : Object.values(value)
}

/** Copies a value with all that it shares; `object` gives what takes the place of an object, `undefined` for what is none. */
export function copyOf<T>(value: T, object: (value: object) => unknown, copies: Map<object, unknown> = new Map()): T {
  if (typeof value !== 'object' || value === null) return value
  const known = copies.get(value) ?? object(value)
  if (known !== undefined) return known as T
  const copy = <P>(part: P): P => copyOf(part, object, copies)
  const made = emptyLike(value)
  copies.set(value, made)
  if (value instanceof Map) for (const [k, v] of value) (made as Map<unknown, unknown>).set(copy(k), copy(v))
  else if (value instanceof Set) for (const one of value) (made as Set<unknown>).add(copy(one))
  else if (!ArrayBuffer.isView(value)) for (const [k, v] of Object.entries(value)) Reflect.set(made, k, copy(v))
  return made as T
}

function emptyLike(value: object): object {
  if (Array.isArray(value)) return new Array(value.length)
  if (value instanceof Map) return new Map()
  if (value instanceof Set) return new Set()
  if (value instanceof Date) return new Date(value.getTime())
  if (value instanceof RegExp) return Object.assign(new RegExp(value.source, value.flags), { lastIndex: value.lastIndex })
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice()
  return Object.create(Object.getPrototypeOf(value) as object) as object
}

/** A value as a text that is the same for two values exactly if they are alike, sharing included; objects are given to `object` as they are met. */
export function textOf(value: unknown, object: (value: object) => string | undefined): string {
  const met = new Map<object, number>()
  const tell = (one: unknown): string => {
    if (typeof one === 'string') return JSON.stringify(one)
    if (typeof one === 'bigint') return `${one}n`
    if (typeof one !== 'object' || one === null) return Object.is(one, -0) ? '-0' : String(one)
    const told = object(one)
    if (told !== undefined) return told
    const again = met.get(one)
    if (again !== undefined) return `=${again}`
    met.set(one, met.size)
    return `${one.constructor.name}${content(one)}`
  }
  const list = (all: Iterable<unknown>): string => Array.from(all, tell).join(',')
  const content = (one: object): string => {
    if (one instanceof Date) return `(${one.getTime()})`
    if (one instanceof RegExp) return `(${one.source} ${one.lastIndex})`
    if (ArrayBuffer.isView(one)) return `(${(one as Uint8Array).length}: ${list((one as Uint8Array).subarray(0, 5))})`
    if (one instanceof Map) return `{${Array.from(one, ([k, v]) => `${tell(k)}→${tell(v)}`).join(',')}}`
    if (one instanceof Set) return `{${list(one)}}`
    return `{${Object.entries(one).map(([k, v]) => `${k}:${tell(v)}`)}}`
  }
  return tell(value)
}

/** The same with all objects that it refers to, in order. */
export function textWithObjects<T extends object>(value: unknown, isObject: (value: object) => value is T): [text: string, objects: T[]] {
  const objects: T[] = []
  const text = textOf(value, (o) => {
    if (!isObject(o)) return undefined
    objects.push(o)
    return '@'
  })
  return [text, objects]
}
