import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createWeb } from 'node:http'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { connect } from 'insitu'
import { createBackend } from '../../backends/redis/index.js'
import { AwakeTime } from '../../src/awake-time.js'
import { StateLostError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { fieldOf, put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { subjectAt } from '../conformance/subjects.js'
import { freePorts } from '../servers/free-ports.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { notRun } from '../tools/not-run.js'
import { root } from '../tools/test-files.js'
import { backendAt, failureOf, freshNamespace, openAt, startedForEach } from './kit.js'
import { Photo } from './near-tasks.js'

const PASSWORD = 'open sesame/@:'

describe('redis: opening', function () {
  this.timeout(60_000)
  const started = startedForEach()
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })

  it('a server that is not there is named within three seconds', async () => {
    const [port] = await freePorts(1)
    for (const scheme of ['redis', 'redis+cluster']) {
      const time = new AwakeTime()
      const error = await failureOf(() => createBackend(`${scheme}://127.0.0.1:${port}`).open())
      assert.ok(error instanceof UnavailableError, inspect(error))
      assert.match(error.message, new RegExp(`127.0.0.1:${port}`))
      assert.ok(time.ms < 3000, `${scheme} took ${time.ms} ms`)
      time.stop()
    }
  })

  it('a program that stands still while it connects opens its store all the same', async () => {
    const backend = backendAt(await started(RedisServer.start()))
    let isFirst = true
    const standStill = async (): Promise<void> => {
      for (let turns = 0; turns < 50; turns++) await Promise.resolve() // until the driver has said how long it waits
      for (const end = performance.now() + 2500; performance.now() < end; );
    }
    // At its first connection, before it can look at what the server says.
    const onConnect = (): void => {
      if (isFirst) process.nextTick(() => void standStill())
      isFirst = false
    }
    const hook = createHook({ init: (_, type) => void (type === 'TCPCONNECTWRAP' && onConnect()) }).enable()
    try {
      await backend.open()
    } finally {
      hook.disable()
    }
    await send(backend, put(thing(), { v: 1 }))
    await backend.close()
  })

  it('user and password are passed on, and a wrong one is named without being shown', async () => {
    const server = await started(RedisServer.start())
    await server.cli('ACL', 'SETUSER', 'insitu', 'on', `>${PASSWORD}`, 'allkeys', 'allchannels', '+@all')
    await server.cli('CONFIG', 'SET', 'requirepass', 'another')
    const at = (secrets: string): string => `redis://${secrets}127.0.0.1:${server.port}?namespace=${freshNamespace()}`
    const good = createBackend(at(`insitu:${encodeURIComponent(PASSWORD)}@`))
    await good.open()
    await send(good, put(thing(), { v: 1 }))
    assert.ok(!good.url.includes('insitu:') && !good.url.includes('sesame'), good.url)
    await good.close()
    for (const secrets of ['', 'insitu:wrong-secret@', ':wrong-secret@']) {
      const error = await failureOf(() => createBackend(at(secrets)).open())
      assert.ok(error instanceof UnavailableError, inspect(error))
      assert.equal(error.code, 'ERR_STORE_ACCESS', error.message)
      assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes('wrong-secret'))
    }
  })

  it('a user who may do what the page lists can do everything, and one who may not is told', async () => {
    const server = await started(RedisServer.start())
    const namespace = freshNamespace()
    await server.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', `~${namespace}:*`, ...ACL_COMMANDS)
    const url = `redis://narrow:secret@127.0.0.1:${server.port}?namespace=${namespace}`
    const backend = createBackend(url)
    await backend.open()
    const ref = thing()
    await send(backend, put(ref, { v: 1 }))
    assert.equal((await backend.read([ref]))[0]!.cells.get('v'), 1)
    await backend.locate([ref])
    for await (const page of backend.objects({})) assert.deepEqual(page, [ref])
    await backend.close()
    const open = createBackend(url)
    await open.open()
    await server.cli('ACL', 'SETUSER', 'narrow', '-hset', '-zrem')
    const error = await failureOf(() => createBackend(url).open())
    assert.equal(error.code, 'ERR_STORE_ACCESS', inspect(error))
    assert.deepEqual(error.commands, ['HSET', 'ZREM'])
    assert.equal((await failureOf(() => send(open, put(thing(), { v: 1 })))).code, 'ERR_STORE_ACCESS')
    await open.close()
    await server.cli('ACL', 'SETUSER', 'narrow', '+hset', '+zrem')
    for (const [rule, right, words] of [
      ['-get', '+get', /\bGET\b/],
      ['-evalsha', '+evalsha', /\bEVALSHA\b/],
      ['resetkeys', `~${namespace}:*`, /~NAMESPACE:\*/],
    ] as const) {
      await server.cli('ACL', 'SETUSER', 'narrow', rule)
      const { code, message } = await failureOf(() => createBackend(url).open())
      assert.equal(code, 'ERR_STORE_ACCESS', message)
      assert.match(message, words)
      await server.cli('ACL', 'SETUSER', 'narrow', right)
    }
  })

  it('TLS is spoken to a server that asks for it, with the certificate checked', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-tls-'))
    try {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-days', '2']
      const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject])
      if (made.status !== 0) notRun(this, 'there is no openssl to make a certificate with')
      const [port] = await freePorts(1)
      const tls = [
        '--tls-port',
        `${port}`,
        '--tls-cert-file',
        cert,
        '--tls-key-file',
        key,
        '--tls-ca-cert-file',
        cert,
        '--tls-auth-clients',
        'no',
      ]
      await started(RedisServer.start(tls))
      const url = `rediss://127.0.0.1:${port}?namespace=${freshNamespace()}`
      const backend = createBackend(`${url}&caFile=${encodeURIComponent(cert)}`)
      await backend.open()
      await send(backend, put(thing(), { v: 1 }))
      await backend.close()
      const error = await failureOf(() => createBackend(url).open())
      assert.ok(error instanceof UnavailableError, inspect(error))
      assert.match(error.message, /self-signed certificate|unable to verify/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('a namespace sees nothing of another one', async () => {
    const server = await started(RedisServer.start())
    const [a, b] = [await openAt(server), await openAt(server)]
    const ref = thing()
    await send(a, put(ref, { v: 1 }))
    assert.deepEqual(await b.read([ref]), [undefined])
    for await (const page of b.objects({})) assert.fail(`it lists ${page.length} objects`)
    await Promise.all([a.close(), b.close()])
  })

  it('aliases, rows and listings of a namespace are its own, and its conformance run removes nothing that was there', async () => {
    const server = await started(RedisServer.start())
    const namespace = 'shop'
    const url = `${server.url}?namespace=${namespace}`
    const [a, b] = [createBackend(url), await openAt(server, { namespace: `${namespace}s` })]
    await a.open()
    const ref = thing()
    const table = await tableOn(a)
    const name = { do: 'name', alias: 'till', expect: null, to: ref } as const
    await send(a, put(ref, { v: 1 }), name, row(table.id, ['p', 1n], [1n, 'x', undefined]))
    assert.deepEqual([await b.table(table.id), await b.find([ref.id, { alias: 'till' }])], [undefined, [undefined, undefined]])
    for await (const page of b.aliases({})) assert.deepEqual(page, [])
    // The same name and id once more, beside it.
    await send(b, put(ref, { v: 2 }), name)
    const subject = await subjectAt(url)()
    assert.ok(!String(subject.open()).includes(`namespace=${namespace}`), String(subject.open()))
    await subject.drop!()
    assert.deepEqual([await fieldOf(a, ref, 'v'), await fieldOf(b, ref, 'v')], [1, 2])
    await Promise.all([a.close(), b.close()])
  })

  it('a server that evicts keys is refused, with the setting that mends it', async () => {
    const server = await started(RedisServer.start(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']))
    const error = await failureOf(() => backendAt(server).open())
    assert.ok(error instanceof UnsupportedError)
    assert.match(error.message, /maxmemory-policy noeviction/)
  })

  it('a read-only replica is refused, naming its master', async () => {
    const master = await started(RedisServer.start())
    const replica = await started(RedisServer.start(['--replicaof', '127.0.0.1', `${master.port}`]))
    const error = await failureOf(() => backendAt(replica).open())
    assert.equal(error.code, 'ERR_STORE_READ_ONLY', inspect(error))
    assert.match(error.message, new RegExp(`127.0.0.1:${master.port}`))
  })

  it('a cluster url for a single server is refused, and the reverse', async () => {
    const server = await started(RedisServer.start())
    const single = await failureOf(() => backendAt({ url: server.url.replace('redis:', 'redis+cluster:') }).open())
    assert.ok(single instanceof UnsupportedError, inspect(single))
    assert.match(single.message, /redis:\/\//)
    const cluster = await started(RedisCluster.start())
    const error = await failureOf(() => backendAt(cluster.servers[0]!).open())
    assert.ok(error instanceof UnsupportedError, inspect(error))
    assert.match(error.message, /redis\+cluster:\/\//)
  })

  it('a Cluster that does not serve yet is waited for, and named when it never does', async () => {
    const node = await started(RedisServer.start(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']))
    await node.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '16000')
    const url = node.url.replace('redis:', 'redis+cluster:')
    const error = await failureOf(() => backendAt({ url }, { patienceMs: '300' }).open())
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.match(error.message, /has not served for 300 ms.*redis-cli --cluster check 127.0.0.1/)
    const backend = backendAt({ url })
    const opening = backend.open()
    await new Promise((resolve) => setTimeout(resolve, 300))
    await node.cli('CLUSTER', 'ADDSLOTSRANGE', '16001', '16383')
    await opening
    await send(backend, put(thing(), { v: 1 }))
    await backend.close()
  })

  it('another format in the namespace is refused', async () => {
    const server = await started(RedisServer.start())
    const namespace = freshNamespace()
    await server.cli('SET', `${namespace}:{0}:format`, 'insitu redis 99')
    const error = await failureOf(() => backendAt(server, { namespace }).open())
    assert.equal(error.code, 'ERR_FORMAT_VERSION')
  })

  it('what does not speak the protocol is named', async () => {
    const web = createWeb((_, response) => response.end('hello'))
    const babbling = createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write('\u0000no redis\r\n')))
    // Nor does it read what it is told.
    const held: Socket[] = []
    const greeting = createServer((socket) => {
      held.push(socket)
      socket.on('error', () => {}).write('SSH-2.0-OpenSSH_9.6\r\n')
    })
    for (const server of [web, babbling, greeting]) {
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
      await started(Promise.resolve({ stop: () => new Promise<void>((resolve) => void server.close(() => resolve())) }))
      for (const scheme of ['redis', 'rediss']) {
        const { port } = server.address() as AddressInfo
        const error = await failureOf(() => createBackend(`${scheme}://127.0.0.1:${port}?patienceMs=1000`).open())
        assert.ok(error instanceof UnavailableError, inspect(error))
        assert.match(error.message, /does not speak the protocol of Redis; is the port right, and TLS/)
      }
    }
    web.closeAllConnections()
    for (const socket of held) socket.destroy()
  })

  it('a numbered database that the server does not have is refused, and nothing lands in the first one', async () => {
    const server = await started(RedisServer.start(['--databases', '4']))
    const url = (db: number): string => `${server.url}/${db}?namespace=${freshNamespace()}`
    const error = await failureOf(() => createBackend(url(4)).open())
    assert.ok(error instanceof UnsupportedError, inspect(error))
    assert.match(error.message, /no database of that number.*`databases`/)
    const last = createBackend(url(3))
    await last.open()
    await send(last, put(thing(), { v: 1 }))
    await last.close()
    assert.equal(await server.cli('DBSIZE'), '0')
  })

  it('who asks for more than the server can promise is refused at open, with the setting that mends it', async () => {
    const server = await started(RedisServer.start(['--appendonly', 'no']))
    const url = `${server.url}?namespace=${freshNamespace()}`
    for (const [ack, fix] of [
      ['durable', /appendonly yes/],
      ['replicated:1', /replicas/],
    ] as const) {
      const error = await failureOf(() => connect(url, { ack }))
      assert.ok(error instanceof UnsupportedError, inspect(error))
      assert.equal(error.code, 'ERR_ACK_LEVEL')
      assert.match(error.message, fix)
    }
    await (await connect(url, { ack: 'committed' })).close()
  })

  it('a url that says something impossible is refused before anything is opened', () => {
    for (const [url, kind] of [
      ['redis://h?colour=red', UnsupportedError],
      ['redis://a,b', UnsupportedError],
      ['redis+cluster://a/3', UnsupportedError],
      ['redis://h/x', UnsupportedError],
      ['redis://h:65536', UnsupportedError],
      ['redis://a%zz:b@h', UnsupportedError],
      ['redis://h?caFile=/a.pem', UnsupportedError],
      ['redis://h?namespace=a:b', UnsupportedError],
      ['redis:h', ValidationError],
    ] as const)
      assert.throws(
        () => createBackend(url),
        (error) => error instanceof kind,
        url,
      )
  })

  it('a certificate that is not there is named with its option', async () => {
    const error = await failureOf(() => createBackend('rediss://127.0.0.1:1?caFile=/nowhere/a.pem').open())
    assert.ok(error instanceof UnsupportedError, String(error))
    assert.match(error.message, /caFile is \/nowhere\/a.pem, which cannot be read \(ENOENT\)/)
  })

  it('the levels of acknowledgement are those of the server', async () => {
    const without = await started(RedisServer.start(['--appendonly', 'no']))
    const always = await started(RedisServer.start(['--appendfsync', 'always']))
    const acks = async (server: RedisServer): Promise<readonly string[]> => {
      const backend = await openAt(server)
      await send(backend, put(thing(), { v: 1 }))
      for (const ack of backend.capabilities.acks) await backend.flush(ack)
      await backend.close()
      return backend.capabilities.acks
    }
    assert.deepEqual(await acks(without), ['committed'])
    assert.deepEqual(await acks(always), ['committed', 'durable'])
    const copy = await started(RedisServer.start(['--replicaof', '127.0.0.1', `${always.port}`]))
    await always.hasReplica()
    assert.deepEqual(await acks(always), ['committed', 'durable', 'replicated:1'])
    const backend = await openAt(always)
    await send(backend, put(thing(), { v: 1 }))
    copy.signal('SIGSTOP')
    const slow = await openAt(always, { patienceMs: '300' })
    await send(slow, put(thing(), { v: 1 }))
    const error = await failureOf(() => slow.flush('replicated:1'))
    assert.equal(error.code, 'ERR_NOT_REPLICATED', inspect(error))
    const store = await connect(slow.url, { ack: 'replicated:1' })
    const photo = new Photo()
    const saves: (() => Promise<unknown>)[] = [() => photo.makePersistent(), () => photo.save(), () => photo.save()]
    for (const save of saves)
      assert.equal((await failureOf(() => store.run(save))).code, 'ERR_NOT_REPLICATED', 'what is stored may not have its level')
    copy.signal('SIGCONT')
    await backend.flush('replicated:1')
    await store.run(() => photo.save())
    await Promise.all([backend.close(), slow.close(), store.close()])
  })

  it('what the server was set to since is no more said to be durable, until it is set back', async () => {
    const server = await started(RedisServer.start(['--appendfsync', 'always']))
    const store = await connect(`${server.url}?namespace=${freshNamespace()}`, { ack: 'durable' })
    const photo = await store.run(() => new Photo().makePersistent())
    const hasWaitAof = (await server.cli('COMMAND', 'INFO', 'WAITAOF')) !== ''
    for (const [setting, worse, right] of [
      ['appendonly', 'no', 'yes'],
      ...(hasWaitAof ? [] : [['appendfsync', 'everysec', 'always'] as const]),
    ] as const) {
      await server.cli('CONFIG', 'SET', setting, worse)
      photo.title += worse
      const saves: (() => Promise<unknown>)[] = [() => photo.save(), () => photo.save()] // the second has nothing to store, and owes the level
      for (const save of saves) {
        const error = await failureOf(save)
        assert.equal(error.code, 'ERR_ACK_LEVEL', inspect(error))
        assert.ok(error.message.includes(setting), error.message)
      }
      await server.cli('CONFIG', 'SET', setting, right)
      await photo.save()
    }
    await store.close()
  })

  it('a store that lost what it had acknowledged says so at its next use, and for good', async () => {
    const server = await started(RedisServer.start(['--appendonly', 'no']))
    const backend = await openAt(server)
    const ref = thing()
    await send(backend, put(ref, { v: 1 }))
    await server.kill()
    await server.start()
    for (const use of [() => backend.read([ref]), () => send(backend, put(thing(), { v: 2 })), () => backend.find([ref.id])])
      assert.ok((await failureOf(use)) instanceof StateLostError)
    await backend.close()
    await backend.open()
    assert.deepEqual(await backend.read([ref]), [undefined], 'opening again accepts the state')
    await backend.close()
  })
})

/** The rules as the page lists them: what stands there is what a user gives his own. */
const page = readFileSync(join(root, 'docs/backends/redis.md'), 'utf8')
const ACL_COMMANDS = /^ACL SETUSER [^`]*/m.exec(page)![0].match(/\+\S+/g)!
