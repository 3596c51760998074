import { expect } from 'chai'
import { node } from '../integration/processes.js'
import { RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { root } from '../tools/test-files.js'

describe('npm run conformance on a Redis server', function () {
  this.timeout(120_000)
  let server: RedisServer | undefined
  before(async function () {
    requireRedis(this)
    server = await RedisServer.start()
  })
  after(() => server?.stop())

  it('works in a namespace of its own, which is gone at the end, and touches nothing else', async () => {
    await server!.cli('SET', 'somebody', 'else')
    const { code, stdout } = await node([`${root}dist/test/conformance/run.js`, server!.url, '--json', '--only', 'B4'])
    const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as { backend: string; passed: number; failed: number }
    expect(code).to.equal(0)
    expect(last).to.deep.include({ backend: server!.url, failed: 0 })
    expect(last.passed).to.be.above(8)
    // receipts run out by themselves: what was dropped must not be left to that
    expect((await server!.cli('KEYS', '*')).trim()).to.equal('somebody')
  })
})
