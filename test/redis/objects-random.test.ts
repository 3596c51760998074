import { checkOnServer, SERVER_TEST_MS } from '../model/objects-on-server.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'

const servers = { 'a single server': () => RedisServer.start(), 'a Cluster of three masters': () => RedisCluster.start() }

for (const [name, start] of Object.entries(servers))
  describe(`redis: random programs of objects, ${name}`, function () {
    this.timeout(SERVER_TEST_MS)
    let server: RedisServer | RedisCluster | undefined
    before(async function () {
      this.timeout(300_000)
      requireRedis(this)
      server = await start()
    })
    after(() => server?.stop())

    it('see what their model sees', () => checkOnServer(server!.url))
  })
