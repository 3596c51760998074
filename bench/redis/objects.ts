/** Objects of 100 bytes and of 1 MiB, beside plain HSET and HGETALL, SET and GET of the same. */
import { getByID, type Id, StorageObject, transact } from 'insitu'
import type { Redis } from 'ioredis'
import { type Bench, mustEqual, perSecond, type Sample } from '../harness.js'
import { BATCH, COUNT, type Field, inBatches, MIB, oneByOne, piped, textOf, upTo } from './field.js'

const SINGLES = 500
const LARGE = 32

export class RedisItem extends StorageObject {
  text = ''
}

export class RedisBlob extends StorageObject {
  bytes = new Uint8Array(0)
}

type Batch = readonly RedisItem[]
type How = (batch: Batch) => Promise<unknown>

const newItems = (count: number): RedisItem[] => upTo(count).map((n) => Object.assign(new RedisItem(), { text: textOf(n) }))

const together: How = (batch) =>
  transact(async () => {
    for (const item of batch) await item.makePersistent()
  })
const atOnce: How = (batch) => Promise.all(batch.map((item) => item.makePersistent()))
const saved: How = (batch) => Promise.all(batch.map((item) => item.save()))

async function stored(count: number): Promise<RedisItem[]> {
  const items = newItems(count)
  await inBatches(items, together)
  return items
}

const storedIds = (field: Field, count: number): Promise<Id[]> =>
  field.program(async () => (await stored(count)).map((item) => item.getID()!))

const make =
  (field: Field, how: How): Sample =>
  () => {
    const items = newItems(COUNT)
    return field.program(() => perSecond(COUNT, () => inBatches(items, how)))
  }

const save =
  (field: Field): Sample =>
  () =>
    field.program(async () => {
      const items = await stored(COUNT)
      items.forEach((item, n) => {
        item.text = textOf(n + 1)
      })
      return perSecond(COUNT, () => inBatches(items, saved))
    })

const load =
  (field: Field): Sample =>
  async () => {
    const ids = await storedIds(field, COUNT)
    return field.program(async () => {
      const found: RedisItem[] = []
      const get = async (batch: readonly Id[]): Promise<void> => void found.push(...((await getByID(...batch)) as unknown[] as RedisItem[]))
      const figure = await perSecond(COUNT, () => inBatches(ids, get))
      checked(found)
      return figure
    })
  }

function checked(all: readonly { readonly text?: string }[]): void {
  for (const [n, { text }] of all.entries()) mustEqual(text, textOf(n), `text ${n}`)
}

type Write = (keys: readonly (readonly [key: string, text: string])[]) => Promise<unknown>
type Read = (keys: readonly string[]) => Promise<unknown[]>

const rawWrite =
  (field: Field, write: Write): Sample =>
  () => {
    const keys = field.keys(COUNT).map((key, n) => [key, textOf(n)] as const)
    return perSecond(COUNT, () => inBatches(keys, write))
  }

const rawRead =
  (field: Field, read: Read): Sample =>
  async () => {
    const keys = await field.rawStored(COUNT)
    const found: Record<string, string>[] = []
    const figure = await perSecond(COUNT, () => inBatches(keys, async (batch) => void found.push(...((await read(batch)) as typeof found))))
    checked(found)
    return figure
  }

function writers(field: Field): Record<string, Sample> {
  const each =
    (redis: Redis): Write =>
    (keys) =>
      Promise.all(keys.map(([key, text]) => redis.hset(key, 'text', text)))
  const byHand: Write = (keys) => piped(field.plain, keys, (pipeline, [key, text]) => pipeline.hset(key, 'text', text))
  return {
    'ioredis auto-pipelined': rawWrite(field, each(field.auto)),
    ioredis: rawWrite(field, each(field.plain)),
    'pipeline by hand': rawWrite(field, byHand),
  }
}

function readers(field: Field): Record<string, Sample> {
  const each =
    (redis: Redis): Read =>
    (keys) =>
      Promise.all(keys.map((key) => redis.hgetall(key)))
  const byHand: Read = (keys) => piped(field.plain, keys, (pipeline, key) => pipeline.hgetall(key))
  return {
    'ioredis auto-pipelined': rawRead(field, each(field.auto)),
    ioredis: rawRead(field, each(field.plain)),
    'pipeline by hand': rawRead(field, byHand),
  }
}

/** The median of calls that are awaited one after the other, in microseconds. */
async function medianMicros<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  await oneByOne(all, async (one) => {
    const start = performance.now()
    await work(one)
    times.push((performance.now() - start) * 1000)
  })
  return times.sort((a, b) => a - b)[times.length >> 1]!
}

const saveOne =
  (field: Field): Sample =>
  () =>
    field.program(async () =>
      medianMicros(await stored(SINGLES), (item) => {
        item.text = `${item.text}!`
        return item.save()
      }),
    )

const loadOne =
  (field: Field): Sample =>
  async () => {
    const ids = await storedIds(field, SINGLES)
    return field.program(() => medianMicros(ids, (id) => RedisItem.getByID(id)))
  }

const rawOne =
  (field: Field, work: (key: string) => Promise<unknown>): Sample =>
  async () =>
    medianMicros(await field.rawStored(SINGLES), work)

const bytesOf = (n: number): Uint8Array => new Uint8Array(MIB).fill(n)

const largePut =
  (field: Field): Sample =>
  () =>
    field.program(() =>
      perSecond(LARGE, () => oneByOne(upTo(LARGE), (n) => Object.assign(new RedisBlob(), { bytes: bytesOf(n) }).makePersistent())),
    )

const largeGet =
  (field: Field): Sample =>
  async () => {
    const ids = await field.program(async () => {
      const blobs = upTo(LARGE).map((n) => Object.assign(new RedisBlob(), { bytes: bytesOf(n) }))
      await oneByOne(blobs, (blob) => blob.makePersistent())
      return blobs.map((blob) => blob.getID()!)
    })
    return field.program(() =>
      perSecond(LARGE, async () => {
        for (const [n, id] of ids.entries()) mustEqual((await RedisBlob.getByID(id)).bytes[MIB - 1], n, 'last byte')
      }),
    )
  }

const rawLargePut =
  (field: Field): Sample =>
  () =>
    perSecond(LARGE, () => oneByOne(field.keys(LARGE), (key) => field.plain.set(key, Buffer.from(bytesOf(1)))))

const rawLargeGet =
  (field: Field): Sample =>
  async () => {
    const keys = field.keys(LARGE)
    await oneByOne(keys, (key) => field.plain.set(key, Buffer.from(bytesOf(1))))
    return perSecond(LARGE, () => oneByOne(keys, async (key) => mustEqual((await field.plain.getBuffer(key))![MIB - 1], 1, 'last byte')))
  }

export async function objects(bench: Bench, field: Field): Promise<void> {
  const bulk = { unit: 'objects/s', better: 'higher' } as const
  const micros = { unit: 'us', better: 'lower' } as const
  await bench.contest({ case: `made, ${BATCH} in a transaction`, ...bulk, ours: make(field, together), rivals: writers(field) })
  await bench.contest({ case: `made, ${BATCH} at once`, ...bulk, ours: make(field, atOnce), rivals: writers(field) })
  await bench.contest({ case: `saved, ${BATCH} at once`, ...bulk, ours: save(field), rivals: writers(field) })
  await bench.contest({ case: `loaded, ${BATCH} at once`, ...bulk, ours: load(field), rivals: readers(field) })
  const { plain } = field
  const hset = rawOne(field, (key) => plain.hset(key, 'text', textOf(0)))
  const hgetall = rawOne(field, (key) => plain.hgetall(key))
  await bench.contest({ case: 'one awaited save', ...micros, ours: saveOne(field), rivals: { 'ioredis HSET': hset } })
  await bench.contest({ case: 'one awaited load', ...micros, ours: loadOne(field), rivals: { 'ioredis HGETALL': hgetall } })
  await bench.contest({ case: '1 MiB made', ...bulk, ours: largePut(field), rivals: { 'ioredis SET': rawLargePut(field) } })
  await bench.contest({ case: '1 MiB loaded', ...bulk, ours: largeGet(field), rivals: { 'ioredis GET': rawLargeGet(field) } })
}
