/** A long file on purpose: one law after the other. */
import assert from 'node:assert/strict'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { StorageSets } from '../../src/dict/storage-sets.js'
import { ConflictError, NotFoundError, NotLoadedError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { all, refused, thrown } from './expect.js'

class Readings extends StorageDict.of(
  { sensor: t.text, at: t.i32 },
  {
    value: t.f64.optional(),
    price: t.decimal.optional(),
    big: t.i64.optional(),
    tags: t.set(t.text).optional(),
    place: t.record({ x: t.f64, y: t.f64, name: t.text.optional() }).optional(),
    hits: t.counter,
  },
) {
  static readonly typeName = 'insitu/conformance#Readings'
}

class Holder extends StorageObject {
  static readonly typeName = 'insitu/conformance#Holder'
  readings: Readings | null = null
}

class Index extends StorageObject {
  static readonly typeName = 'insitu/conformance#Index'
  files = new StorageSets({ word: t.text }, t.text)
}

class Guarded extends StorageDict.of({ k: t.text }, { v: t.i64 }, { writes: 'cas' }) {
  static readonly typeName = 'insitu/conformance#Guarded'
}

class GuardedHits extends StorageDict.of({ k: t.text }, { v: t.i64.optional(), hits: t.counter }, { writes: 'cas' }) {
  static readonly typeName = 'insitu/conformance#GuardedHits'
}

class Moods extends StorageDict.of(
  { day: t.text, at: t.i32 },
  {
    mood: t.text.indexed(),
    level: t.f64.optional().indexed(),
    seen: t.timestamp.indexed().optional(),
    note: t.text.optional(),
  },
) {
  static readonly typeName = 'insitu/conformance#Moods'
}

/** Ten rows of each of three days; every other one is glad. */
async function moods(): Promise<Moods> {
  const o = new Moods()
  for (const day of ['mon', 'tue', 'wed'])
    for (let at = 0; at < 10; at++)
      o.set(
        { day, at },
        {
          mood: at % 2 === 0 ? 'glad' : 'sad',
          ...(at < 8 && { level: at === 1 ? -0 : at - 1 }),
          seen: new Date(at * 1000),
          note: `n${at}`,
        },
      )
  await o.makePersistent()
  return o
}

class Kinds extends StorageDict.of(
  { text: t.text, n: t.i64, f: t.f64, when: t.timestamp, bytes: t.blob, yes: t.bool, pair: t.tuple(t.i32, t.text) },
  { seen: t.i32 },
) {
  static readonly typeName = 'insitu/conformance#Kinds'
}

/** Ten rows of each of three sensors. */
async function readings(): Promise<Readings> {
  const o = new Readings()
  for (const sensor of ['a', 'b', 'c'])
    for (let at = 0; at < 10; at++)
      o.set(
        { sensor, at },
        { value: at / 2, price: at % 2 === 0 ? '0.10' : '1.005', big: 2n ** 62n, ...(at % 5 === 0 && { tags: ['fifth'] }) },
      )
  await o.makePersistent()
  return o
}

const elsewhere = <T>(ctx: CaseContext, o: Readings, body: (o: Readings) => Promise<T>): Promise<T> =>
  ctx.other(async () => body(await Readings.getByID(o.getID()!)))

const places = async (rows: AsyncIterable<[{ sensor: string; at: number }, unknown]>): Promise<string[]> =>
  (await all(rows)).map(([{ sensor, at }]) => `${sensor}${at}`)

/** Dicts that stand alone, conditions, aggregates, parts, bulk loads. */
export const dictQueries: readonly Case[] = [
  law('I130', 'a dictionary that stands alone has an id and aliases, and is gone with its rows once deleted', async (ctx) => {
    const o = await readings()
    const alias = ctx.alias('readings')
    await o.addAlias(alias)
    o.set({ sensor: 'd', at: 1 }, {})
    await o.save()
    await ctx.other(async () => {
      const copy = await Readings.getByAlias(alias)
      assert.equal(copy.getID(), o.getID())
      assert.equal(await copy.count(), 31)
      await copy.deletePersistent()
    })
    await ctx.other(() => refused(NotFoundError, () => Readings.getByAlias(alias)))
  }),

  law('I131', 'a dictionary that stands alone can be referred to, and is a handle until it is loaded', async (ctx) => {
    const holder = new Holder()
    holder.readings = new Readings()
    holder.readings.set({ sensor: 'a', at: 1 }, { value: 1 })
    await holder.makePersistent()
    await ctx.other(async () => {
      const { readings } = await Holder.getByID(holder.getID()!)
      await refused(NotLoadedError, () => readings!.get({ sensor: 'a', at: 1 }))
      await readings!.load()
      assert.equal((await readings!.get({ sensor: 'a', at: 1 }))?.value, 1)
    })
  }),

  law('I132', 'keys of many types order and come back exactly', async (ctx) => {
    const o = await new Kinds().makePersistent()
    const key = (n: bigint) => ({
      text: 'é\u0000🦊',
      n,
      f: -1.5,
      when: new Date(-1),
      bytes: new Uint8Array([0, 1, 255]),
      yes: true,
      pair: [-1, ''] as const,
    })
    for (const n of [5n, -(2n ** 63n), 2n ** 63n - 1n, -1n]) o.set(key(n), { seen: Number(n % 1000n) })
    await o.save()
    await ctx.other(async () => {
      const keys = await all((await Kinds.getByID(o.getID()!)).keys())
      assert.deepEqual(
        keys.map(({ n }) => n),
        [-(2n ** 63n), -1n, 5n, 2n ** 63n - 1n],
      )
      assert.deepEqual({ ...keys[1], bytes: [...keys[1]!.bytes] }, { ...key(-1n), bytes: [0, 1, 255] })
    })
  }),

  law('I133', 'a nested record comes back as it went in, and is checked field by field', async (ctx) => {
    const o = await readings()
    o.set({ sensor: 'd', at: 0 }, { place: { x: 1.5, y: -0 } })
    o.set({ sensor: 'd', at: 1 }, { place: { x: 0, y: 1, name: '' } })
    for (const place of [{ x: 1 }, { x: '1', y: 2 }, { x: 1, y: 2, z: 3 }, [1, 2], 'x'])
      await refused(ValidationError, () => o.set({ sensor: 'd', at: 2 }, { place: place as never }))
    await o.save()
    await elsewhere(ctx, o, async (copy) => {
      assert.deepEqual((await copy.get({ sensor: 'd', at: 0 }))?.place, { x: 1.5, y: -0 })
      assert.deepEqual((await copy.get({ sensor: 'd', at: 1 }))?.place, { x: 0, y: 1, name: '' })
      assert.equal(await copy.has({ sensor: 'd', at: 2 }), false)
    })
  }),

  law('I134', 'conditions give the rows for which they hold, in key order, both ways, limited', async (ctx) => {
    const o = await readings()
    await elsewhere(ctx, o, async (copy) => {
      assert.deepEqual(await places(copy.where({ sensor: 'b', at: { from: 3, to: 6 } })), ['b3', 'b4', 'b5'])
      assert.deepEqual(await places(copy.where({ sensor: { in: ['c', 'a'] }, at: { in: [7, 2] } })), ['a2', 'a7', 'c2', 'c7'])
      assert.deepEqual(await places(copy.where({ sensor: { in: ['c', 'a'] }, value: { from: 4 } }, { reverse: true, limit: 3 })), [
        'c9',
        'c8',
        'a9',
      ])
      assert.deepEqual(await places(copy.where({ sensor: 'a', tags: { has: 'fifth' } })), ['a0', 'a5'])
      assert.deepEqual(await places(copy.where({ sensor: 'a', tags: { exists: false }, at: { to: 3 } })), ['a1', 'a2'])
      assert.deepEqual(await places(copy.where({ sensor: 'a', value: { from: 1, to: 2 } })), ['a2', 'a3'])
      assert.deepEqual(await places(copy.where({ at: 4 }, { scan: true })), ['a4', 'b4', 'c4'])
      assert.deepEqual(await places(copy.where({ sensor: 'none' })), [])
    })
  }),

  law('I135', 'conditions see what this program has not saved yet', async () => {
    const o = await readings()
    o.set({ sensor: 'a', at: 3 }, { value: 100 })
    o.set({ sensor: 'a', at: 11 }, { value: 100 })
    o.delete({ sensor: 'a', at: 9 })
    assert.deepEqual(await places(o.where({ sensor: 'a', value: { from: 4 } })), ['a3', 'a8', 'a11'])
  }),

  law('I136', 'a condition that cannot be answered is refused with a typed error, and so is an unasked scan of everything', async () => {
    const o = await readings()
    const refusals: unknown[] = [{ at: 3 }, {}, () => true, { sensor: 'a', value: { near: 1 } }, { sensor: 'a', tags: { from: ['x'] } }]
    for (const conditions of refusals) await refused(UnsupportedError, () => all(o.where(conditions as never)))
    for (const conditions of [{ nope: 1 }, { sensor: 5 }, { sensor: 'a', value: 'x' }])
      await refused(ValidationError, () => all(o.where(conditions as never)))
  }),

  law('I153', 'conditions on an indexed column need no key on any store, and see what is not saved yet', async (ctx) => {
    const o = await moods()
    const at = async (rows: AsyncIterable<[{ day: string; at: number }, unknown]>): Promise<string[]> =>
      (await all(rows)).map(([key]) => `${key.day} ${key.at}`)
    await ctx.other(async () => {
      const copy = await Moods.getByID(o.getID()!)
      assert.equal((await all(copy.where({ mood: 'glad' }))).length, 15)
      assert.deepEqual(await at(copy.where({ mood: 'glad', level: { from: 4, to: 6 } })), ['mon 6', 'tue 6', 'wed 6'])
      assert.deepEqual(await at(copy.where({ level: 0 }, { reverse: true })), ['wed 1', 'tue 1', 'mon 1'])
      assert.deepEqual(await at(copy.where({ level: { from: 0, to: 1 }, note: 'n1' }, { limit: 2 })), ['mon 1', 'tue 1'])
      assert.deepEqual(await at(copy.where({ level: { in: [5, 6, 99] }, day: { from: 'tue' } })), ['tue 6', 'tue 7', 'wed 6', 'wed 7'])
      assert.deepEqual(await at(copy.where({ seen: { from: new Date(9000) } })), ['mon 9', 'tue 9', 'wed 9'])
      assert.deepEqual(await at(copy.where({ mood: 'furious' })), [])
      assert.deepEqual(await at(copy.where({ mood: { in: [] } })), [])
      assert.deepEqual(await at(copy.where({ mood: 'sad', day: 'tue', level: { from: 5 } })), ['tue 7'])
      copy.set({ day: 'sun', at: 1 }, { mood: 'furious' })
      copy.set({ day: 'mon', at: 4 }, { mood: 'furious' })
      copy.delete({ day: 'mon', at: 6 })
      assert.deepEqual(await at(copy.where({ mood: 'furious' })), ['mon 4', 'sun 1'])
      assert.equal((await all(copy.where({ mood: 'glad' }))).length, 13)
      await copy.save()
      assert.deepEqual(await at(copy.where({ mood: 'furious' })), ['mon 4', 'sun 1'])
    })
    for (const refusal of [{ note: 'n1' }, { mood: { from: 'a' } }, { mood: { exists: true } }]) {
      const error = await refused(UnsupportedError, () => all(o.where(refusal)))
      assert.equal(error.code, 'ERR_WHERE_SCANS')
      assert.match(error.message, 'note' in refusal ? /'note' has no index.*allowFiltering/ : /index of 'mood' answers equality only/)
    }
    assert.equal((await all(o.where({ note: 'n1' }, { allowFiltering: true }))).length, 3)
    assert.equal((await all(o.where({ mood: { from: 'h' }, at: { from: 8 } }, { allowFiltering: true }))).length, 3)
  }),

  law('I154', 'an index is declared of what has one only, and of a dictionary that stands at any time', async (ctx) => {
    for (const column of [t.blob, t.counter, t.set(t.text), t.ref(() => Moods), t.vector(3), t.record({ x: t.i32 })] as const)
      await refused(ValidationError, () => new StorageDict({ k: t.text }, { v: column.indexed() }))
    await refused(ValidationError, () => new StorageDict({ k: t.text.indexed() }, { v: t.text }))
    const typeName = 'insitu/conformance#Marked'
    class Before extends StorageObject {
      static readonly typeName = typeName
      rows = new StorageDict({ k: t.text, n: t.i32 }, { v: t.i64 })
    }
    const o = new Before()
    for (let n = 0; n < 6; n++) o.rows.set({ k: `k${n}`, n }, { v: n % 3 })
    await o.makePersistent()
    await ctx.other(async () => {
      class After extends StorageObject {
        static readonly typeName = typeName
        rows = new StorageDict({ k: t.text, n: t.i32.indexed() }, { v: t.i64.indexed() })
      }
      const copy = await After.getByID(o.getID()!)
      assert.deepEqual(
        (await all(copy.rows.where({ v: 1 }))).map(([{ k }]) => k),
        ['k1', 'k4'],
      )
      assert.deepEqual(
        (await all(copy.rows.where({ n: { from: 4 } }))).map(([{ k }]) => k),
        ['k4', 'k5'],
      )
      copy.rows.set({ k: 'k9', n: 9 }, { v: 1 })
      await copy.save()
      assert.equal((await all(copy.rows.where({ v: 1 }))).length, 3)
    })
  }),

  law('I137', 'aggregates are exact, over all rows or a range, stored or not yet saved', async (ctx) => {
    const o = await readings()
    const ops = {
      rows: 'count',
      sum: ['sum', 'value'],
      price: ['sum', 'price'],
      big: ['sum', 'big'],
      first: ['min', 'at'],
      last: ['max', 'at'],
    } as const
    const expected = { rows: 30, sum: 67.5, price: '16.575', big: 30n * 2n ** 62n, first: 0, last: 9 }
    assert.deepEqual(await elsewhere(ctx, o, (copy) => copy.aggregate(ops)), expected)
    o.set({ sensor: 'd', at: 99 }, { value: 0.5 })
    assert.deepEqual(await o.aggregate(ops), { ...expected, rows: 31, sum: 68, last: 99 })
    assert.deepEqual(
      await o.aggregate({ n: 'count', most: ['max', 'value'] }, { prefix: { sensor: 'b' }, from: { at: 2 }, to: { at: 4 } }),
      {
        n: 2,
        most: 1.5,
      },
    )
    assert.deepEqual(await o.aggregate({ n: 'count', least: ['min', 'value'], big: ['sum', 'big'] }, { prefix: { sensor: 'none' } }), {
      n: 0,
      least: undefined,
      big: 0n,
    })
  }),

  law('I138', 'groups have the aggregates of their rows, by key columns and by others', async (ctx) => {
    const o = await readings()
    await elsewhere(ctx, o, async (copy) => {
      assert.deepEqual(
        await all(copy.groupBy(['sensor'], { n: 'count', last: ['max', 'at'] })),
        ['a', 'b', 'c'].map((sensor) => [{ sensor }, { n: 10, last: 9 }]),
      )
      assert.deepEqual(await all(copy.groupBy(['price'], { n: 'count' })), [
        [{ price: '0.10' }, { n: 15 }],
        [{ price: '1.005' }, { n: 15 }],
      ])
      const places = (await all(copy.groupBy(['at', 'sensor'], { n: 'count' }))).map(([{ at, sensor }]) => `${at}${sensor}`)
      assert.deepEqual([places.length, ...places.slice(0, 4)], [30, '0a', '0b', '0c', '1a'], 'in the order of the columns that are named')
      await refused(UnsupportedError, () => all(copy.groupBy(['tags'], { n: 'count' })))
      await refused(UnsupportedError, () => copy.aggregate({ s: ['sum', 'sensor'] } as never))
    })
  }),

  law('I139', 'parts together hold each key once, and are the same parts for another program', async (ctx) => {
    const o = new Readings()
    for (let i = 0; i < 3000; i++) o.set({ sensor: `s${i % 7}`, at: i }, { value: i })
    await o.makePersistent()
    for (const n of [1, 2, 7, 40]) {
      const parts = await o.split(n)
      assert.ok(parts.length >= n, `${parts.length} parts, ${n} asked`)
      const seen = (await Promise.all(parts.map((part) => places(part)))).flat()
      assert.equal(seen.length, 3000)
      assert.equal(new Set(seen).size, 3000)
      const ids = parts.map((part) => part.pieceId)
      assert.equal(new Set(ids).size, parts.length)
      assert.deepEqual(await elsewhere(ctx, o, async (copy) => (await copy.split(n)).map((part) => part.pieceId)), ids)
      for (const part of parts) assert.ok((await part.getLocations()).length > 0)
    }
    for (const n of [0, -1, 1.5, Number.NaN]) await refused(ValidationError, () => o.split(n))
  }),

  law('I140', 'parts see unsaved rows, can be split and aggregated, and write to the whole', async () => {
    const o = await readings()
    o.set({ sensor: 'a', at: 50 }, { value: 1 })
    o.delete({ sensor: 'c', at: 0 })
    const parts = await o.split(3)
    const counted = await Promise.all(parts.map((part) => part.aggregate({ n: 'count' })))
    assert.equal(
      counted.reduce((sum, { n }) => sum + n, 0),
      30,
    )
    const finer = (await Promise.all(parts.map((part) => part.split(2)))).flat()
    assert.equal(
      (await Promise.all(finer.map((part) => part.count()))).reduce((a, b) => a + b, 0),
      30,
    )
    parts[0]!.set({ sensor: 'z', at: 1 }, {})
    assert.equal(await o.has({ sensor: 'z', at: 1 }), true)
  }),

  law('I141', 'a bulk load writes more rows than a unit of work should hold, and again without harm', async (ctx) => {
    const o = await new Readings().makePersistent()
    const rows = function* (): Generator<[{ sensor: string; at: number }, { value: number }]> {
      for (let i = 0; i < 20_000; i++) yield [{ sensor: `s${i % 10}`, at: i }, { value: 1 }]
    }
    assert.equal(await o.bulk(rows()), 20_000)
    assert.deepEqual(await elsewhere(ctx, o, (copy) => copy.aggregate({ n: 'count', sum: ['sum', 'value'] })), { n: 20_000, sum: 20_000 })
    assert.equal(await o.bulk(rows()), 20_000)
    assert.equal(await o.count(), 20_000)
  }),

  law('I142', 'a bulk load that meets a refused row says so and leaves what it had sent; counters keep their sums', async (ctx) => {
    const o = await new Readings().makePersistent()
    o.add({ sensor: 'a', at: 1 }, 'hits', 5)
    await o.save()
    await refused(ValidationError, () =>
      o.bulk([
        [{ sensor: 'a', at: 1 }, { value: 2 }],
        [{ sensor: 'a', at: 0.5 }, {}],
      ]),
    )
    const last = [
      [{ sensor: 'a', at: 1 }, { value: 3 }],
      [{ sensor: 'a', at: 1 }, { value: 4 }],
    ] as const
    assert.equal(await o.bulk(last), 2)
    assert.deepEqual(await elsewhere(ctx, o, (copy) => copy.get({ sensor: 'a', at: 1 })), { value: 4, hits: 5n })
    assert.match(String(await thrown(() => new Readings().bulk([]))), /persistent/)
  }),

  law('I143', 'what a failed transaction wrote to rows is nowhere to be seen afterwards, in scans and aggregates too', async (ctx) => {
    const o = await readings()
    const error = await thrown(() =>
      transact(async () => {
        const mine = await Readings.getByID(o.getID()!)
        mine.set({ sensor: 'a', at: 100 }, { value: 1 })
        mine.delete({ sensor: 'b', at: 1 })
        mine.add({ sensor: 'a', at: 1 }, 'hits', 1)
        assert.equal((await mine.aggregate({ n: 'count' })).n, 30)
        throw new Error('changed my mind')
      }),
    )
    assert.match(String(error), /changed my mind/)
    for (const seen of [
      await o.aggregate({ n: 'count', hits: ['sum', 'hits'] }),
      await elsewhere(ctx, o, (c) => c.aggregate({ n: 'count', hits: ['sum', 'hits'] })),
    ])
      assert.deepEqual(seen, { n: 30, hits: 0n })
    assert.equal(await o.has({ sensor: 'b', at: 1 }), true)
  }),

  law('I144', "with writes 'cas' a row that changed underneath is a conflict, and another row is not", async (ctx) => {
    const o = new Guarded()
    o.set({ k: 'a' }, { v: 1 })
    o.set({ k: 'b' }, { v: 1 })
    await o.makePersistent()
    const [a, b] = [await o.get({ k: 'a' }), await o.get({ k: 'b' })]
    await ctx.other(async () => {
      const theirs = await Guarded.getByID(o.getID()!)
      theirs.set({ k: 'a' }, { v: 10 })
      await theirs.save()
    })
    o.set({ k: 'b' }, { v: b!.v + 1n })
    await o.save()
    o.set({ k: 'a' }, { v: a!.v + 1n })
    await refused(ConflictError, () => o.save())
    await ctx.other(async () => {
      const rows = await all((await Guarded.getByID(o.getID()!)).entries())
      assert.deepEqual(rows, [
        [{ k: 'a' }, { v: 10n }],
        [{ k: 'b' }, { v: 2n }],
      ])
    })
  }),

  law('I150', "with writes 'cas' what was read last before a write is what it expects", async (ctx) => {
    const o = new Guarded()
    for (const k of ['a', 'b', 'c']) o.set({ k }, { v: 1 })
    await o.makePersistent()
    const theirs = await ctx.program()
    const change = (k: string, v: number): Promise<void> =>
      theirs.run(async () => {
        const copy = await Guarded.getByID(o.getID()!)
        copy.set({ k }, { v })
        await copy.save()
      })
    await all(o.entries())
    await change('a', 10)
    const { v } = (await o.get({ k: 'a' }))!
    o.set({ k: 'a' }, { v: v + 1n })
    await o.save()
    await change('b', 20)
    o.set({ k: 'b' }, { v: 2 })
    assert.deepEqual(await o.get({ k: 'b' }), { v: 2n }, 'what is read over a write of one’s own changes nothing')
    await refused(ConflictError, () => o.save())
    await o.reload({ discard: true })
    const both = transact(async () => {
      const inside = await Guarded.getByID(o.getID()!)
      const first = (await inside.get({ k: 'c' }))!
      if (first.v === 1n) await change('c', 30)
      const again = (await inside.get({ k: 'c' }))!
      inside.set({ k: 'c' }, { v: again.v + first.v })
    })
    await both
    await ctx.other(async () => {
      const rows = await all((await Guarded.getByID(o.getID()!)).entries())
      assert.deepEqual(
        rows.map(([{ k }, row]) => [k, row.v]),
        [
          ['a', 11n],
          ['b', 20n],
          ['c', 60n],
        ],
      )
    })
  }),

  law('I208', "with writes 'cas' a row that was only counted, or passed by, does not count as read again", async (ctx) => {
    const theirs = await ctx.program()
    const passing: Record<string, (o: Guarded) => Promise<unknown>> = {
      'a count': (o) => o.count(),
      'an aggregate': (o) => o.aggregate({ most: ['max', 'k'] }),
      'keys alone': (o) => all(o.keys()),
      'that it is there': (o) => o.has({ k: 'b' }),
      'a row before it': (o) => all(o.range({}, { to: { k: 'c' }, limit: 1 })),
      'rows that are meant': (o) => all(o.where({ v: 77 }, { allowFiltering: true })),
      async 'a scan that is left'(o) {
        for await (const [{ k }] of o) if (k === 'a') break
      },
    }
    for (const [what, pass] of Object.entries(passing)) {
      const o = new Guarded()
      for (const k of ['a', 'b']) o.set({ k }, { v: 1 })
      await o.makePersistent()
      const { v } = (await o.get({ k: 'b' }))!
      await theirs.run(async () => {
        const copy = await Guarded.getByID(o.getID()!)
        copy.set({ k: 'b' }, { v: 10 })
        await copy.save()
      })
      await pass(o)
      o.set({ k: 'b' }, { v: v + 1n })
      assert.ok((await thrown(() => o.save())) instanceof ConflictError, `after ${what} an update of the other program is written over`)
      await o.reload({ discard: true })
      for await (const [{ k }, row] of o) if (k === 'b') o.set({ k }, { v: row.v + 1n })
      await o.save()
      assert.deepEqual(await o.get({ k: 'b' }), { v: 11n })
    }
  }),

  law(
    'I540',
    "with writes 'cas' a row that is removed and counted anew in one unit is written and removed again, read or not",
    async (ctx) => {
      const theirs = await ctx.program()
      for (const isRead of [false, true]) {
        const o = new GuardedHits()
        o.add({ k: 'a' }, 'hits', 5)
        await o.makePersistent()
        const anew = async (): Promise<void> => {
          o.delete({ k: 'a' })
          o.add({ k: 'a' }, 'hits', 2)
          await o.save()
          if (isRead) assert.deepEqual(await o.get({ k: 'a' }), { hits: 2n })
        }
        await anew()
        o.set({ k: 'a' }, { v: 1 })
        await o.save()
        assert.deepEqual(await o.get({ k: 'a' }), { v: 1n, hits: 2n })
        await anew()
        o.delete({ k: 'a' })
        await o.save()
        assert.equal(await theirs.run(async () => (await GuardedHits.getByID(o.getID()!)).get({ k: 'a' })), undefined)
      }
    },
  ),

  law('I145', 'two programs that add to one set at once both count, element by element, and sets are read in order', async (ctx) => {
    const o = new Index()
    o.files.addTo({ word: 'in' }, 'b', 'a', 'b')
    await o.makePersistent()
    await ctx.other(async () => {
      const theirs = await Index.getByID(o.getID()!)
      o.files.addTo({ word: 'in' }, 'é', 'c')
      o.files.removeFrom({ word: 'in' }, 'a', 'never')
      theirs.files.addTo({ word: 'in' }, 'd')
      theirs.files.addTo({ word: 'inn' }, 'other')
      await theirs.save()
      await o.save()
      assert.deepEqual(await all(theirs.files.elements({ word: 'in' })), ['b', 'c', 'd', 'é'])
      assert.deepEqual(await all(theirs.files.elements({ word: 'in' }, { from: 'c', reverse: true, limit: 2 })), ['é', 'd'])
      assert.deepEqual([await theirs.files.sizeOf({ word: 'in' }), await theirs.files.includes({ word: 'in' }, 'a')], [4, false])
      await theirs.files.clearOf({ word: 'in' })
      await theirs.save()
    })
    assert.deepEqual([await o.files.sizeOf({ word: 'in' }), await o.files.sizeOf({ word: 'inn' })], [0, 1])
    await refused(ValidationError, () => o.files.addTo({ word: 'in' }, 5 as never))
    await refused(ValidationError, () => new StorageSets({ element: t.text }, t.text))
  }),
]
