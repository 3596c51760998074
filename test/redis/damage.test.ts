import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { connect, StorageDict, StorageObject, type Store, t } from 'insitu'
import { fsck } from '../../backends/redis/fsck.js'
import { CorruptError } from '../../src/errors.js'
import { collect } from '../../src/gc/index.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace } from './kit.js'

class Leaf extends StorageObject {
  static readonly typeName = 'test/redis/Leaf'
  text = 'secret words'
  rows = new StorageDict({ key: t.text }, { n: t.i64 })
  sums = new StorageDict({ key: t.text }, { n: t.counter })
}

describe('redis: what is damaged', function () {
  this.timeout(60_000)
  let server: RedisServer
  let store: Store
  let namespace: string
  let url: string
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start()
  })
  after(() => server?.stop())
  beforeEach(async () => {
    namespace = freshNamespace()
    url = `${server.url}?namespace=${namespace}`
    await stored(url)
  })

  /** An object with a row, and another one. */
  async function stored(at: string): Promise<void> {
    const maker = await connect(at)
    const leaf = await maker.run(() => new Leaf().makePersistent('leaf'))
    leaf.rows.set({ key: 'a' }, { n: 1n })
    leaf.text += 'x'.repeat(20_000)
    await leaf.save()
    await maker.run(() => new Leaf().makePersistent('other'))
    await maker.close()
  }

  const keyOf = async (pattern: string): Promise<string> => (await server.cli('KEYS', `${namespace}:*:${pattern}`)).split('\n')[0]!
  const objectKey = async (): Promise<string> => {
    const named = await server.cli('HGET', await keyOf('a:leaf'), '@')
    return keyOf(`o:${named.split(' ')[0]}`)
  }

  const findings = async (): Promise<string[]> => {
    const found: string[] = []
    await fsck(url, { onFinding: ({ kind, what }) => found.push(`${kind} ${what}`) })
    return found
  }

  const inStore = async <T>(work: () => Promise<T>): Promise<T> => {
    store = await connect(url)
    try {
      return await store.run(work)
    } finally {
      await store.close()
    }
  }

  const collected = (): Promise<unknown> => inStore(() => collect(store.backend, { olderThanMs: 0 }))

  async function isNamed(run: () => Promise<unknown>, name: string): Promise<void> {
    const error = await failureOf(run)
    assert.ok(error instanceof CorruptError, inspect(error))
    assert.ok(error.message.includes(name), error.message)
    assert.doesNotMatch(inspect(error), /secret words/)
  }

  it('an object is named by reading, by gc and by fsck, and what it held is not told', async () => {
    const key = await objectKey()
    const id = key.slice(-36)
    const whole = await server.cli('GETRANGE', key, '0', '80')
    for (const value of ['garbage', whole, '!', '!5:abc', `.1 x y\n\x92\xa5.text\xa9{"secret words"`]) {
      await server.cli('SET', key, value)
      await isNamed(() => inStore(() => Leaf.getByAlias('leaf')), id)
      await isNamed(collected, id)
      assert.ok((await findings()).includes(`record Object ${id}`))
      assert.equal((await inStore(() => Leaf.getByAlias('other'))).text, 'secret words')
    }
  })

  it('a large field that is not as long as it was is an error, not another value', async () => {
    const key = await keyOf('c:*')
    await server.cli('SET', key, "'short")
    await isNamed(() => inStore(() => Leaf.getByAlias('leaf')), (await objectKey()).slice(-36))
  })

  it('the definition of a table is named, and a row that is none', async () => {
    const key = await keyOf('t:*:rows')
    const table = key.split(':').at(-2)!
    const definition = await keyOf(`t:${table}:def`)
    const right = await server.cli('HGET', definition, 'table')
    const rows = async (): Promise<unknown> => inStore(async () => (await Leaf.getByAlias('leaf')).rows.get({ key: 'a' }))
    await server.cli('HSET', definition, 'table', '{secret words')
    await isNamed(collected, table)
    assert.deepEqual(await findings(), [`record Table ${table}`])
    await server.cli('HSET', definition, 'table', right)
    const setRow = (value: string): Promise<string> =>
      server.cli('EVAL', "return redis.call('HSET', KEYS[1], redis.call('HKEYS', KEYS[1])[1], ARGV[1])", '1', key, value)
    await setRow('17 [secret words')
    await isNamed(rows, table)
    assert.deepEqual(await findings(), [`record A row of table ${table}`])
    const scanned = (): Promise<unknown> =>
      inStore(async () => {
        for await (const _ of (await Leaf.getByAlias('leaf')).rows);
      })
    for (const value of ['secret words', 'x [1]', '']) {
      await setRow(value)
      await isNamed(rows, table)
      await isNamed(scanned, table)
    }
  })

  it('a definition that is of no table is named, and so is a row that another program has changed; who writes it whole mends it', async () => {
    const key = await keyOf('t:*:rows')
    const table = key.split(':').at(-2)!
    const definition = await keyOf(`t:${table}:def`)
    const right = await server.cli('HGET', definition, 'table')
    const row = async (): Promise<unknown> => inStore(async () => (await Leaf.getByAlias('leaf')).rows.get({ key: 'a' }))
    const sum = async (): Promise<unknown> => inStore(async () => (await Leaf.getByAlias('leaf')).rows.aggregate({ sum: ['sum', 'n'] }))
    for (const json of ['{}', 'null', '5', '[]', '{"id":"secret words"}']) {
      await server.cli('HSET', definition, 'table', json)
      await isNamed(row, table)
    }
    await server.cli('HSET', definition, 'table', right)
    const setRow = (text: string): Promise<string> =>
      server.cli('EVAL', "return redis.call('HSET', KEYS[1], redis.call('HKEYS', KEYS[1])[1], ARGV[1])", '1', key, text)
    for (const text of ['secret words', '17 null', '17 {"secret words":1}', '17 ["secret words"]', '17 [1']) {
      await setRow(text)
      await isNamed(row, table)
      await isNamed(sum, table)
      assert.deepEqual(await findings(), [`record A row of table ${table}`])
      await inStore(async () => {
        const leaf = await Leaf.getByAlias('leaf')
        leaf.rows.set({ key: 'a' }, { n: 5n })
        await leaf.save()
      })
      assert.deepEqual(await row(), { n: 5n })
    }
  })

  it('a counter that is no number is named, and nothing of the unit that adds to it is stored', async () => {
    const adds = (text: string): Promise<void> =>
      inStore(async () => {
        const leaf = await Leaf.getByAlias('leaf')
        leaf.text = text
        leaf.sums.add({ key: 'a' }, 'n', 1)
        await leaf.save()
      })
    await adds('before')
    const key = await keyOf('t:*:sums')
    const table = key.split(':').at(-2)!
    await server.cli('EVAL', "return redis.call('HSET', KEYS[1], redis.call('HKEYS', KEYS[1])[1], 'secret words')", '1', key)
    await isNamed(() => adds('after'), table)
    await isNamed(() => inStore(async () => (await Leaf.getByAlias('leaf')).sums.get({ key: 'a' })), table)
    await isNamed(() => inStore(async () => (await Leaf.getByAlias('leaf')).sums.aggregate({ sum: ['sum', 'n'] })), table)
    assert.equal((await inStore(() => Leaf.getByAlias('leaf'))).text, 'before')
  })

  it('keys of another type end no check: all that is wrong is found', async () => {
    const [object, alias, rows] = [await objectKey(), await keyOf('a:leaf'), await keyOf('t:*:rows')]
    const id = object.slice(-36)
    const table = rows.split(':').at(-2)!
    for (const key of [alias, rows]) await server.cli('SET', key, 'x')
    await server.cli('DEL', object)
    await server.cli('HSET', object, 'a', 'b')
    const found = await findings()
    for (const one of [`record Object ${id}`, 'record Alias "leaf"', `record A row of table ${table}`])
      assert.ok(found.includes(one), inspect(found))
  })

  const FOREIGN = [
    'zzz',
    'other',
    '{zzz}:o:1',
    '{12}:o:notanid',
    '{5}:a:bogus',
    '{5}:t:bogus:def',
    '{5}:t:bogus:part',
    '{5}:m:bogus',
    '{5}:c:bogus',
  ]

  it("keys of others that look like the namespace's are nobody's business, and stay", async () => {
    const cluster = await RedisCluster.start()
    try {
      const inCluster = `${cluster.url}?namespace=${namespace}`
      await stored(inCluster)
      for (const [at, cli] of [
        [url, (...args: string[]) => server.cli(...args)],
        [inCluster, (...args: string[]) => cluster.servers[0]!.cli('-c', ...args)],
      ] as const) {
        url = at
        const keys = FOREIGN.map((end) => `${namespace}:${end}`)
        for (const key of keys) await cli('SET', key, 'mine')
        assert.deepEqual(await findings(), [])
        await collected()
        for (const key of keys) assert.equal(await cli('GET', key), 'mine')
        const aliases = await inStore(async () => {
          const names: string[] = []
          for await (const page of store.backend.aliases({ prefix: '' })) names.push(...page.map(([name]) => name))
          return names.sort()
        })
        assert.deepEqual(aliases, ['leaf', 'other'])
      }
    } finally {
      await cluster.stop()
    }
  })
})
