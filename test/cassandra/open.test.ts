import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createBackend } from '../../backends/cassandra/index.js'
import { AwakeTime } from '../../src/awake-time.js'
import { UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { insitu } from '../integration/processes.js'
import type { CassandraSite } from '../servers/cassandra.js'
import { freePorts } from '../servers/free-ports.js'
import { failureOf, Keyspace, siteFor, urlOf } from './kit.js'

describe('cassandra: opening', function () {
  this.timeout(60_000)
  let site: CassandraSite
  let keyspace: Keyspace
  before(async function () {
    site = await siteFor(this)
    keyspace = await Keyspace.on(site)
  })
  after(async function () {
    this.timeout(120_000)
    await keyspace?.drop()
  })

  it('a ring that is not there is named within three seconds, and no secret is', async () => {
    const [port] = await freePorts(1)
    const time = new AwakeTime()
    const error = await failureOf(() => createBackend(`cassandra://me:open-sesame@127.0.0.1:${port}/shop`).open())
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.match(error.message, new RegExp(`127.0.0.1:${port}`))
    assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('sesame'))
    assert.ok(time.ms < 3000, `took ${time.ms} ms`)
    time.stop()
  })

  it('a data centre that is not there is told together with those that are', async () => {
    const error = await failureOf(() => createBackend(keyspace.url.replace(/dc=.*/, 'dc=nowhere')).open())
    assert.ok(error instanceof UnsupportedError, inspect(error))
    assert.deepEqual([error.code, error.found], ['ERR_DATA_CENTRE', [site.dataCentre]])
  })

  it('a program that names the wrong data centre ends, as every other that cannot open its store', async () => {
    const storage = keyspace.url.replace(/dc=.*/, 'dc=nowhere')
    const ended = await Promise.race([insitu(['ls'], { storage }), delay(20_000, undefined, { ref: false })])
    assert.ok(ended, 'it hangs')
    assert.equal(ended.code, 3)
    assert.match(ended.stderr, /there is no data centre nowhere; write \?dc=/)
  })

  it('the data centre is asked for when the url has none', async () => {
    const backend = createBackend(keyspace.url.replace(/\?.*/, ''))
    await backend.open()
    await send(backend, put(thing(), { v: 1 }))
    await backend.close()
  })

  it('a keyspace that is not there is an error with the statement that makes it', async () => {
    const error = await failureOf(() => createBackend(urlOf(site, 'Nowhere')).open())
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.equal(error.code, 'ERR_NO_KEYSPACE')
    assert.match(String(error.statement), /^CREATE KEYSPACE "Nowhere" WITH replication = .*datacenter1/)
  })

  it('urls are checked before anything is sent', async () => {
    for (const url of [
      'cassandra://host',
      'cassandra://host/a b',
      'cassandra://a:1,b:2/x',
      'cassandra://host/x?colour=red',
      'cassandra://host/x?consistency=some',
    ])
      assert.throws(() => createBackend(url), UnsupportedError, url)
    assert.throws(() => createBackend('cassandra:x'), ValidationError)
  })

  it('durable is refused where the commit log is flushed now and then only, and the setting is named', async () => {
    const backend = await keyspace.open()
    assert.deepEqual(backend.capabilities.acks, ['committed'])
    const error = await failureOf(() => backend.flush('durable'))
    assert.ok(error instanceof UnsupportedError, inspect(error))
    assert.match(error.message, /commitlog_sync is periodic/)
    await backend.close()
  })

  it('eight programs that open an empty keyspace and use one class and one dict at once all can', async () => {
    const fresh = await Keyspace.on(site)
    const programs = await Promise.all(Array.from({ length: 8 }, () => fresh.open()))
    const owner = thing()
    const table = { ...(await tableOn(programs[0]!)), owner }
    const made = await Promise.all(
      programs.map(async (backend, i) => {
        const ref = thing()
        await send(backend, put(ref, { [`field${i}`]: i, shared: 'x' }))
        await backend.define(table)
        await send(backend, row(table.id, ['p', BigInt(i)], [BigInt(i), undefined, undefined]))
        return ref
      }),
    )
    const seen = await programs[0]!.read(made)
    seen.forEach((stored, i) => {
      assert.deepEqual(Object.fromEntries(stored!.cells), { [`field${i}`]: i, shared: 'x' })
    })
    const rows = await programs[7]!.rows(
      table.id,
      programs.map((_, i) => ['p', BigInt(i)]),
    )
    assert.deepEqual(
      rows.map((one) => one?.values[0]),
      programs.map((_, i) => BigInt(i)),
    )
    await Promise.all(programs.map((backend) => backend.close()))
    await fresh.drop()
  })

  it('a value larger than a server takes is refused with what to do, and nothing else is lost', async () => {
    const backend = await keyspace.open()
    const table = await tableOn(backend)
    const error = await failureOf(() => send(backend, row(table.id, ['p', 1n], [1n, 'x'.repeat(17 * 1024 * 1024), undefined])))
    assert.ok(error instanceof ValidationError, inspect(error).slice(0, 500))
    assert.equal(error.code, 'ERR_CELL_TOO_LARGE')
    await send(backend, row(table.id, ['p', 1n], [1n, 'small', undefined]))
    await backend.close()
  })
})
