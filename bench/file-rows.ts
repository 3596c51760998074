/** Rows of a `StorageDict` in the file, beside lmdb itself with its own keys and msgpackr encoding. */
import { StorageDict, StorageObject, t } from 'insitu'
import type { Key, RootDatabase } from 'lmdb'
import { type Bench, collectGarbage, inProgram, mustEqual, perSecond, type Sample } from './harness.js'

const COUNT = 20_000
const BATCH = 1_000
const TEXT_BYTES = 100

export class Log extends StorageObject {
  rows = new StorageDict({ part: t.i32, at: t.i64 }, { text: t.text })
}

interface Files {
  readonly url: string
  readonly db: RootDatabase<{ text: string }, Key>
}

const textOf = (n: number): string => `${n}:`.padEnd(TEXT_BYTES, 'x')

const timed = (count: number, work: () => Promise<void>): Promise<number> => {
  collectGarbage()
  return perSecond(count, work)
}

async function inBatches(count: number, work: (from: number, to: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) await work(from, Math.min(count, from + BATCH))
}

async function putInto(log: Log, count: number): Promise<void> {
  await inBatches(count, (from, to) => {
    for (let n = from; n < to; n++) log.rows.set({ part: 0, at: n }, { text: textOf(n) })
    return log.rows.save()
  })
}

/** Counted and looked at, each of them. */
async function assertScanned(rows: AsyncIterable<string>, count: number): Promise<void> {
  let n = 0
  for await (const text of rows) if (text !== textOf(n++)) mustEqual(text, textOf(n - 1), `row ${n - 1}`)
  mustEqual(n, count, 'rows')
}

const put =
  (count: number): Sample =>
  async () => {
    const log = await new Log().makePersistent()
    const figure = await timed(count, () => putInto(log, count))
    mustEqual(await log.rows.count(), count, 'rows')
    return figure
  }

const scan =
  (alias: string, count: number): Sample =>
  async () => {
    const { rows } = await Log.getByAlias(alias)
    let looked = 0
    let bytes = 0
    const figure = await timed(count, async () => {
      for await (const [, { text }] of rows) {
        looked++
        bytes += text.length
      }
    })
    mustEqual(looked, count, 'rows')
    mustEqual(bytes, count * TEXT_BYTES, 'bytes of texts')
    return figure
  }

// ---- lmdb's

let samples = 0
const keyOf = (sample: number, at: number): Key => [sample, at]

async function putAll({ db }: Files, sample: number, count: number): Promise<void> {
  await inBatches(count, async (from, to) => {
    const all: Promise<boolean>[] = []
    for (let n = from; n < to; n++) all.push(db.put(keyOf(sample, n), { text: textOf(n) }))
    await Promise.all(all)
    await db.flushed
  })
}

const theirsPut =
  (files: Files, count: number): Sample =>
  () => {
    const sample = samples++
    return timed(count, () => putAll(files, sample, count))
  }

const theirsScan =
  ({ db }: Files, sample: number, count: number): Sample =>
  async () => {
    let looked = 0
    let bytes = 0
    const figure = await timed(count, async () => {
      for (const { value } of db.getRange({ start: keyOf(sample, 0), end: keyOf(sample + 1, 0) })) {
        looked++
        bytes += value.text.length
      }
    })
    mustEqual(looked, count, 'values')
    mustEqual(bytes, count * TEXT_BYTES, 'bytes of texts')
    return figure
  }

const ROWS = { unit: 'rows/s', better: 'higher' } as const
const SCANNED = 'scanned'

export async function rowContests(bench: Bench, files: Files): Promise<void> {
  const count = bench.options.count ?? COUNT
  const putting = { case: `rows put, ${BATCH} a batch`, ours: put(count), rivals: { 'lmdb put': theirsPut(files, count) } }
  await inProgram(files.url, () => bench.contest({ ...ROWS, ...putting }), { ack: 'durable' })
  const sample = samples++
  await putAll(files, sample, count)
  await inProgram(files.url, async () => {
    const log = await new Log().makePersistent(SCANNED)
    await putInto(log, count)
    await assertScanned(textsOf(log), count)
  })
  const scanning = { case: 'rows scanned', ours: scan(SCANNED, count), rivals: { 'lmdb getRange': theirsScan(files, sample, count) } }
  await inProgram(files.url, () => bench.contest({ ...ROWS, ...scanning }))
}

async function* textsOf(log: Log): AsyncGenerator<string, void, void> {
  for await (const [, { text }] of log.rows) yield text
}
