/** One Redis server of its own, and a Cluster, beside ioredis with the same data and with as many calls at once. */
import { Redis } from 'ioredis'
import { RedisServer, whyNoRedis } from '../../test/servers/redis.js'
import type { Bench, Benchmark } from '../harness.js'
import { aggregates } from './aggregates.js'
import { onCluster } from './cluster.js'
import { Field } from './field.js'
import { memory } from './memory.js'
import { objects } from './objects.js'
import { dictRows } from './rows.js'
import { persistentTasks } from './tasks.js'

async function run(bench: Bench): Promise<void> {
  const why = whyNoRedis()
  if (why !== undefined) throw new Error(`not run: ${why}`)
  const server = await RedisServer.start()
  const [plain, auto] = [new Redis(server.port), new Redis(server.port, { enableAutoPipelining: true })]
  const field = new Field(`${server.url}?namespace=bench`, plain, auto)
  try {
    await objects(bench, field)
    await dictRows(bench, field)
    await memory(bench, field)
    await aggregates(bench, field)
    await persistentTasks(bench, field)
  } finally {
    plain.disconnect()
    auto.disconnect()
    await server.stop()
  }
  await onCluster(bench)
}

export const redis: Benchmark = {
  name: 'redis',
  about: 'objects, rows, aggregates and tasks on a Redis server and a Cluster, beside ioredis',
  run,
}
