/** Objects of 100 bytes in a file, and rows (`file-rows.ts`), beside lmdb itself with its msgpackr encoding: in units of work of many, and one by one. */
import { join } from 'node:path'
import { type Ack, getByID, type Id, StorageObject, transact } from 'insitu'
import { type Key, open, type RootDatabase } from 'lmdb'
import { rowContests } from './file-rows.js'
import {
  type Bench,
  type Benchmark,
  type Contest,
  collectGarbage,
  inProgram,
  mustEqual,
  perSecond,
  type Sample,
  withFolder,
} from './harness.js'

const COUNT = 20_000
const BATCHES = [100, 1_000]
const SINGLES = 500
const TEXT_BYTES = 100

export class Item extends StorageObject {
  text = ''
}

interface Value {
  text: string
}

/** Ours and lmdb's, each with a file of its own in one folder. Every sample brings its own objects, so that the files grow alike. */
interface Files {
  readonly url: string
  readonly db: RootDatabase<Value, Key>
}

// ---- values

const textOf = (n: number, revision: number): string => `${n}:${revision}:`.padEnd(TEXT_BYTES, 'x')

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n)

async function inBatches<T>(all: readonly T[], size: number, work: (batch: readonly T[]) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += size) await work(all.slice(at, at + size))
}

function itemsOf(count: number): Item[] {
  return upTo(count).map((n) => Object.assign(new Item(), { text: textOf(n, 0) }))
}

function idsOf(items: readonly Item[]): Id[] {
  return items.map((item) => item.getID()!)
}

let keys = 0
/** As long as an id, and in the order of time as ids are. */
const keysOf = (count: number): readonly string[] => upTo(count).map(() => String(keys++).padStart(36, '0'))

const timed = (count: number, work: () => Promise<void>): Promise<number> => {
  collectGarbage()
  return perSecond(count, work)
}

// ---- ours

/**
 * One program for all samples of a case, as lmdb's file is open for all of them: its store is the default one, as in most programs, and
 * a store that ends takes the code with it that the engine has made for it.
 */
const inOneProgram = ({ url }: Files, body: () => Promise<void>, ack: Ack = 'durable'): Promise<void> => inProgram(url, body, { ack })

function assertTexts(items: readonly (StorageObject | Value | undefined)[], revision: number): void {
  items.forEach((item, n) => {
    mustEqual((item as Value | undefined)?.text, textOf(n, revision), `text ${n}`)
  })
}

/** Each batch one unit of work: one group, all of it or nothing. */
const storeTogether = async (batch: readonly Item[]): Promise<void> => {
  await transact(async () => {
    for (const item of batch) await item.makePersistent()
  })
}

/** Each object a unit of work of its own; the committer of the process writes those that arrive together in one transaction. */
const storeAtOnce = async (batch: readonly Item[]): Promise<void> => {
  await Promise.all(batch.map((item) => item.makePersistent()))
}

const saveAtOnce = async (batch: readonly Item[]): Promise<void> => {
  await Promise.all(batch.map((item) => item.save()))
}

type Store = (batch: readonly Item[]) => Promise<void>

/** What samples have written, to be read by another program when all is over. */
class Written {
  readonly #samples: (readonly Id[])[] = []
  readonly #revision: number

  constructor(revision: number) {
    this.#revision = revision
  }

  add(items: readonly Item[]): void {
    this.#samples.push(idsOf(items))
  }

  assertStored(files: Files): Promise<void> {
    return inOneProgram(files, async () => {
      for (const ids of this.#samples) assertTexts([await getByID(...ids)].flat(), this.#revision)
    })
  }
}

const put =
  (written: Written, count: number, size: number, how: Store): Sample =>
  async () => {
    const items = itemsOf(count)
    const figure = await timed(count, () => inBatches(items, size, how))
    written.add(items)
    return figure
  }

const save =
  (written: Written, count: number, size: number): Sample =>
  async () => {
    const items = itemsOf(count)
    await storeAtOnce(items)
    items.forEach((item, n) => {
      item.text = textOf(n, 1)
    })
    const figure = await timed(count, () => inBatches(items, size, saveAtOnce))
    written.add(items)
    return figure
  }

/** Objects for so many samples, stored by a program that has ended. */
async function storedSets(files: Files, count: number, sets: number): Promise<Id[][]> {
  const ids: Id[][] = []
  await inOneProgram(files, async () => {
    for (let set = 0; set < sets; set++) {
      const items = itemsOf(count)
      await storeAtOnce(items)
      ids.push(idsOf(items))
    }
  })
  return ids
}

/** Each sample fetches what this program has never had in memory. */
const get =
  (sets: Id[][], count: number, size: number): Sample =>
  async () => {
    const ids = sets.pop()!
    const found: StorageObject[] = []
    const getBatch = async (batch: readonly Id[]): Promise<void> => void found.push(...[await getByID(...batch)].flat())
    const figure = await timed(count, () => inBatches(ids, size, getBatch))
    assertTexts(found, 0)
    mustEqual(found.length, count, 'objects found')
    return figure
  }

// ---- lmdb's. Durable, as ours: a batch is over when it is flushed to the disk.

type Write = (files: Files, names: readonly string[], revision: number) => Promise<void>

/** lmdb's write thread collects what arrives together. */
const putAsync: Write = async ({ db }, names, revision) => {
  await Promise.all(names.map((name) => db.put(name, { text: textOf(numberOf(name), revision) })))
  await db.flushed
}

const putSync: Write = async ({ db }, names, revision) => {
  db.transactionSync(() => {
    for (const name of names) db.putSync(name, { text: textOf(numberOf(name), revision) })
  })
}

/** Visible to all and kept through the program's death, not yet through power loss: our `committed`. */
const putCommitted: Write = async ({ db }, [name], revision) => {
  await db.put(name!, { text: textOf(numberOf(name!), revision) })
}

let firstOfSample = 0
const numberOf = (name: string): number => Number(name) - firstOfSample

const write =
  (files: Files, count: number, size: number, how: Write, revision = 0): Sample =>
  async () => {
    firstOfSample = keys
    const names = keysOf(count)
    if (revision > 0) await putSync(files, names, 0)
    const figure = await timed(count, () => inBatches(names, size, (batch) => how(files, batch, revision)))
    assertValues(files, names, revision)
    return figure
  }

const read =
  (files: Files, count: number, size: number): Sample =>
  async () => {
    firstOfSample = keys
    const names = keysOf(count)
    await putSync(files, names, 0)
    const found: (Value | undefined)[] = []
    const getBatch = async (batch: readonly string[]): Promise<void> => {
      for (const name of batch) found.push(files.db.get(name))
    }
    const figure = await timed(count, () => inBatches(names, size, getBatch))
    assertTexts(found, 0)
    mustEqual(found.length, count, 'values found')
    return figure
  }

function assertValues({ db }: Files, names: readonly string[], revision: number): void {
  assertTexts(
    names.map((name) => db.get(name)),
    revision,
  )
}

// ---- contests

const OBJECTS = { unit: 'objects/s', better: 'higher' } as const

const writersOf = (files: Files, count: number, size: number, revision = 0): Readonly<Record<string, Sample>> => ({
  'lmdb put': write(files, count, size, putAsync, revision),
  'lmdb transactionSync': write(files, count, size, putSync, revision),
})

type Case = Pick<Contest, 'case'> & Partial<Pick<Contest, 'rivals'>> & { readonly size: number; readonly how?: Store; readonly ack?: Ack }

async function putting(
  bench: Bench,
  files: Files,
  count: number,
  { case: title, size, how = storeAtOnce, rivals, ack }: Case,
): Promise<void> {
  const written = new Written(0)
  const ours = put(written, count, size, how)
  await inOneProgram(files, () => bench.contest({ ...OBJECTS, case: title, ours, rivals: rivals ?? writersOf(files, count, size) }), ack)
  await written.assertStored(files)
}

async function saving(bench: Bench, files: Files, count: number, size: number): Promise<void> {
  const written = new Written(1)
  const ours = save(written, count, size)
  const rivals = writersOf(files, count, size, 1)
  await inOneProgram(files, () => bench.contest({ ...OBJECTS, case: `save, ${size} units of work at once`, ours, rivals }))
  await written.assertStored(files)
}

async function getting(bench: Bench, files: Files, count: number, size: number): Promise<void> {
  const title = size === 1 ? 'get one by one' : `get, ${size} at a time`
  const ours = get(await storedSets(files, count, bench.options.samples + 1), count, size)
  const rivals = { 'lmdb get': read(files, count, size) }
  await inOneProgram(files, () => bench.contest({ ...OBJECTS, case: title, ours, rivals }))
}

async function contests(bench: Bench, files: Files): Promise<void> {
  const count = bench.options.count ?? COUNT
  // Units of work that arrive together: the committer of the process writes them in one transaction.
  for (const size of BATCHES) {
    await putting(bench, files, count, { case: `put, ${size} units of work at once`, size })
    await saving(bench, files, count, size)
    await getting(bench, files, count, size)
  }
  const few = Math.min(SINGLES, count)
  for (const ack of ['durable', 'committed'] as const) {
    const rivals = { 'lmdb put': write(files, few, 1, ack === 'durable' ? putAsync : putCommitted) }
    await putting(bench, files, few, { case: `put one by one, ${ack}`, size: 1, rivals, ack })
  }
  await getting(bench, files, count, 1)
  await rowContests(bench, files)
  // Last: from its first transaction on, Node 20 calls a hook for every promise of the process, the rivals' as well.
  for (const size of BATCHES) await putting(bench, files, count, { case: `put, ${size} per unit of work`, size, how: storeTogether })
}

export const file: Benchmark = {
  name: 'file',
  about: 'puts, saves and gets of 100-byte objects, and rows put and scanned, in a file, beside lmdb',
  run: (bench) =>
    withFolder(async (folder) => {
      const db = open<Value, Key>({ path: join(folder, 'lmdb'), encoding: 'msgpack' })
      try {
        await contests(bench, { url: `nvram:${join(folder, 'insitu')}`, db })
      } finally {
        await db.close()
      }
    }),
}
