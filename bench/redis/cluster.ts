/** A Redis Cluster of three masters on this machine: seven processes share its cores, so that only ratios say anything. */

import { setTimeout as delay } from 'node:timers/promises'
import { connect, StorageObject, transact } from 'insitu'
import { Cluster, Redis } from 'ioredis'
import { RedisCluster } from '../../test/servers/redis.js'
import { type Bench, mustEqual, perSecond, type Sample } from '../harness.js'
import { COUNT, inBatches, textOf, upTo } from './field.js'

export class ClusterItem extends StorageObject {
  text = ''
  n = 0
}

const newItems = (count: number): ClusterItem[] => upTo(count).map((n) => Object.assign(new ClusterItem(), { text: textOf(n) }))

function nodesOf(cluster: RedisCluster): { host: string; port: number }[] {
  return cluster.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
}

async function bulk(bench: Bench, url: string, raw: Cluster): Promise<void> {
  const program = async <T>(body: () => Promise<T>): Promise<T> => {
    const store = await connect(url)
    try {
      return await body()
    } finally {
      await store.close()
    }
  }
  let next = 0
  const keys = (): string[] => upTo(COUNT).map(() => `raw:${next++}`)
  const stored = async (): Promise<string[]> => {
    const all = keys()
    await inBatches([...all.entries()], (batch) => Promise.all(batch.map(([n, key]) => raw.hset(key, 'text', textOf(n)))))
    return all
  }
  const unit = { unit: 'objects/s', better: 'higher' } as const
  await bench.contest({
    case: 'Cluster: made, 1000 at once',
    ...unit,
    ours: () =>
      program(() => perSecond(COUNT, () => inBatches(newItems(COUNT), (batch) => Promise.all(batch.map((item) => item.makePersistent()))))),
    rivals: { 'ioredis auto-pipelined': () => perSecond(COUNT, async () => void (await stored())) },
  })
  await bench.contest({
    case: 'Cluster: loaded, 1000 at once',
    ...unit,
    ours: async () => {
      const ids = await program(async () => {
        const items = newItems(COUNT)
        await inBatches(items, (batch) => Promise.all(batch.map((item) => item.makePersistent())))
        return items.map((item) => item.getID()!)
      })
      return program(() =>
        perSecond(COUNT, () =>
          inBatches([...ids.entries()], async (batch) => {
            const found = await Promise.all(batch.map(([, id]) => ClusterItem.getByID(id)))
            found.forEach(({ text }, i) => {
              mustEqual(text, textOf(batch[i]![0]), 'text')
            })
          }),
        ),
      )
    },
    rivals: {
      'ioredis auto-pipelined': async () => {
        const all = await stored()
        return perSecond(COUNT, () =>
          inBatches([...all.entries()], async (batch) => {
            const found = await Promise.all(batch.map(([, key]) => raw.hgetall(key)))
            found.forEach(({ text }, i) => {
              mustEqual(text, textOf(batch[i]![0]), 'text')
            })
          }),
        )
      },
    },
  })
}

/** How many replies a program waits for one after the other: a call that is sent after a reply has come may have needed it. */
class RoundTrips {
  #rounds = 0
  readonly #own = Redis.prototype.sendCommand

  start(): void {
    const note = (rounds: number): void => void (this.#rounds = Math.max(this.#rounds, rounds))
    const own = this.#own
    const now = (): number => this.#rounds
    this.#rounds = 0
    Redis.prototype.sendCommand = function (this: Redis, command, stream) {
      const round = now() + 1
      const reply = own.call(this, command, stream) as Promise<unknown>
      const done = (): void => note(round)
      Promise.resolve(reply).then(done, done)
      return reply
    }
  }

  /** Those so far. */
  stop(): number {
    Redis.prototype.sendCommand = this.#own
    return this.#rounds
  }
}

const TRANSFERS = 200

/** Two objects that exist, in two slots. */
async function acrossSlots(bench: Bench, url: string, raw: Cluster): Promise<void> {
  const trips = new RoundTrips()
  const store = await connect(url)
  const items = newItems(2 * TRANSFERS)
  await inBatches(items, (batch) => Promise.all(batch.map((item) => item.makePersistent())))
  const pairs = upTo(TRANSFERS).map((n) => [items[2 * n]!, items[2 * n + 1]!] as const)
  const move = ([from, to]: readonly [ClusterItem, ClusterItem]): Promise<void> =>
    transact(async () => {
      const [a, b] = await Promise.all([from, to].map((item) => ClusterItem.getByID(item.getID()!)))
      a!.n--
      b!.n++
    })
  const median = (all: number[]): number => all.sort((a, b) => a - b)[all.length >> 1]!
  const inTurn =
    (each: (pair: readonly [ClusterItem, ClusterItem]) => Promise<number>): Sample =>
    async () => {
      const figures: number[] = []
      for (const pair of pairs) {
        figures.push(await each(pair))
        await delay(2) // what goes on after the caller went on
      }
      return median(figures)
    }
  await bench.contest({
    case: 'Cluster: round trips of a transaction over two slots, its read included',
    unit: 'round trips',
    better: 'lower',
    ours: inTurn(async (pair) => {
      trips.start()
      await move(pair)
      return trips.stop()
    }),
    rivals: {},
  })
  await bench.contest({
    case: 'Cluster: one awaited transaction over two slots',
    unit: 'us',
    better: 'lower',
    ours: inTurn(async (pair) => {
      const start = performance.now()
      await move(pair)
      return (performance.now() - start) * 1000
    }),
    rivals: {
      'two HINCRBY, which are no transaction': inTurn(async ([from, to]) => {
        const start = performance.now()
        await Promise.all([raw.hincrby(`raw:${from.getID()}`, 'n', -1), raw.hincrby(`raw:${to.getID()}`, 'n', 1)])
        return (performance.now() - start) * 1000
      }),
    },
  })
  await Promise.all(items.map((item) => item.reload()))
  for (const [from, to] of pairs) mustEqual(from.n < 0 && from.n === -to.n, true, 'each transfer whole')
  await store.close()
}

const WRITE_PAUSE_MS = 5

/** Kills the master of an object, and times the first write after it: ours and a plain client's, on the same Cluster. */
async function failover(): Promise<{ readonly ours: number; readonly plain: number }> {
  const cluster = await RedisCluster.start(1)
  const raw = new Cluster(nodesOf(cluster))
  raw.on('error', () => {})
  const store = await connect(`${cluster.url}?namespace=failover&patienceMs=30000`, { ack: 'committed' })
  try {
    const item = await new ClusterItem().makePersistent()
    const [{ host } = { host: '' }] = await item.getLocations()
    const tag = `{${Number.parseInt(item.getID()!.slice(-3), 16)}}`
    let killedMs = Number.POSITIVE_INFINITY
    let isOver = false
    const first = { ours: 0, plain: 0 }
    const writing = async (who: 'ours' | 'plain', write: () => Promise<unknown>): Promise<void> => {
      while (!isOver) {
        const start = performance.now()
        const isDone = await write().then(
          () => true,
          () => false,
        )
        if (isDone && start > killedMs && first[who] === 0) first[who] = performance.now() - killedMs
        await delay(WRITE_PAUSE_MS)
      }
    }
    let acknowledged = 0
    const both = Promise.all([
      writing('plain', () => raw.hset(`raw:${tag}`, 'n', 1)),
      writing('ours', async () => {
        item.n++
        await item.save()
        const { n } = item
        // The one that takes over has no replica itself, so that nobody waits for this.
        store.reached('replicated:1')!.then(
          () => (acknowledged = Math.max(acknowledged, n)),
          () => {},
        )
      }),
    ])
    await delay(500)
    await cluster.servers.find(({ port }) => host.endsWith(`:${port}`))!.kill()
    killedMs = performance.now()
    for (const endMs = killedMs + 30_000; performance.now() < endMs && (first.ours === 0 || first.plain === 0); ) await delay(20)
    isOver = true
    await both
    if (first.ours === 0 || first.plain === 0) throw new Error(`no write within 30 s: ${JSON.stringify(first)}`)
    if (acknowledged === 0) throw new Error('nothing was acknowledged: nothing was tested')
    const { n } = await item.reload({ discard: true })
    if (n < acknowledged) throw new Error(`${acknowledged - n} acknowledged writes are lost`)
    return first
  } finally {
    await store.close().catch(() => {})
    raw.disconnect()
    await cluster.stop()
  }
}

async function failovers(bench: Bench): Promise<void> {
  const taken = new Map<string, number[]>([
    ['insitu', []],
    ['ioredis HSET', []],
  ])
  for (let n = 0; n < Math.min(3, bench.options.samples); n++) {
    const { ours, plain } = await failover()
    taken.get('insitu')!.push(ours)
    taken.get('ioredis HSET')!.push(plain)
  }
  const none: Sample = async () => 0
  const contest = { case: 'Cluster: first write after kill -9 of a master', unit: 'ms', better: 'lower', ours: none } as const
  bench.report({ ...contest, rivals: { 'ioredis HSET': none } }, taken)
}

export async function onCluster(bench: Bench): Promise<void> {
  const cluster = await RedisCluster.start()
  const raw = new Cluster(nodesOf(cluster), { enableAutoPipelining: true })
  try {
    const url = `${cluster.url}?namespace=bench`
    await bulk(bench, url, raw)
    await acrossSlots(bench, url, raw)
  } finally {
    raw.disconnect()
    await cluster.stop()
  }
  await failovers(bench)
}
