import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat, truncate } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { Redis } from 'ioredis'
import { AwakeTime } from '../../src/awake-time.js'
import { StateLostError } from '../../src/errors.js'
import { add, group, put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, openAt, startedForEach } from './kit.js'

const CLOSE_CHILD = fileURLToPath(new URL('./close-child.js', import.meta.url))

describe('redis: what servers do to a program', function () {
  this.timeout(60_000)
  let server: RedisServer
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })
  beforeEach(async () => {
    server = await RedisServer.start()
  })
  afterEach(() => server.stop())

  for (const kind of ['script', 'function'] as const)
    it(`a ${kind} that somebody kills is run again, or named when he goes on`, async () => {
      // Aggregates are Functions unless the user may not call any; the two are killed by commands of their own.
      if (kind === 'script') await server.cli('ACL', 'SETUSER', 'default', '-fcall_ro')
      const [backend, hasty] = [await openAt(server), await openAt(server, { patienceMs: '400' })]
      const slow = await Promise.all(
        [backend, hasty].map(async (one) => {
          const table = await tableOn(one)
          await one.commit(group(Array.from({ length: 450 }, (_, n) => row(table.id, ['p', BigInt(n)], [BigInt(n), 'x', undefined]))))
          const ops = Array.from({ length: 400 }, () => ['sum', 'n'] as const)
          return () => one.aggregates!.aggregate({ in: table.id }, [], ops)
        }),
      )
      await server.cli('CONFIG', 'SET', 'busy-reply-threshold', '1')
      const killer = new Redis(server.port)
      await killer.ping()
      let kills = 0
      let goesOn = true
      const killing = async (max: number): Promise<void> => {
        for (const last = kills + max; goesOn && kills < last; ) {
          const said = await killer.call(kind, 'KILL').catch(() => undefined)
          if (said) kills++
        }
      }
      const some = killing(3)
      // As often as it takes: a machine that stands still lets a script end before anybody kills it.
      for (let nth = 0; kills < 3; nth++) {
        assert.ok(nth < 100, `only ${kills} kills`)
        const [sums] = await slow[0]!()
        assert.deepEqual([sums!.length, sums![0]], [400, (449n * 450n) / 2n])
      }
      await some
      const all = killing(Number.POSITIVE_INFINITY)
      const error = await failureOf(slow[1]!)
      assert.equal(error.code, 'ERR_SCRIPT_KILLED', inspect(error))
      goesOn = false
      await all
      killer.disconnect()
      await Promise.all([backend.close(), hasty.close()])
    })

  it('garbage between replies cuts the connection, and what was asked is done once', async () => {
    let isSpoiling = false
    let spoilt = 0
    const sockets = new Set<Socket>()
    const proxy = createServer((client) => {
      const far = connect(server.port, '127.0.0.1')
      for (const one of [client, far]) {
        sockets.add(one)
        one.on('error', () => {})
      }
      client.pipe(far)
      far.on('close', () => client.destroy())
      client.on('close', () => far.destroy())
      far.on('data', (bytes: Buffer) => {
        if (isSpoiling && Math.random() < 0.3) {
          spoilt++
          client.write('~what is this?\r\n')
        }
        client.write(bytes)
      })
    })
    proxy.listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    const url = `redis://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const backend = await openAt({ url }, { patienceMs: '30000' })
    const table = await tableOn(backend)
    isSpoiling = true
    let adds = 0
    for (; adds < 40 || spoilt <= 5; adds++) await send(backend, add(table.id, ['p', 1n], 2, 1n))
    isSpoiling = false
    assert.equal((await backend.rows(table.id, [['p', 1n]]))[0]!.values[2], BigInt(adds))
    await backend.close()
    proxy.close()
    for (const socket of sockets) socket.destroy()
  })

  it('a large group that finds the memory full is refused whole, and holds up nobody', async () => {
    const backend = await openAt(server)
    const refs = Array.from({ length: 5000 }, () => thing())
    await server.cli('CONFIG', 'SET', 'maxmemory', '3mb')
    const error = await failureOf(() => backend.commit(group(refs.map((ref) => put(ref, { v: 'x'.repeat(1000) })))))
    assert.equal(error.code, 'ERR_STORE_FULL', inspect(error))
    assert.equal((await backend.read(refs)).filter(Boolean).length, 0)
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
    const time = new AwakeTime()
    await send(backend, put(refs[0]!, { v: 1 }))
    assert.ok(time.ms < 1000, `${time.ms} ms`)
    time.stop()
    await backend.close()
  })

  it('a log of writes whose end was cut off is a lost state, and what is left of it is whole', async () => {
    const backend = await openAt(server)
    const pairs = Array.from({ length: 60 }, () => [thing(), thing()] as const)
    for (const [a, b] of pairs) await send(backend, put(a, { v: 1 }), put(b, { v: 1 }))
    await server.cli('CONFIG', 'SET', 'appendfsync', 'always')
    await server.kill()
    const folder = join(server.folder, 'appendonlydir')
    const log = join(folder, (await readdir(folder)).find((name) => name.endsWith('.incr.aof'))!)
    await truncate(log, (await stat(log)).size - 3000)
    await server.start()
    const error = await failureOf(() => backend.read(pairs[0]!))
    assert.ok(error instanceof StateLostError, inspect(error))
    await backend.close()
    await backend.open()
    const there = await Promise.all(pairs.map(async (pair) => (await backend.read(pair)).map((one) => one !== undefined)))
    for (const [a, b] of there) assert.equal(a, b)
    assert.ok(there[0]![0] && !there.at(-1)![0])
    await backend.close()
  })
})

describe('redis: a server that comes back without what it had acknowledged', function () {
  this.timeout(60_000)
  const started = startedForEach()
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })

  for (const what of ['with nothing', 'with an older copy'])
    it(`${what} has lost it also where another program has written more since`, async () => {
      const server = await started(RedisServer.start(['--appendonly', 'no']))
      const namespace = freshNamespace()
      const backend = await openAt(server, { namespace })
      const refs = Array.from({ length: 5 }, () => thing())
      for (const ref of refs.slice(0, 3)) await send(backend, put(ref, { v: 1 }))
      if (what !== 'with nothing') await server.cli('SAVE')
      for (const ref of refs.slice(3)) await send(backend, put(ref, { v: 1 }))
      await server.kill()
      await server.start()
      const other = await openAt(server, { namespace })
      for (let i = 0; i < 20; i++) await send(other, put(thing(), { v: 2 }))
      for (const use of [() => backend.read(refs), () => send(backend, put(thing(), { v: 1 }))]) {
        const error = await failureOf(use)
        assert.ok(error instanceof StateLostError, inspect(error))
      }
      await Promise.all([backend.close(), other.close()])
    })

  it('while copies of it are waited for has not brought it anywhere', async () => {
    const server = await started(RedisServer.start(['--appendonly', 'no']))
    const copy = await started(RedisServer.start(['--appendonly', 'no', '--replicaof', '127.0.0.1', `${server.port}`]))
    await server.hasReplica()
    const backend = await openAt(server, { patienceMs: '30000' })
    copy.signal('SIGSTOP')
    await server.cli('CLIENT', 'KILL', 'TYPE', 'replica')
    await send(backend, put(thing(), { v: 1 }))
    const waiting = failureOf(() => backend.flush('replicated:1'))
    await server.kill()
    await server.start()
    copy.signal('SIGCONT')
    const error = await waiting
    assert.ok(error instanceof StateLostError, inspect(error))
    await backend.close()
  })
})

describe('redis+cluster: a program that closes its store', function () {
  this.timeout(120_000)
  let cluster: RedisCluster | undefined
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start()
  })
  after(() => cluster?.stop())

  it('ends, also while its driver asks who has which slot', async () => {
    const child = spawn(process.execPath, [CLOSE_CHILD, `${cluster!.url}?namespace=${freshNamespace()}`], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const ended = once(child, 'exit')
    try {
      await once(child.stdout, 'data')
      await delay(4500)
      for (const server of cluster!.servers) server.signal('SIGSTOP')
      await delay(1200) // the driver has asked by now, every five seconds, and nobody answers
      child.stdin.end('close')
      await once(child.stdout, 'data')
      for (const server of cluster!.servers) server.signal('SIGCONT')
      const end = await Promise.race([ended, delay(30_000, 'it goes on', { ref: false })])
      assert.deepEqual(end, [0, null])
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('redis+cluster: a failover that loses what was acknowledged', function () {
  this.timeout(300_000)
  let cluster: RedisCluster | undefined
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start(1)
  })
  after(() => cluster?.stop())

  it('is a lost state at the next use, and old data is not read', async () => {
    const backend = await openAt(cluster!, { patienceMs: '20000' })
    const ref = thing()
    let { stamps } = await send(backend, put(ref, { v: 0 }))
    await backend.flush('replicated:1')
    const [[place] = []] = await backend.locate([ref])
    const master = cluster!.servers.find(({ port }) => place!.host.endsWith(`:${port}`))!
    // It does not hear of what follows; were it only stopped, it would find that in its socket.
    await master.cli('ACL', 'SETUSER', 'default', '-psync', '-sync', '-replconf')
    await master.cli('CLIENT', 'KILL', 'TYPE', 'replica')
    for (let v = 1; v <= 5; v++) stamps = (await send(backend, put(ref, { v }, stamps.get(ref.id)!))).stamps
    await master.kill()
    const error = await failureOf(() => backend.read([ref]))
    assert.ok(error instanceof StateLostError, inspect(error))
    assert.ok((await failureOf(() => backend.read([ref]))) instanceof StateLostError)
    await backend.close()
    const again = await openAt(cluster!, { namespace: backend.url.split('namespace=')[1]!.split('&')[0]!, patienceMs: '20000' })
    assert.equal((await again.read([ref]))[0]!.cells.get('v'), 0)
    await again.close()
  })
})
