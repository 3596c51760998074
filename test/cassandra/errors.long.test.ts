/** What goes wrong on a real server: each error has a code and says what to do. Those of a ring are in ring.long.test.ts. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { createBackend } from '../../backends/cassandra/index.js'
import { UnavailableError } from '../../src/errors.js'
import { row, send, tableOn } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { CassandraRing, type CassandraSite, whyNoOwnCassandra } from '../servers/cassandra.js'
import { requireServer } from '../servers/require-server.js'
import { failureOf, Keyspace, rawClient, siteFor } from './kit.js'

/** More than a server passes over in one read. */
const REMOVED = 100_500

describe('cassandra: what goes wrong', function () {
  this.timeout(600_000)
  let site: CassandraSite
  before(async function () {
    site = await siteFor(this)
  })

  it('more copies asked for than nodes are alive: ERR_NO_QUORUM within patience', async () => {
    const keyspace = await Keyspace.on(site, 3)
    const error = await failureOf(() => keyspace.open('&patienceMs=500'))
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.equal(error.code, 'ERR_NO_QUORUM')
    assert.equal(error.retryable, true)
    assert.match(error.message, /nodetool status/)
    await keyspace.drop()
  })

  it('a read that meets more removed rows than the server passes over: ERR_TOO_MANY_TOMBSTONES, and other partitions are read', async () => {
    const keyspace = await Keyspace.on(site)
    const backend = await keyspace.open('&ownTables=100')
    const table = await tableOn(backend)
    await send(backend, row(table.id, ['q', 1n], [1n, 'x', undefined]))
    await removeMany(keyspace, table.id)
    const error = await failureOf(() => flat(backend.scan({ in: table.id, prefix: ['p'] })))
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.equal(error.code, 'ERR_TOO_MANY_TOMBSTONES')
    assert.match(error.message, /tombstone_failure_threshold/)
    assert.equal((await flat(backend.scan({ in: table.id, prefix: ['q'] }))).length, 1)
    await backend.close()
    await keyspace.drop()
  })

  /** Past the backend, which would take its time. */
  async function removeMany(keyspace: Keyspace, table: string): Promise<void> {
    const raw = await rawClient(site, { encoding: { useBigIntAsLong: true } })
    const { rows } = await raw.execute(`SELECT id, table_name FROM ${keyspace.name}.insitu_dicts`)
    const name = rows.find((one) => String(one.id) === table)!.table_name as string
    const { rows: columns } = await raw.execute(
      `SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ? AND kind = 'clustering' ALLOW FILTERING`,
      [keyspace.name, name],
    )
    const { rows: keys } = await raw.execute(
      `SELECT column_name FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ? AND kind = 'partition_key' ALLOW FILTERING`,
      [keyspace.name, name],
    )
    const query = `DELETE FROM ${keyspace.name}."${name}" WHERE "${keys[0]!.column_name as string}" = ? AND "${columns[0]!.column_name as string}" = ?`
    for (let at = 0; at < REMOVED; at += 1500) {
      const batch = Array.from({ length: 1500 }, (_, i) => ({ query, params: ['p', BigInt(at + i)] }))
      await raw.batch(batch, { prepare: true, logged: false })
    }
    await raw.shutdown()
  }

  describe('on a server that asks for a password', () => {
    let ring: CassandraRing | undefined
    before(async function () {
      this.timeout(300_000)
      requireServer(this, whyNoOwnCassandra())
      ring = await CassandraRing.start({ settings: { authenticator: 'PasswordAuthenticator' } })
    })
    after(() => ring?.stop())

    for (const [what, user] of [
      ['no user', ''],
      ['a wrong password', 'anna:open-sesame@'],
    ] as const)
      for (const query of ['', '?dc=datacenter1'])
        it(`${what}${query && ', the data centre given'}: ERR_STORE_ACCESS, and nothing secret is told`, async () => {
          const error = await failureOf(() => createBackend(`cassandra://${user}127.0.0.1:${ring!.port}/shop${query}`).open())
          assert.ok(error instanceof UnavailableError, inspect(error))
          assert.equal(error.code, 'ERR_STORE_ACCESS')
          assert.equal(error.retryable, false)
          assert.match(error.message, /INSITU_CASSANDRA_PASSWORD/)
          assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('sesame'))
        })
  })
})
