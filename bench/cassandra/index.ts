/**
 * Objects and rows on a Cassandra of its own, beside the raw driver: prepared statements, as many at once as serve it best. Ours and the
 * driver's run in one process on one node, which shares the machine with them.
 */
import { Client } from 'cassandra-driver'
import { makeKeyspace } from '../../backends/cassandra/index.js'
import { CassandraRing, whyNoOwnCassandra } from '../../test/servers/cassandra.js'
import type { Bench, Benchmark } from '../harness.js'
import { COUNT, Field } from './field.js'
import { firstUse } from './first-use.js'
import { largeCells } from './large-cells.js'
import { manyObjects, objects } from './objects.js'
import { rows, sums } from './rows.js'
import { split } from './split.js'
import { words } from './words.js'

const TABLES = [
  'spread (k text PRIMARY KEY, n bigint)',
  'narrow (p text, o bigint, n bigint, PRIMARY KEY (p, o))',
  'object (id uuid PRIMARY KEY, revision int, commit_id uuid, text text)',
  'chunk (id uuid, n int, data blob, PRIMARY KEY ((id, n)))',
]

const ON_ONE_NODE = { rows, sums, objects, many: manyObjects, mib: largeCells, split, words } as const

async function onOneNode(bench: Bench): Promise<void> {
  const ring = await CassandraRing.start()
  const url = `cassandra://127.0.0.1:${ring.port}/bench?dc=${ring.dataCentre}&ownTables=1000`
  const raw = new Client({
    contactPoints: ['127.0.0.1'],
    localDataCenter: ring.dataCentre,
    protocolOptions: { port: ring.port, maxSchemaAgreementWaitSeconds: 0 },
    encoding: { useBigIntAsLong: true },
  })
  try {
    await makeKeyspace(url, 1)
    for (const table of TABLES) await raw.execute(`CREATE TABLE bench.${table}`)
    await raw.execute('USE bench')
    const field = new Field(url, raw, bench.options.count ?? COUNT)
    for (const [name, group] of Object.entries(ON_ONE_NODE)) if (bench.wants(name)) await group(bench, field)
  } finally {
    await raw.shutdown()
    await ring.stop()
  }
}

async function run(bench: Bench): Promise<void> {
  const why = whyNoOwnCassandra()
  if (why !== undefined) throw new Error(`not run: ${why}`)
  if (Object.keys(ON_ONE_NODE).some((name) => bench.wants(name))) await onOneNode(bench)
  if (bench.wants('first')) await firstUse(bench)
}

export const cassandra: Benchmark = {
  name: 'cassandra',
  about: 'objects and rows on a Cassandra node, beside cassandra-driver',
  cases: [...Object.keys(ON_ONE_NODE), 'first'],
  run,
}
