/** Compiles, or the types are wrong. Never run. */

import type { NewRow, Row } from '../../src/dict/column.js'
import { t } from '../../src/dict/columns.js'
import { StorageDict } from '../../src/dict/storage-dict.js'
import type { Id } from '../../src/ids.js'

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
const same = <A, B>(_: Same<A, B>): void => {}

abstract class Stored {
  #secret = 1
  getID(): Id | null {
    return this.#secret ? null : null
  }
}
class Person extends Stored {
  name = ''
}
/** A class may refer to itself and to one declared later. */
class Node extends Stored {
  edges = new StorageDict({ to: t.ref(() => Node) }, { weight: t.f64, pet: t.ref(() => Pet).optional() })
}
class Pet extends Stored {
  kind = ''
}

const log = new StorageDict(
  { day: t.text, at: t.i64 },
  { hits: t.counter, note: t.text.optional(), who: t.ref(() => Person), gone: t.timestamp.nullable(), tags: t.set(t.text) },
  { partition: ['day'] },
)
declare const p: Person

export async function reads(): Promise<void> {
  const row = await log.get({ day: 'a', at: 1 })
  row?.who satisfies Person | undefined
  row?.note satisfies string | undefined
  row?.gone satisfies Date | null | undefined
  row?.tags satisfies ReadonlySet<string> | undefined
  for await (const [{ day, at }, { hits }] of log) {
    day satisfies string
    at satisfies bigint
    hits satisfies bigint
  }
  for await (const [{ to }, { weight, pet }] of new Node().edges.range({ to: new Node() }, { limit: 3, reverse: true })) {
    to.edges satisfies Node['edges']
    weight satisfies number
    pet?.kind satisfies string | undefined
  }
  for await (const { day } of log.keys()) day satisfies string
  for await (const { hits } of log.values()) hits satisfies bigint
  const parts = await log.split()
  parts satisfies (typeof log)[]
}

export function writes(): void {
  log.set({ day: 'a', at: 1 }, { who: p, gone: null, tags: ['x'] })
  log.set({ day: 'a', at: 1n }, { who: p, gone: new Date(), tags: new Set(['x']), note: 'y' })
  log.setMany([
    [
      { day: 'a', at: 1 },
      { who: p, gone: null, tags: [] },
    ],
  ])
  void (counts.setMany(counts.range({ word: 'a' })) satisfies Promise<void>)
  log.add({ day: 'a', at: 1 }, 'hits', 1)
  log.add({ day: 'a', at: 1 }, 'hits', -1n)
  // @ts-expect-error a counter cannot be set
  log.set({ day: 'a', at: 1 }, { hits: 3n, who: p, gone: null, tags: [] })
  // @ts-expect-error text for text
  log.set({ day: 3, at: 1 }, { who: p, gone: null, tags: [] })
  // @ts-expect-error a required column is missing
  log.set({ day: 'a', at: 1 }, { gone: null, tags: [] })
  // @ts-expect-error null only where it is said
  log.set({ day: 'a', at: 1 }, { who: p, gone: null, tags: [], note: null })
  // @ts-expect-error another class
  log.set({ day: 'a', at: 1 }, { who: new Pet(), gone: null, tags: [] })
  // @ts-expect-error no such column
  log.set({ day: 'a', at: 1 }, { who: p, gone: null, tags: [], nope: 1 })
  // @ts-expect-error not a counter
  log.add({ day: 'a', at: 1 }, 'note', 1)
  // @ts-expect-error the whole key
  void log.get({ day: 'a' })
  // @ts-expect-error a partition names key columns
  new StorageDict({ a: t.text }, {}, { partition: ['b'] })
  // @ts-expect-error a collection's elements are not optional
  t.set(t.text.optional())
  // @ts-expect-error no object of ours
  t.ref(() => Date)
}

const all = {
  bool: t.bool,
  i32: t.i32,
  f32: t.f32,
  decimal: t.decimal,
  blob: t.blob,
  list: t.list(t.i64),
  tuple: t.tuple(t.text, t.i64),
  map: t.map(t.text, t.list(t.f64)),
  vector: t.vector(3),
}
same<
  Row<typeof all>,
  {
    bool: boolean
    i32: number
    f32: number
    decimal: string
    blob: Uint8Array
    list: readonly bigint[]
    tuple: readonly [string, bigint]
    map: ReadonlyMap<string, readonly number[]>
    vector: Float32Array
  }
>(true)
same<NewRow<{ a: typeof t.i64; c: typeof t.counter }>, { a: number | bigint; c?: never }>(true)
const counts = new StorageDict({ word: t.text }, { n: t.i64 })
same<typeof counts extends StorageDict<infer K, infer V> ? [NewRow<K>, Row<V>] : never, [{ word: string }, { n: bigint }]>(true)

class Totals extends StorageDict.of(
  { word: t.text, at: t.i32 },
  { n: t.i64, price: t.decimal, place: t.record({ x: t.f64, name: t.text.optional() }) },
) {
  longest(): number {
    return 1
  }
}

export async function queries(): Promise<void> {
  for await (const [{ word }, { n, place }] of new Totals().where({ word: { in: ['a'] }, at: { from: 1 }, n: 3 }, { limit: 1 })) {
    word satisfies string
    n satisfies bigint
    place.name satisfies string | undefined
  }
  const sums = await new Totals().aggregate({ rows: 'count', n: ['sum', 'n'], price: ['sum', 'price'], first: ['min', 'word'] })
  same<typeof sums, { rows: number; n: bigint; price: string; first: string | undefined }>(true)
  for await (const [{ word }, { rows }] of new Totals().groupBy(['word'], { rows: 'count' })) {
    word satisfies string
    rows satisfies number
  }
  const found = await Totals.getByAlias('totals')
  found.longest() satisfies number
  ;(await found.get({ word: 'a', at: 1 })) satisfies { n: bigint } | undefined
  void found.save()
  // @ts-expect-error no such column
  new Totals().where({ nope: 1 })
  // @ts-expect-error another type
  new Totals().where({ at: 'x' })
  // @ts-expect-error no such word
  new Totals().where({ at: { above: 3 } })
  // @ts-expect-error no such column
  void new Totals().aggregate({ s: ['sum', 'nope'] })
  // @ts-expect-error no such column
  new Totals().groupBy(['nope'], { n: 'count' })
  // @ts-expect-error a required field of the record is missing
  new Totals().set({ word: 'a', at: 1 }, { n: 1, price: '1', place: { name: 'x' } })
}
