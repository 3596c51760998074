/** Objects of 100 bytes on one Redis server of its own, beside ioredis doing plain HSET and HGETALL with and without auto-pipelining. */
import { connect, getByID, type Id, StorageObject, transact } from 'insitu'
import { Redis } from 'ioredis'
import { RedisServer, whyNoRedis } from '../test/servers/redis.js'
import { type Bench, type Benchmark, mustEqual, perSecond, type Sample } from './harness.js'

const COUNT = 10_000
const BATCH = 1_000
const SINGLES = 500
const TEXT_BYTES = 100
const MIB = 1024 * 1024
const LARGE = 32

export class RedisItem extends StorageObject {
  text = ''
}

export class RedisBlob extends StorageObject {
  bytes = new Uint8Array(0)
}

type Ours<T> = () => Promise<T>

const textOf = (n: number): string => `${n}:`.padEnd(TEXT_BYTES, 'x')
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

async function inBatches<T>(all: readonly T[], size: number, work: (batch: readonly T[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < all.length; at += size) await work(all.slice(at, at + size))
}

const oneByOne = async <T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> => {
  for (const one of all) await work(one)
}

/** What a benchmark of one server needs. */
class Field {
  #keys = 0

  constructor(
    readonly url: string,
    readonly plain: Redis,
    readonly piped: Redis,
  ) {}

  /** A program that begins with nothing in memory. */
  async program<T>(body: Ours<T>): Promise<T> {
    const store = await connect(this.url)
    try {
      return await body()
    } finally {
      await store.close()
    }
  }

  keys(count: number): string[] {
    return upTo(count).map(() => `raw:{x}:${String(this.#keys++).padStart(36, '0')}`)
  }

  async stored(count: number): Promise<RedisItem[]> {
    const items = upTo(count).map((n) => Object.assign(new RedisItem(), { text: textOf(n) }))
    await inBatches(items, BATCH, together)
    return items
  }

  async rawStored(count: number): Promise<string[]> {
    const keys = this.keys(count)
    await Promise.all(keys.map((key, n) => this.piped.hset(key, 'text', textOf(n))))
    return keys
  }
}

const together = (batch: readonly RedisItem[]): Promise<unknown> =>
  transact(async () => {
    for (const item of batch) await item.makePersistent()
  })

const atOnce = (batch: readonly RedisItem[]): Promise<unknown> => Promise.all(batch.map((item) => item.makePersistent()))

function checked(texts: readonly (string | undefined)[]): void {
  for (const [n, text] of texts.entries()) mustEqual(text, textOf(n), `text ${n}`)
}

const make =
  (field: Field, how: (batch: readonly RedisItem[]) => Promise<unknown>): Sample =>
  () => {
    const items = upTo(COUNT).map((n) => Object.assign(new RedisItem(), { text: textOf(n) }))
    return field.program(() => perSecond(COUNT, () => inBatches(items, BATCH, how)))
  }

const rawMake =
  (field: Field, redis: Redis): Sample =>
  async () => {
    const keys = field.keys(COUNT)
    const put = (batch: readonly string[]): Promise<unknown> => Promise.all(batch.map((key, n) => redis.hset(key, 'text', textOf(n))))
    return perSecond(COUNT, () => inBatches(keys, BATCH, put))
  }

const load =
  (field: Field): Sample =>
  async () => {
    const ids = await field.program(async () => (await field.stored(COUNT)).map((item) => item.getID()!))
    return field.program(async () => {
      const found: RedisItem[] = []
      const get = async (batch: readonly Id[]): Promise<void> => void found.push(...((await getByID(...batch)) as unknown[] as RedisItem[]))
      const figure = await perSecond(COUNT, () => inBatches(ids, BATCH, get))
      checked(found.map(({ text }) => text))
      return figure
    })
  }

const rawLoad =
  (field: Field, redis: Redis): Sample =>
  async () => {
    const keys = await field.rawStored(COUNT)
    const found: Record<string, string>[] = []
    const get = async (batch: readonly string[]): Promise<void> =>
      void found.push(...(await Promise.all(batch.map((key) => redis.hgetall(key)))))
    const figure = await perSecond(COUNT, () => inBatches(keys, BATCH, get))
    checked(found.map(({ text }) => text))
    return figure
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
    field.program(async () => {
      const items = await field.stored(SINGLES)
      return medianMicros(items, (item) => {
        item.text = `${item.text}!`
        return item.save()
      })
    })

const loadOne =
  (field: Field): Sample =>
  async () => {
    const ids = await field.program(async () => (await field.stored(SINGLES)).map((item) => item.getID()!))
    return field.program(() => medianMicros(ids, (id) => RedisItem.getByID(id)))
  }

const largePut =
  (field: Field): Sample =>
  () =>
    field.program(() =>
      perSecond(LARGE, async () => {
        await oneByOne(upTo(LARGE), (n) => Object.assign(new RedisBlob(), { bytes: new Uint8Array(MIB).fill(n) }).makePersistent())
      }),
    )

const rawLargePut =
  (field: Field): Sample =>
  async () => {
    const figure = await perSecond(LARGE, () => oneByOne(field.keys(LARGE), (key) => field.plain.set(key, Buffer.alloc(MIB, 1))))
    return figure
  }

async function run(bench: Bench): Promise<void> {
  const why = whyNoRedis()
  if (why !== undefined) throw new Error(`not run: ${why}`)
  const server = await RedisServer.start()
  const [plain, piped] = [new Redis(server.port), new Redis(server.port, { enableAutoPipelining: true })]
  const field = new Field(`${server.url}?namespace=bench`, plain, piped)
  const both = (raw: (field: Field, redis: Redis) => Sample): Record<string, Sample> => ({
    'ioredis auto-pipelined': raw(field, piped),
    ioredis: raw(field, plain),
  })
  const bulk = { unit: 'objects/s', better: 'higher' } as const
  const micros = { unit: 'us', better: 'lower' } as const
  try {
    await bench.contest({ case: `made, ${BATCH} in a transaction`, ...bulk, ours: make(field, together), rivals: both(rawMake) })
    await bench.contest({ case: `made, ${BATCH} at once`, ...bulk, ours: make(field, atOnce), rivals: both(rawMake) })
    await bench.contest({ case: `loaded, ${BATCH} at once`, ...bulk, ours: load(field), rivals: both(rawLoad) })
    await bench.contest({ case: 'one awaited save', ...micros, ours: saveOne(field), rivals: { 'ioredis HSET': rawOne(field, 'put') } })
    await bench.contest({ case: 'one awaited load', ...micros, ours: loadOne(field), rivals: { 'ioredis HGETALL': rawOne(field, 'get') } })
    await bench.contest({
      case: 'objects of 1 MiB made',
      unit: 'objects/s',
      better: 'higher',
      ours: largePut(field),
      rivals: { 'ioredis SET': rawLargePut(field) },
    })
  } finally {
    plain.disconnect()
    piped.disconnect()
    await server.stop()
  }
}

const rawOne =
  (field: Field, what: 'put' | 'get'): Sample =>
  async () => {
    const keys = await field.rawStored(SINGLES)
    return medianMicros(keys, (key) => (what === 'put' ? field.plain.hset(key, 'text', textOf(0)) : field.plain.hgetall(key)))
  }

export const redis: Benchmark = { name: 'redis', about: 'objects on a Redis server, beside ioredis', run }
