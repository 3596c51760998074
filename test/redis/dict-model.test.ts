import { subjectAt } from '../conformance/subjects.js'
import { checkDicts } from '../model/dict-check.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'

describe('random programs on dicts: redis', function () {
  this.timeout(120_000)
  before(function () {
    requireRedis(this)
  })
  for (const [name, Server, runs] of [
    ['a single server', RedisServer, 15],
    ['a Cluster of three masters', RedisCluster, 12],
  ] as const)
    it(`show on ${name} what a plain Map would`, async () => {
      const server = await Server.start()
      try {
        await checkDicts(subjectAt(server.url), { runs, seed: 1, actionsMax: 15 })
      } finally {
        await server.stop()
      }
    })
})
