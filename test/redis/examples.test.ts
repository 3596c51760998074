import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assertOk, insitu, node, wordcount } from '../integration/processes.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { root } from '../tools/test-files.js'

const example = (name: string): string => join(root, `dist/examples/${name}.js`)
const sorted = (text: string): string[] => text.trimEnd().split('\n').sort()

/** The examples know nothing of stores: a url is all that changes. */
describe('redis: examples', function () {
  this.timeout(180_000)
  let server: RedisServer
  let cluster: RedisCluster
  let folder: string
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    ;[server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()])
    folder = await mkdtemp(join(tmpdir(), 'insitu-redis-examples-'))
    await mkdir(join(folder, 'texts'))
    for (let i = 0; i < 4; i++) await writeFile(join(folder, `texts/${i}.txt`), `to be or not to be ${'word '.repeat(i)}`.repeat(50))
  })
  after(async () => {
    await Promise.all([server?.stop(), cluster?.stop()])
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  const run = (program: readonly string[], url: string, more: readonly string[] = []): ReturnType<typeof insitu> =>
    insitu(['run', '--json', '--storage', url, ...more, ...program], { stateFolder: folder })

  it('wordcount on a server and on a Cluster counts what the plain program counts', async () => {
    const texts = join(folder, 'texts')
    const expected = sorted(assertOk(await wordcount('sequential', [texts])).stdout)
    for (const { url } of [server, cluster]) {
      const on = { storage: `${url}?namespace=words`, stateFolder: folder }
      assertOk(await wordcount('producer', [texts, 'data'], on))
      assert.deepEqual(sorted(assertOk(await wordcount('consumer', ['data', 'result'], on)).stdout), expected)
      assertOk(await wordcount('cleaner', ['data'], on))
    }
  })

  it('bank: money moves between a server and a Cluster, and none is lost', async () => {
    const stores = [`${server.url}?namespace=bank`, `${cluster.url}?namespace=bank`]
    const tellers = await Promise.all(['anna', 'bert'].map((name) => node([example('bank/teller'), name, '15', ...stores])))
    for (const teller of tellers) assert.match(assertOk(teller).stdout, /15 transfers/)
    assert.equal(assertOk(await node([example('bank/audit'), ...stores])).stdout, '10000 in 10 accounts of two stores\n')
  })

  it('histogram on a Cluster: each logical host is near one master, and tasks run beside their data', async () => {
    const url = `${cluster.url}?namespace=histogram`
    const [near, anywhere] = [
      assertOk(await run([example('histogram/main'), '3'], url, ['--hosts', '3'])),
      assertOk(await run([example('histogram/main'), '3'], url, ['--hosts', '3', '--placement', 'off'])),
    ].map(({ stdout }) => stdout.trimEnd().split('\n'))
    const share = (lines: readonly string[]): number => (JSON.parse(lines.at(-1)!) as { nearShare: number }).nearShare
    assert.deepEqual([share(near!), share(anywhere!)], [1, 0])
    assert.equal(near!.length, 17)
    assert.deepEqual(near!.slice(0, -1), anywhere!.slice(0, -1))
  })

  it('histogram on one server finds the same without a choice of hosts', async () => {
    const { stdout } = assertOk(await run([example('histogram/main'), '3'], `${server.url}?namespace=histogram`))
    assert.equal(stdout.trimEnd().split('\n').length, 17)
  })
})
