/** Every table that stands in a keyspace, read by a client that has nothing in common with ours. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { connect, StorageDict, StorageObject, StorageSets, t } from '../../runtime/index.js'
import { installed } from '../servers/install.js'
import { notRun } from '../tools/not-run.js'
import { Keyspace, siteFor } from './kit.js'

/** Debian's, with Debian's driver. */
const PYTHON = '/usr/bin/python3'
const OBJECTS = 2
const PHOTO_BYTES = 600_000
const CHUNK_BYTES = 256 * 1024

/** Has a table of every kind: rows, sets, and counters of Cassandra's own. Its packed field has no column. */
class Fair extends StorageObject {
  static readonly typeName = 'insitu/test#Fair'
  title = ''
  photo = new Uint8Array(PHOTO_BYTES).fill(7)
  packed: readonly string[] = ['no column']
  stalls = new StorageDict({ row: t.text, at: t.i32 }, { seller: t.text })
  tags = new StorageSets({ stall: t.text }, t.text)
  visits = new StorageDict({ day: t.text }, { count: t.counter }, { writes: 'counters' })
}

/** Of each table of the keyspace all rows, each value as text. */
const READER = `
import json, sys
from cassandra.cluster import Cluster
host, port, keyspace = sys.argv[1:]
session = Cluster([host], port=int(port)).connect(keyspace)
text = lambda value: value.hex()[:8] + ':' + str(len(value)) if isinstance(value, bytes) else str(value)
tables = [t.table_name for t in session.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [keyspace])]
names = lambda table: [c.column_name for c in session.execute("SELECT column_name FROM system_schema.columns WHERE keyspace_name = %s AND table_name = %s", [keyspace, table])]
read = lambda table: [dict(zip(columns, map(text, row))) for columns in [names(table)]
  for row in session.execute('SELECT %s FROM "%s"' % (', '.join('"%s"' % c for c in columns), table))]
print(json.dumps({table: read(table) for table in tables}))
`

/** What a partition says of itself stands in each of its rows. */
const distinct = (values: readonly (readonly (string | undefined)[])[]): readonly (readonly (string | undefined)[])[] =>
  [...new Map(values.map((one) => [JSON.stringify(one), one])).values()].sort()

type Rows = readonly Readonly<Record<string, string>>[]

describe('cassandra: another client', function () {
  this.timeout(200_000)
  let keyspace: Keyspace | undefined
  let tables: Map<string, Rows>
  let ids: readonly string[]
  before(async function () {
    const site = await siteFor(this)
    const why = installed("Cassandra's driver for Python", ['python3-cassandra'], `${PYTHON} -c 'import cassandra'`)
    if (why !== undefined) notRun(this, why)
    keyspace = await Keyspace.on(site)
    const store = await connect(`${keyspace.url}&ownTables=1`)
    try {
      ids = await store.run(async () => [await made(0), await made(1)])
    } finally {
      await store.close()
    }
    const { hostname, port } = new URL(keyspace.url)
    const { stdout } = await promisify(execFile)(PYTHON, ['-c', READER, hostname, port, keyspace.name], { maxBuffer: 2 ** 24 })
    tables = new Map(Object.entries(JSON.parse(stdout) as Record<string, Rows>))
  })
  after(async function () {
    this.timeout(120_000)
    await keyspace?.drop()
  })

  async function made(n: number): Promise<string> {
    const fair = new Fair()
    fair.title = `fair ${n}`
    fair.stalls.set({ row: 'a', at: n }, { seller: `naïve – 東京 ${n}` })
    fair.tags.addTo({ stall: `s${n}` }, 'sweet', 'sour')
    await fair.makePersistent(`fair/${n}`)
    await fair.visits.increment({ day: `d${n}` }, 'count', 3)
    return fair.getID()!
  }

  const rowsOf = (table: string): Rows => tables.get(table) ?? assert.fail(`${table} is not there, but ${[...tables.keys()].join(', ')}`)
  const named = (start: string): readonly string[] => [...tables.keys()].filter((name) => name.startsWith(start))
  /** Rows of every table of rows, shared or not, that has the column. */
  const withColumn = (column: string): Rows => [...tables.values()].flat().filter((row) => column in row && !('definition' in row))

  it('reads the tables that say what else there is', () => {
    assert.deepEqual(rowsOf('insitu_meta'), [{ name: 'format', value: 'insitu cassandra 1' }])
    assert.deepEqual(
      rowsOf('insitu_objects')
        .map(({ id }) => id)
        .sort(),
      [...ids].sort(),
    )
    assert.deepEqual(
      distinct(rowsOf('insitu_aliases').map((row) => [row.alias, row.to_id])),
      ids.map((id, n) => [`fair/${n}`, id]),
    )
    assert.deepEqual(
      rowsOf('insitu_names')
        .map((row) => [row.alias, row.id])
        .sort(),
      ids.map((id, n) => [`fair/${n}`, id]),
    )
    assert.deepEqual(
      named('Fair_').filter((name) => !name.includes('_dict_')),
      rowsOf('insitu_classes').map((row) => row.table_name),
    )
    assert.ok(rowsOf('insitu_fields').some(({ field, kind }) => field === 'packed' && kind === 'packed'))
    assert.equal(rowsOf('insitu_dicts').length, 3 * OBJECTS)
    for (const { table_name: name } of rowsOf('insitu_dicts')) assert.ok(tables.has(name!), name)
    const shapes = new Set(rowsOf('insitu_shapes').map(({ shape }) => shape))
    assert.equal(shapes.size, 3, 'of each shape one dict has a table of its own')
    rowsOf('insitu_schema_turns')
  })

  it('reads fields of objects, and the parts of large ones', () => {
    const [name] = rowsOf('insitu_classes').map((row) => row.table_name!)
    assert.deepEqual(distinct(rowsOf(name!).map((row) => [row.object_id, row.title])), ids.map((id, n) => [id, `fair ${n}`]).sort())
    const chunks = rowsOf('insitu_chunks').map(({ data }) => data!)
    assert.equal(chunks.length, OBJECTS * Math.ceil(PHOTO_BYTES / CHUNK_BYTES))
    assert.ok(chunks.every((one) => /^[0-9a-f]{8}:\d+$/.test(one)))
  })

  it('reads rows, elements of sets and counters, in tables of one dict and in shared ones', () => {
    assert.ok(named('dicts_').length >= 1, 'none is shared')
    assert.deepEqual(
      withColumn('seller')
        .map(({ seller }) => seller)
        .sort(),
      ['naïve – 東京 0', 'naïve – 東京 1'],
    )
    const elements = withColumn('stall').map((row) => `${row.stall} ${Object.values(row).find((one) => /^(?:sweet|sour)$/.test(one))}`)
    assert.deepEqual(elements.sort(), ['s0 sour', 's0 sweet', 's1 sour', 's1 sweet'])
    assert.deepEqual(
      withColumn('count')
        .map((row) => [row.day, row.count])
        .sort(),
      [
        ['d0', '3'],
        ['d1', '3'],
      ],
    )
  })
})
