/** The programs of examples/wordcount with their texts and counts in Cassandra, beside the same in Redis and in a file. */
import { join } from 'node:path'
import { RedisServer } from '../../test/servers/redis.js'
import { type Bench, withFolder } from '../harness.js'
import { inStores } from '../wordcount.js'
import type { Field } from './field.js'

export const words = (bench: Bench, { url }: Field): Promise<void> =>
  withFolder(async (folder) => {
    const redis = await RedisServer.start()
    try {
      await inStores(bench, { Cassandra: url, Redis: redis.url, 'a file': `nvram:${join(folder, 'store')}` })
    } finally {
      await redis.stop()
    }
  })
