/** What may be asked of a dict, how the model answers, and that the dict answers the same. A long file on purpose: one question after the other. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { UnsupportedError } from '../../runtime/index.js'
import { all } from '../conformance/expect.js'
import { compareKeys, type Fields, type Row, type Rows, readKey, shownValues } from './dict-oracle.js'
import type { AnyDict, AnySets, ModelColumn, Shape } from './dict-shape.js'
import { byDecimal, decimalParts, type ModelType, show, spoil } from './dict-types.js'

export interface Bounds {
  readonly prefix: Fields
  readonly from?: Fields
  readonly to?: Fields
}
type Word = 'count' | 'sum' | 'min' | 'max'
export type Ops = Readonly<Record<string, 'count' | readonly [Word, string]>>
export interface Condition {
  readonly column: string
  readonly is?: unknown
  readonly in?: readonly unknown[]
  readonly from?: unknown
  readonly to?: unknown
  readonly has?: unknown
  readonly exists?: boolean
}

export type Query =
  | { readonly ask: 'all' }
  | { readonly ask: 'count' }
  | { readonly ask: 'get'; readonly keys: readonly Fields[] }
  | { readonly ask: 'range'; readonly bounds: Bounds; readonly limit?: number; readonly reverse: boolean }
  | {
      readonly ask: 'where'
      readonly conditions: readonly Condition[]
      readonly limit?: number
      readonly reverse: boolean
      readonly allow: boolean
    }
  | { readonly ask: 'aggregate'; readonly ops: Ops; readonly bounds: Bounds }
  | { readonly ask: 'group'; readonly by: readonly string[]; readonly ops: Ops; readonly bounds: Bounds }
  | { readonly ask: 'split'; readonly n: number; readonly ops: Ops }
  | OfOneSet

/** `key` is that of an element; `from` and `to` are elements. */
interface OfOneSet {
  readonly ask: 'set'
  readonly key: Fields
  readonly from?: unknown
  readonly to?: unknown
  readonly limit?: number
  readonly reverse: boolean
}

// ---- which ones

export function queriesOf(shape: Shape, keys: fc.Arbitrary<Fields>): fc.Arbitrary<Query> {
  const limit = fc.option(fc.nat(5), { nil: undefined })
  const reverse = fc.boolean()
  const bounds = boundsOf(shape, keys)
  const ops = opsOf(shape)
  return fc.oneof(
    fc.constant<Query>({ ask: 'all' }),
    fc.constant<Query>({ ask: 'count' }),
    fc.record({ ask: fc.constant('get' as const), keys: fc.array(keys, { minLength: 1, maxLength: 4 }) }),
    fc.record({ ask: fc.constant('range' as const), bounds, limit, reverse }) as fc.Arbitrary<Query>,
    fc.record({
      ask: fc.constant('where' as const),
      conditions: fc.uniqueArray(conditionOf(shape, keys), { selector: ({ column }) => column, maxLength: 3 }),
      limit,
      reverse,
      allow: fc.boolean(),
    }) as fc.Arbitrary<Query>,
    fc.record({ ask: fc.constant('aggregate' as const), ops, bounds }),
    fc.record({ ask: fc.constant('group' as const), by: groupsOf(shape), ops, bounds }),
    fc.record({ ask: fc.constant('split' as const), n: fc.constantFrom(1, 2, 3, 7), ops }),
    ...(shape.isSets ? [ofOneSet(keys)] : []),
  )
}

function ofOneSet(keys: fc.Arbitrary<Fields>): fc.Arbitrary<Query> {
  const side = fc.option(
    keys.map((key) => key['element']),
    { nil: undefined },
  )
  const limit = fc.option(fc.nat(5), { nil: undefined })
  return fc.record({
    ask: fc.constant('set' as const),
    key: keys,
    from: side,
    to: side,
    limit,
    reverse: fc.boolean(),
  }) as fc.Arbitrary<Query>
}

/** Whether a class of these columns can be asked that. */
export function canBeAsked(shape: Shape, query: Query): boolean {
  const names = columnsOf(shape).map(({ name }) => name)
  const asked = [
    ...('ops' in query ? Object.values(query.ops).flatMap((op) => (op === 'count' ? [] : [op[1]])) : []),
    ...('by' in query ? query.by : []),
    ...('conditions' in query ? query.conditions.map(({ column }) => column) : []),
  ]
  return asked.every((name) => names.includes(name))
}

/** Some first columns fixed, and the ones behind them bounded on either side. */
function boundsOf({ keys: columns }: Shape, keys: fc.Arbitrary<Fields>): fc.Arbitrary<Bounds> {
  const part = (key: Fields, from: number, count: number): Fields =>
    Object.fromEntries(columns.slice(from, from + count).map(({ name }) => [name, key[name]]))
  const side = fc.option(fc.tuple(keys, fc.integer({ min: 1, max: 3 })), { nil: undefined })
  return fc.tuple(fc.nat(columns.length), keys, side, side).map(([fixed, key, from, to]) => ({
    prefix: part(key, 0, fixed),
    ...(from && fixed < columns.length && { from: part(from[0], fixed, from[1]) }),
    ...(to && fixed < columns.length && { to: part(to[0], fixed, to[1]) }),
  }))
}

const columnsOf = ({ keys, values }: Shape): readonly ModelColumn[] => [...keys, ...values]

function opsOf(shape: Shape): fc.Arbitrary<Ops> {
  const can = columnsOf(shape).flatMap(({ name, type }): (readonly [Word, string])[] => [
    ['count', name],
    ...(type.sum ? [['sum', name] as const] : []),
    ...(type.order ? [['min', name] as const, ['max', name] as const] : []),
  ])
  return fc
    .array(fc.oneof(fc.constant('count' as const), fc.constantFrom(...can)), { minLength: 1, maxLength: 3 })
    .map((ops) => Object.fromEntries(ops.map((op, i) => [`op${i}`, op])))
}

function groupsOf(shape: Shape): fc.Arbitrary<readonly string[]> {
  const names = columnsOf(shape).filter(({ type }) => type.order)
  return fc.oneof(
    fc.integer({ min: 1, max: shape.keys.length }).map((n) => shape.keys.slice(0, n).map(({ name }) => name)),
    fc.uniqueArray(fc.constantFrom(...names.map(({ name }) => name)), { minLength: 1, maxLength: 3 }),
  )
}

function conditionOf(shape: Shape, keys: fc.Arbitrary<Fields>): fc.Arbitrary<Condition> {
  return fc.oneof(
    {
      weight: 3,
      arbitrary: fc.oneof(
        ...shape.keys.map((one) =>
          conditionOn(
            one,
            keys.map((key) => key[one.name]),
          ),
        ),
      ),
    },
    { weight: 2, arbitrary: fc.oneof(...columnsOf(shape).map((one) => conditionOn(one, one.type.written))) },
  )
}

function conditionOn({ name: column, type }: ModelColumn, value: fc.Arbitrary<unknown>): fc.Arbitrary<Condition> {
  const isPlainObject = type.name.startsWith('record')
  return fc.oneof(
    isPlainObject ? value.map((one) => ({ column, in: [one] })) : value.map((is) => ({ column, is })),
    fc.array(value, { maxLength: 3 }).map((some) => ({ column, in: some })),
    ...(type.order
      ? [
          value.map((from) => ({ column, from })),
          value.map((to) => ({ column, to })),
          fc.tuple(value, value).map(([from, to]) => ({ column, from, to })),
        ]
      : []),
    ...(type.element ? [type.element.written.map((has) => ({ column, has }))] : []),
    fc.boolean().map((exists) => ({ column, exists })),
  )
}

// ---- what the model says

export const inBounds = (shape: Shape, row: Row, { prefix, from, to }: Bounds): boolean => {
  const [first, low, high] = [prefix, from ?? {}, to].map((bound) => bound && readKey(shape.keys, bound))
  return (
    compareKeys(shape.keys, row.key, first!) === 0 &&
    compareKeys(behind(shape, first!), row.key, low!) >= 0 &&
    (high === undefined || compareKeys(behind(shape, first!), row.key, high) < 0)
  )
}

/** The columns behind a prefix. */
const behind = ({ keys }: Shape, prefix: Fields): readonly ModelColumn[] => keys.slice(Object.keys(prefix).length)

const some = <T>(rows: readonly T[], limit: number | undefined, reverse: boolean): T[] =>
  (reverse ? [...rows].reverse() : [...rows]).slice(0, limit ?? rows.length)

function cellOf(shape: Shape, row: Row, { name }: ModelColumn): unknown {
  const all = { ...row.key, ...shownValues(shape, row) }
  return Object.hasOwn(all, name) ? (all[name] ?? undefined) : undefined
}

const columnNamed = (shape: Shape, name: string): ModelColumn => columnsOf(shape).find((one) => one.name === name)!

function holds(shape: Shape, row: Row, condition: Condition): boolean {
  const column = columnNamed(shape, condition.column)
  const { type } = column
  const cell = cellOf(shape, row, column)
  const told = (value: unknown, of: ModelType = type): unknown => of.key(of.reads(value))
  if (condition.exists !== undefined) return condition.exists === (cell !== undefined)
  if (cell === undefined) return false
  const own = type.key(cell)
  const among = Object.hasOwn(condition, 'is') ? [condition.is] : condition.in
  if (among && !among.some((value) => show(told(value)) === show(own))) return false
  if (Object.hasOwn(condition, 'from') && type.order!(own, told(condition.from)) < 0) return false
  if (Object.hasOwn(condition, 'to') && type.order!(own, told(condition.to)) >= 0) return false
  if (!Object.hasOwn(condition, 'has')) return true
  const wanted = show(told(condition.has, type.element!))
  return [...type.membersOf!(cell)].some((member) => show(type.element!.key(member)) === wanted)
}

function valueOfOp(shape: Shape, rows: readonly Row[], op: Ops[string]): unknown {
  if (op === 'count') return rows.length
  const column = columnNamed(shape, op[1])
  const cells = rows.map((row) => cellOf(shape, row, column)).filter((cell) => cell !== undefined)
  if (op[0] === 'count') return cells.length
  if (op[0] === 'sum') return sumOf(column.type, cells)
  const sorted = [...cells].sort(column.type.order)
  const cell = op[0] === 'min' ? sorted[0] : sorted.at(-1)
  return cell === undefined ? undefined : column.type.key(cell)
}

function sumOf({ sum }: ModelType, cells: readonly unknown[]): unknown {
  if (sum === 'whole') return cells.reduce((total: bigint, cell) => total + BigInt(cell as number), 0n)
  if (sum === 'float') return cells.reduce((total: number, cell) => total + (cell as number), 0)
  return (cells as string[]).reduce(plusDecimal, '0')
}

function plusDecimal(a: string, b: string): string {
  const [x, y] = [decimalParts(a), decimalParts(b)]
  const scale = Math.max(x.scale, y.scale)
  const units = x.units * 10n ** BigInt(scale - x.scale) + y.units * 10n ** BigInt(scale - y.scale)
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, '0')
  const [whole, fraction] = [digits.slice(0, digits.length - scale), digits.slice(digits.length - scale)]
  return `${units < 0n ? '-' : ''}${whole}${scale > 0 ? `.${fraction}` : ''}`
}

/** In the order of the groups' columns, what is not set first. */
function groupsIn(shape: Shape, rows: readonly Row[], by: readonly string[]): { key: Fields; rows: Row[] }[] {
  const columns = by.map((name) => columnNamed(shape, name))
  const groups = new Map<string, { key: Fields; rows: Row[] }>()
  for (const row of rows) {
    const cells = columns.map((column): [string, unknown] => [column.name, setOr(column.type, cellOf(shape, row, column))])
    const known = groups.get(show(cells)) ?? { key: Object.fromEntries(cells), rows: [] }
    known.rows.push(row)
    groups.set(show(cells), known)
  }
  return [...groups.values()].sort((a, b) =>
    columns.reduce((known, { name, type }) => known || unsetFirst(type, a.key[name], b.key[name]), 0),
  )
}

const setOr = (type: ModelType, cell: unknown): unknown => (cell === undefined ? undefined : type.key(cell))
const unsetFirst = (type: ModelType, a: unknown, b: unknown): number =>
  a === undefined || b === undefined ? Number(a !== undefined) - Number(b !== undefined) : type.order!(a, b)

// ---- and what the dict says

/** A dict, what it must show, and how values go in and come out. */
export interface Asked {
  readonly shape: Shape
  readonly dict: AnyDict
  readonly rows: Rows
  readonly given: (value: any) => any
  readonly seen: (value: unknown) => any
  readonly isStored: boolean
}

const shownRow = (shape: Shape, row: Row): string => `${show(row.key)} ${show(shownValues(shape, row))}`
const pairs = ({ seen }: Asked, rows: readonly (readonly [unknown, unknown])[]): string[] =>
  rows.map(([key, values]) => `${show(seen(key))} ${show(seen(values))}`)

/** Asks, compares, and gives the rows that were shown whole. */
export async function ask(asked: Asked, query: Query): Promise<readonly Row[]> {
  const { shape, rows, dict, given } = asked
  switch (query.ask) {
    case 'all':
      return askAll(asked)
    case 'count':
      assert.equal(await dict.count(), rows.inOrder().length, 'count()')
      return []
    case 'get':
      return askKeys(asked, query.keys)
    case 'range': {
      const { prefix, ...options } = query.bounds
      const expected = some(
        rows.inOrder().filter((row) => inBounds(shape, row, query.bounds)),
        query.limit,
        query.reverse,
      )
      const found = await all(dict.range(given(prefix), { ...given(options), ...only({ limit: query.limit, reverse: query.reverse }) }))
      assert.deepEqual(
        pairs(asked, found),
        expected.map((row) => shownRow(shape, row)),
        'range()',
      )
      return expected
    }
    case 'where':
      return askWhere(asked, query)
    case 'aggregate': {
      const { prefix, ...options } = query.bounds
      const within = rows.inOrder().filter((row) => inBounds(shape, row, query.bounds))
      compareOps(asked, query.ops, await dict.aggregate(query.ops as never, { prefix: given(prefix), ...given(options) }), within)
      return []
    }
    case 'group':
      await askGroups(asked, query)
      return []
    case 'split':
      if (!asked.isStored) return []
      await askParts(asked, query)
      return rows.inOrder()
    case 'set':
      return askSet(asked, query)
  }
}

const only = (options: { limit: number | undefined; reverse: boolean }): { limit?: number; reverse: boolean } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { reverse: boolean }

async function askAll(asked: Asked): Promise<readonly Row[]> {
  const { shape, rows, dict, seen } = asked
  const expected = rows.inOrder()
  assert.deepEqual(
    pairs(asked, await all(dict.entries())),
    expected.map((row) => shownRow(shape, row)),
    'entries()',
  )
  assert.equal(await dict.count(), expected.length, 'count()')
  assert.deepEqual(
    (await all(dict.keys())).map((key) => show(seen(key))),
    expected.map(({ key }) => show(key)),
    'keys()',
  )
  assert.deepEqual(
    (await all(dict.values())).map((values) => show(seen(values))),
    expected.map((row) => show(shownValues(shape, row))),
    'values()',
  )
  return expected
}

async function askKeys(asked: Asked, written: readonly Fields[]): Promise<readonly Row[]> {
  const { shape, rows, dict, given, seen } = asked
  const known = written.map((key) => rows.get(readKey(shape.keys, key)))
  const expected = known.map((row) => (row ? show(shownValues(shape, row)) : 'undefined'))
  const found = await dict.getMany(given(written))
  assert.deepEqual(
    found.map((values) => show(seen(values))),
    expected,
    'getMany()',
  )
  spoil(found)
  for (const [i, key] of written.entries()) {
    const values = await dict.get(given(key))
    assert.equal(show(seen(values)), expected[i], 'get()')
    spoil(values)
    assert.equal(await dict.has(given(key)), known[i] !== undefined, 'has()')
  }
  return known.filter((row) => row !== undefined)
}

async function askSet({ shape, rows, dict, given, seen }: Asked, { key, from, to, limit, reverse }: OfOneSet): Promise<readonly Row[]> {
  const { element, ...name } = key
  const sets = dict as AnySets
  const { type } = shape.keys.at(-1)!
  const bound = (value: unknown): unknown => type.key(type.reads(value))
  const members = rows.inOrder().filter((row) => compareKeys(shape.keys.slice(0, -1), row.key, readKey(shape.keys, name)) === 0)
  const expected = members
    .filter((row) => from === undefined || type.order!(row.key['element'], bound(from)) >= 0)
    .filter((row) => to === undefined || type.order!(row.key['element'], bound(to)) < 0)
  const range = Object.fromEntries(
    Object.entries({ from: given(from), to: given(to), limit, reverse }).filter(([, one]) => one !== undefined),
  )
  const found = await all(sets.elements(given(name), range))
  assert.deepEqual(
    found.map((one) => show(seen(one))),
    some(expected, limit, reverse).map((row) => show(row.key['element'])),
    'elements()',
  )
  assert.equal(await sets.sizeOf(given(name)), members.length, 'sizeOf()')
  const isThere = members.some((row) => show(row.key['element']) === show(bound(element)))
  assert.equal(await sets.includes(given(name), given(element)), isThere, 'includes()')
  return []
}

async function askWhere(asked: Asked, { conditions, limit, reverse, allow }: Extract<Query, { ask: 'where' }>): Promise<readonly Row[]> {
  const { shape, rows, dict, given } = asked
  const expected = some(
    rows.inOrder().filter((row) => conditions.every((one) => holds(shape, row, one))),
    limit,
    reverse,
  )
  const where = Object.fromEntries(conditions.map(({ column, ...words }) => [column, Object.hasOwn(words, 'is') ? words.is : words]))
  const isFixed = shape.keys
    .slice(0, shape.partition)
    .every(({ name }) => conditions.some((one) => one.column === name && ('is' in one || 'in' in one)))
  try {
    const found = await all(dict.where(given(where), { ...only({ limit, reverse }), allowFiltering: allow }))
    assert.deepEqual(
      pairs(asked, found),
      expected.map((row) => shownRow(shape, row)),
      'where()',
    )
    return expected
  } catch (error) {
    if (error instanceof UnsupportedError && error.code === 'ERR_WHERE_SCANS' && !allow && !isFixed) return []
    throw error
  }
}

async function askGroups(asked: Asked, { by, ops, bounds }: Extract<Query, { ask: 'group' }>): Promise<void> {
  const { shape, rows, dict, given, seen } = asked
  const { prefix, ...options } = bounds
  const expected = groupsIn(
    shape,
    rows.inOrder().filter((row) => inBounds(shape, row, bounds)),
    by,
  )
  const found: [any, any][] = await all<[any, any]>(dict.groupBy(by as never, ops as never, { prefix: given(prefix), ...given(options) }))
  const keyOf = (key: Fields): string => show(by.map((name) => setOr(columnNamed(shape, name).type, key[name])))
  assert.deepEqual(
    found.map(([key]) => keyOf(seen(key))),
    expected.map(({ key }) => keyOf(key)),
    'groupBy()',
  )
  for (const [i, [, told]] of found.entries()) compareOps(asked, ops, told, expected[i]!.rows)
}

async function askParts(asked: Asked, { n, ops }: Extract<Query, { ask: 'split' }>): Promise<void> {
  const { shape, rows, dict } = asked
  const parts = await dict.split(n)
  assert.ok(parts.length >= (rows.inOrder().length < 100 ? 1 : n), `split(${n}) gave ${parts.length} parts`)
  const finer = (await Promise.all(parts.map((part) => part.split(2)))).flat()
  for (const some of [parts, finer]) {
    const found: string[] = []
    for (const part of some) {
      const own = pairs(asked, await all(part.entries()))
      assert.equal(await part.count(), own.length, 'count() of a part')
      const known = new Map(rows.inOrder().map((row) => [shownRow(shape, row), row]))
      compareOps(
        asked,
        ops,
        (await part.aggregate(ops as never)) as Fields,
        own.flatMap((row) => known.get(row) ?? []),
      )
      found.push(...own)
    }
    assert.deepEqual(
      found.sort(),
      rows
        .inOrder()
        .map((row) => shownRow(shape, row))
        .sort(),
      'the parts together',
    )
  }
}

function compareOps({ shape, seen }: Asked, ops: Ops, told: Fields, rows: readonly Row[]): void {
  for (const [name, op] of Object.entries(ops)) {
    const expected = valueOfOp(shape, rows, op)
    const found = seen(told[name])
    const type = op === 'count' ? undefined : columnNamed(shape, op[1]).type
    const what = `${show(op)} of ${rows.length} rows`
    if (type && op[0] === 'sum' && type.sum === 'float')
      assert.ok(isNear(found, expected as number, rows, shape, op[1]), `${what}: ${show(found)}, not ${show(expected)}`)
    else if (type && (op[0] === 'min' || op[0] === 'max')) assert.equal(show(setOr(type, found)), show(expected), what)
    else if (type && op[0] === 'sum' && type.sum === 'decimal')
      assert.ok(byDecimal(found as string, expected as string) === 0, `${what}: ${show(found)}, not ${show(expected)}`)
    else assert.equal(show(found), show(expected), what)
  }
}

/** Sums of floats depend on the order in which rows are added, which is a store's own. */
function isNear(found: unknown, expected: number, rows: readonly Row[], shape: Shape, name: string): boolean {
  if (typeof found !== 'number') return false
  const column = columnNamed(shape, name)
  const sizes = rows.map((row) => Math.abs((cellOf(shape, row, column) as number | undefined) ?? 0))
  if (sizes.some((size) => size >= 1e300 && Number.isFinite(size))) return true
  if (!Number.isFinite(expected)) return Object.is(found, expected)
  return Math.abs(found - expected) <= 1e-6 * sizes.reduce((a, b) => a + b, 0)
}
