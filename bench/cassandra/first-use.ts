/** The first object of a class, whose table is not there yet, on three nodes: beside the driver's CREATE TABLE and a row in it. */
import { Client } from 'cassandra-driver'
import { connect, getByID, StorageObject } from 'insitu'
import { makeKeyspace } from '../../backends/cassandra/index.js'
import { CassandraRing } from '../../test/servers/cassandra.js'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import { upTo } from './field.js'

const NODES = 3
/** Of one sample. */
const CLASSES = 3

let classes = 0

const typeOf = (nth: number): (new () => StorageObject & { text: string }) =>
  class extends StorageObject {
    static typeName = `bench/first-use#Item${nth}`
    text = 'first'
  }

async function medianMs(work: () => Promise<void>): Promise<number> {
  const all: number[] = []
  for (const _ of upTo(CLASSES)) {
    const start = performance.now()
    await work()
    all.push(performance.now() - start)
  }
  return all.sort((a, b) => a - b)[Math.floor(CLASSES / 2)]!
}

const ours: Sample = async () => {
  const items: StorageObject[] = []
  const figure = await medianMs(async () => {
    const item = new (typeOf(classes++))()
    await item.makePersistent()
    items.push(item)
  })
  for (const item of items) mustEqual(await getByID(item.getID()!), item, 'object')
  return figure
}

const raw =
  (client: Client): Sample =>
  () =>
    medianMs(async () => {
      const table = `first.raw${classes++}`
      await client.execute(`CREATE TABLE ${table} (id uuid PRIMARY KEY, text text)`)
      await client.execute(`INSERT INTO ${table} (id, text) VALUES (uuid(), 'first')`, [], { prepare: true })
    })

export async function firstUse(bench: Bench): Promise<void> {
  const ring = await CassandraRing.start({ nodes: NODES })
  const url = `cassandra://${ring.contactPoints.join(',')}:${ring.port}/first?dc=${ring.dataCentre}`
  const client = new Client({
    contactPoints: [...ring.contactPoints],
    localDataCenter: ring.dataCentre,
    protocolOptions: { port: ring.port },
  })
  try {
    await makeKeyspace(url, NODES)
    await client.connect()
    const store = await connect(url)
    try {
      const rivals = { "the driver's own wait": raw(client) }
      await bench.contest({ case: 'first use of a class, three nodes', unit: 'ms', better: 'lower', ours, rivals })
    } finally {
      await store.close()
    }
  } finally {
    await client.shutdown()
    await ring.stop()
  }
}
