/** Rows of a dict, beside statements of the driver. */
import { types } from 'cassandra-driver'
import { StorageDict, t } from 'insitu'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import { against, atOnce, type Field, IN_FLIGHT, timed, upTo } from './field.js'

const PARTITION = 1_000
const BATCH_ROWS = 100
const ROWS = { unit: 'rows/s' } as const

/** A row of its own partition for each key. */
export class Spread extends StorageDict.of({ k: t.text }, { n: t.i64 }) {}

/** Many rows in one partition. */
export class Narrow extends StorageDict.of({ p: t.text, o: t.i64 }, { n: t.i64 }) {}

const rowsOf = (keys: readonly string[]): (readonly [{ k: string }, { n: number }])[] => keys.map((k, n) => [{ k }, { n }] as const)

/** One dict for all samples of a case, as the driver has one table: the first sample makes it. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

async function assertRows(dict: Spread, keys: readonly string[]): Promise<void> {
  const found = await dict.getMany(keys.map((k) => ({ k })))
  mustEqual(found.length, keys.length, 'rows')
  found.forEach((row, n) => {
    mustEqual(row?.n, BigInt(n), 'row')
  })
}

function load(field: Field): Sample {
  const made = once(() => new Spread().makePersistent())
  return async () => {
    const dict = await made()
    const keys = field.keys()
    const figure = await timed(keys.length, async () => mustEqual(await dict.bulk(rowsOf(keys)), keys.length, 'rows'))
    await assertRows(dict, keys)
    return figure
  }
}

export const INSERT = 'INSERT INTO spread (k, n) VALUES (?, ?)'
const SELECT = 'SELECT k, n FROM spread WHERE k = ?'

const put = (field: Field, keys: readonly string[]): Promise<void> =>
  atOnce(keys, IN_FLIGHT, (k, n) => field.execute(INSERT, [k, BigInt(n)]))

const get = (field: Field, keys: readonly string[]): Promise<void> =>
  atOnce(keys, IN_FLIGHT, async (k, n) => {
    const { rows } = await field.execute(SELECT, [k])
    mustEqual(rows[0]?.n, BigInt(n), 'row')
  })

const rawLoad =
  (field: Field): Sample =>
  async () => {
    const keys = field.keys()
    const figure = await timed(keys.length, () => put(field, keys))
    await get(field, keys)
    return figure
  }

function getRows(field: Field): Sample {
  const made = once(() => new Spread().makePersistent())
  return async () => {
    const dict = await made()
    const keys = field.keys()
    await dict.bulk(rowsOf(keys))
    return timed(keys.length, () => assertRows(dict, keys))
  }
}

const rawGet =
  (field: Field): Sample =>
  async () => {
    const keys = field.keys()
    await put(field, keys)
    return timed(keys.length, () => get(field, keys))
  }

function scan(field: Field): Sample {
  const made = once(async () => {
    const dict = await new Spread().makePersistent()
    await dict.bulk(rowsOf(field.keys()))
    return dict
  })
  return async () => {
    const dict = await made()
    return timed(field.count, async () => {
      let rows = 0
      for await (const [{ k }, { n }] of dict) if (k !== '' && n >= 0n) rows++
      mustEqual(rows, field.count, 'rows')
    })
  }
}

function rawScan(field: Field): Sample {
  const filled = once(async () => {
    await field.execute('CREATE TABLE scanned (k text PRIMARY KEY, n bigint)', [], { prepare: false })
    await atOnce(field.keys(), IN_FLIGHT, (k, n) => field.execute('INSERT INTO scanned (k, n) VALUES (?, ?)', [k, BigInt(n)]))
  })
  return async () => {
    await filled()
    return timed(field.count, async () => {
      let rows = 0
      const options = { prepare: true, fetchSize: 1000, consistency: types.consistencies.quorum }
      const found = field.raw.stream('SELECT k, n FROM scanned', [], options) as never as AsyncIterable<{ k: string; n: bigint }>
      for await (const { k, n } of found) if (k !== '' && n >= 0n) rows++
      mustEqual(rows, field.count, 'rows')
    })
  }
}

function batch(field: Field): Sample {
  const made = once(() => new Narrow().makePersistent())
  return async () => {
    const dict = await made()
    const [p = ''] = field.keys(1)
    const figure = await timed(field.count, async () => {
      mustEqual(await dict.bulk(upTo(field.count).map((o) => [{ p, o }, { n: 1 }] as const)), field.count, 'rows')
    })
    mustEqual((await dict.aggregate({ sum: ['sum', 'n'] }, { prefix: { p } })).sum, BigInt(field.count), 'sum')
    return figure
  }
}

const NARROW = 'INSERT INTO narrow (p, o, n) VALUES (?, ?, ?)'

const rawBatch =
  (field: Field): Sample =>
  async () => {
    const [p] = field.keys(1)
    const batches = upTo(field.count / BATCH_ROWS)
    const options = { prepare: true, logged: false, consistency: types.consistencies.quorum }
    const figure = await timed(field.count, () =>
      atOnce(batches, 8, (b) => {
        const queries = upTo(BATCH_ROWS).map((i) => ({ query: NARROW, params: [p, BigInt(b * BATCH_ROWS + i), 1n] }))
        return field.raw.batch(queries, options)
      }),
    )
    mustEqual((await field.execute('SELECT sum(n) AS sum FROM narrow WHERE p = ?', [p])).rows[0]?.sum, BigInt(field.count), 'sum')
    return figure
  }

function sum(field: Field, isPushed: boolean): Sample {
  const made = once(async () => {
    const dict = await new Narrow().makePersistent()
    const parts = field.keys(Math.ceil(field.count / PARTITION))
    for (const p of parts) await dict.bulk(upTo(PARTITION).map((o) => [{ p, o }, { n: 1 }] as const))
    return { dict, parts }
  })
  return async () => {
    const { dict, parts } = await made()
    return timed(parts.length * PARTITION, () =>
      atOnce(parts, 8, async (p) => {
        let total = 0n
        if (isPushed) total = (await dict.aggregate({ sum: ['sum', 'n'] }, { prefix: { p } })).sum as bigint
        else for await (const [, { n }] of dict.range({ p })) total += n
        mustEqual(total, BigInt(PARTITION), 'sum')
      }),
    )
  }
}

export async function rows(bench: Bench, field: Field): Promise<void> {
  await against(bench, field, { case: 'rows loaded by bulk()', ...ROWS, ours: load(field) }, rawLoad(field))
  await against(bench, field, { case: 'rows by key', ...ROWS, ours: getRows(field) }, rawGet(field))
  await against(bench, field, { case: 'rows scanned', ...ROWS, ours: scan(field) }, rawScan(field))
  await against(bench, field, { case: 'rows into one partition', ...ROWS, ours: batch(field) }, rawBatch(field))
}

export const sums = (bench: Bench, field: Field): Promise<void> =>
  field.program(() =>
    bench.contest({
      case: 'rows summed in the store',
      ...ROWS,
      better: 'higher',
      ours: sum(field, true),
      rivals: { 'fetched and summed': sum(field, false) },
    }),
  )
