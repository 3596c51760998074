import assert from 'node:assert/strict'
import type { Ref } from '../../src/backend.js'
import { put, send, thing } from '../conformance/contract-kit.js'
import { RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, openAt, startedForEach } from './kit.js'

const MIB = 2 ** 20
const fields = (count: number, bytes: number): Record<string, Uint8Array> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, new Uint8Array(bytes).fill(i)]))

/** What one call of the server looks at, copies or hands out, by what it has written to its clients meanwhile. */
describe('redis: much that is large', function () {
  this.timeout(60_000)
  const started = startedForEach()
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })

  it('items of a stream are handed out by the megabyte, each once and in order, also those whose lease is over', async () => {
    const backend = await openAt(await started(RedisServer.start()))
    const { streams } = backend
    const stream = thing()
    await send(backend, put(stream, { v: 1 }))
    for (let i = 0; i < 12; i++) await streams!.append(stream, 'p', i, [new Uint8Array(MIB).fill(i)])
    for (const leaseMs of [1, 60_000]) {
      const got: number[] = []
      while (got.length < 12) {
        const items = await streams!.read(stream, { group: 'g', consumer: `c${leaseMs}`, max: 64, leaseMs })
        assert.ok(items.length <= 4, `${items.length} MiB at once`)
        got.push(...items.map(([, item]) => item[0]!))
        if (leaseMs === 1 && got.length >= 8) break // the rest has been handed out to nobody
      }
      if (leaseMs > 1) assert.deepEqual(new Set(got), new Set(Array.from({ length: 12 }, (_, i) => i)))
    }
    await backend.close()
  })

  it('large fields come by some megabytes, and the server tells of others between them', async () => {
    const server = await started(RedisServer.start(['--slowlog-log-slower-than', '0', '--slowlog-max-len', '10000']))
    const backend = await openAt(server, { cacheMb: '0' })
    const ref = thing()
    await send(backend, put(ref, fields(12, MIB)))
    await server.cli('SLOWLOG', 'RESET')
    const [stored] = await backend.read([ref])
    assert.deepEqual(
      [...stored!.cells.values()].map((cell) => (cell as Uint8Array)[5]),
      Array.from({ length: 12 }, (_, i) => i),
    )
    const log = JSON.parse(await server.cli('--json', 'SLOWLOG', 'GET', '-1')) as readonly (readonly [
      unknown,
      unknown,
      unknown,
      string[],
    ])[]
    const keys = log.flatMap(([, , , [name, ...rest]]) => (name === 'mget' ? [rest.filter((key) => key.includes(':c:')).length] : []))
    assert.ok(Math.max(...keys) <= 2, `${Math.max(...keys)} MiB by one command`)
    assert.equal(
      keys.reduce((sum, one) => sum + one, 0),
      12,
    )
    await backend.close()
  })

  it('objects of many bytes are found, listed and located some at a time', async () => {
    const server = await started(RedisServer.start(['--slowlog-log-slower-than', '0', '--slowlog-max-len', '10000']))
    const backend = await openAt(server)
    const refs = Array.from({ length: 100 }, () => thing())
    for (const ref of refs) await send(backend, put(ref, fields(15, 4000)))
    await server.cli('SLOWLOG', 'RESET')
    const locations = await backend.locate(refs)
    assert.ok(locations.every(([one]) => one!.bytes > 60_000))
    const found = await backend.find([...refs.map(({ id }) => id), thing().id])
    assert.deepEqual(
      found.map((one) => one?.ref),
      [...refs, undefined],
    )
    const listed: Ref[] = []
    for await (const page of backend.objects({})) listed.push(...page)
    assert.equal(listed.length, refs.length)
    const log = JSON.parse(await server.cli('--json', 'SLOWLOG', 'GET', '-1')) as readonly (readonly [
      unknown,
      unknown,
      unknown,
      string[],
    ])[]
    const scripts = log.filter(([, , , [name]]) => /^eval/.test(name!)).length
    assert.ok(scripts >= 30, `${scripts} scripts for three times six megabytes`)
    await backend.close()
  })

  it('what is listed of a store that has lost everything is a lost state, and so are the names of an object', async () => {
    for (const ask of ['objects', 'aliases', 'names'] as const) {
      const server = await started(RedisServer.start())
      const backend = await openAt(server)
      const ref = thing()
      await send(backend, put(ref, { v: 1 }), { do: 'name', alias: 'a', expect: null, to: ref })
      await server.cli('FLUSHALL')
      const error = await failureOf(async () => {
        const pages = ask === 'objects' ? backend.objects({}) : backend.aliases(ask === 'names' ? { ref } : { prefix: '' })
        for await (const page of pages) assert.fail(`a page of ${page.length}`)
      })
      assert.equal(error.code, 'ERR_STATE_LOST', `${ask}: ${error.message}`)
      await backend.close()
    }
  })
})
