/**
 * Whether work gets slower as a file grows: puts and gets of rows and objects in one file of 1,000 and ten, hundred … times as many,
 * beside lmdb in one that grows alike. `--count` says how far: 10,000,000 takes hours.
 */
import { join } from 'node:path'
import { connect, getByID, type Id, StorageDict, StorageObject, type Store, t, transact } from 'insitu'
import { open, type RootDatabase } from 'lmdb'
import { type Bench, type Benchmark, median, mustEqual, type Sample, type Taken, withFolder } from './harness.js'

const FIRST = 1000
const COUNT = 100_000
/** Of each sample. */
const BATCH = 500
const WARM_UPS = 10
const TEXT = 'x'.repeat(100)

class Log extends StorageObject {
  rows = new StorageDict({ part: t.i32, at: t.i64 }, { text: t.text })
}

class Item extends StorageObject {
  text = TEXT
}

interface Files {
  readonly store: Store
  readonly log: Log
  readonly ids: Id[]
  readonly db: RootDatabase<{ text: string }, number>
  /** Rows, objects and values so far. */
  rows: number
  values: number
}

const PART_ROWS = 10_000
const keyOf = (n: number): { part: number; at: number } => ({ part: Math.floor(n / PART_ROWS), at: n })

// ---- growing

async function grow(files: Files, to: number): Promise<void> {
  await growRows(files, to)
  await growObjects(files, to)
  growValues(files, to)
}

async function growRows(files: Files, to: number): Promise<void> {
  const from = files.rows
  function* rows(): Generator<[{ part: number; at: number }, { text: string }]> {
    for (let n = from; n < to; n++) yield [keyOf(n), { text: TEXT }]
  }
  if (from < to) await files.log.rows.bulk(rows())
  files.rows = Math.max(from, to)
}

async function growObjects(files: Files, to: number): Promise<void> {
  while (files.ids.length < to) await putObjects(files, Math.min(2000, to - files.ids.length))
}

async function putObjects({ ids }: Files, count: number): Promise<void> {
  const items = Array.from({ length: count }, () => new Item())
  await transact(async () => {
    for (const item of items) await item.makePersistent()
  })
  for (const item of items) ids.push(item.getID()!)
}

function growValues(files: Files, to: number): void {
  for (; files.values < to; files.values += BATCH) putValues(files, BATCH)
}

function putValues({ db, values }: Files, count: number): void {
  db.transactionSync(() => {
    for (let n = values; n < values + count; n++) db.putSync(n, { text: TEXT })
  })
}

// ---- samples: microseconds for one

async function microseconds(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return ((performance.now() - start) * 1000) / count
}

/** Spread over all there is, by a stride that meets each once. */
const some = (below: number): number[] => Array.from({ length: BATCH }, (_, n) => Math.floor(((n * 0.6180339887) % 1) * below))

const putRows =
  (files: Files): Sample =>
  () =>
    microseconds(BATCH, async () => {
      for (let n = files.rows; n < files.rows + BATCH; n++) files.log.rows.set(keyOf(n), { text: TEXT })
      await files.log.rows.save()
      files.rows += BATCH
    })

const getRows =
  (files: Files): Sample =>
  async () => {
    const keys = some(files.rows).map(keyOf)
    return microseconds(BATCH, async () => {
      const found = await files.log.rows.getMany(keys)
      for (const row of found) mustEqual(row?.text, TEXT, 'a row')
    })
  }

const putItems =
  (files: Files): Sample =>
  () =>
    microseconds(BATCH, () => putObjects(files, BATCH))

const getItems =
  (files: Files): Sample =>
  async () => {
    const ids = some(files.ids.length).map((n) => files.ids[n]!)
    return microseconds(BATCH, async () => {
      // Outside of the program's memory: each is read from the file.
      const found = await transact(async () => [await getByID(...ids)].flat())
      for (const item of found) mustEqual((item as Item).text, TEXT, 'an object')
    })
  }

const putRaw =
  (files: Files): Sample =>
  () =>
    microseconds(BATCH, async () => {
      putValues(files, BATCH)
      files.values += BATCH
      await files.db.flushed
    })

const getRaw =
  (files: Files): Sample =>
  async () => {
    const keys = some(files.values)
    return microseconds(BATCH, async () => {
      for (const key of keys) mustEqual(files.db.get(key)?.text, TEXT, 'a value')
    })
  }

type Works = 'put rows' | 'get rows' | 'put objects' | 'get objects'
type Samples = Readonly<Record<'insitu' | 'lmdb', Sample>>

const worksOf = (files: Files): Readonly<Record<Works, Samples>> => ({
  'put rows': { insitu: putRows(files), lmdb: putRaw(files) },
  'get rows': { insitu: getRows(files), lmdb: getRaw(files) },
  'put objects': { insitu: putItems(files), lmdb: putRaw(files) },
  'get objects': { insitu: getItems(files), lmdb: getRaw(files) },
})

const shown = (size: number): string => size.toLocaleString('en-GB')

async function contests(bench: Bench, files: Files): Promise<void> {
  const most = bench.options.count ?? COUNT
  const first = new Map<string, Taken>()
  // The compiler's work is over before the first figure that others are measured by.
  await grow(files, FIRST)
  for (const { insitu, lmdb } of Object.values(worksOf(files))) for (let n = 0; n < WARM_UPS; n++) await Promise.all([insitu(), lmdb()])
  for (let size = FIRST; size <= most; size *= 10) {
    await grow(files, size)
    for (const [work, { insitu, lmdb }] of Object.entries(worksOf(files))) {
      const contest = { unit: 'us each', better: 'lower', case: `${work} of ${shown(size)}`, ours: insitu, rivals: { lmdb } } as const
      const taken = await bench.take(contest)
      bench.report(contest, taken)
      if (size === FIRST) first.set(work, taken)
      else
        bench.report(
          { ...contest, unit: 'times', case: `${work}: slower of ${shown(size)} than of ${shown(FIRST)}` },
          slower(taken, first.get(work)!),
        )
    }
  }
}

/** How much longer each took than it had at first. */
const slower = (now: Taken, then: Taken): Taken =>
  new Map([...now].map(([name, figures]) => [name, [median(figures) / median(then.get(name)!)]]))

export const growth: Benchmark = {
  name: 'growth',
  about: 'puts and gets in a file of 1,000 rows and objects, of 10,000 … up to --count (100,000), beside lmdb',
  run: (bench) =>
    withFolder(async (folder) => {
      const store = await connect(`nvram:${join(folder, 'insitu')}`)
      const db = open<{ text: string }, number>({ path: join(folder, 'lmdb'), encoding: 'msgpack' })
      try {
        const log = await new Log().makePersistent()
        await contests(bench, { store, log, ids: [], db, rows: 0, values: 0 })
      } finally {
        await store.close()
        await db.close()
      }
    }),
}
