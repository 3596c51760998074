/** Objects and rows on a Cassandra of its own, one node, beside the raw driver: prepared statements, as many at once as serve it best. */
import { Client, types } from 'cassandra-driver'
import { connect, getByID, type Id, StorageDict, StorageObject, t } from 'insitu'
import { makeKeyspace } from '../backends/cassandra/index.js'
import { CassandraRing, whyNoOwnCassandra } from '../test/servers/cassandra.js'
import { type Bench, type Benchmark, mustEqual, perSecond, type Sample } from './harness.js'

const COUNT = 5_000
const SAVES = 1_000
const IN_FLIGHT = 256
const PARTITION = 1_000
const BATCH_ROWS = 100

export class CassandraItem extends StorageObject {
  text = ''
}

/** A row of its own partition for each key. */
export class Spread extends StorageDict.of({ k: t.text }, { n: t.i64 }) {}

/** Many rows in one partition. */
export class Narrow extends StorageDict.of({ p: t.text, o: t.i64 }, { n: t.i64 }) {}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

async function atOnce<T>(all: readonly T[], inFlight: number, work: (one: T, n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let n = next++; n < all.length; n = next++) await work(all[n]!, n)
  }
  await Promise.all(upTo(inFlight).map(worker))
}

class Field {
  #runs = 0

  constructor(
    readonly url: string,
    readonly raw: Client,
    readonly count: number,
  ) {}

  async program<T>(body: () => Promise<T>): Promise<T> {
    const store = await connect(this.url)
    try {
      return await body()
    } finally {
      await store.close()
    }
  }

  /** Keys that no run before has used. */
  keys(count = this.count): string[] {
    const run = this.#runs++
    return upTo(count).map((n) => `${run}-${n}`)
  }

  execute(query: string, params: unknown[]): Promise<types.ResultSet> {
    return this.raw.execute(query, params, { prepare: true, isIdempotent: true, consistency: types.consistencies.quorum })
  }
}

const INSERT = 'INSERT INTO spread (k, n) VALUES (?, ?)'

const loadRows =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await new Spread().makePersistent()
      const keys = field.keys()
      const figure = await perSecond(keys.length, async () => void (await dict.bulk(keys.map((k, n) => [{ k }, { n }] as const))))
      mustEqual(await dict.count(), keys.length, 'rows')
      return figure
    })

const rawRows =
  (field: Field): Sample =>
  async () => {
    const keys = field.keys()
    return perSecond(keys.length, () => atOnce(keys, IN_FLIGHT, (k, n) => field.execute(INSERT, [k, BigInt(n)])))
  }

const getRows =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await new Spread().makePersistent()
      const keys = field.keys()
      await dict.bulk(keys.map((k, n) => [{ k }, { n }] as const))
      return perSecond(keys.length, async () => {
        const found = await dict.getMany(keys.map((k) => ({ k })))
        found.forEach((row, n) => {
          mustEqual(row?.n, BigInt(n), 'row')
        })
      })
    })

const rawGetRows =
  (field: Field): Sample =>
  async () => {
    const keys = field.keys()
    await atOnce(keys, IN_FLIGHT, (k, n) => field.execute(INSERT, [k, BigInt(n)]))
    return perSecond(keys.length, () =>
      atOnce(keys, IN_FLIGHT, async (k, n) => {
        const { rows } = await field.execute('SELECT k, n FROM spread WHERE k = ?', [k])
        mustEqual(rows[0]?.n, BigInt(n), 'row')
      }),
    )
  }

const scanRows =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await new Spread().makePersistent()
      await dict.bulk(field.keys().map((k, n) => [{ k }, { n }] as const))
      return perSecond(field.count, async () => {
        let rows = 0
        for await (const _ of dict.keys()) rows++
        mustEqual(rows, field.count, 'rows')
      })
    })

const rawScan =
  (field: Field): Sample =>
  async () => {
    await field.execute('TRUNCATE spread', [])
    await atOnce(field.keys(), IN_FLIGHT, (k, n) => field.execute(INSERT, [k, BigInt(n)]))
    return perSecond(field.count, async () => {
      let rows = 0
      for await (const _ of field.raw.stream('SELECT k, n FROM spread', [], {
        prepare: true,
        fetchSize: 1000,
      }) as never as AsyncIterable<unknown>)
        rows++
      mustEqual(rows, field.count, 'rows')
    })
  }

const makeObjects =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const items = upTo(field.count).map((n) => Object.assign(new CassandraItem(), { text: `${n}` }))
      return perSecond(items.length, async () => void (await Promise.all(items.map((item) => item.makePersistent()))))
    })

const PUT = 'INSERT INTO object (id, revision, commit_id, text) VALUES (?, 1, ?, ?)'

const rawMake =
  (field: Field): Sample =>
  () => {
    const ids = upTo(field.count).map(() => types.Uuid.random())
    return perSecond(ids.length, () => atOnce(ids, IN_FLIGHT, (id, n) => field.execute(PUT, [id, id, `${n}`])))
  }

const loadObjects =
  (field: Field): Sample =>
  async () => {
    const ids = await field.program(async () => {
      const items = upTo(field.count).map((n) => Object.assign(new CassandraItem(), { text: `${n}` }))
      await Promise.all(items.map((item) => item.makePersistent()))
      return items.map((item) => item.getID()!)
    })
    return field.program(() =>
      perSecond(ids.length, async () => {
        const found = (await getByID(...(ids as [Id, ...Id[]]))) as unknown[] as CassandraItem[]
        found.forEach((item, n) => {
          mustEqual(item.text, `${n}`, 'text')
        })
      }),
    )
  }

const rawLoad =
  (field: Field): Sample =>
  async () => {
    const ids = upTo(field.count).map(() => types.Uuid.random())
    await atOnce(ids, IN_FLIGHT, (id, n) => field.execute(PUT, [id, id, `${n}`]))
    return perSecond(ids.length, () =>
      atOnce(ids, IN_FLIGHT, async (id, n) => {
        const { rows } = await field.execute('SELECT * FROM object WHERE id = ?', [id])
        mustEqual(rows[0]?.text, `${n}`, 'text')
      }),
    )
  }

const saveObjects =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const items = upTo(SAVES).map((n) => Object.assign(new CassandraItem(), { text: `${n}` }))
      await Promise.all(items.map((item) => item.makePersistent()))
      for (const item of items) item.text += '!'
      return perSecond(SAVES, async () => void (await Promise.all(items.map((item) => item.save()))))
    })

const rawSave =
  (field: Field): Sample =>
  async () => {
    const ids = upTo(SAVES).map(() => types.Uuid.random())
    await atOnce(ids, IN_FLIGHT, (id, n) => field.execute(PUT, [id, id, `${n}`]))
    const query = 'UPDATE object SET revision = 2, commit_id = ?, text = ? WHERE id = ? IF revision = 1 AND commit_id = ?'
    return perSecond(SAVES, () =>
      atOnce(ids, IN_FLIGHT, async (id, n) => {
        const result = await field.raw.execute(query, [id, `${n}!`, id, id], { prepare: true })
        mustEqual(result.wasApplied(), true, 'update')
      }),
    )
  }

const batchRows =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const dict = await new Narrow().makePersistent()
      const [p = ''] = field.keys(1)
      return perSecond(field.count, async () => {
        mustEqual(await dict.bulk(upTo(field.count).map((o) => [{ p, o }, { n: o }] as const)), field.count, 'rows')
      })
    })

const NARROW = 'INSERT INTO narrow (p, o, n) VALUES (?, ?, ?)'

const rawBatch =
  (field: Field): Sample =>
  async () => {
    const [p] = field.keys(1)
    const batches = upTo(field.count / BATCH_ROWS)
    return perSecond(field.count, () =>
      atOnce(batches, 8, (b) => {
        const queries = upTo(BATCH_ROWS).map((i) => ({ query: NARROW, params: [p, BigInt(b * BATCH_ROWS + i), 1n] }))
        return field.raw.batch(queries, { prepare: true, logged: false, consistency: types.consistencies.quorum })
      }),
    )
  }

const sumRows =
  (field: Field, isPushed: boolean): Sample =>
  () =>
    field.program(async () => {
      const dict = await new Narrow().makePersistent()
      const parts = field.keys(Math.ceil(field.count / PARTITION))
      for (const p of parts) await dict.bulk(upTo(PARTITION).map((o) => [{ p, o }, { n: 1 }] as const))
      return perSecond(parts.length * PARTITION, () =>
        atOnce(parts, 8, async (p) => {
          let sum = 0n
          if (isPushed) sum = (await dict.aggregate({ sum: ['sum', 'n'] }, { prefix: { p } })).sum as bigint
          else for await (const [, { n }] of dict.range({ p })) sum += n
          mustEqual(sum, BigInt(PARTITION), 'sum')
        }),
      )
    })

async function run(bench: Bench): Promise<void> {
  const why = whyNoOwnCassandra()
  if (why !== undefined) throw new Error(`not run: ${why}`)
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
    await raw.execute('CREATE TABLE bench.spread (k text PRIMARY KEY, n bigint)')
    await raw.execute('CREATE TABLE bench.narrow (p text, o bigint, n bigint, PRIMARY KEY (p, o))')
    await raw.execute('CREATE TABLE bench.object (id uuid PRIMARY KEY, revision int, commit_id uuid, text text)')
    await raw.execute('USE bench')
    await contests(bench, new Field(url, raw, bench.options.count ?? COUNT))
  } finally {
    await raw.shutdown()
    await ring.stop()
  }
}

async function contests(bench: Bench, field: Field): Promise<void> {
  const rows = { unit: 'rows/s', better: 'higher' } as const
  const objects = { unit: 'objects/s', better: 'higher' } as const
  const driver = (sample: Sample): Record<string, Sample> => ({ 'cassandra-driver': sample })
  await bench.contest({ case: 'rows loaded by bulk()', ...rows, ours: loadRows(field), rivals: driver(rawRows(field)) })
  await bench.contest({ case: 'rows by key', ...rows, ours: getRows(field), rivals: driver(rawGetRows(field)) })
  await bench.contest({ case: 'rows scanned', ...rows, ours: scanRows(field), rivals: driver(rawScan(field)) })
  await bench.contest({ case: 'rows into one partition', ...rows, ours: batchRows(field), rivals: driver(rawBatch(field)) })
  await bench.contest({
    case: 'rows summed in the store',
    ...rows,
    ours: sumRows(field, true),
    rivals: { 'fetched and summed': sumRows(field, false) },
  })
  await bench.contest({ case: 'objects made', ...objects, ours: makeObjects(field), rivals: driver(rawMake(field)) })
  await bench.contest({ case: 'objects loaded', ...objects, ours: loadObjects(field), rivals: driver(rawLoad(field)) })
  await bench.contest({ case: 'objects saved', ...objects, ours: saveObjects(field), rivals: driver(rawSave(field)) })
}

export const cassandra: Benchmark = { name: 'cassandra', about: 'objects and rows on a Cassandra node, beside cassandra-driver', run }
