/** One server and a Cluster that speak TLS alone, with who shows a certificate of their authority; users and passwords from the environment. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { connect, transact } from 'insitu'
import { UnavailableError } from '../../src/errors.js'
import { put, row, send, standing, tableOn, thing } from '../conformance/contract-kit.js'
import { assertOk, insitu } from '../integration/processes.js'
import { RedisCluster, RedisServer, type TlsFiles } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { tlsFiles } from '../servers/tls-files.js'
import { notRun } from '../tools/not-run.js'
import { root } from '../tools/test-files.js'
import { backendAt, failureOf, freshNamespace, openAt, startedForEach } from './kit.js'
import { Photo } from './near-tasks.js'

const QUICK_START = join(root, 'dist/examples/quick-start/app.js')
/** What the names in a certificate of no address are. */
const NAME = 'store.insitu.test'

const optionsOf = ({ ca, cert, key }: TlsFiles): Record<string, string> => ({ caFile: ca, certFile: cert, keyFile: key })

describe('redis: TLS', function () {
  this.timeout(120_000)
  let folder: string
  /** Of the servers' address, of a name alone, and of an authority that nobody asked. */
  let [good, named, strange]: TlsFiles[] = []
  const started = startedForEach()
  const filesFor = async (name: string, names: string): Promise<TlsFiles> => {
    await mkdir(join(folder, name))
    return tlsFiles(join(folder, name), names)
  }
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    if (spawnSync('openssl', ['version']).status !== 0) notRun(this, 'there is no openssl to make certificates with')
    folder = await mkdtemp(join(tmpdir(), 'insitu-redis-tls-'))
    good = await filesFor('good', 'IP:127.0.0.1')
    named = await filesFor('named', `DNS:${NAME}`)
    strange = await filesFor('strange', 'IP:127.0.0.1')
  })
  after(async () => {
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  it('a Cluster does over it what it does without: objects, names, units over slots, rows, aggregates, watching, waiting for copies', async () => {
    const cluster = await started(RedisCluster.start(1, [], good))
    assert.match(cluster.url, /^rediss\+cluster:/)
    const namespace = freshNamespace()
    const backend = await openAt(cluster, { ...optionsOf(good!), namespace })
    const ref = thing()
    await send(backend, put(ref, { v: 1, large: new Uint8Array(40_000) }))
    await send(backend, { do: 'name', alias: 'over TLS', expect: null, to: ref })
    assert.equal((await backend.find([{ alias: 'over TLS' }]))[0]!.ref!.id, ref.id)
    const table = await tableOn(backend)
    for (let i = 0; i < 5; i++) await send(backend, row(table.id, ['p', BigInt(i)], [BigInt(i), 'x', undefined]))
    assert.deepEqual(await backend.aggregates!.aggregate({ in: table.id }, [], [['sum', 'n']]), [[10n]])
    assert.ok(backend.capabilities.acks.includes('replicated:1'))
    await backend.flush('replicated:1')
    const stop = new AbortController()
    const revisions = new Set<number | undefined>()
    const changing = setInterval(() => void change().catch(() => {}), 50)
    const change = async (): Promise<unknown> => send(backend, put(ref, { v: 2 }, (await standing(backend, ref)).stamp))
    for await (const [, stamp] of backend.watcher!.watch([ref], stop.signal)) if (revisions.add(stamp?.revision).size > 2) break
    clearInterval(changing)
    await backend.close()
    const store = await connect(backend.url)
    const [a, b] = await store.run(() => Promise.all([new Photo().makePersistent(), new Photo().makePersistent()]))
    const title = (): void => {
      a!.title = 'left'
      b!.title = 'right'
    }
    await store.run(() => transact(title))
    await store.close()
    assert.match(assertOk(await insitu(['run', QUICK_START], { storage: backend.url, stateFolder: folder })).stdout, /100000/)
    assert.match(assertOk(await insitu(['doctor'], { storage: backend.url, stateFolder: folder })).stdout, /replicated:1/)
    assertOk(await insitu(['fsck'], { storage: backend.url, stateFolder: folder }))
    assertOk(await insitu(['backup', join(folder, 'copy')], { storage: backend.url, stateFolder: folder }))
    assert.equal((await readdir(join(folder, 'copy'))).length, 4)
  })

  for (const [what, start] of [
    ['a server', (tls: TlsFiles) => RedisServer.start([], undefined, tls)],
    ['a Cluster', (tls: TlsFiles) => RedisCluster.start(0, [], tls)],
  ] as const) {
    it(`${what} that asks for a certificate takes one of its authority, and no other`, async () => {
      const server = await started<RedisServer | RedisCluster>(start(good!))
      const backend = await openAt(server, optionsOf(good!))
      await send(backend, put(thing(), { v: 1 }))
      await backend.close()
      const without = { caFile: good!.ca }
      const another = { ...optionsOf(strange!), caFile: good!.ca }
      for (const options of [without, another]) {
        const error = await failureOf(() => backendAt(server, options).open())
        assert.ok(error instanceof UnavailableError, inspect(error))
        assert.match(error.message, /certFile/, error.message)
      }
      const distrusted = await failureOf(() => backendAt(server, { ...optionsOf(good!), caFile: strange!.ca }).open())
      assert.ok(distrusted instanceof UnavailableError, inspect(distrusted))
      assert.match(distrusted.message, /certificate is not trusted .*; caFile names/)
    })

    it(`${what} whose certificate has another name than its address is taken by servername alone`, async () => {
      const server = await started<RedisServer | RedisCluster>(start(named!))
      const backend = await openAt(server, { ...optionsOf(named!), servername: NAME })
      await send(backend, put(thing(), { v: 1 }))
      await backend.flush('committed')
      await backend.close()
      for (const options of [{}, { servername: 'another.insitu.test' }]) {
        const error = await failureOf(() => backendAt(server, { ...optionsOf(named!), ...options }).open())
        assert.ok(error instanceof UnavailableError, inspect(error))
        assert.match(error.message, /certificate is of another name .* servername/)
      }
    })
  }

  for (const [what, start] of [
    ['a server', () => RedisServer.start()],
    ['a Cluster', () => RedisCluster.start()],
  ] as const)
    it(`${what} takes user and password from the environment, of commands and of workers, and shows neither`, async () => {
      const server = await started<RedisServer | RedisCluster>(start())
      for (const one of server instanceof RedisServer ? [server] : server.servers) {
        await one.cli('ACL', 'SETUSER', 'anna', 'on', '>open sesame/@:', '~*', '&*', '+@all')
        await one.cli('ACL', 'SETUSER', 'default', 'off')
      }
      const on = { storage: `${server.url}?namespace=${freshNamespace()}`, stateFolder: folder }
      const env = { INSITU_REDIS_USERNAME: 'anna', INSITU_REDIS_PASSWORD: 'open sesame/@:' }
      for (const isolation of server instanceof RedisServer ? ['thread', 'process'] : ['process'])
        assert.match(assertOk(await insitu(['run', '--isolation', isolation, QUICK_START], { ...on, env })).stdout, /100000/)
      assert.match(assertOk(await insitu(['ls'], { ...on, env })).stdout, /block-2/)
      // A user of the url with a password of the environment; both in the url, which workers never see.
      const own = { ...on, storage: on.storage.replace('://', '://anna@') }
      assert.match(assertOk(await insitu(['ls'], { ...own, env: { INSITU_REDIS_PASSWORD: env.INSITU_REDIS_PASSWORD } })).stdout, /block-2/)
      const both = { ...on, storage: on.storage.replace('://', `://anna:${encodeURIComponent(env.INSITU_REDIS_PASSWORD)}@`) }
      assert.match(assertOk(await insitu(['run', '--isolation', 'process', QUICK_START], both)).stdout, /100000/)
      for (const wrong of [{ ...env, INSITU_REDIS_PASSWORD: 'wrong-secret' }, {}]) {
        const { code, stdout, stderr } = await insitu(['ls'], { ...on, env: wrong })
        assert.equal(code, 3)
        assert.match(stderr, /refuses the user or password/)
        assert.ok(!/sesame|wrong-secret/.test(stdout + stderr), stderr)
      }
    })
})
