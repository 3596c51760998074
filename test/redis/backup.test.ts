/** Copies of servers in use, started again elsewhere: everything that was acknowledged before, and every unit of work whole or not at all. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Store } from 'insitu'
import { Bank } from '../../examples/bank/bank.js'
import { put, send, thing } from '../conformance/contract-kit.js'

import { assertOk, type Ended, insitu } from '../integration/processes.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { root } from '../tools/test-files.js'
import { freshNamespace, openAt, startedForEach } from './kit.js'

const ACCOUNTS = 30
const BALANCE = 1000
const TELLERS = 6

interface Manifest {
  readonly of: string
  readonly servers: readonly { readonly file: string; readonly server: string; readonly slots?: readonly string[] }[]
}

const manifestIn = async (folder: string): Promise<Manifest> => JSON.parse(await readFile(join(folder, 'backup.json'), 'utf8')) as Manifest

const bankOn = (store: Store): Promise<Bank> => Bank.open([store, store], ACCOUNTS, BALANCE)

/** Tellers that move money until they are stopped; `done` says how many transfers of each are acknowledged. */
function working(bank: Bank): { readonly done: readonly number[]; stop(): Promise<void> } {
  const done: number[] = new Array(TELLERS).fill(0)
  let isOver = false
  const tellers = done.map(async (_, i) => {
    for (let n = 0; !isOver; n++) {
      const from = (i + n) % ACCOUNTS
      await bank.transfer({ teller: `teller ${i}`, n, from, to: (from + 1 + (n % (ACCOUNTS - 1))) % ACCOUNTS, amount: 1 + (n % 9) })
      done[i] = n + 1
    }
  })
  const stop = async (): Promise<void> => {
    isOver = true
    await Promise.all(tellers)
  }
  return { done, stop }
}

/** Each account is what went in and out of it, all of them together what was put in, and no acknowledged transfer is missing. */
async function requireWhole(url: string, acknowledged: readonly number[]): Promise<void> {
  const store = await connect(url)
  try {
    const bank = await bankOn(store)
    assert.equal(await bank.total(), ACCOUNTS * BALANCE)
    const seen = new Set<string>()
    for (const account of bank.accounts) {
      let moved = 0n
      for await (const [{ teller, n }, { amount }] of account.moves) {
        moved += BigInt(amount)
        seen.add(`${teller} ${n}`)
      }
      assert.equal(BigInt(account.balance), BigInt(BALANCE) + moved)
    }
    acknowledged.forEach((count, i) => {
      for (let n = 0; n < count; n++) assert.ok(seen.has(`teller ${i} ${n}`), `transfer ${n} of teller ${i} is missing`)
    })
  } finally {
    await store.close()
  }
}

/** As docs/care.md says: a server that has stood with the same slots, on the file as its dump.rdb, without a log of writes. */
async function restored(server: RedisServer, file: string): Promise<void> {
  await server.kill()
  await copyFile(file, join(server.folder, 'dump.rdb'))
  await server.start()
}

const backup = (folder: string, storage: string, env?: Record<string, string>): Promise<Ended> =>
  insitu(['backup', folder, '--json'], { storage, ...(env && { env }) })

describe('redis: backup', function () {
  this.timeout(120_000)
  const started = startedForEach()
  let folder: string
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-redis-backup-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it('of a server in use is of one moment, and a server that starts on it has everything', async () => {
    const server = await started(RedisServer.start())
    const url = `${server.url}?namespace=${freshNamespace()}`
    const store = await connect(url)
    const tellers = working(await bankOn(store))
    while (tellers.done.some((n) => n < 3)) await new Promise((resolve) => setTimeout(resolve, 10))
    const before = [...tellers.done]
    const copy = join(folder, 'copy')
    assert.match(assertOk(await backup(copy, url)).stdout, /"backup":/)
    await tellers.stop()
    await store.close()
    const { of, servers: parts } = await manifestIn(copy)
    assert.equal(of, url)
    assert.deepEqual((await readdir(copy)).sort(), [parts[0]!.file, 'backup.json'].sort())
    assert.equal((await stat(join(copy, parts[0]!.file))).mode & 0o777, 0o600)
    const other = await started(RedisServer.start(['--appendonly', 'no']))
    await restored(other, join(copy, parts[0]!.file))
    const restoredUrl = url.replace(`${server.port}`, `${other.port}`)
    await requireWhole(restoredUrl, before)
    assertOk(await insitu(['fsck'], { storage: restoredUrl }))
  })

  it('of a Cluster in use is of one moment, units of work over several slots included', async () => {
    const [cluster, other] = await Promise.all([started(RedisCluster.start()), started(RedisCluster.start(0, ['--appendonly', 'no']))])
    // One forks long after the others.
    await cluster.servers[1]!.cli('CONFIG', 'SET', 'repl-diskless-sync-delay', '1')
    const rules = [/^ACL SETUSER [^`]*/m, /^A Cluster needs .*/m, /^For `insitu backup`: .*/m].flatMap(rulesIn)
    await Promise.all(cluster.servers.map((server) => server.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', ...rules)))
    const namespace = freshNamespace()
    const store = await connect(`${cluster.url}?namespace=${namespace}`)
    const tellers = working(await bankOn(store))
    const copies: { readonly copy: string; readonly before: readonly number[] }[] = []
    for (const name of ['one', 'two']) {
      const before = [...tellers.done]
      const copy = join(folder, name)
      assertOk(await backup(copy, store.url.replace('://', '://narrow:secret@')))
      copies.push({ copy, before })
    }
    await tellers.stop()
    await store.close()
    for (const { copy, before } of copies) {
      const { servers: parts } = await manifestIn(copy)
      assert.equal(parts.length, 3)
      await Promise.all(
        other.servers.map(async (server) => {
          const slots = /myself.* connected (.*)/.exec(await server.cli('CLUSTER', 'NODES'))![1]!
          const part = parts.find((one) => one.slots!.join(' ') === slots)
          await restored(server, join(copy, part!.file))
        }),
      )
      const restoredUrl = `${other.url}?namespace=${namespace}`
      await requireWhole(restoredUrl, before)
      assertOk(await insitu(['fsck'], { storage: restoredUrl }))
    }
  })

  it('a Cluster whose copies do not begin takes writes again, and nothing is left of them', async () => {
    const cluster = await started(RedisCluster.start())
    const backend = await openAt(cluster)
    await send(backend, put(thing(), { v: 1 }))
    const slow = cluster.servers[1]!
    await slow.cli('CONFIG', 'SET', 'repl-diskless-sync-delay', '60')
    const ended = await backup(join(folder, 'never'), `${backend.url}&patienceMs=1500`)
    assert.equal(ended.code, 3)
    assert.match(ended.stderr, /did not begin their copies within 1500 ms.*repl-diskless-sync-delay/)
    assert.deepEqual(await readdir(folder), [])
    const ms = performance.now()
    await send(backend, put(thing(), { v: 2 }))
    assert.ok(performance.now() - ms < 2000)
    await backend.close()
  })

  it('while slots move a Cluster is not copied', async () => {
    const cluster = await started(RedisCluster.start())
    const [from, to] = cluster.servers
    const id = await to!.cli('CLUSTER', 'MYID')
    await from!.cli('CLUSTER', 'SETSLOT', '0', 'MIGRATING', id)
    const backend = await openAt(cluster)
    const ended = await backup(join(folder, 'copy'), backend.url)
    assert.equal(ended.code, 3)
    assert.match(ended.stderr, /slots or masters of the Cluster change/)
    await backend.close()
  })

  it('goes to a new folder only, and says what it lacks: redis-cli, or a right', async () => {
    const server = await started(RedisServer.start())
    const backend = await openAt(server)
    const copy = join(folder, 'copy')
    const without = await backup(copy, backend.url, { PATH: '/nonexistent' })
    assert.equal(without.code, 3)
    assert.match(without.stderr, /redis-cli, which is not on the PATH: install it \(apt-get install redis-tools\)/)
    await server.cli('ACL', 'SETUSER', 'narrow', 'on', '>open sesame', '~*', '&*', '+@all', '-sync')
    const narrow = { INSITU_REDIS_USERNAME: 'narrow', INSITU_REDIS_PASSWORD: 'open sesame' }
    const forbidden = await backup(copy, backend.url, narrow)
    assert.equal(forbidden.code, 3)
    assert.match(forbidden.stderr, /the user may not run SYNC/)
    assert.deepEqual(await readdir(folder), [])
    await server.cli('ACL', 'SETUSER', 'narrow', '-@all', ...rulesIn(/^ACL SETUSER [^`]*/m), ...rulesIn(/^For `insitu backup`: .*/m))
    await server.cli('ACL', 'SETUSER', 'default', 'off')
    assertOk(await backup(copy, backend.url, narrow))
    await mkdir(join(folder, 'other'))
    assertOk(await backup(join(folder, 'other'), backend.url, narrow))
    const twice = await backup(copy, backend.url, narrow)
    assert.match(twice.stderr, /needs a new folder/)
    assert.deepEqual((await readdir(folder)).sort(), ['copy', 'other'])
    await backend.close()
  })
})

/** What stands on the page is what a user gives his own. */
const page = readFileSync(join(root, 'docs/backends/redis.md'), 'utf8')
const rulesIn = (where: RegExp): readonly string[] => where.exec(page)![0].match(/\+[^\s`.,]+/g)!
