import { conformanceCases } from '../conformance/cases.js'
import { type ConformanceFactory, ConformanceSession } from '../conformance/session.js'
import { subjectAt } from '../conformance/subjects.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { notRun } from '../tools/not-run.js'

interface Startable {
  readonly url: string
  stop(): Promise<void>
}

const servers: Record<string, () => Promise<Startable>> = {
  'a single server': () => RedisServer.start(),
  'a Cluster of three masters': () => RedisCluster.start(),
}

for (const [name, start] of Object.entries(servers)) {
  describe(`conformance: redis, ${name}`, function () {
    this.timeout(120_000)
    let server: Startable | undefined
    let session: ConformanceSession | undefined
    before(async function () {
      this.timeout(300_000)
      requireRedis(this)
      server = await start()
      const factory: ConformanceFactory = subjectAt(server.url)
      session = await ConformanceSession.start(factory)
    })
    after(async () => {
      await session?.close()
      await server?.stop()
    })
    for (const one of conformanceCases) {
      it(one.title, async function () {
        const outcome = await session!.run(one)
        if (outcome.result === 'failed') throw outcome.error
        if (outcome.result === 'skipped') notRun(this, outcome.why)
      })
    }
  })
}
