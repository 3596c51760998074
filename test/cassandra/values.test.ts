/** What CQL and its driver would change silently, and what another client reads. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { connect, StorageDict, StorageObject, type Store, t } from '../../runtime/index.js'

import { type Backend, type Cell, type ColumnType, Ref, type Table } from '../../src/backend.js'
import { encodeKey } from '../../src/dict/row-key.js'
import { type ClassId, newId, newTableId } from '../../src/ids.js'
import { fieldOf, put, row, send, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { installed } from '../servers/install.js'
import { notRun } from '../tools/not-run.js'
import { Keyspace, siteFor } from './kit.js'

const ref = new Ref('0198c0de-0000-7000-8000-000000000001' as Ref['id'], 'insitu/test#Thing' as ClassId)

/** Of each type the values that something on the way has been seen to change. */
const VALUES: readonly (readonly [ColumnType, readonly Cell[]])[] = [
  ['text', ['', 'a\u0000b', '\u0000', '東🦊', 'null']],
  ['bool', [true, false]],
  ['i32', [0, -(2 ** 31), 2 ** 31 - 1]],
  ['i64', [0n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n]],
  ['f32', [0, -0, Number.NaN, Math.fround(0.1), Number.POSITIVE_INFINITY]],
  ['f64', [0, -0, Number.NaN, 0.1, 5e-324, Number.NEGATIVE_INFINITY]],
  ['decimal', ['0', '-0.10', '1000', '0.0000001', '123456789012345678901234567890.5', `1${'0'.repeat(60)}`, `-${'7'.repeat(500)}.25`]],
  ['blob', [new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 255)]],
  ['uuid', ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff']],
  ['date', ['1970-01-01', '0000-01-01', '9999-12-31', '1582-10-10']],
  ['time', ['00:00:00', '23:59:59.999999999', '12:00:00.5']],
  ['timestamp', [new Date(0), new Date(-1), new Date('1940-01-01T00:00:00.123Z')]],
  ['ref', [ref, new Ref(ref.id, ref.classId, 'redis://elsewhere')]],
  [{ setOf: 'text' }, [[], ['', 'a']]],
  [{ setOf: 'uuid' }, [['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-1fff-bfff-ffffffffffff']]],
  [{ listOf: 'i32' }, [[], [3, 1, 3]]],
  [{ listOf: { listOf: 'i32' } }, [[[], [1]], []]],
  [
    { mapOf: ['text', 'i64'] },
    [
      [],
      [
        ['a', 1n],
        ['b', -1n],
      ],
    ],
  ],
  [
    { tupleOf: ['i32', 'text', { listOf: 'i32' }] },
    [
      [1, null, []],
      [-1, '', null],
      [0, 'x', [1]],
    ],
  ],
  [{ vectorOf: 3 }, [[0.5, -1, 2]]],
]

const isOrdered = (type: ColumnType): boolean => typeof type === 'string' && type !== 'counter'

describe('cassandra: values', function () {
  this.timeout(60_000)
  let keyspace: Keyspace
  let backend: Backend
  before(async function () {
    keyspace = await Keyspace.on(await siteFor(this))
    backend = await keyspace.open()
  })
  after(async function () {
    this.timeout(120_000)
    await backend?.close()
    await keyspace?.drop()
  })

  const tableOf = async (keys: readonly ColumnType[], values: readonly ColumnType[]): Promise<Table> => {
    const table: Table = {
      id: newTableId(),
      owner: thing(),
      keys: keys.map((type, i) => ({ name: `k${i}`, type })),
      partition: 1,
      values: values.map((type, i) => ({ name: `v${i}`, type, optional: true })),
      writes: 'lww',
    }
    await backend.define(table)
    return table
  }

  it('values of every type come back exactly, and null, nothing and an empty collection are three things', async () => {
    const table = await tableOf(
      ['i32'],
      VALUES.map(([type]) => type),
    )
    const most = Math.max(...VALUES.map(([, cells]) => cells.length))
    const rows = Array.from({ length: most }, (_, i) => VALUES.map(([, cells]) => cells[i]))
    rows.push(VALUES.map(() => null))
    for (const [i, values] of rows.entries()) await send(backend, row(table.id, [i], values))
    const found = await backend.rows(
      table.id,
      rows.map((_, i) => [i]),
    )
    rows.forEach((values, i) => {
      values.forEach((cell, column) => {
        assert.deepStrictEqual(found[i]!.values[column], cell, `row ${i}, ${JSON.stringify(VALUES[column]![0])}`)
      })
    })
  })

  it('keys of every type order as their bytes do inside a partition, and lie where the servers look for them', async () => {
    for (const [type, cells] of VALUES.filter(([one]) => isOrdered(one))) {
      const keys = cells.filter((cell) => !Object.is(cell, -0) && !(cell instanceof Ref && cell.store !== undefined))
      const table = await tableOf(['i32', type], ['i32'])
      for (const [i, cell] of keys.entries()) await send(backend, row(table.id, [1, cell], [i]))
      const seen = (await flat(backend.scan({ in: table.id, prefix: [1] }))).map(({ key }) => key)
      const forth = seen.map((key) => bytesOf(table, key))
      assert.deepEqual(forth, [...forth].sort(Buffer.compare), JSON.stringify(type))
      assert.equal(seen.length, keys.length, JSON.stringify(type))
      await placesAgree(type, keys)
    }
  })

  /** A piece has the rows whose tokens the servers say are in it: so tokens computed here are theirs. */
  async function placesAgree(type: ColumnType, keys: readonly Cell[]): Promise<void> {
    const table = await tableOf([type], ['i32'])
    for (const [i, cell] of keys.entries()) await send(backend, row(table.id, [cell], [i]))
    const place = await backend.placing!(table.id)
    const pieces = await backend.pieces(table.id, 16)
    for (const piece of pieces)
      for (const { key } of await flat(backend.scan({ in: piece }))) {
        if (!place) continue
        const at = place(key)
        assert.ok(Buffer.compare(at, piece.from) >= 0 && Buffer.compare(at, piece.to) < 0, `${JSON.stringify(type)} ${String(key[0])}`)
      }
  }

  it('a field keeps its value when it changes its type, to null and back', async () => {
    const one = thing(`insitu/test#Turns${newId()}` as ClassId)
    let stamp = (await send(backend, put(one, { v: 1 }))).stamps.get(one.id)!
    for (const v of ['text', null, 2, 2n, true, null, new Date(5), Uint8Array.of(1), [1], 3, 'x'.repeat(300_000), 4]) {
      stamp = (await send(backend, put(one, { v }, stamp))).stamps.get(one.id)!
      assert.deepStrictEqual(await fieldOf(backend, one, 'v'), v)
      const other = await keyspace.open()
      assert.deepStrictEqual(await fieldOf(other, one, 'v'), v)
      await other.close()
    }
    await send(backend, { do: 'put', ref: one, set: new Map(), unset: ['v'], expect: stamp })
    assert.equal(await fieldOf(backend, one, 'v'), undefined)
  })

  it('fields that a first object lacked get columns of their own, and names that no column can have are kept', async () => {
    const classId = `insitu/test#Grows${newId()}` as ClassId
    const [first, second] = [thing(classId), thing(classId)]
    const stamp = (await send(backend, put(first, { a: 1, object_id: 'mine', id: 'too', keys: 1, hasOwnProperty: 2, '~x': 3 }))).stamps.get(
      first.id,
    )!
    await send(backend, put(second, { a: 2, b: 'new', A: true }))
    await send(backend, put(first, { b: 'late' }, stamp))
    const [one, two] = await backend.read([first, second])
    assert.deepEqual(Object.fromEntries(one!.cells), { a: 1, object_id: 'mine', id: 'too', keys: 1, hasOwnProperty: 2, '~x': 3, b: 'late' })
    assert.deepEqual(Object.fromEntries(two!.cells), { a: 2, b: 'new', A: true })
  })

  it('classes of one name in two modules have a table each', async () => {
    const [one, other] = ['a/model#Order', 'b/model#Order'].map((name) => thing(name as ClassId)) as [Ref, Ref]
    await send(backend, put(one, { total: 1 }))
    await send(backend, put(other, { total: 'text' }))
    const listed = await flat(backend.objects({ classId: one.classId }))
    assert.deepEqual(listed, [one])
  })

  it('an independent client reads objects, rows, sets and aliases', async function () {
    this.timeout(200_000)
    const why = installed("Cassandra's driver for Python", ['python3-cassandra'], `${PYTHON} -c 'import cassandra'`)
    if (why !== undefined) notRun(this, why)
    const store: Store = await connect(keyspace.url)
    const id = await store.run(async () => {
      const shop = new Shop()
      shop.title = 'naïve – 東京'
      shop.open = true
      shop.stock.set({ item: 'nail' }, { n: 7, price: '0.10', tags: new Set(['b', 'a']) })
      shop.stock.add({ item: 'nail' }, 'hits', 5)
      await shop.makePersistent('shop')
      return shop.getID()!
    })
    await store.close()
    const site = new URL(keyspace.url)
    const { stdout } = await promisify(execFile)(PYTHON, ['-c', READER, site.hostname, site.port, keyspace.name, id])
    assert.deepEqual(JSON.parse(stdout), {
      alias: [id, 'insitu/test#Shop'],
      title: 'naïve – 東京',
      open: true,
      row: { item: 'nail', n: 7, price: '0.10', tags: ['a', 'b'], hits: 5 },
    })
  })
})

class Shop extends StorageObject {
  static readonly typeName = 'insitu/test#Shop'
  title = ''
  open = false
  stock = new StorageDict({ item: t.text }, { n: t.i64, price: t.decimal, tags: t.set(t.text), hits: t.counter })
}

/** Debian's, with Debian's driver, which has nothing in common with ours. */
const PYTHON = '/usr/bin/python3'

const READER = `
import json, sys, uuid
from cassandra.cluster import Cluster
host, port, keyspace, shop = sys.argv[1:]
session = Cluster([host], port=int(port)).connect(keyspace)
one = lambda query, *params: session.execute(query, params).one()
alias = one("SELECT to_id, to_class FROM insitu_aliases WHERE alias = %s", 'shop')
table = one("SELECT table_name FROM insitu_classes WHERE class = %s", alias.to_class).table_name
object = one('SELECT DISTINCT title, open FROM "%s" WHERE object_id = %%s' % table, uuid.UUID(shop))
dicts = [d for d in session.execute("SELECT * FROM insitu_dicts") if str(d.owner_id) == shop]
row = one('SELECT * FROM "%s" WHERE item = %%s' % dicts[0].table_name, 'nail')
print(json.dumps({'alias': [str(alias.to_id), alias.to_class], 'title': object.title, 'open': object.open,
  'row': {'item': row.item, 'n': row.n, 'price': str(row.price), 'tags': sorted(row.tags), 'hits': sum(row.hits.values())}}))
`

function bytesOf(table: Table, key: readonly Cell[]): Buffer {
  return Buffer.from(encodeKey(table, key))
}
