/** What other clients write into tables of a store, as their CQL lets them, and what they take away. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { Client } from 'cassandra-driver'
import { connect, StorageDict, StorageObject, type Store, t } from '../../runtime/index.js'
import { CorruptError, SchemaMismatchError, UnavailableError } from '../../src/errors.js'
import { all } from '../conformance/expect.js'
import { failureOf, Keyspace, rawClient, siteFor } from './kit.js'

class Known extends StorageObject {
  static readonly typeName = 'insitu/test#Known'
  n = 1
}

class Ledger extends StorageObject {
  static readonly typeName = 'insitu/test#Ledger'
  title = 'ledger'
  list: readonly number[] = [1, 2]
  rows = new StorageDict(
    { p: t.text, k: t.i32 },
    {
      n: t.i32.optional(),
      sum: t.decimal.optional(),
      day: t.date.optional(),
      when: t.timestamp.optional(),
      who: t.ref(() => Known).optional(),
      tags: t.list(t.text).optional(),
    },
  )
}

class Hits extends StorageObject {
  static readonly typeName = 'insitu/test#Hits'
  rows = new StorageDict({ p: t.text, k: t.i32 }, { n: t.i32.optional(), hits: t.counter })
}

describe('cassandra: other clients write', function () {
  this.timeout(60_000)
  let site: Awaited<ReturnType<typeof siteFor>>
  let keyspace: Keyspace
  let raw: Client
  let store: Store
  before(async function () {
    site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    raw = await rawClient(site, { keyspace: keyspace.name })
    store = await connect(`${keyspace.url}&ownTables=100`)
  })
  after(async function () {
    this.timeout(120_000)
    await store?.close()
    await raw?.shutdown()
    await keyspace?.drop()
  })

  const made = (): Promise<Ledger> => store.run(() => new Ledger().makePersistent())
  const tableOf = async (owner: StorageObject): Promise<string> => {
    const { rows } = await raw.execute('SELECT owner_id, table_name FROM insitu_dicts')
    return `"${rows.find((row) => String(row.owner_id) === owner.getID())!.table_name as string}"`
  }
  const classTable = async (): Promise<string> => {
    const { rows } = await raw.execute("SELECT table_name FROM insitu_classes WHERE class = 'insitu/test#Ledger'")
    return `"${rows[0]!.table_name as string}"`
  }

  it('rows that lack cells, or lose them with time or by a removal, are rows that have not set them', async () => {
    const ledger = await made()
    const table = await tableOf(ledger)
    await raw.execute(`INSERT INTO ${table} (p, k) VALUES ('a', 1)`)
    await raw.execute(`INSERT INTO ${table} (p, k, n, tags) VALUES ('a', 2, 2, [])`)
    await raw.execute(`INSERT INTO ${table} (p, k, n) VALUES ('a', 3, 3) USING TTL 1`)
    await raw.execute(`INSERT INTO ${table} (p, k) VALUES ('a', 4)`)
    await raw.execute(`UPDATE ${table} USING TTL 1 SET n = 4 WHERE p = 'a' AND k = 4`)
    await new Promise((resolve) => setTimeout(resolve, 2100))
    await store.run(async () => {
      assert.deepEqual(
        (await all(ledger.rows.entries())).map(([{ k }, { n }]) => [k, n]),
        [
          [1, undefined],
          [2, 2],
          [4, undefined],
        ],
      )
      assert.deepEqual(await ledger.rows.aggregate({ rows: 'count', n: ['sum', 'n'] }, { prefix: { p: 'a' } }), { rows: 3, n: 2n })
      ledger.rows.set({ p: 'a', k: 1 }, { n: 1 })
      await ledger.save()
    })
    await raw.execute(`DELETE n FROM ${table} WHERE p = 'a' AND k = 1`)
    assert.deepEqual(await store.run(() => ledger.rows.get({ p: 'a', k: 1 })), {})
  })

  it('what they add to a counter counts, and goes with its row, also where they made that by an insert', async () => {
    const hits = await store.run(() => new Hits().makePersistent())
    const table = await tableOf(hits)
    const counted = (k: number): Promise<unknown> => store.run(() => hits.rows.get({ p: 'a', k }))
    await store.run(() => {
      hits.rows.add({ p: 'a', k: 1 }, 'hits', 1)
      return hits.save()
    })
    const shares = ['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff', 'now()']
    for (const share of shares) await raw.execute(`UPDATE ${table} SET hits = hits + {${share}: 2} WHERE p = 'a' AND k = 1`)
    await raw.execute(`INSERT INTO ${table} (p, k, n, hits) VALUES ('a', 2, 3, {uuid(): 4})`)
    assert.deepEqual([await counted(1), await counted(2)], [{ hits: 7n }, { n: 3, hits: 4n }])
    await store.run(() => {
      for (const k of [1, 2]) hits.rows.delete({ p: 'a', k })
      return hits.save()
    })
    assert.deepEqual([await counted(1), await counted(2)], [undefined, undefined])
    await store.run(async () => {
      assert.deepEqual(await hits.rows.aggregate({ rows: 'count' }, { prefix: { p: 'a' } }), { rows: 0 })
      assert.deepEqual(await all(hits.rows.groupBy(['k'], { rows: 'count' }, { prefix: { p: 'a' } })), [])
    })
    await raw.execute(`UPDATE ${table} SET hits[uuid()] = 5 WHERE p = 'a' AND k = 1`)
    assert.deepEqual(await counted(1), { hits: 5n })
  })

  it('decimals are what they are, whatever scale they were written with', async () => {
    const ledger = await made()
    const table = await tableOf(ledger)
    for (const [text, want] of [
      ['1E+5', '100000'],
      ['-12E+3', '-12000'],
      ['0E+7', '0'],
      ['1.50', '1.50'],
      ['5E-3', '0.005'],
    ]) {
      await raw.execute(`INSERT INTO ${table} (p, k, sum) VALUES ('d', 1, ${text})`)
      assert.equal((await store.run(() => ledger.rows.get({ p: 'd', k: 1 })))?.sum, want, text)
    }
  })

  it('what no column here can be is told with the column, and costs no memory', async () => {
    const ledger = await made()
    const table = await tableOf(ledger)
    for (const [column, value] of [
      ['sum', '1E-1000000000'],
      ['day', "'-290000-01-01'"],
      ['when', '9223372036854775807'],
      ['who', '(6ba7b810-9dad-11d1-80b4-00c04fd430c8, null)'],
      ['who', "(null, 'insitu/test#Known')"],
    ] as const) {
      await raw.execute(`INSERT INTO ${table} (p, k, ${column}) VALUES ('x', 1, ${value})`)
      for (const read of [() => ledger.rows.get({ p: 'x', k: 1 }), () => all(ledger.rows.entries())]) {
        const error = await failureOf(async () => store.run<unknown>(read))
        assert.ok(error instanceof CorruptError, `${column} ${value}: ${inspect(error)}`)
        assert.match(error.message, new RegExp(`Column ${column} `))
      }
      await raw.execute(`DELETE FROM ${table} WHERE p = 'x' AND k = 1`)
    }
  })

  it('columns of their own, in tables of rows and of classes, are theirs', async () => {
    const ledger = await made()
    const table = await tableOf(ledger)
    await raw.execute(`ALTER TABLE ${table} ADD theirs list<int>`)
    await raw.execute(`INSERT INTO ${table} (p, k, n, theirs) VALUES ('a', 1, 1, [1])`)
    const ofClass = await classTable()
    for (const [name, type, value] of [
      ['their_set', 'set<text>', "{'a'}"],
      ['their_list', 'list<int>', '[1]'],
      ['their_map', 'map<text, int>', "{'a': 1}"],
      ['their_age', 'int', '7'],
      ['their_note', 'text', "'theirs'"],
    ]) {
      await raw.execute(`ALTER TABLE ${ofClass} ADD ${name} ${type} static`)
      await raw.execute(`UPDATE ${ofClass} SET ${name} = ${value} WHERE object_id = ${ledger.getID()}`)
    }
    await store.run(async () => {
      assert.deepEqual(await ledger.rows.get({ p: 'a', k: 1 }), { n: 1 })
      ledger.title = 'changed'
      await ledger.save()
      await ledger.reload()
      assert.deepEqual(Object.keys(ledger).sort(), ['list', 'rows', 'title'])
    })
  })

  it('a cell that they damaged is told with its object', async () => {
    const ledger = await made()
    for (const bytes of ['0x', '0x00', '0x05aa', '0x01', '0x017b7d']) {
      await raw.execute(`UPDATE ${await classTable()} SET "~rest"['list'] = ${bytes} WHERE object_id = ${ledger.getID()}`)
      const error = await failureOf(() => store.run(() => ledger.reload({ discard: true })))
      assert.ok(error instanceof CorruptError, `${bytes}: ${inspect(error)}`)
      assert.match(error.message, new RegExp(ledger.getID()!))
    }
  })

  it('a keyspace that they drop is told as that by whatever is asked, and no row or table of it as not found', async () => {
    const doomed = await Keyspace.on(site)
    const other = await connect(doomed.url)
    const ledger = await other.run(() => new Ledger().makePersistent())
    await doomed.drop()
    const asked: Record<string, () => Promise<unknown>> = {
      row: () => ledger.rows.get({ p: 'a', k: 1 }),
      scan: () => all(ledger.rows.entries()),
      count: () => ledger.rows.count(),
      object: () => ledger.reload(),
    }
    for (const [what, ask] of Object.entries(asked)) {
      const error = await failureOf(() => other.run(ask))
      assert.ok(error instanceof UnavailableError, `${what}: ${inspect(error)}`)
    }
    await other.close()
  })

  it('a table or column that they drop is told as that, not as a fault of insitu', async () => {
    const [one, two] = [await made(), await made()]
    await store.run(async () => {
      for (const ledger of [one, two]) {
        ledger.rows.set({ p: 'a', k: 1 }, { n: 1 })
        await ledger.save()
      }
    })
    await raw.execute(`ALTER TABLE ${await tableOf(two)} DROP n`)
    two.rows.set({ p: 'a', k: 2 }, { n: 2 })
    const lost = await failureOf(() => store.run(() => two.save()))
    assert.ok(lost instanceof SchemaMismatchError || lost instanceof UnavailableError, inspect(lost))
    assert.match(lost.message, /column/)
    await raw.execute(`ALTER TABLE ${await tableOf(two)} ADD n int`)
    await store.run(() => two.save())
    await raw.execute(`DROP TABLE ${await tableOf(one)}`)
    const gone = await failureOf(() => store.run(() => one.rows.get({ p: 'a', k: 1 })))
    assert.ok(gone instanceof UnavailableError, inspect(gone))
    assert.match(gone.message, /dropped/)
  })
})
