/** Dicts with `writes: 'counters'`: rows are counters of Cassandra's own. */
import assert from 'node:assert/strict'
import type { Client } from 'cassandra-driver'
import { createBackend } from '../../backends/cassandra/index.js'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { SchemaMismatchError, UnknownOutcomeError, UnsupportedError } from '../../src/errors.js'
import { Store } from '../../src/store.js'
import { all } from '../conformance/expect.js'
import { HoldingProxy } from './holding-proxy.js'
import { failureOf, Keyspace, rawClient, siteFor, urlOf } from './kit.js'

class Visits extends StorageObject {
  static readonly typeName = 'shop/visits#Visits'
  pages = new StorageDict({ page: t.text, day: t.text }, { hits: t.counter, misses: t.counter }, { writes: 'counters' })
}

describe('cassandra: counters of its own', function () {
  this.timeout(120_000)
  let keyspace: Keyspace
  let store: Store
  let far: Store
  let proxy: HoldingProxy
  let raw: Client
  let visits: Visits
  before(async function () {
    const site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    store = new Store(await keyspace.open())
    proxy = await HoldingProxy.before(site.contactPoints[0]!, site.port)
    const backend = createBackend(urlOf({ ...site, port: proxy.port, contactPoints: [site.contactPoints[0]!] }, keyspace.name))
    await backend.open()
    far = new Store(backend)
    raw = await rawClient(site)
    visits = await store.run(() => new Visits().makePersistent('visits'))
  })
  after(async () => {
    await raw?.shutdown()
    await far?.close()
    await store?.close()
    await proxy?.close()
    await keyspace?.drop()
  })

  it('a table of native counters, of which adds of many at once all count, at once and for every program', async () => {
    const { pages } = visits
    await Promise.all(Array.from({ length: 100 }, () => pages.increment({ page: 'a', day: 'mon' }, 'hits')))
    await pages.increment({ page: 'a', day: 'tue' }, 'misses', -5n)
    const there = await far.run(() => Visits.getByAlias('visits'))
    assert.deepEqual(await there.pages.get({ page: 'a', day: 'mon' }), { hits: 100n, misses: 0n })
    assert.deepEqual(
      (await all(there.pages.range({ page: 'a' }))).map(([{ day }, { hits, misses }]) => [day, hits, misses]),
      [
        ['mon', 100n, 0n],
        ['tue', 0n, -5n],
      ],
    )
    assert.equal(await there.pages.get({ page: 'b', day: 'mon' }), undefined)
    assert.equal((await there.pages.aggregate({ sum: ['sum', 'hits'] })).sum, 100n)
    const query = "SELECT table_name, type FROM system_schema.columns WHERE keyspace_name = ? AND column_name = 'hits' ALLOW FILTERING"
    const { rows } = await raw.execute(query, [keyspace.name], { prepare: true })
    assert.deepEqual(
      rows.map((row) => row.type as string),
      ['counter'],
    )
    const stored = await raw.execute(`SELECT hits FROM ${keyspace.name}."${rows[0]!.table_name}" WHERE page = 'a' AND day = 'mon'`)
    assert.equal(String(stored.rows[0]!.hits), '100')
  })

  it('what a unit of work would hold is refused with the reason, and nothing is buffered', async () => {
    const { pages } = visits
    const key = { page: 'refused', day: 'mon' }
    const refusals = [
      () => Promise.resolve().then(() => pages.add(key, 'hits', 1)),
      () => Promise.resolve().then(() => pages.set(key, {})),
      () => Promise.resolve().then(() => pages.delete(key)),
      () => pages.bulk([[key, {}]]),
      () => store.run(() => transact(() => pages.increment(key, 'hits'))),
      () => store.run(() => visits.newVersion()),
    ]
    for (const refusal of refusals) {
      const error = await failureOf(refusal)
      assert.ok(error instanceof UnsupportedError, String(error))
      assert.equal(error.code, 'ERR_COUNTERS_ONLY')
    }
    await visits.save()
    assert.equal(await pages.get(key), undefined)
  })

  it('an add of which the answer is lost is not sent again, and told as unknown', async () => {
    const there = await far.run(() => Visits.getByAlias('visits'))
    const key = { page: 'lost', day: 'mon' }
    await there.pages.increment(key, 'hits')
    proxy.holdNextStatement()
    assert.ok((await failureOf(() => there.pages.increment(key, 'hits'))) instanceof UnknownOutcomeError)
    assert.deepEqual(await visits.pages.get(key), { hits: 1n, misses: 0n })
    assert.equal(await proxy.release(), 1)
    assert.deepEqual(await visits.pages.get(key), { hits: 2n, misses: 0n })
  })

  it('a dict of the other kind of counters is another dict', async () => {
    class Other extends StorageObject {
      static readonly typeName = 'shop/visits#Visits'
      pages = new StorageDict({ page: t.text, day: t.text }, { hits: t.counter, misses: t.counter })
    }
    const other = new Store(await keyspace.open())
    const error = await failureOf(() => other.run(() => Other.getByAlias('visits')))
    await other.close()
    assert.ok(error instanceof SchemaMismatchError, String(error))
    assert.match(error.message, /writes 'counters'/)
  })
})
