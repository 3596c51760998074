/** A long file on purpose: one law after the other. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { InsituError, SchemaMismatchError, UnavailableError, ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { dictQueries } from './dict-queries.js'
import { all, refused } from './expect.js'
import { FaultyBackend } from './faulty-backend.js'
import { Counts, IntKeys, Journal, Measures, Owners, Person, Totals } from './model.js'

const countsOf = (ctx: CaseContext, o: Counts): Promise<[string, bigint][]> =>
  ctx.other(async () =>
    (await all((await Counts.getByID(o.getID()!)).counts.entries())).map(([k, v]) => [k.word, v.n] as [string, bigint]).sort(),
  )

async function persistent(words: Record<string, number>): Promise<Counts> {
  const o = new Counts()
  for (const [word, n] of Object.entries(words)) o.counts.set({ word }, { n })
  return o.makePersistent()
}

async function journal(): Promise<Journal> {
  const o = new Journal()
  for (const at of [30, 10, 20, -5, 1000]) o.rows.set({ day: 'mon', at }, { note: `m${at}` })
  o.rows.set({ day: 'tue', at: 15 }, { note: 't15', mood: 3 })
  return o.makePersistent()
}

/** Typed rows. */
export const dict: readonly Case[] = [
  law('H9', 'a volatile dictionary with ten rows has all ten in the store once its owner is persistent', async (ctx) => {
    const o = new Counts()
    for (let i = 0; i < 10; i++) o.counts.set({ word: `w${i}` }, { n: i })
    assert.equal(await o.counts.count(), 10)
    await o.makePersistent()
    assert.equal(await o.counts.count(), 10)
    assert.deepEqual(
      await countsOf(ctx, o),
      Array.from({ length: 10 }, (_, i) => [`w${i}`, BigInt(i)]),
    )
  }),

  law('H11', 'a stored dictionary opened with other columns is a schema mismatch and its rows are untouched', async (ctx) => {
    const typeName = 'insitu/conformance#Evolving'
    class Before extends StorageObject {
      static typeName = typeName
      rows = new StorageDict({ k: t.text }, { v: t.i64 })
    }
    const o = new Before()
    o.rows.set({ k: 'a' }, { v: 1 })
    const alias = ctx.alias('evolving')
    await o.makePersistent(alias)
    const others = [{ v: t.text }, { w: t.i64 }, { v: t.i64, w: t.i64 }]
    for (const columns of others) {
      class After extends StorageObject {
        static typeName = typeName
        rows = new StorageDict({ k: t.text }, columns)
      }
      await ctx.other(() => refused(SchemaMismatchError, () => After.getByAlias(alias)))
    }
    assert.deepEqual(await o.rows.get({ k: 'a' }), { v: 1n })
  }),

  law('H14', 'rows that were written and not saved do not come back after the owner was deleted', async (ctx) => {
    const o = await persistent({ a: 1 })
    const other = await ctx.other(() => Counts.getByID(o.getID()!))
    o.counts.set({ word: 'late' }, { n: 2 })
    await o.deletePersistent()
    await ctx.other(async () => {
      const fresh = await persistent({ b: 1 })
      assert.deepEqual(await countsOf(ctx, fresh), [['b', 1n]])
    })
    other.counts.set({ word: 'later' }, { n: 3 })
    await assert.rejects(other.save(), InsituError)
  }),

  law('H18', 'ten thousand rows are all there for another program', async (ctx) => {
    const o = await persistent({})
    for (let i = 0; i < 10_000; i++) o.counts.set({ word: `word ${i}` }, { n: i })
    await o.save()
    await ctx.other(async () => {
      const { counts } = await Counts.getByID(o.getID()!)
      assert.equal(await counts.count(), 10_000)
      let sum = 0n
      for await (const [, { n }] of counts) sum += n
      assert.equal(sum, 49_995_000n)
    })
  }),

  law('H19', 'a missing key reads as undefined and is not in the dictionary', async () => {
    const o = await persistent({ a: 1 })
    assert.equal(await o.counts.get({ word: 'b' }), undefined)
    assert.equal(await o.counts.has({ word: 'b' }), false)
    assert.equal(await o.counts.has({ word: 'a' }), true)
  }),

  law('H21', 'null is a value whose key exists, and null is no key', async (ctx) => {
    const o = await new Measures().makePersistent()
    o.rows.set({ name: 'a' }, { nothing: null })
    await o.save()
    await ctx.other(async () => {
      const { rows } = await Measures.getByID(o.getID()!)
      assert.equal((await rows.get({ name: 'a' }))?.nothing, null)
      assert.equal(await rows.has({ name: 'a' }), true)
    })
    await refused(ValidationError, () => o.rows.set({ name: null as never }, {}))
  }),

  law('H22', 'a value of the wrong type is refused before anything is sent, and names its column', async (ctx) => {
    const o = await new Measures().makePersistent()
    const wrong: Record<string, unknown>[] = [
      { small: '5' },
      { small: 3.7 },
      { small: 5n },
      { big: 'x' },
      { big: 1.5 },
      { double: '1' },
      { yes: 1 },
      { bytes: [1, 2] },
      { text: 5 },
      { at: '2020-01-01' },
      { unknown: 1 },
    ]
    for (const values of wrong) {
      const error = await refused(ValidationError, () => o.rows.set({ name: 'x' }, values as never))
      assert.ok(error.message.includes(Object.keys(values)[0]!), error.message)
    }
    await refused(ValidationError, () => o.rows.set({ name: 5 } as never, {}))
    await refused(ValidationError, () => o.rows.get({ name: 5 } as never))
    await refused(ValidationError, () => o.rows.set({} as never, {}))
    o.rows.set({ name: 'int for double' }, { double: 2 })
    await o.save()
    assert.equal(await ctx.other(async () => (await Measures.getByID(o.getID()!)).rows.count()), 1)
  }),

  law('H23', 'a number out of range is refused, and a 32-bit float reads back rounded', async (ctx) => {
    const o = await new Measures().makePersistent()
    for (const values of [{ small: 2 ** 31 }, { small: -(2 ** 31) - 1 }, { small: Number.NaN }, { big: 2n ** 63n }, { big: 2 ** 53 }]) {
      await refused(ValidationError, () => o.rows.set({ name: 'x' }, values))
    }
    o.rows.set({ name: 'edge' }, { small: 2 ** 31 - 1, big: -(2n ** 63n), single: 0.1 })
    await o.save()
    const row = await ctx.other(async () => (await Measures.getByID(o.getID()!)).rows.get({ name: 'edge' }))
    assert.deepEqual([row?.small, row?.big, row?.single], [2 ** 31 - 1, -(2n ** 63n), Math.fround(0.1)])
  }),

  law('H25', 'of two rows of one partition one is deleted and the other stays', async (ctx) => {
    const o = await journal()
    o.rows.delete({ day: 'mon', at: 10 })
    assert.equal(await o.rows.get({ day: 'mon', at: 10 }), undefined)
    await o.save()
    await ctx.other(async () => {
      const { rows } = await Journal.getByID(o.getID()!)
      assert.equal(await rows.get({ day: 'mon', at: 10 }), undefined)
      assert.equal((await rows.get({ day: 'mon', at: 20 }))?.note, 'm20')
      assert.equal(await rows.count(), 5)
    })
  }),

  law('H26', 'a deleted key is gone before and after the save, here and in another program', async (ctx) => {
    const o = await persistent({ a: 1, b: 2 })
    await o.counts.get({ word: 'a' })
    o.counts.delete({ word: 'a' })
    o.counts.delete({ word: 'never' })
    for (let i = 0; i < 2; i++) {
      assert.equal(await o.counts.get({ word: 'a' }), undefined)
      assert.equal(await o.counts.has({ word: 'a' }), false)
      assert.deepEqual(
        (await all(o.counts.keys())).map((k) => k.word),
        ['b'],
      )
      if (i === 0)
        assert.deepEqual(
          await countsOf(ctx, o),
          [
            ['a', 1n],
            ['b', 2n],
          ],
          'not before the save',
        )
      await o.save()
    }
    assert.deepEqual(await countsOf(ctx, o), [['b', 2n]])
  }),

  law('H27', 'of many writes of one key the last one wins', async (ctx) => {
    const o = await persistent({ a: 1 })
    o.counts.set({ word: 'a' }, { n: 2 })
    o.counts.setMany([
      [{ word: 'a' }, { n: 3 }],
      [{ word: 'b' }, { n: 1 }],
      [{ word: 'a' }, { n: 4 }],
    ])
    o.counts.delete({ word: 'b' })
    o.counts.set({ word: 'b' }, { n: 9 })
    await o.save()
    assert.deepEqual(await countsOf(ctx, o), [
      ['a', 4n],
      ['b', 9n],
    ])
  }),

  law('H29', 'dates, times and timestamps come back exactly', async (ctx) => {
    const o = await new Measures().makePersistent()
    const row = { day: '1940-01-01', time: '23:59:59.123456', at: new Date('1969-12-31T23:59:59.999Z') }
    o.rows.set({ name: 'then' }, row)
    await o.save()
    const copy = await ctx.other(async () => (await Measures.getByID(o.getID()!)).rows.get({ name: 'then' }))
    assert.deepEqual([copy?.day, copy?.time, copy?.at], [row.day, row.time, row.at])
  }),

  law('H30', 'blobs, emoji, 64-bit extremes, NaN, infinities and -0 come back identical', async (ctx) => {
    const o = await new Measures().makePersistent()
    const blob = new Uint8Array(1024 * 1024).map((_, i) => i % 251)
    const rows: [string, { [name: string]: unknown }][] = [
      ['empty', { bytes: new Uint8Array(0), text: '' }],
      ['blob', { bytes: blob }],
      ['text', { text: `${'long 🦊 '.repeat(2000)}\u0000` }],
      ['max', { big: 2n ** 63n - 1n, small: -(2 ** 31), yes: false }],
      ['min', { big: -(2n ** 63n), yes: true }],
      ['nan', { double: Number.NaN, single: Number.NaN }],
      ['inf', { double: Number.NEGATIVE_INFINITY, single: Number.POSITIVE_INFINITY }],
      ['zero', { double: -0 }],
      ['uuid', { uuid: '0123abcd-0000-7000-8000-0123456789ab' }],
      ['set', { tags: new Set(['b', 'a']) }],
    ]
    for (const [name, values] of rows) o.rows.set({ name }, values as never)
    await o.save()
    await ctx.other(async () => {
      const copy = await Measures.getByID(o.getID()!)
      for (const [name, values] of rows) {
        const row = (await copy.rows.get({ name })) as Record<string, unknown>
        for (const [column, value] of Object.entries(values)) {
          if (value instanceof Set) assert.deepEqual([...(row[column] as Set<string>)].sort(), [...value].sort())
          else assert.deepStrictEqual(Buffer.isBuffer(row[column]) ? new Uint8Array(row[column]) : row[column], value, `${name}.${column}`)
        }
      }
    })
  }),

  law('H31', 'read, add, write of one key a hundred times ends at a hundred; by four programs with a counter too', async (ctx) => {
    const o = await persistent({ a: 0 })
    for (let i = 0; i < 100; i++) {
      const { n } = (await o.counts.get({ word: 'a' }))!
      o.counts.set({ word: 'a' }, { n: n + 1n })
      if (i % 10 === 0) await o.save()
    }
    await o.save()
    assert.deepEqual(await countsOf(ctx, o), [['a', 100n]])
    const totals = await new Totals().makePersistent()
    const stores = await Promise.all([1, 2, 3, 4].map(() => ctx.program()))
    await Promise.all(
      stores.map((store) =>
        store.run(async () => {
          const mine = await Totals.getByID(totals.getID()!)
          for (let i = 0; i < 10; i++) {
            mine.rows.add({ name: 'x' }, 'hits', 1)
            if (i % 3 === 0) await mine.save()
          }
          await mine.save()
        }),
      ),
    )
    assert.equal((await totals.rows.get({ name: 'x' }))?.hits, 40n)
  }),

  law(
    'H33',
    'a volatile object put as a value becomes persistent and is reachable by reference, from the dictionary and by id',
    async (ctx) => {
      const o = await new Owners().makePersistent()
      const [ada, bob] = [Object.assign(new Person(), { name: 'Ada' }), Object.assign(new Person(), { name: 'Bob' })]
      o.rows.set({ name: 'a' }, { person: ada })
      o.rows.set({ name: 'b' }, { person: bob })
      assert.equal((await o.rows.get({ name: 'a' }))?.person, ada)
      await o.save()
      assert.ok(ada.getID())
      assert.notEqual(ada.getID(), bob.getID())
      assert.equal((await o.rows.get({ name: 'a' }))?.person, ada)
      await ctx.other(async () => {
        const { rows } = await Owners.getByID(o.getID()!)
        const person = (await rows.get({ name: 'a' }))!.person
        assert.equal((await person.load()).name, 'Ada')
        assert.equal(await Person.getByID(ada.getID()!), person)
      })
      await refused(ValidationError, () => o.rows.set({ name: 'c' }, { person: 'Ada' as never }))
      await refused(ValidationError, () => o.rows.set({ name: 'c' }, { person: new Counts() as never }))
    },
  ),

  law('H34', 'a dictionary prints shortly and without error, empty or large, volatile or stored', async () => {
    const o = new Counts()
    assert.ok(inspect(o.counts).length < 2000)
    for (let i = 0; i < 500; i++) o.counts.set({ word: `w${i}` }, { n: i })
    assert.ok(inspect(o.counts).length < 2000)
    await o.makePersistent()
    assert.ok(inspect(o).length < 4000)
  }),

  law('H35', 'clear acts on the store, and what acts only on memory is not offered', async (ctx) => {
    const o = await persistent({ a: 1, b: 2 })
    o.counts.set({ word: 'c' }, { n: 3 })
    await o.counts.clear()
    assert.equal(await o.counts.count(), 0)
    o.counts.set({ word: 'd' }, { n: 4 })
    await o.save()
    assert.deepEqual(await countsOf(ctx, o), [['d', 4n]])
    for (const name of ['pop', 'setdefault', 'copy', 'size', 'forEach']) assert.ok(!(name in o.counts), name)
  }),

  law('H37', 'keys, values and entries have the same length and order, also with unsaved rows', async () => {
    const o = await persistent({ b: 2, a: 1 })
    for (let i = 0; i < 50; i++) o.counts.set({ word: `x${i}` }, { n: i })
    o.counts.delete({ word: 'b' })
    const entries = await all(o.counts.entries())
    assert.equal(entries.length, 51)
    assert.deepEqual(
      await all(o.counts.keys()),
      entries.map(([k]) => k),
    )
    assert.deepEqual(
      await all(o.counts.values()),
      entries.map(([, v]) => v),
    )
    assert.deepEqual(await all(o.counts), entries)
    assert.equal(await o.counts.count(), 51)
  }),

  law('H38', 'an iteration left after one row keeps nothing busy', async (ctx) => {
    const o = await persistent(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`w${i}`, i])))
    await ctx.other(async () => {
      const { counts } = await Counts.getByID(o.getID()!)
      for (let i = 0; i < 200; i++) for await (const [key] of counts) if (key) break
    })
    o.counts.set({ word: 'a' }, { n: 1 })
    await o.save()
  }),

  law('H39', 'a scan that fails throws; it never ends early as if complete', async (ctx) => {
    const o = await persistent(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`w${i}`, i])))
    const faulty: { backend?: FaultyBackend } = {}
    const store = await ctx.wrapped((backend) => (faulty.backend = new FaultyBackend(backend)))
    await store.run(async () => {
      const { counts } = await Counts.getByID(o.getID()!)
      assert.equal((await all(counts)).length, 300)
      for (const rows of [0, 1, 150, 299]) {
        faulty.backend!.failScansAfter(rows)
        await refused(UnavailableError, () => all(counts.entries()))
        await refused(UnavailableError, () => all(counts.keys()))
        await refused(UnavailableError, () => counts.count())
      }
    })
  }),

  law('H51', 'a dictionary that was never touched is there when the object is opened again, for two programs the same', async (ctx) => {
    const o = await new Counts().makePersistent()
    const [p, q] = await Promise.all([ctx.program(), ctx.program()])
    for (const [store, word] of [
      [p, 'p'],
      [q, 'q'],
    ] as const) {
      await store.run(async () => {
        const mine = await Counts.getByID(o.getID()!)
        mine.counts.set({ word }, { n: 1 })
        await mine.save()
      })
    }
    assert.deepEqual(await countsOf(ctx, o), [
      ['p', 1n],
      ['q', 1n],
    ])
  }),

  law('I60', 'own writes are visible at once, others see them only after the save', async (ctx) => {
    const o = await persistent({ a: 1 })
    o.counts.set({ word: 'a' }, { n: 5 })
    o.counts.set({ word: 'b' }, { n: 6 })
    assert.deepEqual(await o.counts.get({ word: 'a' }), { n: 5n })
    assert.deepEqual(
      (await o.counts.getMany([{ word: 'b' }, { word: 'none' }, { word: 'a' }])).map((r) => r?.n),
      [6n, undefined, 5n],
    )
    assert.equal(await o.counts.count(), 2)
    assert.deepEqual(await countsOf(ctx, o), [['a', 1n]])
    await o.save()
    assert.deepEqual(await countsOf(ctx, o), [
      ['a', 5n],
      ['b', 6n],
    ])
  }),

  law('I171', 'a collection saves its own rows, and nothing else of its owner', async (ctx) => {
    const o = new Counts()
    await refused(ValidationError, () => o.counts.save())
    await o.makePersistent()
    const other = await persistent({ z: 1 })
    o.counts.set({ word: 'a' }, { n: 1 })
    other.counts.set({ word: 'z' }, { n: 2 })
    Object.assign(o, { note: 'unsaved' })
    await o.counts.save()
    await o.counts.save()
    assert.deepEqual(await countsOf(ctx, o), [['a', 1n]])
    assert.deepEqual(await countsOf(ctx, other), [['z', 1n]])
    const noteElsewhere = (): Promise<unknown> => ctx.other(async () => Reflect.get(await Counts.getByID(o.getID()!), 'note'))
    assert.equal(await noteElsewhere(), undefined)
    await o.save()
    assert.equal(await noteElsewhere(), 'unsaved')
    await assert.rejects(
      transact(async () => {
        o.counts.set({ word: 'a' }, { n: 5 })
        await o.counts.save()
        throw new RangeError('rolled back')
      }),
      RangeError,
    )
    assert.deepEqual(await countsOf(ctx, o), [['a', 1n]], 'in a transaction rows go with its commit')
  }),

  law('I61', 'a range gives a partition in order, bounded, limited and in either direction, stored and unsaved rows alike', async () => {
    const o = await journal()
    const notes = async (...args: Parameters<typeof o.rows.range>): Promise<string[]> =>
      (await all(o.rows.range(...args))).map(([, v]) => v.note)
    const check = async (): Promise<void> => {
      assert.deepEqual(await notes({ day: 'mon' }), ['m-5', 'm10', 'm20', 'm30', 'm1000'])
      assert.deepEqual(await notes({ day: 'mon' }, { reverse: true }), ['m1000', 'm30', 'm20', 'm10', 'm-5'])
      assert.deepEqual(await notes({ day: 'mon' }, { limit: 2 }), ['m-5', 'm10'])
      assert.deepEqual(await notes({ day: 'mon' }, { limit: 2, reverse: true }), ['m1000', 'm30'])
      assert.deepEqual(await notes({ day: 'mon' }, { from: { at: 10 }, to: { at: 30 } }), ['m10', 'm20'])
      assert.deepEqual(await notes({ day: 'mon' }, { from: { at: 11 }, reverse: true }), ['m1000', 'm30', 'm20'])
      assert.deepEqual(await notes({ day: 'tue' }), ['t15'])
      assert.deepEqual(await notes({ day: 'none' }), [])
    }
    await check()
    o.rows.delete({ day: 'mon', at: 20 })
    o.rows.set({ day: 'mon', at: 25 }, { note: 'm25' })
    assert.deepEqual(await notes({ day: 'mon' }, { limit: 4 }), ['m-5', 'm10', 'm25', 'm30'])
    assert.deepEqual(await notes({ day: 'mon' }, { limit: 3, reverse: true }), ['m1000', 'm30', 'm25'])
    o.rows.delete({ day: 'mon', at: 25 })
    o.rows.set({ day: 'mon', at: 20 }, { note: 'm20' })
    await check()
    await o.save()
    await check()
  }),

  law('I62', 'a counter adds in the overlay and in the store, and a row written whole keeps it', async (ctx) => {
    const o = await new Totals().makePersistent()
    o.rows.add({ name: 'x' }, 'hits', 2)
    assert.equal((await o.rows.get({ name: 'x' }))?.hits, 2n)
    await o.save()
    await ctx.other(async () => {
      const mine = await Totals.getByID(o.getID()!)
      mine.rows.add({ name: 'x' }, 'hits', 5n)
      mine.rows.set({ name: 'x' }, { note: 'noted' })
      await mine.save()
    })
    o.rows.add({ name: 'x' }, 'hits', -1)
    assert.deepEqual(await o.rows.get({ name: 'x' }), { hits: 6n, note: 'noted' })
    await refused(ValidationError, () => o.rows.add({ name: 'x' }, 'hits', 1.5))
    for (const [end, by, otherEnd] of [
      [2n ** 63n - 1n, 1, -(2n ** 63n)],
      [-(2n ** 63n), -1, 2n ** 63n - 1n],
    ] as const) {
      const name = `from ${end}`
      o.rows.add({ name }, 'hits', end)
      await o.save()
      o.rows.add({ name }, 'hits', by)
      assert.equal((await o.rows.get({ name }))?.hits, otherEnd, 'sums are 64 bits')
      await o.save()
      assert.equal(await ctx.other(async () => (await (await Totals.getByID(o.getID()!)).rows.get({ name }))?.hits), otherEnd)
    }
  }),

  law('I63', 'rows written in a transaction are there together with its objects, or not at all', async (ctx) => {
    const o = await persistent({ a: 1 })
    await assert.rejects(
      transact(async () => {
        const mine = await Counts.getByID(o.getID()!)
        mine.counts.set({ word: 'a' }, { n: 2 })
        mine.title = 'lost'
        assert.deepEqual(await mine.counts.get({ word: 'a' }), { n: 2n })
        throw new RangeError('no')
      }),
      RangeError,
    )
    assert.deepEqual(await countsOf(ctx, o), [['a', 1n]])
    await transact(async () => {
      const mine = await Counts.getByID(o.getID()!)
      mine.counts.set({ word: 'a' }, { n: 3 })
      mine.title = 'kept'
    })
    assert.deepEqual(await countsOf(ctx, o), [['a', 3n]])
    assert.equal(await ctx.other(async () => (await Counts.getByID(o.getID()!)).title), 'kept')
  }),

  law('I64', 'numbers order as numbers in keys, negative before positive', async () => {
    const o = new IntKeys()
    const keys = [5, -1, 0, 2 ** 31 - 1, -(2 ** 31), 10, -10]
    for (const k of keys) o.rows.set({ k }, { v: k })
    await o.makePersistent()
    const found = await Promise.all(keys.map(async (k) => (await o.rows.get({ k }))?.v))
    assert.deepEqual(found, keys)
    assert.deepEqual(
      (await all(o.rows.keys())).map(({ k }) => k).sort((a, b) => a - b),
      [...keys].sort((a, b) => a - b),
    )
  }),

  law('I65', 'a key longer than the limit is refused, hard keys are kept apart', async (ctx) => {
    const o = await persistent({})
    await refused(ValidationError, () => o.counts.set({ word: 'x'.repeat(2000) }, { n: 1 }))
    const hard = ['', ' ', '\u0000', '__proto__', 'constructor', 'a\u0000b', 'a', 'é', 'e\u0301', '🦊', 'x'.repeat(900)]
    for (const [n, word] of hard.entries()) o.counts.set({ word }, { n })
    await o.save()
    await ctx.other(async () => {
      const { counts } = await Counts.getByID(o.getID()!)
      assert.equal(await counts.count(), hard.length)
      for (const [n, word] of hard.entries()) assert.deepEqual(await counts.get({ word }), { n: BigInt(n) }, JSON.stringify(word))
    })
    assert.equal(Object.getPrototypeOf({}), Object.prototype)
  }),

  law('I66', 'what a row reads as is the reader’s own: changing it changes no stored row', async () => {
    const o = await new Measures().makePersistent()
    const bytes = Uint8Array.of(1, 2)
    o.rows.set({ name: 'a' }, { bytes })
    bytes.fill(9)
    ;(await o.rows.get({ name: 'a' }))!.bytes!.fill(7)
    await o.save()
    ;(await o.rows.get({ name: 'a' }))!.bytes!.fill(7)
    assert.deepEqual([...(await o.rows.get({ name: 'a' }))!.bytes!], [1, 2])
  }),

  law('I245', 'what a scan has given stays as it is when it goes on', async (ctx) => {
    const o = await new Measures().makePersistent()
    const bytesOf = (i: number): Uint8Array => new Uint8Array(50 + i * 7).fill(i)
    for (let i = 0; i < 100; i++) o.rows.set({ name: String(i).padStart(3, '0') }, { bytes: bytesOf(i) })
    await o.save()
    await ctx.other(async () => {
      const { rows } = await Measures.getByID(o.getID()!)
      for (const [i, [, { bytes }]] of (await all(rows.range({}))).entries()) assert.deepEqual(bytes, bytesOf(i), `row ${i}`)
    })
  }),

  ...dictQueries,
]
