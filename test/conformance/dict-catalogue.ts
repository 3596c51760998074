/** Laws that Hecuba and dataClay test, of dictionaries in pieces and of sets in rows, under their own numbers. */
import assert from 'node:assert/strict'
import { StorageDict, StorageObject, t } from '../../runtime/index.js'
import { StorageSets } from '../../src/dict/storage-sets.js'
import { ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { all, flat, refused, thrown } from './expect.js'
import { Counter, Counts, IntKeys, Person } from './model.js'

class Labels extends StorageObject {
  static readonly typeName = 'insitu/conformance#Labels'
  of = new StorageSets({ word: t.text }, t.tuple(t.i32, t.text))
}

class Steps extends StorageDict.of({ walk: t.text, at: t.i32 }, { v: t.i32 }) {
  static readonly typeName = 'insitu/conformance#Steps'
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

const keysOf = async (part: Steps | StorageDict<never, never>): Promise<string[]> =>
  (await all((part as Steps).keys())).map(({ walk, at }) => `${walk} ${at}`)

async function steps(count: number): Promise<Steps> {
  const o = new Steps()
  for (const at of upTo(count)) o.set({ walk: `w${at % 13}`, at }, { v: at })
  await o.makePersistent()
  return o
}

type Pair = readonly [number, string]
const named = async (pairs: AsyncIterable<unknown>): Promise<Set<string>> => new Set((await all(pairs)).map((pair) => String(pair as Pair)))

/** All that lies in a store, but for what other cases do meanwhile: objects of the classes of splits would be among them. */
async function classesIn({ store }: CaseContext): Promise<string[]> {
  return [...new Set((await flat(store.backend.objects({}))).map(({ classId }) => classId))].sort()
}

export const dictCatalogue: readonly Case[] = [
  law('D37', 'a version is resolved by its id alone, a working object with another id than the original', async (ctx) => {
    const o = Object.assign(new Counter(), { n: 5 })
    await o.makePersistent()
    const version = (await o.newVersion()).getID()!
    assert.notEqual(version, o.getID())
    await ctx.other(async () => {
      const copy = await Counter.getByID(version)
      copy.n++
      await copy.save()
    })
    await ctx.other(async () => {
      assert.deepEqual([(await Counter.getByID(version)).n, (await Counter.getByID(o.getID()!)).n], [6, 5])
    })
  }),

  law(
    'H42',
    'a hundred rows that are written and read back at once are all read right, before, during and after they are sent',
    async () => {
      const o = await new IntKeys().makePersistent()
      for (const k of upTo(100)) o.rows.set({ k }, { v: k * k })
      const read = async (): Promise<unknown[]> => Promise.all(upTo(100).map((k) => o.rows.get({ k })))
      const right = upTo(100).map((k) => ({ v: k * k }))
      assert.deepEqual(await read(), right)
      const saved = o.save()
      assert.deepEqual(await read(), right)
      await saved
      assert.deepEqual(await read(), right)
    },
  ),

  law('H43', 'an element that is added twice is in a set once, and a missing one is removed without an error', async () => {
    const o = await new Labels().makePersistent()
    for (const save of [false, true, false]) {
      o.of.addTo({ word: 'w' }, [1, 'a'])
      o.of.addTo({ word: 'w' }, [1, 'a'])
      o.of.removeFrom({ word: 'w' }, [2, 'a'], [1, 'b'])
      if (save) await o.save()
      assert.deepEqual([await o.of.sizeOf({ word: 'w' }), await o.of.includes({ word: 'w' }, [1, 'a'])], [1, true])
      assert.equal(await o.of.includes({ word: 'w' }, [2, 'a']), false)
    }
  }),

  law('H45', 'sets of pairs combine and compare as sets in memory do, stored and unsaved elements alike', async (ctx) => {
    const o = new Labels()
    const [one, other]: [Pair[], Pair[]] = [upTo(20).map((n): Pair => [n, 'x']), upTo(20).map((n): Pair => [n * 2, 'x'])]
    for (const [word, pairs] of [
      ['one', one],
      ['other', other.slice(0, 10)],
    ] as const)
      for (const pair of pairs) o.of.addTo({ word }, [...pair])
    await o.makePersistent()
    for (const pair of other.slice(10)) o.of.addTo({ word: 'other' }, [...pair])
    const [a, b] = [await named(o.of.elements({ word: 'one' })), await named(o.of.elements({ word: 'other' }))]
    assert.deepEqual([a, b], [new Set(one.map(String)), new Set(other.map(String))])
    for (const pair of other) assert.equal(await o.of.includes({ word: 'one' }, [...pair]), a.has(String(pair)), String(pair))
    // The intersection, by the operations of the store.
    for (const pair of one) if (!b.has(String(pair))) o.of.removeFrom({ word: 'one' }, [...pair])
    await o.save()
    await ctx.other(async () => {
      const copy = await Labels.getByID(o.getID()!)
      assert.deepEqual(await named(copy.of.elements({ word: 'one' })), new Set([...a].filter((pair) => b.has(pair))))
    })
  }),

  law('H46', 'three sets of a hundred elements each are three groups', async (ctx) => {
    const o = new Labels()
    for (const word of ['a', 'b', 'c']) o.of.addTo({ word }, ...upTo(100).map((n): [number, string] => [n, word]))
    await o.makePersistent()
    await ctx.other(async () => {
      const copy = await Labels.getByID(o.getID()!)
      const groups = await all(copy.of.groupBy(['word'], { n: 'count' }))
      assert.deepEqual(
        groups.map(([{ word }, { n }]) => [word, n]),
        ['a', 'b', 'c'].map((word) => [word, 100]),
      )
      assert.equal((await all(copy.of.keys())).length, 300)
    })
  }),

  law('H47', 'a set whose last element is removed is no longer there', async (ctx) => {
    const o = new Labels()
    o.of.addTo({ word: 'gone' }, [1, 'a'], [2, 'a'])
    o.of.addTo({ word: 'kept' }, [1, 'a'])
    await o.makePersistent()
    o.of.removeFrom({ word: 'gone' }, [1, 'a'], [2, 'a'])
    await o.save()
    await ctx.other(async () => {
      const copy = await Labels.getByID(o.getID()!)
      assert.deepEqual(
        (await all(copy.of.groupBy(['word'], { n: 'count' }))).map(([{ word }]) => word),
        ['kept'],
      )
      assert.equal(await copy.of.sizeOf({ word: 'gone' }), 0)
    })
  }),

  law('H67', 'of ten thousand keys each is in exactly one part, and the sizes of the parts add up', async () => {
    const o = await steps(10_000)
    const parts = await o.split(8)
    const found = await Promise.all(parts.map((part) => keysOf(part as never)))
    const sizes = await Promise.all(parts.map((part) => part.count()))
    assert.deepEqual(
      found.map((keys) => keys.length),
      sizes,
    )
    assert.deepEqual(
      found.flat().sort(),
      upTo(10_000)
        .map((at) => `w${at % 13} ${at}`)
        .sort(),
    )
  }),

  law('H69', 'a part that another program finds by its id has the same rows', async (ctx) => {
    const o = await steps(500)
    const mine = new Map<string | undefined, string[]>()
    for (const part of await o.split(5)) mine.set(part.pieceId, await keysOf(part as never))
    await ctx.other(async () => {
      const theirs = await (await Steps.getByID(o.getID()!)).split(5)
      assert.equal(theirs.length, mine.size)
      for (const part of theirs) assert.deepEqual(await keysOf(part as never), mine.get(part.pieceId))
    })
  }),

  law('H70', 'the parts of a part cover exactly what it covers', async () => {
    const o = await steps(1000)
    for (const part of await o.split(3)) {
      const finer = await Promise.all((await part.split(4)).map((piece) => keysOf(piece as never)))
      assert.deepEqual(finer.flat().sort(), (await keysOf(part as never)).sort())
    }
  }),

  law('H71', 'parts that are made before rows are saved have those rows', async () => {
    const o = await steps(200)
    for (const at of upTo(50)) o.set({ walk: 'late', at }, { v: at })
    const found = (await Promise.all((await o.split(4)).map((part) => keysOf(part as never)))).flat()
    assert.deepEqual([found.length, new Set(found).size, found.filter((key) => key.startsWith('late')).length], [250, 250, 50])
  }),

  law('H75', 'a dictionary in a field is split as one that stands alone, and what is no collection is not', async (ctx) => {
    const o = new IntKeys()
    for (const k of upTo(300)) o.rows.set({ k }, { v: k })
    await o.makePersistent()
    const parts = await o.rows.split(3)
    const found = (await Promise.all(parts.map((part) => all(part.keys())))).flat().map(({ k }) => k)
    assert.deepEqual(
      found.sort((a, b) => a - b),
      upTo(300),
    )
    assert.equal('split' in o, false)
    await refused(ValidationError, () => new IntKeys().rows.split(2))
    await ctx.other(async () => assert.ok((await (await IntKeys.getByID(o.getID()!)).rows.split(3)).length >= 3))
  }),

  law('H77', 'splitting leaves nothing in the store, and with the dictionary its rows go for every part', async (ctx) => {
    const o = await steps(300)
    const before = await classesIn(ctx)
    const parts = await o.split(6)
    assert.deepEqual(
      (await Promise.all(parts.map((part) => part.count()))).reduce((a, b) => a + b, 0),
      300,
    )
    assert.deepEqual(await classesIn(ctx), before)
    const id = o.getID()!
    await o.deletePersistent()
    await ctx.other(async () => {
      assert.deepEqual(
        (await flat(ctx.store.backend.objects({ classId: 'insitu/conformance#Steps' as never }))).filter((ref) => ref.id === id),
        [],
      )
    })
    for (const part of parts)
      await part.count().then(
        (n) => assert.equal(n, 0),
        () => {},
      )
  }),

  law('I510', 'columns that are none, and columns of what they cannot hold, are refused when they are declared', async () => {
    const make = (keys: unknown, values: unknown) => () => new StorageDict(keys as { k: typeof t.text }, values as { k: typeof t.text })
    const { text } = t
    const wrong: [unknown, unknown][] = [
      [{ k: 'text' }, {}],
      [{ k: undefined }, {}],
      [{ k: text }, { v: String }],
      [{ k: text }, { v: null }],
      [null, {}],
      [undefined, undefined],
      [{ k: text }, 5],
    ]
    for (const [keys, values] of wrong) await refused(ValidationError, make(keys, values))
    for (const of of [undefined, null, 'text', String, t.counter] as never[])
      for (const make of [() => t.list(of), () => t.set(of), () => t.tuple(text, of), () => t.map(text, of), () => t.map(of, text)])
        await refused(ValidationError, make)
    for (const of of [undefined, {}, Person] as never[]) await refused(ValidationError, () => t.ref(of))
    await refused(ValidationError, () => t.tuple())
    await refused(ValidationError, () => t.record({ x: 'text' as never }))
  }),

  law('I511', 'aggregates have whatever names they are given, and are refused where none are', async () => {
    const { counts: rows } = await new Counts().makePersistent()
    rows.set({ word: 'a' }, { n: 2 })
    const ops = JSON.parse('{"__proto__":"count","constructor":["sum","n"],"0":["max","word"]}') as { rows: 'count' }
    const expected = Object.entries(JSON.parse('{"0":"a","__proto__":1,"constructor":"2n"}') as object)
    for (const isStored of [false, true]) {
      const found = Object.entries(await rows.aggregate(ops)).map(([name, value]) => [
        name,
        typeof value === 'bigint' ? `${value}n` : value,
      ])
      assert.deepEqual(found.sort(), expected.sort(), String(isStored))
      await rows.save()
    }
    for (const none of [null, undefined, {}, 5] as never[]) await refused(ValidationError, () => rows.aggregate(none))
    for (const by of ['word', undefined, null, {}] as never[])
      await refused(ValidationError, () => all(rows.groupBy(by, { rows: 'count' })))
  }),

  law('I515', 'who has aborted gets the reason, whoever computes an aggregate', async () => {
    const { counts } = await new Counts().makePersistent()
    counts.set({ word: 'a' }, { n: 2 })
    const reason = new Error('no longer wanted')
    const signal = AbortSignal.abort(reason)
    for (const isStored of [false, true]) {
      assert.equal(await thrown(() => counts.aggregate({ rows: 'count' }, { signal })), reason, String(isStored))
      assert.equal(await thrown(() => all(counts.groupBy(['word'], { rows: 'count' }, { signal }))), reason, String(isStored))
      await counts.save()
    }
  }),

  law('I516', 'a key column that equals one of several values may have more said of it', async () => {
    const o = await steps(26)
    for (const isStored of [false, true]) {
      const found = async (conditions: Parameters<typeof o.where>[0], reverse = false): Promise<string[]> =>
        (await all(o.where(conditions, { reverse }))).map(([{ walk, at }]) => `${walk} ${at}`)
      assert.deepEqual(await found({ walk: { in: ['w2', 'w1', 'w3'], from: 'w2' } }), ['w2 2', 'w2 15', 'w3 3', 'w3 16'], String(isStored))
      assert.deepEqual(await found({ walk: { in: ['w2', 'w3'], to: 'w3', exists: true }, at: { from: 3 } }), ['w2 15'])
      assert.deepEqual(await found({ walk: { in: ['w1', 'w2'], exists: true }, at: { in: [1, 14, 15], from: 2 } }, true), [
        'w2 15',
        'w1 14',
      ])
      assert.deepEqual(await found({ walk: { in: ['w1'], exists: false } }), [])
      o.set({ walk: 'w1', at: 1 }, { v: 1 })
      await o.save()
    }
  }),
]
