/** Things of every kind that is stored, made by chance. */
import { type Cell, type ColumnSpec, type ColumnType, type Intent, type Mark, type Op, Packed, Ref, type Table } from '../../src/backend.js'
import type { DecodeContext, EncodeContext, NestedClass } from '../../src/codec/contexts.js'
import { encodeFields, encodeValue } from '../../src/codec/values.js'
import { ConflictError } from '../../src/errors.js'
import type { ClassId, CommitId, Id, TableId } from '../../src/ids.js'
import type { Chance } from './chance.js'

const HEX = '0123456789abcdef'
const uuid = (c: Chance): string => 'xxxxxxxx-xxxx-7xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () => HEX[c.below(16)]!)
export const idBy = (c: Chance): Id => uuid(c) as Id
export const commitBy = (c: Chance): CommitId => uuid(c) as CommitId
const TEXTS = ['', 'a', 'text', 'häßlich', '東京🦊', 'a\u0000b', '\ud800', '__proto__', 'constructor', 'x'.repeat(70)]
const textBy = (c: Chance): string => c.one(TEXTS)
const soundTextBy = (c: Chance): string => c.one(TEXTS.filter((text) => text.isWellFormed()))
export const refBy = (c: Chance): Ref => new Ref(idBy(c), 'app/words#Block' as ClassId, c.once(4) ? 'nvram:/data/other' : undefined)

const NUMBERS = [0, -0, 1, -1, 127, 128, 255, 256, 65_536, 2 ** 31, 2 ** 53, 1.5, -1e300, Number.NaN, Number.POSITIVE_INFINITY]
const BIGINTS = [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n, -(2n ** 200n)]

const leafBy = (c: Chance): null | undefined | boolean | number | bigint | string =>
  c.one<() => null | undefined | boolean | number | bigint | string>([
    () => null,
    () => undefined,
    () => c.once(2),
    () => c.one(NUMBERS),
    () => c.one(BIGINTS),
    () => textBy(c),
  ])()

const DEPTH_MAX = 4

/** What the wire carries. */
export function wireBy(c: Chance, depth = 0): unknown {
  const deeper = (): unknown => wireBy(c, depth + 1)
  if (depth >= DEPTH_MAX || c.once(3)) return leafBy(c)
  return c.one<() => unknown>([
    () => c.many(4, deeper),
    () => Object.fromEntries(c.many(3, () => [`k${c.below(9)}`, deeper()])),
    () => new Map(c.many(3, () => [leafBy(c), deeper()])),
    () => new Set(c.many(3, () => leafBy(c))),
    () => new Date(c.one([0, 1e12, Number.NaN])),
    () => c.bytes(c.below(20)),
    () => refBy(c),
    () => new Packed(c.bytes(c.below(12))),
  ])()
}

export class Point {
  x = 1
  y: unknown = 2
}

const point: NestedClass = {
  name: 'Point',
  fields: (value) => new Map(Object.entries(value)),
  create: () => new Point(),
  rebuild: (fields, into = new Point()) => Object.assign(into, { x: fields.get('x'), y: fields.get('y') }),
}

export const encoding: EncodeContext = {
  refOf: (value) => (value instanceof Ref ? value : undefined),
  collectionOf: (value) => (value instanceof Collection ? value.cell : undefined),
  classOf: (value) => (value instanceof Point ? point : undefined),
}

export const decoding: DecodeContext = {
  resolve: (ref) => ref,
  collection: (cell) => new Collection(cell as Collection['cell']),
  nested: (name) => (name === 'Point' ? point : undefined),
}

export class Collection {
  constructor(readonly cell: { readonly kind: string; readonly [property: string]: unknown }) {}
}

/** What users store: with cycles, shared values, instances, errors, memory. */
export function valueBy(c: Chance, depth = 0, seen: object[] = []): unknown {
  const deeper = (): unknown => valueBy(c, depth + 1, seen)
  const met = <T extends object>(value: T): T => {
    seen.push(value)
    return value
  }
  if (depth >= DEPTH_MAX || c.once(4)) return leafBy(c)
  if (seen.length > 0 && c.once(6)) return c.one(seen)
  return c.one<() => unknown>([
    () => met(c.many(4, deeper)),
    () => met(Object.fromEntries(c.many(3, () => [textBy(c), deeper()]))),
    () => met(new Map(c.many(3, () => [deeper(), deeper()]))),
    () => met(new Set(c.many(3, deeper))),
    () => met(Object.assign(new Point(), { y: deeper() })),
    () => met(Object.assign(new RangeError('bad'), { detail: deeper() })),
    () => met(new ConflictError('lost', { ref: refBy(c) })),
    () => /^a+[b-z]?$/giu,
    () => new Date(c.one([0, 1e12, Number.NaN])),
    () => new Float64Array(c.below(4)),
    () => new Uint16Array(c.below(4)).buffer,
    () => new BigInt64Array(c.below(3)),
    () => Object.assign([], { 3: deeper(), name: 'sparse' }),
    () => refBy(c),
    () => new Collection({ kind: 'dict', table: uuid(c), owner: refBy(c), keys: [], values: [], partition: 1, writes: 'lww' }),
  ])()
}

export const valueBytesBy = (c: Chance): Uint8Array => encodeValue(valueBy(c), encoding)
export const cellsBy = (c: Chance): Map<string, Cell> => encodeFields(new Map(c.many(4, () => [soundTextBy(c), valueBy(c)])), encoding)

// ---- rows

const KEY_TYPES: readonly ColumnType[] = [
  'text',
  'bool',
  'i32',
  'i64',
  'f32',
  'f64',
  'decimal',
  'blob',
  'uuid',
  'date',
  'time',
  'timestamp',
  'ref',
]

export function tableBy(c: Chance): Table {
  const column = (name: string): ColumnSpec => ({
    name,
    type: c.once(6) ? { tupleOf: [c.one(KEY_TYPES), c.one(KEY_TYPES)] } : c.one(KEY_TYPES),
  })
  return {
    id: uuid(c) as TableId,
    owner: refBy(c),
    keys: [column('p'), ...c.many(2, () => column('o'))],
    partition: 1,
    values: [
      { name: 'n', type: 'i64' },
      { name: 'note', type: 'text', optional: true },
      { name: 'hits', type: 'counter' },
    ],
    writes: 'lww',
  }
}

export function keyCellBy(c: Chance, type: ColumnType): Cell {
  if (typeof type === 'object') return 'tupleOf' in type ? type.tupleOf.map((of) => keyCellBy(c, of)) : null
  const make: Readonly<Record<string, () => Cell>> = {
    text: () => soundTextBy(c),
    bool: () => c.once(2),
    i32: () => c.one([0, 1, -1, 2 ** 31 - 1, -(2 ** 31)]),
    i64: () => c.one([0n, -1n, 2n ** 63n - 1n]),
    f32: () => c.one([0, 1.5, -1.5, Number.NaN, Number.NEGATIVE_INFINITY]),
    f64: () => c.one([0, 1.1, -1.1, Number.NaN, Number.POSITIVE_INFINITY]),
    decimal: () => c.one(['0', '1.5', '-1.5', '123456789.000001', '-1000']),
    blob: () => c.bytes(c.below(12)),
    uuid: () => uuid(c),
    date: () => c.one(['1970-01-01', '2024-02-29', '0001-01-01']),
    time: () => c.one(['00:00:00', '23:59:59.999999999', '12:34:56']),
    timestamp: () => new Date(c.one([0, -1, 1e12])),
    ref: () => new Ref(idBy(c), 'app/words#Block' as ClassId),
  }
  return make[type]!()
}

// ---- what records hold

export const markBy = (c: Chance): Mark => ({
  key: `${uuid(c)}/${c.below(99)}`,
  attempt: commitBy(c),
  state: c.once(3) ? 'aborted' : 'committed',
  outcome: c.once(2) ? null : c.bytes(c.below(30)),
})

export const opsBy = (c: Chance): readonly Op[] =>
  c.many(3, () =>
    c.one<() => Op>([
      () => ({ do: 'put', ref: refBy(c), set: cellsBy(c), expect: 'absent' }),
      () => ({ do: 'row', table: uuid(c) as TableId, key: ['p', 1n], set: [1n, 'x', undefined] }),
      () => ({ do: 'add', table: uuid(c) as TableId, key: ['p'], column: 2, by: 5n }),
      () => ({ do: 'name', alias: soundTextBy(c), expect: null, to: refBy(c) }),
    ])(),
  )

export const intentBy = (c: Chance): Intent => ({ commit: commitBy(c), home: refBy(c), redo: opsBy(c), leaseUntilMs: 1e12 })
