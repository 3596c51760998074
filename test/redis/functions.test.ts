/** Aggregates are Functions where the server lets them be, and scripts everywhere else: with the same results. */
import assert from 'node:assert/strict'
import type { Backend, Table } from '../../src/backend.js'
import { row, send, tableOn } from '../conformance/contract-kit.js'
import { insitu } from '../integration/processes.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { backendAt, freshNamespace, openAt, startedForEach } from './kit.js'

const ROWS = 40
const SUMS = [[ROWS, BigInt((ROWS * (ROWS - 1)) / 2)]]

async function rowsOn(backend: Backend): Promise<Table> {
  const table = await tableOn(backend)
  const rows = Array.from({ length: ROWS }, (_, i) => row(table.id, ['p', BigInt(i)], [BigInt(i), 'x', undefined]))
  await send(backend, ...rows)
  return table
}

const sums = (backend: Backend, { id }: Table): Promise<unknown> =>
  backend.aggregates!.aggregate(
    { in: id },
    [],
    [
      ['count', '*'],
      ['sum', 'n'],
    ],
  )

/** Calls of a command that the server has carried out, not those that it refused. */
async function callsOf(server: RedisServer, command: string): Promise<number> {
  const stats = await server.cli('INFO', 'commandstats')
  return Number(new RegExp(`cmdstat_${command.replace('|', '\\|')}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
}

const librariesOf = async (server: RedisServer): Promise<string[]> =>
  [...(await server.cli('FUNCTION', 'LIST')).matchAll(/insitu_aggregate_\w+/g)].map(([name]) => name)

describe('redis: Functions', function () {
  this.timeout(60_000)
  const started = startedForEach()
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })

  it('aggregates are one, loaded when first asked for, and left to nobody who never asks', async () => {
    const server = await started(RedisServer.start())
    const [backend, other] = [await openAt(server), await openAt(server)]
    const table = await rowsOn(backend)
    assert.deepEqual(await librariesOf(server), [])
    assert.deepEqual(await sums(backend, table), SUMS)
    const libraries = new Set(await librariesOf(server))
    assert.equal(libraries.size, 1)
    const scripts = await callsOf(server, 'evalsha')
    assert.deepEqual(await sums(backend, table), SUMS)
    assert.equal(await callsOf(server, 'evalsha'), scripts)
    // Another namespace shares what stands.
    assert.deepEqual(await sums(other, await rowsOn(other)), SUMS)
    assert.deepEqual(new Set(await librariesOf(server)), libraries)
    await Promise.all([backend.close(), other.close()])
  })

  it('one that was forgotten is loaded again, and another version of it beside it is left alone', async () => {
    const server = await started(RedisServer.start())
    const backend = await openAt(server)
    const table = await rowsOn(backend)
    assert.deepEqual(await sums(backend, table), SUMS)
    await server.cli('FUNCTION', 'FLUSH')
    const older = 'insitu_aggregate_0000000000000000'
    const body = `redis.register_function('${older}', function() return 'older' end)`
    await server.cli('FUNCTION', 'LOAD', `#!lua name=${older}\n${body}`)
    assert.deepEqual(await sums(backend, table), SUMS)
    assert.equal(new Set(await librariesOf(server)).size, 2)
    assert.equal(await server.cli('FCALL', older, '0'), 'older')
    await backend.close()
  })

  it('many clients that load it at once all get what they asked for', async () => {
    const server = await started(RedisServer.start())
    const namespace = freshNamespace()
    const backends = await Promise.all(Array.from({ length: 6 }, () => openAt(server, { namespace })))
    const table = await rowsOn(backends[0]!)
    const found = await Promise.all(backends.flatMap((backend) => [sums(backend, table), sums(backend, table)]))
    for (const one of found) assert.deepEqual(one, SUMS)
    assert.equal((await callsOf(server, 'fcall_ro')) >= found.length, true)
    await Promise.all(backends.map((backend) => backend.close()))
  })

  it('of a Cluster every master that is asked has it', async () => {
    const cluster = await started(RedisCluster.start())
    const backend = await openAt(cluster)
    const table = { ...(await tableOn(backend)), id: backend.places!.tableBeside!((await tableOn(backend)).owner.id, 1) as Table['id'] }
    await backend.define(table)
    for (let i = 0; i < ROWS; i++) await send(backend, row(table.id, [`p${i}`, BigInt(i)], [BigInt(i), 'x', undefined]))
    assert.deepEqual(await sums(backend, table), SUMS)
    for (const server of cluster.servers) assert.equal(new Set(await librariesOf(server)).size, 1)
    await backend.close()
  })

  for (const [why, options, rules] of [
    ['a server without Functions', ['--rename-command', 'FCALL_RO', ''], []],
    ['a server that lets nobody load any', ['--rename-command', 'FUNCTION', ''], []],
    ['a user who may not call any', [], ['-fcall_ro']],
    ['a user who may not load any', [], ['-function|load']],
  ] as const)
    it(`for ${why} they are scripts, and doctor says so`, async () => {
      const server = await started(RedisServer.start([...options]))
      await server.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', '~*', '&*', '+@all', ...rules)
      const url = server.url.replace('://', '://narrow:secret@')
      const backend = backendAt({ url })
      await backend.open()
      const table = await rowsOn(backend)
      assert.deepEqual(await sums(backend, table), SUMS)
      const scripts = await callsOf(server, 'evalsha')
      assert.deepEqual(await sums(backend, table), SUMS)
      assert.equal(await callsOf(server, 'evalsha'), scripts + 1)
      assert.deepEqual(await librariesOf(server).catch(() => []), [])
      await backend.close()
      const { code, stdout } = await insitu(['doctor', '--storage', url, '--json'])
      assert.equal(code, 0)
      assert.match(stdout, /"what":"aggregates","health":"optional","found":"they run in the store as scripts/)
    })

  it('doctor says that they are Functions where nothing is in the way, and loads none', async () => {
    const server = await started(RedisServer.start())
    const { stdout } = await insitu(['doctor', '--storage', server.url, '--json'])
    assert.match(stdout, /"what":"aggregates","health":"ok","found":"they run in the store, as Functions"/)
    assert.deepEqual(await librariesOf(server), [])
  })

  it('a server that has no memory for one computes all the same', async () => {
    const server = await started(RedisServer.start())
    const backend = await openAt(server)
    const table = await rowsOn(backend)
    await server.cli('CONFIG', 'SET', 'maxmemory', '1mb')
    assert.deepEqual(await sums(backend, table), SUMS)
    assert.deepEqual(await librariesOf(server), [])
    await backend.close()
  })
})
