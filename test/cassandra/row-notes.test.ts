/** What a row says beside its values: which of them are null, and which are empty. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'cassandra-driver'
import type { Backend, Cell, Table, Values } from '../../src/backend.js'
import { newCommitId } from '../../src/ids.js'
import { now, row, send, tableFor, thing } from '../conformance/contract-kit.js'
import type { CassandraSite } from '../servers/cassandra.js'
import { Keyspace, rawClient, siteFor } from './kit.js'

const WRITES = 60
const TRACED_MS = 10_000

describe('cassandra: what is noted of rows', function () {
  this.timeout(60_000)
  let site: CassandraSite
  let keyspace: Keyspace | undefined
  let backend: Backend
  let table: Table
  before(async function () {
    site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    backend = await keyspace.open()
    table = {
      ...tableFor(thing()),
      values: [
        { name: 'n', type: 'i64', optional: true },
        { name: 'tags', type: { setOf: 'text' }, optional: true },
      ],
    }
    await backend.define(table)
  })
  after(async function () {
    this.timeout(120_000)
    await backend?.close()
    await keyspace?.drop()
  })

  const valuesAt = async (key: string): Promise<Values | undefined> => (await backend.rows(table.id, [[key, 0n]]))[0]?.values

  it('a row whose columns all have values leaves nothing behind that a server has to pass over', async () => {
    await send(backend, row(table.id, ['full', 0n], [1n, ['a']]))
    await send(backend, row(table.id, ['noted', 0n], [null, []]))
    const client = await rawClient(site)
    try {
      assert.equal(await tombstonesIn(client, 'full'), 0)
      assert.notEqual(await tombstonesIn(client, 'noted'), 0, 'it counts them')
    } finally {
      await client.shutdown()
    }
  })

  /** As the server counts them when it reads a row. */
  async function tombstonesIn(client: Client, key: string): Promise<number> {
    const tables = await client.execute('SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = ?', [
      keyspace!.name,
    ])
    const name = tables.rows.find((one) => one.column_name === 'tags')!.table_name as string
    const query = `SELECT "~notes", n FROM "${keyspace!.name}"."${name}" WHERE p = '${key}'`
    const { info } = await client.execute(query, [], { traceQuery: true })
    for (const endMs = Date.now() + TRACED_MS; ; await delay(100)) {
      const { events } = await client.metadata.getTrace(info.traceId).catch(() => ({ events: [] }))
      const found = events.map(({ activity }) => /(\d+) tombstone cells/.exec(activity ?? '')).find(Boolean)
      if (found) return Number(found[1])
      assert.ok(Date.now() < endMs, 'the server traces nothing')
    }
  }

  it('a row is as it was written last, whatever stood there before, and whichever write came first', async () => {
    const numbers: readonly (Cell | undefined)[] = [1n, null, undefined]
    const sets: readonly (Cell | undefined)[] = [['a'], [], null, undefined]
    const start = now()
    let seed = 7
    const any = (below: number): number => (seed = (seed * 48271) % 2147483647) % below
    let last: { readonly at: bigint; readonly set: Values } | undefined
    for (let i = 0; i < WRITES; i++) {
      const set: Values = [numbers[any(3)], sets[any(4)]]
      const at = start + BigInt(i + any(5))
      if (at === last?.at) continue // of two of one time either may stand
      await backend.commit({ commit: newCommitId(), atMicros: at, ops: [row(table.id, ['k', 0n], set)] })
      if (!last || at > last.at) last = { at, set }
      assert.deepEqual(await valuesAt('k'), last.set, `after write ${i}`)
    }
  })

  it('rows of programs that know a further column, and of those that do not, are written by one process', async () => {
    const older = { ...tableFor(thing()), values: table.values }
    await backend.define(older)
    await backend.define({ ...older, values: [...older.values, { name: 'mood', type: 'text', optional: true }] })
    await send(backend, row(older.id, ['k', 0n], [1n, ['a'], 'glad']))
    await send(backend, row(older.id, ['k', 0n], [2n, ['b']]))
    await send(backend, row(older.id, ['l', 0n], [3n, ['c'], 'sad']))
    const found = await backend.rows(older.id, [
      ['k', 0n],
      ['l', 0n],
    ])
    assert.deepEqual(
      found.map((one) => one?.values),
      [
        [2n, ['b'], 'glad'],
        [3n, ['c'], 'sad'],
      ],
    )
  })
})
