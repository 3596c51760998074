import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { barrier, connect, finish, type Store } from 'insitu'
import { type Backend, Ref } from '../../src/backend.js'
import type { Host } from '../../src/ids.js'
import { put, send, standing, THING } from '../conformance/contract-kit.js'
import { RedisCluster, type RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, openAt } from './kit.js'
import { look, Photo } from './near-tasks.js'

const SIZE = 400_000
const bytes = (n: number): Uint8Array => new Uint8Array(SIZE).fill(n)

describe('redis+cluster: further copies', function () {
  this.timeout(90_000)
  let cluster: RedisCluster
  let backend: Backend
  let namespace: string
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start()
  })
  after(() => cluster?.stop())
  beforeEach(async () => {
    namespace = freshNamespace()
    backend = await openAt(cluster, { namespace })
  })
  afterEach(() => backend.close())

  const at = (host: Host): RedisServer => cluster.servers.find(({ port }) => host.endsWith(`:${port}`))!
  const sent = async (host: Host): Promise<number> => Number(/total_net_output_bytes:(\d+)/.exec(await at(host).cli('INFO', 'stats'))![1])
  const keys = async (pattern: string): Promise<string[]> =>
    (await Promise.all(cluster.servers.map((server) => server.cli('--scan', '--pattern', `${namespace}:*:${pattern}`)))).flatMap((text) =>
      text.split('\n').filter((key) => key !== ''),
    )
  const places = (): [own: Host, other: Host, third: Host] => [...backend.places!.hosts] as [Host, Host, Host]

  async function stored(host: Host, n: number): Promise<Ref> {
    const ref = new Ref(backend.places!.idAt(host), THING)
    await send(backend, put(ref, { bytes: bytes(n), title: `photo ${n}` }))
    return ref
  }

  /** A program near a host, which keeps nothing of what it reads. */
  async function reader(host: Host): Promise<Backend> {
    const one = await openAt(cluster, { namespace, cacheMb: '0' })
    one.replicas!.near!([host])
    return one
  }

  it('are what a program near them reads, and never staler than the object', async () => {
    const [own, other] = places()
    const ref = await stored(own, 1)
    const near = await reader(other)
    const readOf = async (n: number): Promise<{ own: number; other: number }> => {
      const before = [await sent(own), await sent(other)] as const
      const { cells } = await standing(near, ref)
      assert.deepEqual([cells.get('bytes'), cells.get('title')], [bytes(n), `photo ${n}`])
      return { own: (await sent(own)) - before[0], other: (await sent(other)) - before[1] }
    }
    assert.ok((await readOf(1)).own > SIZE)
    await backend.replicas!.copy(ref, other)
    const copied = await readOf(1)
    assert.ok(copied.own < 20_000 && copied.other > SIZE, JSON.stringify(copied))
    const { stamp } = await standing(backend, ref)
    await send(backend, put(ref, { bytes: bytes(2), title: 'photo 2' }, stamp))
    const old = await readOf(2)
    assert.ok(old.own > SIZE, 'the old copy was read')
    for (let n = 0; n < 1000 && (await readOf(2)).own > SIZE; n++) await delay(20)
    const renewed = await readOf(2)
    assert.ok(renewed.own < 20_000 && renewed.other > SIZE, JSON.stringify(renewed))
    await near.close()
  })

  it('are told of by getLocations, dropped when asked, and go with the object', async () => {
    const [own, other, third] = places()
    const ref = await stored(own, 1)
    for (const host of [other, third, own]) await backend.replicas!.copy(ref, host)
    const fresh = await openAt(cluster, { namespace })
    const [found] = await fresh.locate([ref])
    assert.deepEqual(found!.map(({ host, role }) => `${role} ${host}`).sort(), [`copy ${other}`, `copy ${third}`, `primary ${own}`].sort())
    assert.deepEqual([...fresh.places!.copiesOf(ref.id)].sort(), [other, third].sort())
    assert.equal((await keys('k:*')).length, 2)
    await backend.replicas!.drop(ref, third)
    assert.equal((await keys('k:*')).length, 1)
    const ids: string[] = []
    for await (const page of backend.objects({})) ids.push(...page.map(({ id }) => id))
    assert.deepEqual(ids, [ref.id])
    await send(backend, { do: 'remove', ref, expect: (await standing(backend, ref)).stamp })
    await fresh.close()
    await backend.close()
    assert.deepEqual(await keys('[krc]:*'), [])
    await backend.open()
  })

  it('of what is not there, or at a host that is not there, are refused', async () => {
    const [own, other] = places()
    assert.equal((await failureOf(() => backend.replicas!.copy(new Ref(backend.places!.idAt(own), THING), other))).code, 'ERR_NOT_FOUND')
    const ref = await stored(own, 1)
    assert.equal((await failureOf(() => backend.replicas!.copy(ref, 'nowhere:1' as Host))).code, 'ERR_UNKNOWN_HOST')
  })

  it('a copy that is gone is missed by nobody', async () => {
    const [own, other] = places()
    const ref = await stored(own, 1)
    await backend.replicas!.copy(ref, other)
    const near = await reader(other)
    const [copy] = await keys('k:*')
    await at(other).cli('UNLINK', copy!)
    assert.deepEqual((await standing(near, ref)).cells.get('bytes'), bytes(1))
    await near.close()
  })

  it('are read by tasks on the logical host near them', async () => {
    await finish() // workers of tests before this one know of no logical hosts
    const store: Store = await connect(`${cluster.url}?namespace=${namespace}&cacheMb=0`)
    try {
      process.env['INSITU_HOSTS'] = '3'
      const [own, other] = places()
      const make = async (n: number, host: Host): Promise<Photo> => {
        const photo = Object.assign(new Photo(), { bytes: bytes(n) })
        await photo.makePersistent(`photo ${n}`, { host })
        return photo
      }
      // The one that weighs more says where the task runs.
      const [anchor, photo] = [await make(3, other), await make(4, own)]
      anchor.bytes = new Uint8Array(3 * SIZE).fill(3)
      await anchor.save()
      await photo.newReplica(other)
      await photo.newReplica() // wherever there is none
      assert.equal((await photo.getLocations()).length, 3)
      assert.equal(await look(anchor, photo), 3004)
      const before = await sent(own)
      for (let n = 0; n < 3; n++) assert.equal(await look(anchor, photo), 3004)
      await barrier()
      assert.ok((await sent(own)) - before < SIZE, `${(await sent(own)) - before} bytes came from afar`)
      await finish()
    } finally {
      delete process.env['INSITU_HOSTS']
      await store.close()
    }
  })
})
