import assert from 'node:assert/strict'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import type { ColumnSpec, Key, Table, Values } from '../../src/backend.js'
import { SchemaMismatchError, ValidationError } from '../../src/errors.js'
import { type Case, law } from './case.js'
import { add, group, now, row, send, tableOn } from './contract-kit.js'
import { all, flat, refused } from './expect.js'

const at = (o: number): Key => ['p', BigInt(o)]
const MOOD: ColumnSpec = { name: 'mood', type: 'text', optional: true }
const TAGS: ColumnSpec = { name: 'tags', type: { setOf: 'text' }, optional: true }
const SEEN: ColumnSpec = { name: 'seen', type: 'counter' }
const withColumns = (table: Table, ...columns: readonly ColumnSpec[]): Table => ({ ...table, values: [...table.values, ...columns] })

const typeName = 'insitu/conformance#Gaining'
const KEYS = { day: t.text, at: t.i64 }
/** A new class each time, as a program of its own has it. */
const olderClass = () =>
  class Older extends StorageObject {
    static readonly typeName = typeName
    title = ''
    log = new StorageDict(KEYS, { n: t.i64 })
  }
const newerClass = () =>
  class Newer extends StorageObject {
    static readonly typeName = typeName
    title = ''
    log = new StorageDict(KEYS, { n: t.i64, note: t.text.optional(), tags: t.set(t.text).optional(), hits: t.counter })
  }
type Older = InstanceType<ReturnType<typeof olderClass>>
type Newer = InstanceType<ReturnType<typeof newerClass>>
const newer = (o: StorageObject): Promise<Newer> => newerClass().getByID(o.getID()!)

async function stored(rows = 3): Promise<Older> {
  const old = Object.assign(new (olderClass())(), { title: 'log' })
  for (let i = 0; i < rows; i++) old.log.set({ day: 'mon', at: i }, { n: i })
  await old.makePersistent()
  return old
}

const plainRows = async (o: Newer): Promise<unknown[]> =>
  (await all(o.log.range({ day: 'mon' }))).map(([{ at: key }, { n, note, hits }]) => [key, n, note, hits])

/** The same under a new name. */
const renamedClass = () =>
  class Renamed extends StorageObject {
    static readonly typeName = typeName
    static renamed = { journal: 'log' }
    title = ''
    journal = new StorageDict(KEYS, { n: t.i64, note: t.text.optional(), tags: t.set(t.text).optional(), hits: t.counter })
  }

/** The classes of two programs for one table, with `n` alone and with all columns. */
function twoClasses(writes: 'lww' | 'cas') {
  const name = `insitu/conformance#Gaining ${writes}`
  class Former extends StorageObject {
    static readonly typeName = name
    log = new StorageDict(KEYS, { n: t.i64, moods: t.list(t.text).optional() }, { writes })
  }
  class Later extends StorageObject {
    static readonly typeName = name
    log = new StorageDict(
      KEYS,
      { n: t.i64, moods: t.list(t.text).optional(), note: t.text.optional(), tags: t.set(t.text).optional(), hits: t.counter },
      { writes },
    )
  }
  return { Former, Later }
}

/** Columns that a table, or the class of a dict, has gained since rows were written. */
export const gainedColumns: readonly Case[] = [
  law('B74', 'a table gains columns behind its own that rows can go without, and no others', async ({ store: { backend }, program }) => {
    const table = await tableOn(backend)
    await send(backend, row(table.id, at(1), [1n, 'one', undefined]), add(table.id, at(1), 2, 5n))
    const wider = withColumns(table, MOOD, SEEN)
    await Promise.all([backend.define(wider), backend.define(wider), backend.define(table)])
    const names = (found: Table | undefined): string[] | undefined => found?.values.map(({ name }) => name)
    assert.deepEqual(names(await backend.table(table.id)), ['n', 'note', 'hits', 'mood', 'seen'])
    await backend.define(table)
    const other = (await program()).backend
    assert.deepEqual(names(await other.table(table.id)), ['n', 'note', 'hits', 'mood', 'seen'])
    await send(other, row(table.id, at(2), [2n, undefined, undefined, 'glad']), add(table.id, at(1), 4, 7n))
    const found = await backend.rows(table.id, [at(1), at(2)])
    assert.deepEqual(
      found.map((one) => one?.values.map((cell) => cell ?? '-').slice(0, 5)),
      [
        [1n, 'one', 5n, '-', 7n],
        [2n, '-', '-', 'glad', '-'],
      ],
    )
    const refusals: Table[] = [
      withColumns(table, { ...MOOD, type: 'i64' }),
      withColumns(table, SEEN, MOOD),
      withColumns(table, MOOD, SEEN, { name: 'needed', type: 'text' }),
      { ...wider, values: [MOOD, ...table.values] },
      { ...wider, keys: [...table.keys, { name: 'q', type: 'text' }] },
    ]
    for (const wanted of refusals) {
      const error = await refused(SchemaMismatchError, () => backend.define(wanted))
      assert.match(error.message, /mood: text\?/, 'it shows what stands')
    }
    assert.deepEqual(names(await backend.table(table.id)), ['n', 'note', 'hits', 'mood', 'seen'])
    await refused(ValidationError, () => send(backend, row(table.id, at(3), [3n, undefined, undefined, 'x', undefined, 'too many'])))
    assert.deepEqual(await backend.rows(table.id, [at(3)]), [undefined])
  }),

  law('B75', 'a writer that does not know a table’s last columns leaves them as they are', async ({ store: { backend }, program }) => {
    const table = await tableOn(backend)
    const older = (await program()).backend
    await send(older, row(table.id, at(0), [0n, undefined, undefined]))
    await backend.define(withColumns(table, MOOD, TAGS))
    const hard = 'a "quoted\\" , [list] {and} \\'
    for (const o of [1, 2, 3]) await send(backend, row(table.id, at(o), [BigInt(o), `${o}`, undefined, hard, ['x', 'y,"z']]))
    const short = (o: number, set: Values | null): ReturnType<typeof row> => row(table.id, at(o), set)
    await send(older, short(1, [10n, 'changed', undefined]), short(2, null), short(4, [4n, undefined, undefined]))
    await send(older, short(2, [20n, undefined, undefined]))
    // Written late, and therefore not at all.
    await older.commit(group([short(3, [30n, 'late', undefined])], undefined, now() - 60_000_000n))
    const read = async (): Promise<unknown[]> =>
      (await backend.rows(table.id, [1, 2, 3, 4].map(at))).map((one) => one?.values.filter((_, i) => i !== 2))
    assert.deepEqual(await read(), [
      [10n, 'changed', hard, ['x', 'y,"z']],
      [20n, undefined, undefined, undefined],
      [3n, '3', hard, ['x', 'y,"z']],
      [4n, undefined, undefined, undefined],
    ])
    await send(backend, row(table.id, at(1), [11n, undefined, undefined, undefined, undefined]))
    assert.deepEqual((await read())[0], [11n, undefined, undefined, undefined])
    const seen = await flat(older.scan({ in: table.id, prefix: ['p'] }))
    assert.deepEqual(
      seen.map(({ values }) => values[0]),
      [0n, 11n, 20n, 3n, 4n],
    )
  }),

  law('B76', 'in a table with compare-and-set, too, further columns are left as they are', async ({ store: { backend }, program }) => {
    const table = await tableOn(backend, 'cas')
    const older = (await program()).backend
    assert.deepEqual(await older.rows(table.id, [at(1)]), [undefined])
    await backend.define(withColumns(table, MOOD))
    await send(backend, { do: 'row', table: table.id, key: at(1), set: [1n, 'one', undefined, 'glad'], expect: null })
    const [first] = await older.rows(table.id, [at(1)])
    await send(older, { do: 'row', table: table.id, key: at(1), set: [2n, 'two', undefined], expect: first!.atMicros })
    const [second] = await backend.rows(table.id, [at(1)])
    assert.deepEqual([second!.values[0], second!.values[1], second!.values[3]], [2n, 'two', 'glad'])
  }),

  law('I127', 'a dict gains optional columns and counters: rows from before read without them', async (ctx) => {
    const old = await stored()
    await ctx.other(async () => {
      const o = await newer(old)
      assert.deepEqual(await o.log.get({ day: 'mon', at: 1 }), { n: 1n, hits: 0n })
      o.log.set({ day: 'mon', at: 3 }, { n: 3, note: 'new', tags: ['a', 'b'] })
      o.log.add({ day: 'mon', at: 0 }, 'hits', 2)
      await o.save()
    })
    await ctx.other(async () => {
      const o = await newer(old)
      assert.deepEqual(await plainRows(o), [
        [0n, 0n, undefined, 2n],
        [1n, 1n, undefined, 0n],
        [2n, 2n, undefined, 0n],
        [3n, 3n, 'new', 0n],
      ])
      assert.deepEqual((await o.log.get({ day: 'mon', at: 3 }))!.tags, new Set(['a', 'b']))
    })
  }),

  law('I128', 'programs with the class from before go on with a dict that gained columns, and take nothing from its rows', async (ctx) => {
    const old = await stored()
    await ctx.other(async () => {
      const o = await newer(old)
      for (const i of [0, 1]) o.log.set({ day: 'mon', at: i }, { n: i, note: `note ${i}` })
      o.log.add({ day: 'mon', at: 0 }, 'hits', 9)
      await o.save()
    })
    // One that has had it open all the time, and one that opens it now.
    old.log.set({ day: 'mon', at: 0 }, { n: 100 })
    await old.save()
    await ctx.other(async () => {
      const late = await olderClass().getByID(old.getID()!)
      assert.deepEqual(await late.log.get({ day: 'mon', at: 0 }), { n: 100n })
      assert.equal((await all(late.log.entries())).length, 3)
      await transact(async () => {
        const inside = await olderClass().getByID(old.getID()!)
        inside.log.set({ day: 'mon', at: 1 }, { n: 101 })
        inside.log.delete({ day: 'mon', at: 2 })
      })
    })
    await ctx.other(async () =>
      assert.deepEqual(await plainRows(await newer(old)), [
        [0n, 100n, 'note 0', 9n],
        [1n, 101n, 'note 1', 0n],
      ]),
    )
  }),

  law('I129', 'gained columns change nothing by themselves, and are queried, copied and loaded like the others', async (ctx) => {
    const old = await stored()
    await ctx.other(async () => {
      const o = await newer(old)
      await o.reload()
      await Promise.all([newer(old), newer(old)])
      assert.equal(
        await o.log.bulk(
          [10, 11].map(
            (i) =>
              [
                { day: 'tue', at: i },
                { n: i, note: 'bulk' },
              ] as const,
          ),
        ),
        2,
      )
      o.log.set({ day: 'tue', at: 12 }, { n: 12, note: 'buffered' })
      const found = await all(o.log.where({ day: 'tue', note: 'bulk' }))
      assert.deepEqual(
        found.map(([, { n }]) => n),
        [10n, 11n],
      )
      await o.save()
      const counted = await o.log.aggregate({ notes: ['count', 'note'], rows: 'count', last: ['max', 'note'] })
      assert.deepEqual(
        [Number(counted.notes), Number(counted.rows), counted.last],
        [3, 6, 'bulk'.localeCompare('buffered') > 0 ? 'bulk' : ''],
      )
      const parts = await Promise.all((await o.log.split(2)).map((part) => all(part.entries())))
      assert.equal(parts.flat().filter(([, { note }]) => note !== undefined).length, 3)
      const version = (await o.newVersion()) as Newer
      version.log.set({ day: 'tue', at: 13 }, { n: 13, note: 'version' })
      await version.save()
      await version.consolidateVersion()
    })
    await ctx.other(async () => {
      const o = await newer(old)
      const notes = (await all(o.log.range({ day: 'tue' }))).map(([, { note }]) => note)
      assert.deepEqual([notes, o.title], [['bulk', 'bulk', 'buffered', 'version'], 'log'])
    })
  }),

  law('I146', 'columns removed, changed, moved or gained where rows need them are a schema mismatch that shows both', async (ctx) => {
    const old = await stored()
    await ctx.other(async () => {
      const o = await newer(old)
      o.log.set({ day: 'mon', at: 0 }, { n: 0, note: 'kept' })
      await o.save()
    })
    const others = [
      {},
      { n: t.text },
      { n: t.i64, needed: t.text },
      { note: t.text.optional(), n: t.i64 },
      { n: t.i64, note: t.i64.optional() },
      { n: t.i64, mood: t.text.optional() },
    ]
    for (const columns of others)
      await ctx.other(async () => {
        class Other extends StorageObject {
          static readonly typeName = typeName
          title = ''
          log = new StorageDict(KEYS, columns)
        }
        for (const _again of [1, 2]) {
          const { message } = await refused(SchemaMismatchError, () => Other.getByID(old.getID()!))
          assert.match(message, /stored day: text, at: i64.* → n: i64/)
          assert.match(message, new RegExp(`→ ${Object.keys(columns).join(': [^,]*, ')}`))
        }
      })
    await ctx.other(async () => assert.equal((await plainRows(await newer(old))).length, 3))
    assert.deepEqual(await old.log.get({ day: 'mon', at: 0 }), { n: 0n })
  }),

  law('I273', 'a dict gains columns also where its field has another name by now', async (ctx) => {
    const old = await stored(1)
    const renamed = renamedClass()
    await ctx.other(async () => {
      const o = await renamed.getByID(old.getID()!)
      o.journal.set({ day: 'mon', at: 0 }, { n: 5, note: 'noted' })
      o.journal.add({ day: 'mon', at: 0 }, 'hits', 2)
      const { journal } = o
      await o.save()
      await o.reload()
      assert.ok(o.journal === journal)
    })
    await ctx.other(async () => {
      const { journal } = await renamed.getByID(old.getID()!)
      assert.deepEqual(await journal.get({ day: 'mon', at: 0 }), { n: 5n, note: 'noted', hits: 2n })
    })
    assert.deepEqual(await old.log.get({ day: 'mon', at: 0 }), { n: 5n })
  }),

  ...(['lww', 'cas'] as const).map((writes) =>
    law(
      `I41${writes === 'lww' ? 0 : 1}`,
      `a row that a program with the class from before removes and writes anew has nothing of the old one (${writes})`,
      async (ctx) => {
        const { Former, Later } = twoClasses(writes)
        const former = new Former()
        await former.makePersistent()
        const { log } = former
        const ways: readonly (() => PromiseLike<unknown>)[] = [
          () => {
            log.delete({ day: 'mon', at: 0 })
            log.set({ day: 'mon', at: 0 }, { n: 10 })
            return former.save()
          },
          async () => {
            await log.clear()
            log.set({ day: 'mon', at: 1 }, { n: 11 })
            await log.save()
          },
          () =>
            transact(() => {
              log.delete({ day: 'mon', at: 2 })
              log.set({ day: 'mon', at: 2 }, { n: 12 })
            }),
        ]
        for (const [i, way] of ways.entries()) {
          await ctx.other(async () => {
            const o = await Later.getByID(former.getID()!)
            o.log.set({ day: 'mon', at: i }, { n: i, note: 'old', tags: ['old'] })
            o.log.add({ day: 'mon', at: i }, 'hits', 5)
            await o.save()
          })
          await log.get({ day: 'mon', at: i })
          await way()
          await ctx.other(async () => {
            const o = await Later.getByID(former.getID()!)
            assert.deepEqual(await o.log.get({ day: 'mon', at: i }), { n: BigInt(10 + i), hits: 0n })
          })
        }
      },
    ),
  ),

  law('I412', 'an empty collection in a gained column stays where a program with the class from before writes the row', async (ctx) => {
    for (const writes of ['lww', 'cas'] as const) {
      const { Former, Later } = twoClasses(writes)
      const former = new Former()
      await former.makePersistent()
      await ctx.other(async () => {
        const o = await Later.getByID(former.getID()!)
        for (const at of [0, 1, 2]) o.log.set({ day: 'mon', at }, { n: 1, moods: [], tags: [] })
        await o.save()
      })
      const { log } = former
      log.set({ day: 'mon', at: 0 }, { n: 2, moods: ['glad'] })
      log.set({ day: 'mon', at: 1 }, { n: 2, moods: [] })
      log.set({ day: 'mon', at: 2 }, { n: 2 })
      await former.save()
      await ctx.other(async () => {
        const o = await Later.getByID(former.getID()!)
        assert.deepEqual(
          await all(o.log.values()),
          [{ moods: ['glad'] }, { moods: [] }, {}].map((own) => ({ n: 2n, ...own, tags: new Set(), hits: 0n })),
        )
      })
    }
  }),

  law(
    'I413',
    'a row that only a gained counter has made is there to programs from before, and goes whole when one removes it',
    async (ctx) => {
      for (const writes of ['lww', 'cas'] as const) {
        const { Former, Later } = twoClasses(writes)
        const former = new Former()
        await former.makePersistent()
        const { log } = former
        log.set({ day: 'tue', at: 0 }, { n: 0 })
        await former.save()
        const asLater = (body: (log: InstanceType<typeof Later>['log']) => void | Promise<void>): Promise<unknown> =>
          ctx.other(async () => {
            const o = await Later.getByID(former.getID()!)
            await body(o.log)
            await o.save()
          })
        await asLater((later) => {
          for (const at of [1, 2]) later.add({ day: 'mon', at }, 'hits', 5)
        })
        assert.deepEqual([await log.has({ day: 'mon', at: 1 }), await log.get({ day: 'mon', at: 1 })], [true, {}])
        assert.deepEqual(await all(log.keys()), [
          { day: 'mon', at: 1n },
          { day: 'mon', at: 2n },
          { day: 'tue', at: 0n },
        ])
        assert.equal(await log.count(), 3)
        log.delete({ day: 'mon', at: 1 })
        await former.save()
        assert.deepEqual([await log.has({ day: 'mon', at: 1 }), await log.count()], [false, 2])
        await asLater((later) => later.set({ day: 'mon', at: 1 }, { n: 1 }))
        await asLater(async (later) => assert.deepEqual(await later.get({ day: 'mon', at: 1 }), { n: 1n, hits: 0n }))
      }
    },
  ),
]
