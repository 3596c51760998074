/** Which fields of objects lie in columns, as another client reads them. */
import assert from 'node:assert/strict'
import type { Client } from 'cassandra-driver'
import { connect, StorageDict, StorageObject, type Store, t } from '../../runtime/index.js'
import { SchemaMismatchError } from '../../src/errors.js'
import { failureOf, Keyspace, rawClient, siteFor } from './kit.js'

class First extends StorageObject {
  static readonly typeName = 'insitu/test#First'
  mean = Number.NaN
  zero = -0
  text = 'x'.repeat(100_000)
  bytes = new Uint8Array(300_000)
  whole = 7n ** 500_000n
}

class Aged extends StorageObject {
  static readonly typeName = 'insitu/test#Aged'
  title = ''
  age?: number | string
  note?: string
}

class Kept extends StorageObject {
  static readonly typeName = 'insitu/test#Kept'
  rows = new StorageDict({ k: t.text }, { n: t.i32 })
}

describe('cassandra: columns of fields', function () {
  this.timeout(60_000)
  let keyspace: Keyspace
  let raw: Client
  let store: Store
  before(async function () {
    const site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    raw = await rawClient(site, { keyspace: keyspace.name, encoding: { useBigIntAsVarint: true } })
    store = await connect(keyspace.url)
  })
  after(async function () {
    this.timeout(120_000)
    await store?.close()
    await raw?.shutdown()
    await keyspace?.drop()
  })

  const tableOf = async (classId: string): Promise<string> => {
    const { rows } = await raw.execute('SELECT table_name FROM insitu_classes WHERE class = ?', [classId])
    return `"${rows[0]!.table_name as string}"`
  }
  const rowOf = async ({ typeName }: { readonly typeName: string }, names: string): Promise<unknown[]> =>
    (await raw.execute(`SELECT DISTINCT object_id, ${names} FROM ${await tableOf(typeName)}`)).first().values().slice(1)
  /** What another program finds. */
  const found = async <T>(body: () => Promise<T>): Promise<T> => {
    const other = await connect(keyspace.url)
    try {
      return await other.run(body)
    } finally {
      await other.close()
    }
  }

  it('a first value that is NaN, -0 or large decides for a column like any other of its type', async () => {
    const NAMES = 'mean, zero, text, bytes, whole'
    const first = await store.run(() => new First().makePersistent())
    const same = async (): Promise<void> => {
      assert.deepStrictEqual({ ...(await found(() => First.getByID(first.getID()!))) }, { ...first })
    }
    await same()
    assert.deepStrictEqual(await rowOf(First, NAMES), [Number.NaN, -0, null, null, null])
    Object.assign(first, { mean: 1.5, zero: Number.NaN, text: 'short', bytes: Uint8Array.of(1), whole: -(2n ** 200n) })
    await store.run(() => first.save())
    assert.deepStrictEqual(await rowOf(First, NAMES), [1.5, Number.NaN, 'short', Buffer.of(1), -(2n ** 200n)])
    await same()
  })

  it('a field keeps its value beside a column of its name that another client has added with another type', async () => {
    const aged = await store.run(() => new Aged().makePersistent())
    const table = await tableOf(Aged.typeName)
    await raw.execute(`ALTER TABLE ${table} ADD (age int static, note blob static)`)
    await raw.execute(`UPDATE ${table} SET age = 7, note = 0x00 WHERE object_id = ${aged.getID()}`)
    Object.assign(aged, { age: 7.5, note: 'mine' })
    await store.run(() => aged.save())
    const again = await found(() => Aged.getByID(aged.getID()!))
    assert.deepEqual([again.age, again.note], [7.5, 'mine'])
    assert.deepEqual(await rowOf(Aged, 'age, note'), [7, Buffer.of(0)])
  })

  it('a column that a dict gains is refused where another client has added one of its name with another type, and both are shown', async () => {
    const kept = await store.run(() => new Kept().makePersistent())
    const { rows } = await raw.execute('SELECT owner_id, table_name FROM insitu_dicts')
    const name = rows.find((row) => String(row.owner_id) === kept.getID())!.table_name as string
    await raw.execute(`ALTER TABLE "${name}" ADD sum int`)
    const error = await failureOf(() =>
      found(async () => {
        // The same with a column more; made here, so that it is the last class of that name whatever other tests have looked for.
        class Gained extends StorageObject {
          static readonly typeName = Kept.typeName
          rows = new StorageDict({ k: t.text }, { n: t.i32, sum: t.f64.optional() })
        }
        const gained = await Gained.getByID(kept.getID()!)
        gained.rows.set({ k: 'a' }, { n: 1, sum: 1.5 })
        await gained.save()
      }),
    )
    assert.ok(error instanceof SchemaMismatchError, String(error))
    assert.deepEqual([error.column, error.stored, error.wanted], ['sum', 'int', 'double'])
  })
})
