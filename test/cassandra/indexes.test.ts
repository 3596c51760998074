/** Indexes on columns of dicts: made where they are declared, used by `where`, and what no index serves. */
import assert from 'node:assert/strict'
import type { Client } from 'cassandra-driver'
import type { Backend, ColumnSpec, Op, RowFilter, Table } from '../../src/backend.js'
import { newTableId } from '../../src/ids.js'
import { put, row, send, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import type { CassandraSite } from '../servers/cassandra.js'
import { Keyspace, rawClient, siteFor } from './kit.js'

const ROWS = 300
const VALUES: readonly ColumnSpec[] = [
  { name: 'mood', type: 'text', indexed: true },
  { name: 'level', type: 'f64', indexed: true },
  { name: 'note', type: 'text', optional: true },
  { name: 'price', type: 'decimal', indexed: true },
]

describe('cassandra: indexes', function () {
  this.timeout(60_000)
  let site: CassandraSite
  let keyspace: Keyspace
  let backend: Backend
  let raw: Client
  before(async function () {
    site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    backend = await keyspace.open('&ownTables=1')
    raw = await rawClient(site)
  })
  after(async () => {
    await raw?.shutdown()
    await backend?.close()
    await keyspace?.drop()
  })

  async function filled(values = VALUES, keys: Table['keys'] = [{ name: 'day', type: 'text' }, AT]): Promise<Table> {
    const owner = thing()
    await send(backend, put(owner, {}))
    const table: Table = { id: newTableId(), owner, keys, partition: 1, values, writes: 'lww' }
    await backend.define(table)
    const rows = Array.from({ length: ROWS }, (_, i): Op => row(table.id, [`d${i % 30}`, BigInt(i)], [`m${i % 50}`, i / 2, 'x', '1.50']))
    await Promise.all(rows.map((one) => send(backend, one)))
    return table
  }

  const found = async (table: Table, ...where: readonly RowFilter[]): Promise<number> =>
    (await flat(backend.scan({ in: table.id, where }))).length

  const indexesOf = async (): Promise<readonly string[]> => {
    const { rows } = await raw.execute('SELECT table_name, options, kind FROM system_schema.indexes WHERE keyspace_name = ?', [
      keyspace.name,
    ])
    return rows.map((one) => {
      const options = one.options as Record<string, string>
      return `${String(options.class_name)} ${String(options.target)}`
    })
  }

  for (const place of ['a table of its own', 'a shared table'])
    it(`${place} has the indexes that are declared, and a scan with a condition reads what they give, no more`, async () => {
      const table = await filled()
      assert.deepEqual(
        (await indexesOf())
          .filter((one) => one.startsWith('sai '))
          .slice(-3)
          .sort(),
        ['sai level', 'sai mood', 'sai price'],
      )
      assert.equal(await found(table, { column: 'mood', indexed: true, equals: ['m7'] }), 6)
      assert.equal(await found(table, { column: 'mood', indexed: true, equals: ['m7', 'm8', 'm9'] }), 18)
      assert.equal(await found(table, { column: 'level', indexed: true, from: 10, to: 12 }), 4)
      assert.equal(await found(table, { column: 'level', indexed: true, equals: [-0] }), 1)
      assert.equal(await found(table, { column: 'price', indexed: true, equals: ['1.5'] }), ROWS)
      assert.equal(await found(table, { column: 'mood', indexed: true, equals: [] }), 0)
      assert.equal(await found(table, { column: 'mood', indexed: true, equals: ['m7'] }, { column: 'level', indexed: true, to: 10 }), 1)
    })

  it('what is asked of one piece is in that piece, and all pieces together have each row once', async () => {
    const table = await filled()
    const pieces = await backend.pieces(table.id, 8)
    const where: readonly RowFilter[] = [{ column: 'mood', indexed: true, equals: ['m7'] }]
    const keys: unknown[] = []
    for (const piece of pieces) for (const { key } of await flat(backend.scan({ in: piece, where }))) keys.push(key[1])
    assert.deepEqual([...keys].sort(), [107n, 157n, 207n, 257n, 57n, 7n])
    const bounded = await flat(backend.scan({ in: table.id, from: ['d2'], to: ['d3'], where }))
    assert.ok(bounded.length > 0)
    assert.deepEqual(
      bounded.filter(({ key }) => String(key[0]) < 'd2' || String(key[0]) >= 'd3'),
      [],
    )
  })

  it('conditions on columns without an index are looked at by the servers, not here', async () => {
    const table = await filled()
    assert.equal(await found(table, { column: 'note', indexed: false, equals: ['y'] }), 0)
    assert.equal(await found(table, { column: 'at', indexed: false, from: 290n }), 10)
    assert.equal(
      await found(table, { column: 'day', indexed: false, equals: ['d3'] }, { column: 'note', indexed: false, equals: ['x'] }),
      10,
    )
  })

  it('an index that is declared later is made when it is first asked by, also where many rows stand', async () => {
    const plain = VALUES.map(({ indexed: _, ...spec }) => spec)
    const keys: Table['keys'] = [{ name: 'hour', type: 'text' }, AT]
    const table = await filled(plain, keys)
    const before = (await indexesOf()).length
    const asked = await Promise.all(
      (await Promise.all([1, 2, 3].map(() => keyspace.open('&ownTables=1')))).map(async (other) => {
        const rows = await flat(other.scan({ in: table.id, where: [{ column: 'mood', indexed: true, equals: ['m7'] }] }))
        await other.close()
        return rows.length
      }),
    )
    assert.deepEqual(asked, [6, 6, 6])
    assert.equal((await indexesOf()).length, before + 1)
  })

  it('a text that is longer than an index keeps is found all the same', async () => {
    const table = await filled()
    for (const [i, length] of [1000, 1025, 9000, 100_000].entries()) {
      const text = 'x'.repeat(length)
      await send(backend, row(table.id, ['long', BigInt(i)], [text, 1, 'x', '1']))
      const rows = await flat(backend.scan({ in: table.id, where: [{ column: 'mood', indexed: true, equals: [text] }] }))
      assert.deepEqual(
        rows.filter(({ values }) => values[0] === text).map(({ key }) => key),
        [['long', BigInt(i)]],
        `${length} bytes`,
      )
    }
  })

  // Last: others look at the indexes of the whole keyspace.
  it('a column whose name is none of Cassandra’s is declared as indexed and found by, without an index', async () => {
    const table = await filled([
      { name: 'constructor', type: 'text', indexed: true },
      { name: 'größe', type: 'f64', indexed: true },
      ...VALUES.slice(2),
    ])
    assert.equal(await found(table, { column: 'constructor', indexed: true, equals: ['m7'] }), 6)
    assert.equal(
      await found(table, { column: 'constructor', indexed: true, equals: ['m7'] }, { column: 'größe', indexed: true, to: 10 }),
      1,
    )
    assert.equal(await found(table, { column: 'größe', indexed: true, from: 10, to: 12 }), 4)
    assert.equal(await found(table, { column: 'price', indexed: true, equals: ['1.5'] }, { column: 'größe', indexed: true, to: 10 }), 20)
  })
})

const AT: ColumnSpec = { name: 'at', type: 'i64' }
