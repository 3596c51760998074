import { randomBytes } from 'node:crypto'
import { createBackend } from '../../backends/redis/index.js'
import type { Backend } from '../../src/backend.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { backendSpec } from '../unit/backend-spec.js'

for (const [name, start] of [
  ['redis', () => RedisServer.start()],
  ['redis+cluster', () => RedisCluster.start()],
] as const) {
  describe(`the contract on ${name}`, function () {
    this.timeout(60_000)
    let server: { readonly url: string; stop(): Promise<void> } | undefined
    const namespace = `spec-${randomBytes(4).toString('hex')}`
    before(async function () {
      this.timeout(300_000)
      requireRedis(this)
      server = await start()
    })
    after(() => server?.stop())

    backendSpec(name, async (): Promise<Backend> => {
      const backend = createBackend(`${server!.url}?namespace=${namespace}`)
      await backend.open()
      return backend
    })
  })
}
