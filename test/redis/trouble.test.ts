import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { connect, transact } from 'insitu'
import { AwakeTime } from '../../src/awake-time.js'
import type { Backend, Op } from '../../src/backend.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { fieldOf, group, put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, openAt } from './kit.js'
import { Photo } from './near-tasks.js'

describe('redis: trouble', function () {
  this.timeout(60_000)
  let server: RedisServer
  let backend: Backend
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })
  beforeEach(async () => {
    // Flushed before it answers: with `everysec` a server that is killed may have lost what it acknowledged in its last seconds.
    server = await RedisServer.start(['--appendfsync', 'always'])
    backend = await openAt(server)
  })
  afterEach(async () => {
    await backend.close()
    await server.stop()
  })

  it('scripts that a server has forgotten are loaded again', async () => {
    const ref = thing()
    await server.cli('SCRIPT', 'FLUSH')
    const { stamps } = await send(backend, put(ref, { v: 1 }))
    await server.cli('SCRIPT', 'FLUSH')
    assert.equal(await fieldOf(backend, ref, 'v'), 1)
    await server.cli('SCRIPT', 'FLUSH')
    await send(backend, put(ref, { v: 2 }, stamps.get(ref.id)!))
  })

  it('a server that is away for five seconds is waited for, and what was asked meanwhile is done once', async () => {
    const table = await tableOn(backend)
    const ref = thing()
    const { stamps } = await send(backend, put(ref, { v: 1 }))
    await server.kill()
    const add: Op = { do: 'add', table: table.id, key: ['p', 1n], column: 2, by: 1n }
    const late = Promise.all([send(backend, put(ref, { v: 2 }, stamps.get(ref.id)!)), send(backend, add), backend.read([ref])])
    await delay(5000)
    await server.start()
    await late
    assert.equal(await fieldOf(backend, ref, 'v'), 2)
    assert.equal((await backend.rows(table.id, [['p', 1n]]))[0]!.values[2], 1n)
  })

  it('a server that stays away is an error within the patience, and is used again when it is back', async () => {
    const hasty = await openAt(server, { patienceMs: '500' })
    const ref = thing()
    await send(hasty, put(ref, { v: 1 }))
    await server.kill()
    const time = new AwakeTime()
    const error = await failureOf(() => hasty.read([ref]))
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.ok(time.ms < 3000, `${time.ms} ms`)
    time.stop()
    const write = await failureOf(() => send(hasty, put(thing(), { v: 1 })))
    assert.ok(write instanceof UnavailableError || write instanceof UnknownOutcomeError, inspect(write))
    await server.start()
    // Between two tries to connect lies as much time as its patience.
    const found = async (): Promise<unknown> => fieldOf(hasty, ref, 'v').catch((error: unknown) => error)
    let last = await found()
    for (const endMs = Date.now() + 30_000; last instanceof UnavailableError && Date.now() < endMs; last = await found()) await delay(50)
    assert.equal(last, 1)
    await hasty.close()
  })

  it('a connection that is cut in the middle loses and doubles nothing', async () => {
    const patient = await openAt(server, { patienceMs: '40000' })
    const table = await tableOn(patient)
    const cut = setInterval(() => void server.cli('CLIENT', 'KILL', 'TYPE', 'normal').catch(() => {}), 100)
    let done = 0
    try {
      const lane = async (): Promise<void> => {
        for (let i = 0; i < 40; i++, done++) await send(patient, { do: 'add', table: table.id, key: ['p', 1n], column: 2, by: 1n })
      }
      await Promise.all(Array.from({ length: 20 }, lane))
    } finally {
      clearInterval(cut)
    }
    await delay(100)
    assert.equal((await patient.rows(table.id, [['p', 1n]]))[0]!.values[2], BigInt(done))
    assert.equal(done, 800)
    await patient.close()
  })

  it('full memory is named, leaves nothing of the group, and reading goes on', async () => {
    const ref = thing()
    await send(backend, put(ref, { v: 1 }))
    await server.cli('CONFIG', 'SET', 'maxmemory', '1mb')
    const [a, b] = [thing(), thing()]
    const error = await failureOf(() => send(backend, put(a, { v: 'x'.repeat(1000) }), put(b, { v: 1 })))
    assert.equal(error.code, 'ERR_STORE_FULL', inspect(error))
    assert.equal(await fieldOf(backend, ref, 'v'), 1)
    await server.cli('CONFIG', 'SET', 'maxmemory', '0')
    assert.deepEqual(await backend.read([a, b]), [undefined, undefined])
    await send(backend, put(a, { v: 1 }))
  })

  it('a server that takes no writes is opened and read; what is there can be removed from one whose memory is full', async () => {
    const namespace = freshNamespace()
    const before = await openAt(server, { namespace })
    const ref = thing()
    const { stamps } = await send(before, put(ref, { v: 1 }), { do: 'name', alias: 'a', expect: null, to: ref })
    await before.close()
    for (const [name, value, code] of [
      ['min-replicas-to-write', '1', 'ERR_NOT_REPLICATED'],
      ['maxmemory', '1mb', 'ERR_STORE_FULL'],
    ] as const) {
      await server.cli('CONFIG', 'SET', name, value)
      const own = await openAt(server, { namespace })
      assert.equal(await fieldOf(own, ref, 'v'), 1)
      assert.equal((await failureOf(() => send(own, put(thing(), { v: 1 })))).code, code)
      if (code === 'ERR_STORE_FULL')
        await send(own, { do: 'name', alias: 'a', expect: ref, to: null }, { do: 'remove', ref, expect: stamps.get(ref.id)! })
      await own.close()
      await server.cli('CONFIG', 'SET', name, '0')
    }
    const after = await openAt(server, { namespace })
    assert.deepEqual(await after.read([ref]), [undefined])
    await after.close()
  })

  it('a server that takes no more clients, or has had its commands renamed, is named', async () => {
    await server.cli('CONFIG', 'SET', 'maxclients', '1')
    const full = await failureOf(() => openAt(server))
    assert.ok(full instanceof UnavailableError, inspect(full))
    assert.match(full.message, /maxclients/)
    for (const command of ['EVALSHA', 'UNLINK']) {
      const other = await RedisServer.start(['--rename-command', command, '""'])
      try {
        const error = await failureOf(() => openAt(other))
        assert.equal(error.code, 'ERR_STORE_ACCESS', inspect(error))
        assert.match(error.message, new RegExp(command, 'i'))
        assert.ok(!inspect(error).includes('args'), inspect(error))
      } finally {
        await other.stop()
      }
    }
  })

  it('a master that has become a replica takes no writes, and says so', async () => {
    const other = await RedisServer.start()
    try {
      await server.cli('REPLICAOF', '127.0.0.1', `${other.port}`)
      const error = await failureOf(() => send(backend, put(thing(), { v: 1 })))
      assert.ok(['ERR_STORE_READ_ONLY', 'ERR_STATE_LOST'].includes(String(error.code)), inspect(error))
    } finally {
      await other.stop()
    }
  })

  it('a stopped server is waited for', async () => {
    const ref = thing()
    server.signal('SIGSTOP')
    const written = send(backend, put(ref, { v: 1 }))
    await delay(1500)
    server.signal('SIGCONT')
    await written
    assert.equal(await fieldOf(backend, ref, 'v'), 1)
  })

  it('a server that lets the user in no more says so, and is used again when it does', async () => {
    const hasty = await openAt(server, { patienceMs: '500' })
    await server.cli('CONFIG', 'SET', 'requirepass', 'another')
    const cli = (...args: string[]): Promise<string> => server.cli('-a', 'another', '--no-auth-warning', ...args)
    await cli('CLIENT', 'KILL', 'TYPE', 'normal')
    const use = (): Promise<unknown> => hasty.read([thing()])
    const error = await failureOf(use)
    assert.equal(error.code, 'ERR_STORE_ACCESS', inspect(error))
    await cli('CONFIG', 'SET', 'requirepass', '')
    for (const endMs = Date.now() + 30_000; (await use().catch(() => true)) === true && Date.now() < endMs; ) await delay(50)
    await use()
    await hasty.close()
  })

  it('a unit of work over two servers of which one is full is refused, and the other is held up by nothing', async () => {
    const other = await RedisServer.start()
    const [full, free] = await Promise.all([server, other].map(({ url }) => connect(`${url}?namespace=${freshNamespace()}`)))
    try {
      const a = await full!.run(() => new Photo().makePersistent())
      const b = await free!.run(() => new Photo().makePersistent())
      await server.cli('CONFIG', 'SET', 'maxmemory', '1mb')
      const both = async (): Promise<void> => {
        const [left, right] = [await Photo.getByID(a.getID()!), await free!.run(() => Photo.getByID(b.getID()!))]
        left.title = 'left'
        right.title = 'right'
      }
      const error = await failureOf(() => full!.run(() => transact(both)))
      assert.equal(error.code, 'ERR_STORE_FULL', inspect(error))
      const time = new AwakeTime()
      await free!.run(async () => {
        await b.reload({ discard: true })
        assert.equal(b.title, '')
        b.title = 'alone'
        await b.save()
      })
      assert.ok(time.ms < 2000, `${time.ms} ms`)
      time.stop()
    } finally {
      await Promise.all([full!.close(), free!.close()])
      await other.stop()
    }
  })

  it('a server that hangs is an error within the patience, at opening and later', async () => {
    const hasty = await openAt(server, { patienceMs: '1000' })
    const time = new AwakeTime()
    server.signal('SIGSTOP')
    try {
      for (const use of [() => hasty.read([thing()]), () => openAt(server, { patienceMs: '1000' })]) {
        const beganMs = time.ms
        const error = await failureOf(use)
        assert.ok(error instanceof UnavailableError, inspect(error))
        assert.ok(time.ms - beganMs < 6000, `${time.ms - beganMs} ms`)
      }
    } finally {
      time.stop()
      server.signal('SIGCONT')
    }
    await send(hasty, put(thing(), { v: 1 }))
    await hasty.close()
  })

  it('a refusal that follows a cut connection stands: the copy that was cut cannot be applied later', async () => {
    const ref = thing()
    const { stamps } = await send(backend, put(ref, { v: 1 }))
    const stale = group([put(ref, { v: 9 }, stamps.get(ref.id)!)])
    await send(backend, put(ref, { v: 2 }, stamps.get(ref.id)!))
    for (let i = 0; i < 2; i++) await failureOf(() => backend.commit(stale))
    assert.equal(await fieldOf(backend, ref, 'v'), 2)
  })

  it('another client reads a dict: redis-cli', async () => {
    const namespace = freshNamespace()
    const own = await openAt(server, { namespace })
    const table = await tableOn(own)
    await send(
      own,
      row(table.id, ['naïve', 7n], [42n, 'a note', undefined]),
      { do: 'add', table: table.id, key: ['naïve', 7n], column: 2, by: 5n },
      row(table.id, ['zoo', 1n], [1n, undefined, undefined]),
    )
    const [keys] = (await server.cli('--scan', '--pattern', `${namespace}:*:t:${table.id}:keys`)).split('\n')
    assert.equal(await server.cli('ZCARD', keys!), '2')
    const rows = (await server.cli('--json', 'HVALS', keys!.replace(/keys$/, 'rows'))).replaceAll('\\"', '"')
    assert.match(rows, /\["42","a note",null\]/)
    const definition = JSON.parse(await server.cli('HGET', keys!.replace(/keys$/, 'def'), 'table')) as { keys: { name: string }[] }
    assert.deepEqual(
      definition.keys.map(({ name }) => name),
      ['p', 'o'],
    )
    assert.equal(await server.cli('HVALS', keys!.replace(/keys$/, 'sums')), '5')
    await own.close()
  })

  it('locations are host and port of the server, and of its copies', async () => {
    const copy = await RedisServer.start(['--replicaof', '127.0.0.1', `${server.port}`])
    try {
      await server.hasReplica()
      const late = await openAt(server)
      const refs = Array.from({ length: 3000 }, () => thing())
      await Promise.all(refs.map((ref) => send(late, put(ref, { v: 1 }))))
      const readsOf = async (): Promise<number> => Number(/total_reads_processed:(\d+)/.exec(await server.cli('INFO', 'stats'))![1])
      const before = await readsOf()
      const located = await late.locate(refs)
      const reads = (await readsOf()) - before
      assert.ok(reads < 200, `the server was asked ${reads} times for ${refs.length} objects`)
      assert.ok(located.every((places) => places[0]!.host === `127.0.0.1:${server.port}` && places[1]!.host === `127.0.0.1:${copy.port}`))
      assert.deepEqual(
        located[0]!.map(({ role }) => role),
        ['primary', 'copy'],
      )
      await late.close()
    } finally {
      await copy.stop()
    }
  })
})

describe('redis+cluster: trouble', function () {
  this.timeout(120_000)
  let cluster: RedisCluster | undefined
  let backend: Backend
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start(1)
    backend = await openAt(cluster, { patienceMs: '15000' })
  })
  after(async () => {
    await backend?.close()
    await cluster?.stop()
  })

  it('objects lie on all masters, each with its copy', async () => {
    const refs = Array.from({ length: 300 }, () => thing())
    await Promise.all(refs.map((ref) => send(backend, put(ref, { v: 1 }))))
    let located = await backend.locate(refs)
    // The servers tell each other of their copies, and the driver asks them, by and by.
    for (const endMs = Date.now() + 15_000; located.some((places) => places.length < 2) && Date.now() < endMs; await delay(200))
      located = await backend.locate(refs)
    assert.equal(new Set(located.map(([first]) => first!.host)).size, 3)
    assert.ok(located.every((places) => places.length === 2 && places[1]!.role === 'copy'))
    assert.deepEqual(backend.capabilities.acks, ['committed', 'replicated:1'])
    await backend.flush('replicated:1')
  })

  it('slots that move under load lose and double nothing, and locations follow', async () => {
    const refs = Array.from({ length: 200 }, () => thing())
    const many = Array.from({ length: 2000 }, () => thing()) // so that some of them lie in the slots that move
    await Promise.all([...refs, ...many].map((ref) => send(backend, put(ref, { v: 0 }))))
    const hosts = async (): Promise<string[]> => (await backend.locate(many)).map(([first]) => first!.host)
    const before = await hosts()
    const [from, to] = [cluster!.servers[0]!, cluster!.servers[1]!]
    const [source, target] = await Promise.all([from, to].map((server) => server.cli('CLUSTER', 'MYID')))
    let moving = true
    const work = Promise.all(refs.map((ref) => counting(backend, ref, () => moving)))
    await from.cluster('reshard', '--cluster-from', source!, '--cluster-to', target!, '--cluster-slots', '300', '--cluster-yes')
    moving = false
    const counts = await work
    const found = await backend.read(refs)
    assert.deepEqual(
      found.map((one) => one!.cells.get('v')),
      counts,
    )
    assert.ok(counts.some((count) => count > 0))
    let moved: string[] = []
    for (const endMs = Date.now() + 15_000; moved.length === 0 && Date.now() < endMs; await delay(100))
      moved = (await hosts()).filter((host, n) => host !== before[n])
    assert.deepEqual([...new Set(moved)], [`127.0.0.1:${to.port}`])
  })

  it('a master that is killed under load loses nothing that was replicated, and its replica takes over', async () => {
    const refs = Array.from({ length: 60 }, () => thing())
    await Promise.all(refs.map((ref) => send(backend, put(ref, { v: 0 }))))
    let working = true
    const work = Promise.all(
      refs.map((ref) =>
        counting(
          backend,
          ref,
          () => working,
          () => backend.flush('replicated:1'),
        ),
      ),
    )
    await delay(300)
    const victim = (await backend.locate([refs[0]!]))[0]![0]!.host
    await cluster!.servers.find(({ port }) => victim.endsWith(`:${port}`))!.kill()
    // A call that is under way when the master dies, and everything after it, waits for the one that takes over.
    for (const endMs = Date.now() + 60_000; (await backend.locate([refs[0]!]))[0]![0]!.host === victim; await delay(100))
      assert.ok(Date.now() < endMs, 'no replica takes over')
    await delay(2000)
    working = false
    const counts = await work
    const found = await backend.read(refs)
    assert.deepEqual(
      found.map((one) => one!.cells.get('v')),
      counts,
    )
    assert.notEqual((await backend.locate([refs[0]!]))[0]![0]!.host, victim)
  })
})

/** Counts up in an object as long as it may, each step on the stamp of the last; gives how far it came. */
async function counting(
  backend: Backend,
  ref: ReturnType<typeof thing>,
  goOn: () => boolean,
  after: () => Promise<unknown> = () => delay(5),
): Promise<number> {
  let stamp = (await backend.read([ref]))[0]!.stamp
  let v = 0
  while (goOn()) {
    stamp = (await send(backend, put(ref, { v: v + 1 }, stamp))).stamps.get(ref.id)!
    v++
    await after().catch(() => {}) // while there is no replica, none can have it
  }
  return v
}
