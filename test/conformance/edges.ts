/** Names, sizes and what is not there, at their edges. */
import assert from 'node:assert/strict'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { NotFoundError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { all, refused } from './expect.js'

class Tagged extends StorageDict.of(
  { p: t.text, k: t.i32 },
  { tags: t.list(t.text).optional(), seen: t.set(t.i32).optional(), marks: t.map(t.text, t.i32).optional() },
) {
  static readonly typeName = 'insitu/conformance#Tagged'
}

/** What languages, drivers and stores call things of their own. */
const ODD = [
  '__columns',
  'constructor',
  'toString',
  'get',
  'keys',
  'forEach',
  'select',
  'token',
  'object_id',
  'Group',
  '~at',
  '"',
  'a b',
  '日',
]

class OddRows extends StorageDict.of(
  { p: t.text, ...Object.fromEntries(ODD.map((name) => [`${name} key`, t.text])) } as Record<string, typeof t.text>,
  Object.fromEntries(ODD.map((name) => [name, t.text])),
) {
  static readonly typeName = 'insitu/conformance#OddRows'
}

class OddKey extends StorageDict.of({ __columns: t.text, forEach: t.text }, { n: t.i32 }) {
  static readonly typeName = 'insitu/conformance#OddKey'
}

/** Fields of any name. */
class Bag extends StorageObject {
  static readonly typeName = 'insitu/conformance#Bag'
  readonly [field: string]: unknown
}

class Owner extends StorageObject {
  static readonly typeName = 'insitu/conformance#OwnerOfRows'
  rows = new StorageDict({ p: t.text }, { n: t.i32 })
  guarded = new StorageDict({ p: t.text, k: t.i32 }, { n: t.i32 }, { writes: 'cas' })
}

class Stops extends StorageDict.of(
  { town: t.text, line: t.i32.indexed(), at: t.i32 },
  { delay: t.i32.indexed(), note: t.text },
  { partition: ['town', 'line'] },
) {
  static readonly typeName = 'insitu/conformance#Stops'
}

const MANY = 70
const FIELD_BYTES = 250_000

const bagOf = (fill: (i: number) => unknown, names: readonly string[]): Bag => {
  const bag = new Bag()
  for (const [i, name] of names.entries()) Object.assign(bag, { [name]: fill(i) })
  return bag
}

const asOther = <T>(ctx: CaseContext, body: () => Promise<T>): Promise<T> => ctx.other(body)

export const edges: readonly Case[] = [
  law('I400', 'a column is counted where it is set, an empty collection included, in one partition as in all of them', async (ctx) => {
    const dict = new Tagged()
    dict.set({ p: 'a', k: 1 }, { tags: [], seen: [], marks: new Map() })
    dict.set({ p: 'a', k: 2 }, { tags: ['x'], seen: [1], marks: new Map([['y', 1]]) })
    dict.set({ p: 'a', k: 3 }, {})
    await dict.makePersistent(ctx.alias('tagged'))
    const ops = { rows: 'count', tags: ['count', 'tags'], seen: ['count', 'seen'], marks: ['count', 'marks'] } as const
    for (const range of [{}, { prefix: { p: 'a' } }, { prefix: { p: 'a' }, from: { k: 1 } }])
      assert.deepEqual(await dict.aggregate(ops, range), { rows: 3, tags: 2, seen: 2, marks: 2 })
  }),

  law('I401', 'columns and fields are called what their author likes, also what a driver calls something of its own', async (ctx) => {
    const key = { p: 'a', ...Object.fromEntries(ODD.map((name) => [`${name} key`, `${name}!`])) }
    const value = Object.fromEntries(ODD.map((name) => [name, `${name}?`]))
    const rows = new OddRows()
    rows.set(key, value)
    await rows.makePersistent(ctx.alias('rows'))
    const keys = new OddKey()
    keys.set({ __columns: 'c', forEach: 'd' }, { n: 1 })
    await keys.makePersistent(ctx.alias('keys'))
    const names = [...ODD.filter((name) => !(name in Object.prototype)), 'x'.repeat(300)]
    await bagOf((i) => `value ${i}`, names).makePersistent(ctx.alias('bag'))
    await asOther(ctx, async () => {
      assert.deepEqual(await all((await OddRows.getByAlias(ctx.alias('rows'))).entries()), [[key, value]])
      const found = await OddKey.getByAlias(ctx.alias('keys'))
      assert.deepEqual(await found.get({ __columns: 'c', forEach: 'd' }), { n: 1 })
      assert.deepEqual(await all(found.range({ __columns: 'c' })), [[{ __columns: 'c', forEach: 'd' }, { n: 1 }]])
      const bag = await Bag.getByAlias(ctx.alias('bag'))
      assert.deepEqual({ ...bag }, Object.fromEntries(names.map((name, i) => [name, `value ${i}`])))
    })
  }),

  law('I402', 'an object of many fields is made and saved whole, however large all of them together are', async (ctx) => {
    const names = Array.from({ length: MANY }, (_, i) => `field${i}`)
    const bytes = (of: number): Uint8Array => new Uint8Array(FIELD_BYTES).fill(of)
    const bag = await bagOf((i) => bytes(i), names).makePersistent(ctx.alias('bag'))
    const kept = (offset: number): Promise<void> =>
      asOther(ctx, async () => {
        const found = await Bag.getByAlias(ctx.alias('bag'))
        for (const [i, name] of names.entries()) assert.deepEqual(found[name], bytes(i + offset), name)
      })
    await kept(0)
    for (const [i, name] of names.entries()) Object.assign(bag, { [name]: bytes(i + 100) })
    await bag.save()
    await kept(100)
  }),

  law('I403', 'rows of a collection that another program has deleted are not found, to whoever reads or writes them', async (ctx) => {
    const mine = new Owner()
    mine.rows.set({ p: 'a' }, { n: 1 })
    mine.guarded.set({ p: 'a', k: 1 }, { n: 1 })
    await mine.makePersistent(ctx.alias('owner'))
    assert.deepEqual([await mine.rows.count(), await mine.guarded.get({ p: 'a', k: 1 })], [1, { n: 1 }])
    await asOther(ctx, async () => (await Owner.getByAlias(ctx.alias('owner'))).deletePersistent())
    await refused(NotFoundError, () => mine.rows.get({ p: 'a' }))
    await refused(NotFoundError, () => mine.rows.getMany(['a', 'b', 'c'].map((p) => ({ p }))))
    await refused(NotFoundError, () => mine.rows.count())
    await refused(NotFoundError, () => mine.rows.split(2))
    await refused(NotFoundError, () => mine.guarded.get({ p: 'a', k: 1 }))
    await refused(NotFoundError, () => mine.guarded.aggregate({ rows: 'count' }, { prefix: { p: 'a' } }))
    await refused(NotFoundError, () => all(mine.guarded.range({ p: 'a' })))
    await refused(NotFoundError, () => mine.rows.bulk([[{ p: 'b' }, { n: 1 }]]))
    await refused(NotFoundError, () => transact(async () => void mine.guarded.set({ p: 'a', k: 2 }, { n: 2 })))
    mine.rows.set({ p: 'b' }, { n: 2 })
    await refused(NotFoundError, () => mine.rows.save())
    await mine.deletePersistent() // volatile from now on, with the row that nobody has
    assert.deepEqual([mine.getID(), await mine.rows.count()], [null, 1])
  }),

  law('I404', 'the pieces of a collection answer together what the whole of it answers, whatever columns are asked about', async (ctx) => {
    const stops = new Stops()
    for (let i = 0; i < 120; i++) stops.set({ town: `town ${i % 7}`, line: i % 5, at: i }, { delay: i % 3, note: `note ${i % 4}` })
    await stops.makePersistent(ctx.alias('stops'))
    const pieces = await stops.split(4)
    const asked = [
      { line: 1 },
      { line: { in: [1, 2, 1] } },
      { delay: { in: [2, 0, 2] } },
      { line: 1, delay: 2 },
      { line: 3, note: 'note 1' },
      { town: 'town 1' },
      { town: 'town 1', line: 2 },
      { at: { from: 50, to: 80 } },
      { delay: 1, at: { from: 20 } },
    ]
    for (const where of asked) {
      const [whole, ...parts] = await Promise.all([stops, ...pieces].map((one) => all(one.where(where, { allowFiltering: true }))))
      const ats = (rows: typeof whole): number[] => rows!.map(([{ at }]) => at).sort((a, b) => a - b)
      assert.ok(whole!.length > 0, JSON.stringify(where))
      assert.equal(new Set(ats(whole)).size, whole!.length, `each once: ${JSON.stringify(where)}`)
      assert.deepEqual(ats(parts.flat()), ats(whole), JSON.stringify(where))
    }
  }),
]
