/** Random programs on one dict: what two programs do to it, one step after the other. */
import fc from 'fast-check'
import type { Fields } from './dict-oracle.js'
import { type Query, queriesOf } from './dict-queries.js'
import { type Shape, shapes } from './dict-shape.js'

/** A change as a program writes it: nothing of it is in its read form yet. */
export type Written =
  | { readonly do: 'set'; readonly key: Fields; readonly values: Fields }
  | { readonly do: 'delete'; readonly key: Fields }
  | { readonly do: 'add'; readonly key: Fields; readonly counter: string; readonly by: bigint | number }

export type Who = 0 | 1
export type Action =
  | { readonly do: 'write'; readonly who: Who; readonly changes: readonly Written[]; readonly atOnce: boolean }
  | { readonly do: 'save'; readonly who: Who; readonly by: 'owner' | 'dict' }
  | { readonly do: 'discard' | 'clear'; readonly who: Who }
  /** `isFormer`: as a program from before the class has gained columns, if it has. */
  | { readonly do: 'reopen'; readonly who: Who; readonly isFormer: boolean }
  | { readonly do: 'clearSet'; readonly who: Who; readonly key: Fields }
  | { readonly do: 'bulk'; readonly who: Who; readonly rows: readonly (readonly [Fields, Fields])[] }
  | { readonly do: 'update'; readonly who: Who; readonly changes: readonly Written[]; readonly fails: boolean }
  | Transaction
  | { readonly do: 'ask'; readonly who: Who; readonly query: Query }
  | Walk

export interface Transaction {
  readonly do: 'transact'
  readonly who: Who
  /** Read before somebody else comes between, in the first attempt. */
  readonly reads: readonly Fields[]
  readonly between: readonly Written[]
  readonly changes: readonly Written[]
  readonly query: Query
  readonly check: boolean
  readonly fails: boolean
}

/** A scan during which rows are written. */
export interface Walk {
  readonly do: 'walk'
  readonly who: Who
  readonly after: number
  readonly reverse: boolean
  readonly mine: readonly Written[]
  readonly saves: boolean
  readonly theirs: readonly Written[]
}

export interface Plan {
  readonly shape: Shape
  /** All keys that the program writes or asks for. */
  readonly keys: readonly Fields[]
  /** Before anything is stored. */
  readonly volatile: readonly (readonly Written[])[]
  readonly asked: readonly Query[]
  /** Rows that are loaded at the start, so that scans have several pages. */
  readonly filler: readonly (readonly [Fields, Fields])[]
  readonly actions: readonly Action[]
}

export interface PlanOptions {
  readonly actionsMax: number
  readonly shapes?: fc.Arbitrary<Shape>
}

export const plans = ({ actionsMax, shapes: some = shapes }: PlanOptions): fc.Arbitrary<Plan> =>
  some.chain((shape) =>
    poolsOf(shape).chain((pools) => {
      const keys = fc.record(Object.fromEntries(shape.keys.map(({ name }, i) => [name, fc.constantFrom(...pools[i]!)])))
      const changes = changesOf(shape, keys)
      const queries = queriesOf(shape, keys)
      return fc.record({
        shape: fc.constant(shape),
        keys: fc.constant(combined(shape, pools)),
        volatile: fc.array(changes, { maxLength: 2 }),
        asked: fc.array(queries, { maxLength: 2 }),
        filler: fillersOf(shape, pools),
        actions: fc.array(actionsOf(shape, keys, changes, queries), { maxLength: actionsMax, size: 'max' }),
      })
    }),
  )

/** Few values of each key column, so that programs meet. */
const poolsOf = ({ keys }: Shape): fc.Arbitrary<readonly (readonly unknown[])[]> =>
  fc.tuple(...keys.map(({ type }) => fc.array(type.written, { minLength: 1, maxLength: keys.length === 1 ? 6 : 3 })))

const combined = ({ keys }: Shape, pools: readonly (readonly unknown[])[]): Fields[] =>
  keys.reduce<Fields[]>((all, { name }, i) => all.flatMap((key) => pools[i]!.map((value) => ({ ...key, [name]: value }))), [{}])

const valuesOf = ({ values }: Shape): fc.Arbitrary<Fields> => {
  const columns = values.filter(({ isCounter }) => !isCounter)
  return fc.record(
    Object.fromEntries(
      columns.map(({ name, type }) => [
        name,
        fc.oneof({ arbitrary: type.written, weight: 8 }, { arbitrary: fc.constant<unknown>(null), weight: 1 }),
      ]),
    ),
    { requiredKeys: columns.filter(({ isOptional }) => !isOptional).map(({ name }) => name) },
  )
}

const BY = [1, -1, 5, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n), 0]

function changesOf(shape: Shape, keys: fc.Arbitrary<Fields>): fc.Arbitrary<readonly Written[]> {
  const counters = shape.values.filter(({ isCounter }) => isCounter).map(({ name }) => name)
  const set = fc.record({ do: fc.constant('set' as const), key: keys, values: valuesOf(shape) })
  const remove = fc.record({ do: fc.constant('delete' as const), key: keys })
  const add = fc.record({
    do: fc.constant('add' as const),
    key: keys,
    counter: fc.constantFrom(...counters, ''),
    by: fc.constantFrom(...BY),
  })
  const one: fc.Arbitrary<Written> =
    counters.length === 0
      ? fc.oneof({ arbitrary: set, weight: 3 }, { arbitrary: remove, weight: 1 })
      : fc.oneof(
          { arbitrary: set, weight: 3 },
          { arbitrary: remove, weight: 1 },
          { arbitrary: add.filter(({ counter }) => counter !== ''), weight: 2 },
        )
  return fc.array(one, { minLength: 1, maxLength: 5 })
}

const FILLERS = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 300, 1200]

/** Further rows that differ in a key column of whole numbers or text, if there is one. */
function fillersOf(shape: Shape, pools: readonly (readonly unknown[])[]): fc.Arbitrary<readonly (readonly [Fields, Fields])[]> {
  const at = shape.keys.findLastIndex(({ type }) => type.name === 'i64' || type.name === 'text')
  if (at < 0 || shape.writes === 'counters') return fc.constant([])
  const first = Object.fromEntries(shape.keys.map(({ name }, i) => [name, pools[i]![0]]))
  const { name, type } = shape.keys[at]!
  return fc
    .tuple(fc.constantFrom(...FILLERS), valuesOf(shape))
    .map(([count, values]) =>
      Array.from({ length: count }, (_, n): [Fields, Fields] => [
        { ...first, [name]: type.name === 'i64' ? BigInt(1000 + 7 * n) : `f${n}` },
        values,
      ]),
    )
}

function actionsOf(
  shape: Shape,
  keys: fc.Arbitrary<Fields>,
  changes: fc.Arbitrary<readonly Written[]>,
  queries: fc.Arbitrary<Query>,
): fc.Arbitrary<Action> {
  const who = fc.constantFrom<Who>(0, 1)
  const rows = fc.array(fc.tuple(keys, valuesOf(shape)), { minLength: 1, maxLength: 4 })
  const maybe = fc.oneof(fc.constant<readonly Written[]>([]), changes)
  const seldom = fc.nat(3).map((n) => n === 0)
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), who, changes, atOnce: fc.boolean() }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('save' as const), who, by: fc.constantFrom('owner' as const, 'dict' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('discard' as const, 'clear' as const), who }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('ask' as const), who, query: queries }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('bulk' as const), who, rows }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('update' as const), who, changes, fails: seldom }) },
    {
      weight: 2,
      arbitrary: fc
        .record({
          do: fc.constant('transact' as const),
          who,
          reads: fc.array(keys, { maxLength: 3 }),
          between: maybe,
          changes: maybe,
          query: queries,
          check: fc.boolean(),
          fails: seldom,
        })
        // the other program often writes just what was read
        .map((one) => ({ ...one, between: one.between.map((change, i) => ({ ...change, key: one.reads[i] ?? change.key })) })),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('walk' as const),
        who,
        after: fc.nat(6),
        reverse: fc.boolean(),
        mine: maybe,
        saves: fc.boolean(),
        theirs: maybe,
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), who, isFormer: fc.boolean() }) },
    ...(shape.isSets ? [{ weight: 3, arbitrary: fc.record({ do: fc.constant('clearSet' as const), who, key: keys }) }] : []),
  )
}
