/**
 * The column types as the model has them, written from what the docs say of each: values that are written, what they read as, and how
 * they order as keys. A long file on purpose: one type after the other.
 */
import fc from 'fast-check'
import { StorageObject, t } from '../../runtime/index.js'
import type { AnyColumn } from '../../src/dict/column.js'

export class Target extends StorageObject {
  static readonly typeName = 'insitu/model#Target'
  name = ''
}

/** Which of the objects a reference leads to; they are numbered in the order of their ids. */
export class Pointer {
  constructor(readonly n: number) {}
}

export const TARGETS = 3

export interface ModelType {
  readonly name: string
  readonly column: AnyColumn
  readonly written: fc.Arbitrary<unknown>
  /** What a written value reads as. */
  reads(value: unknown): unknown
  /** The one form of values that are equal as a key. */
  readonly key: (read: unknown) => unknown
  /** Of what has an order: negative when the first comes first. Takes values as they read. */
  readonly order?: (a: any, b: any) => number
  readonly sum?: 'whole' | 'float' | 'decimal'
  readonly index?: true
  /** Of a set, list or map. */
  readonly element?: ModelType
  readonly membersOf?: (read: any) => Iterable<unknown>
}

const same = (value: unknown): any => value
const bySize = (a: number | bigint, b: number | bigint): number => (a < b ? -1 : a > b ? 1 : 0)
const byBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)
const byText = (a: string, b: string): number => byBytes(Buffer.from(a), Buffer.from(b))
const byUuid = (a: string, b: string): number => byText(a.replaceAll('-', ''), b.replaceAll('-', ''))
const nanLast = (a: number, b: number): number =>
  Number.isNaN(a) || Number.isNaN(b) ? bySize(+Number.isNaN(a), +Number.isNaN(b)) : bySize(a, b)
const noMinusZero = (n: unknown): unknown => (n === 0 ? 0 : n)

type Simple = Omit<ModelType, 'name' | 'column' | 'written' | 'key' | 'reads'> & Partial<Pick<ModelType, 'key' | 'reads'>>
const simple = (name: string, column: AnyColumn, written: fc.Arbitrary<unknown>, more: Simple): ModelType => ({
  name,
  column,
  written,
  reads: same,
  key: same,
  ...more,
})

const TEXTS = [
  '',
  '\0',
  '\0\0',
  '\x01',
  '\x01\x02',
  'a',
  'a\0',
  'a\0b',
  'a\x01',
  'ab',
  'b',
  'é',
  'e\u0301',
  '🦊',
  '\uffff',
  '\ue000',
  '\u{10ffff}',
]
const HARD_TEXTS = [
  '__proto__',
  'constructor',
  'x'.repeat(120),
  "it's",
  '"',
  '%',
  '*',
  '[a-z]',
  '\\',
  '\n',
  ' ',
  '{"$int":"1"}',
  '$unset',
  '1',
  'null',
]
export const text = simple(
  'text',
  t.text,
  fc.oneof(fc.constantFrom(...TEXTS, ...HARD_TEXTS), fc.string({ unit: 'binary', maxLength: 6 })),
  { order: byText, index: true },
)
const bool = simple('bool', t.bool, fc.boolean(), { order: (a, b) => Number(a) - Number(b), index: true })
const I32 = [0, -0, 1, -1, 255, 256, -256, 2 ** 31 - 1, -(2 ** 31)]
const i32 = simple('i32', t.i32, fc.oneof(fc.constantFrom(...I32), fc.integer({ min: -9, max: 9 })), {
  reads: noMinusZero,
  order: bySize,
  sum: 'whole',
  index: true,
})
const I64 = [0n, 0, 1n, -1n, 2n ** 53n, 2 ** 53 - 1, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 62n, 255n]
export const i64 = simple('i64', t.i64, fc.oneof(fc.constantFrom(...I64), fc.integer({ min: -9, max: 9 })), {
  reads: (v) => BigInt(v as number),
  order: bySize,
  sum: 'whole',
  index: true,
})
const FLOATS = [0, -0, 1, -1, 0.1, 1.5, -2.25, 1e21, 1e-7, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, 1e300]
const EDGES = [Number.MIN_VALUE, -Number.MIN_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** -1022, 123456789.125]
const f64 = simple('f64', t.f64, fc.oneof(fc.constantFrom(...FLOATS, ...EDGES), fc.integer({ min: -9, max: 9 })), {
  key: noMinusZero,
  order: nanLast,
  sum: 'float',
  index: true,
})
const f32 = simple('f32', t.f32, fc.oneof(fc.constantFrom(...FLOATS, 1e38, 3.4e38, 1e-45, 1e-50), fc.integer({ min: -9, max: 9 })), {
  reads: (v) => Math.fround(v as number),
  key: noMinusZero,
  order: nanLast,
  sum: 'float',
  index: true,
})

/** The digits behind the point, and the whole as if there were none. */
export function decimalParts(d: string): { readonly scale: number; readonly units: bigint } {
  const [whole = '', fraction = ''] = d.split('.')
  return { scale: fraction.length, units: BigInt(whole + fraction) }
}
export function byDecimal(a: string, b: string): number {
  const [x, y] = [decimalParts(a), decimalParts(b)]
  const scale = Math.max(x.scale, y.scale)
  return bySize(x.units * 10n ** BigInt(scale - x.scale), y.units * 10n ** BigInt(scale - y.scale))
}
const DECIMALS = [
  '0',
  '-0',
  '0.00',
  '1',
  '+1',
  '01',
  '1.0',
  '1.5',
  '1.50',
  '-1.5',
  '-1.50',
  '0.1',
  '0.10',
  '-0.001',
  '100',
  '1000000',
  5n,
  -(2n ** 70n),
]
const LONG_DECIMALS = ['9'.repeat(40), `0.${'0'.repeat(30)}1`, '12345678901234567890.123456789', '99', '-99', '10', '9']
function canonical(v: unknown): string {
  const [, sign, digits, fraction] = /^([+-]?)0*(\d.*?)(\..*)?$/s.exec(String(v))!
  const [whole, rest] = digits!.includes('.')
    ? [digits!.slice(0, digits!.indexOf('.')), digits!.slice(digits!.indexOf('.'))]
    : [digits!, fraction ?? '']
  const plain = `${whole}${rest}`
  return sign === '-' && /[1-9]/.test(plain) ? `-${plain}` : plain
}
const decimal = simple('decimal', t.decimal, fc.constantFrom(...DECIMALS, ...LONG_DECIMALS), {
  reads: canonical,
  key: (v) => ((v as string).includes('.') ? (v as string).replace(/\.?0+$/, '') : v),
  order: byDecimal,
  sum: 'decimal',
  index: true,
})
const BLOBS = [[], [0], [1], [0, 0], [255], [0, 1], [1, 255], [1, 2], [255, 255], Array<number>(60).fill(0)]
const blob = simple('blob', t.blob, fc.constantFrom(...BLOBS.map((bytes) => Uint8Array.from(bytes))), { order: byBytes })
const UUIDS = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  '0123ABCD-0000-1000-8000-0123456789ab',
  '0123abcd-0000-4000-8000-0123456789AB',
  '0123abcd-0000-7000-8000-0123456789ab',
  '80000000-0000-4000-8000-000000000000',
]
const uuid = simple('uuid', t.uuid, fc.constantFrom(...UUIDS), { reads: (v) => (v as string).toLowerCase(), order: byUuid, index: true })
const DATES = ['0000-01-01', '0001-01-01', '1582-10-10', '1969-12-31', '1970-01-01', '2000-02-29', '9999-12-31']
const date = simple('date', t.date, fc.constantFrom(...DATES), { order: byText, index: true })
const TIMES = ['00:00:00', '00:00:00.000000001', '12:00:00.5', '12:00:00.50', '12:00:00', '23:59:59.999999999', '01:02:03.000']
const time = simple('time', t.time, fc.constantFrom(...TIMES), {
  reads: (v) => ((v as string).includes('.') ? (v as string).replace(/\.?0+$/, '') : v),
  order: byText,
  index: true,
})
const MOMENTS = [0, -1, 1, 8.64e15, -8.64e15, 951_782_400_000, -62_167_219_200_001]
const timestamp = simple('timestamp', t.timestamp, fc.constantFrom(...MOMENTS.map((ms) => new Date(ms))), {
  order: (a: Date, b: Date) => bySize(a.getTime(), b.getTime()),
  index: true,
})
const ref = simple(
  'ref',
  t.ref(() => Target),
  fc.nat(TARGETS - 1).map((n) => new Pointer(n)),
  { order: (a: Pointer, b: Pointer) => a.n - b.n },
)

export const scalars: readonly ModelType[] = [text, bool, i32, i64, f32, f64, decimal, blob, uuid, date, time, timestamp, ref]

export function tuple(...of: ModelType[]): ModelType {
  const each = (value: unknown, go: (type: ModelType, v: unknown) => unknown): unknown[] =>
    of.map((type, i) => go(type, (value as unknown[])[i]))
  return {
    name: `tuple(${of.map((type) => type.name).join()})`,
    column: t.tuple(...of.map((type) => type.column as never)) as AnyColumn,
    written: fc.tuple(...of.map((type) => type.written)),
    reads: (value) => each(value, (type, v) => type.reads(v)),
    key: (value) => each(value, (type, v) => type.key(v)),
    ...(of.every((type) => type.order) && {
      order: (a: unknown[], b: unknown[]) => of.reduce((known, type, i) => known || type.order!(a[i], b[i]), 0),
    }),
  }
}

/** Distinct ones in order, of equal ones the last. */
function sorted<T>(members: readonly T[], keyOf: (member: T) => unknown, type: ModelType): T[] {
  const byKey = new Map(members.map((member) => [show(keyOf(member)), member]))
  return [...byKey.values()].sort((a, b) => type.order!(keyOf(a), keyOf(b)))
}

export const setOf = (of: ModelType): ModelType => ({
  name: `set(${of.name})`,
  column: t.set(of.column as never),
  written: fc.array(of.written, { maxLength: 4 }).map((members) => new Set(members)),
  reads: (v) =>
    new Set(
      sorted(
        Array.from(v as Set<unknown>, (m) => of.key(of.reads(m))),
        same,
        of,
      ),
    ),
  key: same,
  element: of,
  membersOf: same,
})
export const listOf = (of: ModelType): ModelType => ({
  name: `list(${of.name})`,
  column: t.list(of.column as never),
  written: fc.array(of.written, { maxLength: 3 }),
  reads: (v) => (v as unknown[]).map((m) => of.reads(m)),
  key: same,
  element: of,
  membersOf: same,
})
export const mapOf = (keys: ModelType, values: ModelType): ModelType => ({
  name: `map(${keys.name},${values.name})`,
  column: t.map(keys.column as never, values.column as never),
  written: fc.array(fc.tuple(keys.written, values.written), { maxLength: 3 }),
  reads: (v) =>
    new Map(
      sorted(
        Array.from(v as [unknown, unknown][], ([k, x]): [unknown, unknown] => [keys.key(keys.reads(k)), values.reads(x)]),
        ([k]) => k,
        keys,
      ),
    ),
  key: same,
  element: keys,
  membersOf: (v: Map<unknown, unknown>) => v.keys(),
})
export const recordOf = (fields: Readonly<Record<string, ModelType>>, optional: readonly string[]): ModelType => ({
  name: `record(${Object.entries(fields).map(([name, type]) => `${name}${optional.includes(name) ? '?' : ''}: ${type.name}`)})`,
  column: t.record(
    Object.fromEntries(
      Object.entries(fields).map(([name, { column }]) => [name, optional.includes(name) ? column.optional() : column]),
    ) as never,
  ) as AnyColumn,
  written: fc.record(Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, type.written])), {
    requiredKeys: Object.keys(fields).filter((name) => !optional.includes(name)),
  }),
  reads: (v) => Object.fromEntries(Object.entries(v as object).map(([name, value]) => [name, fields[name]!.reads(value)])),
  key: same,
})
const vector: ModelType = {
  name: 'vector(2)',
  column: t.vector(2) as AnyColumn,
  // no NaN: nothing is searched by it, and stores differ in which NaN they keep
  written: fc.tuple(f32.written, f32.written).filter((v) => v.every((n) => !Number.isNaN(n))),
  reads: (v) => Float32Array.from(v as number[]),
  key: same,
}

const simplest: readonly ModelType[] = [text, i64, decimal, f64]
const nested: readonly ModelType[] = [
  tuple(i32, text),
  setOf(text),
  setOf(f64),
  setOf(decimal),
  setOf(tuple(i64, blob)),
  setOf(uuid),
  setOf(ref),
  listOf(f64),
  listOf(setOf(text)),
  listOf(timestamp),
  mapOf(text, f64),
  mapOf(i64, listOf(text)),
  mapOf(decimal, date),
  recordOf({ x: f64, constructor: text, z: i64 }, ['constructor', 'z']),
  recordOf({ a: text, inner: recordOf({ b: bool, when: timestamp }, ['b', 'when']), who: ref }, ['inner', 'who']),
  vector,
]

export const keyTypes: fc.Arbitrary<ModelType> = fc.oneof(
  { arbitrary: fc.constantFrom(...simplest), weight: 3 },
  { arbitrary: fc.constantFrom(...scalars), weight: 4 },
  { arbitrary: fc.constantFrom(tuple(i32, text), tuple(text, blob, f64), tuple(bool, tuple(decimal, text))), weight: 1 },
)
export const valueTypes: fc.Arbitrary<ModelType> = fc.oneof(
  { arbitrary: fc.constantFrom(...simplest), weight: 3 },
  { arbitrary: fc.constantFrom(...scalars), weight: 3 },
  { arbitrary: fc.constantFrom(...nested), weight: 3 },
)

/** A text that is the same for the same values only: told apart are -0 and 0, 1 and 1n, null and what is left out. */
export function show(value: unknown): string {
  if (value === undefined || value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'string') return JSON.stringify(value)
  if (value instanceof Pointer) return `target ${value.n}`
  if (value instanceof Date) return `Date(${value.getTime()})`
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString('hex')})`
  if (value instanceof Float32Array) return `floats(${Array.from(value, show)})`
  if (value instanceof Set) return `Set{${Array.from(value, show)}}`
  if (value instanceof Map) return `Map{${Array.from(value, ([k, v]) => `${show(k)} => ${show(v)}`)}}`
  if (Array.isArray(value)) return `[${value.map(show)}]`
  const fields = Object.entries(value as object).filter(([, v]) => v !== undefined)
  return `{${fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, v]) => `${name}: ${show(v)}`)
    .join(', ')}}`
}

/** The same value with some of what it is made of put in the place of something else. */
export function replaced(value: unknown, change: (part: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const changed = change(value)
  if (changed !== undefined) return changed
  const inner = (part: unknown): unknown => replaced(part, change)
  if (Array.isArray(value)) return value.map(inner)
  if (value instanceof Set) return new Set(Array.from(value, inner))
  if (value instanceof Map) return new Map(Array.from(value, ([k, v]) => [inner(k), inner(v)]))
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, inner(part)]))
}

/** Changes a value in all its depth: nobody may be touched by that who has only given it, or taken it. */
export function spoil(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  const parts = value instanceof Map || value instanceof Set || Array.isArray(value) ? [...value] : partsOf(value)
  for (const part of parts) spoil(part)
  if (value instanceof Map) value.set('spoilt', 'spoilt')
  else if (value instanceof Set) value.add('spoilt')
  else if (Array.isArray(value)) value.splice(0, value.length, 'spoilt')
  else if (isPlain(value)) Object.assign(value, { spoilt: 'spoilt' })
}

const partsOf = (value: object): unknown[] => (isPlain(value) ? Object.values(value) : [])
const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value) as null)
