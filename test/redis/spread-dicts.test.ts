import assert from 'node:assert/strict'
import type { Backend, Key, Op, Piece, Table } from '../../src/backend.js'
import { encodeKey } from '../../src/dict/row-key.js'
import { newCommitId, type TableId } from '../../src/ids.js'
import { add, group, put, row, send, tableFor, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { backendAt, failureOf, freshNamespace, openAt } from './kit.js'

const ROWS = 600

describe('redis: dicts over the slots of a Cluster', function () {
  this.timeout(120_000)
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

  /** A table whose owner stands, spread as the core makes one. */
  async function spread(on: Backend = backend, change: Partial<Table> = {}): Promise<Table> {
    const owner = thing()
    await send(on, put(owner, { kind: 'owner' }))
    const table: Table = { ...tableFor(owner), id: on.places!.tableBeside!(owner.id, 1) as TableId, ...change }
    await on.define(table)
    return table
  }

  /** 60 partitions of ten rows each. */
  async function fill(table: Table, on: Backend = backend): Promise<void> {
    const ops = Array.from({ length: ROWS }, (_, n) => row(table.id, [`p${n % 60}`, BigInt(n)], [BigInt(n), `note ${n}`, undefined]))
    await Promise.all(inDomains(on, ops).map((some) => on.commit(group(some))))
  }

  it('lie in as many domains as there are parts, rows of one partition in one', async () => {
    const table = await spread()
    const domains = new Set(Array.from({ length: 500 }, (_, n) => backend.domain(row(table.id, [`p${n}`, 1n], null))))
    assert.equal(domains.size, 16)
    const one = new Set(Array.from({ length: 500 }, (_, n) => backend.domain(row(table.id, ['p', BigInt(n)], null))))
    assert.equal(one.size, 1)
    await fill(table)
    const hosts = new Set((await backend.locate(await backend.pieces(table.id, 16))).map(([first]) => first!.host))
    assert.equal(hosts.size, 3)
  })

  it('are scanned in key order all the same, both ways, in ranges, with limits', async () => {
    const table = await spread()
    await fill(table)
    const bytes = (key: Key): string => Buffer.from(encodeKey(table, key)).toString('latin1')
    const rows = await flat(backend.scan({ in: table.id }))
    const texts = rows.map(({ key }) => bytes(key))
    assert.equal(rows.length, ROWS)
    assert.deepEqual(texts, [...texts].sort())
    const back = await flat(backend.scan({ in: table.id, reverse: true }))
    assert.deepEqual(
      back.map(({ key }) => bytes(key)),
      [...texts].reverse(),
    )
    const some = await flat(backend.scan({ in: table.id, from: ['p2'], to: ['p3'], limit: 25 }))
    assert.deepEqual(
      some.map(({ key }) => bytes(key)),
      texts.filter((_, i) => String(rows[i]!.key[0]) >= 'p2' && String(rows[i]!.key[0]) < 'p3').slice(0, 25),
    )
    const one = await flat(backend.scan({ in: table.id, prefix: ['p7'] }))
    assert.deepEqual(
      one.map(({ key }) => key),
      Array.from({ length: 10 }, (_, i) => ['p7', BigInt(7 + i * 60)]),
    )
    const last = await flat(backend.scan({ in: table.id, limit: 3, reverse: true }))
    assert.deepEqual(last, back.slice(0, 3))
  })

  it('are scanned whole when pages are many: 20,000 rows', async () => {
    const table = await spread()
    const ops = Array.from({ length: 20_000 }, (_, n) => row(table.id, [`p${n}`, 0n], [BigInt(n), undefined, undefined]))
    await Promise.all(inDomains(backend, ops).map((some) => backend.commit(group(some))))
    let last = ''
    let count = 0
    for await (const page of backend.scan({ in: table.id }))
      for (const { key } of page) {
        const text = Buffer.from(encodeKey(table, key)).toString('latin1')
        assert.ok(text > last, 'rows come in order')
        last = text
        count++
      }
    assert.equal(count, 20_000)
  })

  it('have pieces that hold each row once, and say where they lie', async () => {
    const table = await spread()
    await fill(table)
    const place = (await backend.placing!(table.id))!
    for (const wanted of [1, 2, 5, 16, 40]) {
      const pieces = await backend.pieces(table.id, wanted)
      assert.ok(pieces.length >= wanted, `${pieces.length} of ${wanted}`)
      assert.deepEqual(await backend.pieces(table.id, wanted), pieces)
      const seen: string[] = []
      for (const piece of pieces)
        for (const { key } of await flat(backend.scan({ in: piece }))) {
          seen.push(String(key))
          assert.ok(isWithin(piece, place(key)))
        }
      assert.equal(seen.length, ROWS)
      assert.equal(new Set(seen).size, ROWS)
      const places = await backend.locate(pieces)
      for (const [first] of places) assert.equal(first!.role, 'primary')
      const parts = await backend.pieces(pieces[0]!, 2)
      const inParts = await Promise.all(parts.map((piece) => flat(backend.scan({ in: piece }))))
      assert.deepEqual(inParts.flat().length, (await flat(backend.scan({ in: pieces[0]! }))).length)
    }
    const [whole] = await backend.locate(await backend.pieces(table.id, 1))
    assert.equal(whole!.filter(({ role }) => role === 'primary').length, 3)
  })

  it('are read by key, counted and summed up over all parts', async () => {
    const table = await spread()
    await fill(table)
    await send(backend, add(table.id, ['p1', 1n], 2, 5n))
    await send(backend, add(table.id, ['p2', 2n], 2, 6n))
    const keys = Array.from({ length: 100 }, (_, n) => [`p${n % 70}`, BigInt(n)] as const)
    const found = await backend.rows(table.id, keys)
    found.forEach((one, n) => {
      assert.deepEqual(one?.values[0], n % 60 === n % 70 ? BigInt(n) : undefined)
    })
    assert.equal(found[1]!.values[2], 5n)
    const ops = [
      ['count', '*'],
      ['sum', 'n'],
      ['min', 'n'],
      ['max', 'n'],
      ['sum', 'hits'],
    ] as const
    assert.deepEqual(await backend.aggregates!.aggregate({ in: table.id }, [], ops), [[600, 179_700n, 0n, 599n, 11n]])
    const groups = await backend.aggregates!.aggregate({ in: table.id }, ['p'], [['count', '*']])
    assert.deepEqual(
      groups.map(([p, n]) => [p, n]),
      Array.from({ length: 60 }, (_, n) => `p${n}`)
        .sort()
        .map((p) => [p, 10]),
    )
    const pieces = await backend.pieces(table.id, 5)
    const counts = await Promise.all(pieces.map((piece) => backend.aggregates!.aggregate({ in: piece }, [], [['count', '*']])))
    assert.equal(
      counts.reduce((sum, [one]) => sum + Number(one?.[0] ?? 0), 0),
      ROWS,
    )
  })

  it('another client finds a row in the part that its key says', async () => {
    const table = await spread()
    await send(backend, row(table.id, ['p1', 1n], [7n, 'seven', undefined]))
    const rows = `${namespace}:{${backend.domain(row(table.id, ['p1', 1n], null))}}:t:${table.id}:rows`
    assert.match(await cluster.servers[0]!.cli('-c', '--no-raw', 'HVALS', rows), /\d{16} \[\\"7\\",\\"seven\\",null\]/)
  })

  it('lie with their owner where the url says so', async () => {
    const whole = await openAt(cluster, { dictParts: '1' })
    const one = await spread(whole)
    assert.equal(whole.domain(row(one.id, ['a', 1n], null)), whole.domain(put(one.owner, {})))
    await whole.close()
    const wide = await openAt(cluster, { dictParts: '64' })
    assert.equal((await wide.pieces((await spread(wide)).id, 8)).length, 1)
    await wide.close()
    for (const dictParts of ['3', '0', '2048', 'x'])
      assert.match(
        (await failureOf(async () => backendAt(cluster, { dictParts }))).message,
        /dictParts is a (power of two from 1 to 1024|number)/,
      )
  })

  it('a single server says that it cannot have them', async () => {
    const table = await spread()
    const server = await RedisServer.start()
    const single = await openAt(server)
    try {
      const failed = await failureOf(() => single.define(table))
      assert.equal(failed.name, 'UnsupportedError')
      assert.match(failed.message, /is spread over the masters of a Cluster/)
    } finally {
      await single.close()
      await server.stop()
    }
  })

  it('that are dropped are gone with all parts, for those who knew them as well', async () => {
    const table = await spread()
    await fill(table)
    const other = await openAt(cluster, { namespace })
    try {
      assert.equal((await flat(other.scan({ in: table.id }))).length, ROWS)
      await backend.drop(table.id)
      for (const work of [
        () => flat(other.scan({ in: table.id })),
        () => other.rows(table.id, [['p1', 1n]]),
        () => other.aggregates!.aggregate({ in: table.id }, [], [['count', '*']]),
        () => other.pieces(table.id, 3),
        () => send(other, row(table.id, ['p1', 1n], [1n, undefined, undefined])),
      ])
        assert.equal((await failureOf(work)).name, 'NotFoundError')
      assert.deepEqual(await other.locate([{ table: table.id, from: new Uint8Array(0), to: Uint8Array.of(0, 16), epoch: '' }]), [[]])
      await backend.define(table)
      await send(other, row(table.id, ['p1', 1n], [1n, undefined, undefined]))
      assert.equal((await flat(backend.scan({ in: table.id }))).length, 1)
    } finally {
      await other.close()
    }
  })

  it('gain columns in all parts, and writers from before take nothing from them', async () => {
    const table = await spread()
    await fill(table)
    const old = await openAt(cluster, { namespace })
    try {
      await flat(old.scan({ in: table.id }))
      const wider: Table = { ...table, values: [...table.values, { name: 'more', type: 'text', optional: true }] }
      await backend.define(wider)
      for (const p of ['p1', 'new']) await send(backend, row(table.id, [p, 1n], [1n, undefined, undefined, 'kept']))
      for (const p of ['p1', 'new']) await send(old, row(table.id, [p, 1n], [2n, undefined, undefined]))
      const found = await backend.rows(table.id, [
        ['p1', 1n],
        ['new', 1n],
      ])
      assert.deepEqual(
        found.map((one) => one!.values),
        [
          [2n, undefined, undefined, 'kept'],
          [2n, undefined, undefined, 'kept'],
        ],
      )
    } finally {
      await old.close()
    }
  })

  it('leave nothing that listings do not find when whoever dropped them died', async () => {
    const table = await spread()
    await fill(table)
    // What a kill behind the first step leaves: the parts.
    await cluster.servers[0]!.cli('-c', 'DEL', `${namespace}:{${Number.parseInt(table.id.slice(-3), 16)}}:t:${table.id}:def`)
    assert.equal(await backend.table(table.id), undefined)
    const listed = (await flat(backend.upkeep!.tables())).map(({ id }) => id)
    assert.deepEqual(listed, [table.id])
    await backend.define(table)
    assert.deepEqual(await flat(backend.scan({ in: table.id })), [])
    assert.deepEqual(await backend.rows(table.id, [['p1', 1n]]), [undefined])
    await send(backend, row(table.id, ['p1', 7n], [1n, undefined, undefined]))
    assert.equal((await flat(backend.scan({ in: table.id }))).length, 1)
    await backend.drop(table.id)
    assert.deepEqual(await flat(backend.upkeep!.tables()), [])
  })

  it('keep the rows of namespaces from before: those lie with their owner', async () => {
    const owner = thing()
    await send(backend, put(owner, { kind: 'owner' }))
    const table = tableFor(owner)
    await backend.define(table)
    await send(backend, row(table.id, ['a', 1n], [1n, undefined, undefined]))
    await cluster.servers[0]!.cli('-c', 'SET', `${namespace}:{0}:format`, 'insitu redis 2')
    const again = await openAt(cluster, { namespace })
    try {
      assert.equal((await flat(again.scan({ in: table.id }))).length, 1)
      assert.equal(await cluster.servers[0]!.cli('-c', 'GET', `${namespace}:{0}:format`), 'insitu redis 3')
      assert.equal(again.domain(row(table.id, ['a', 1n], null)), again.domain(row(table.id, ['b', 1n], null)))
    } finally {
      await again.close()
    }
  })

  it('commit with others by the protocol: a receipt is the same when the group is sent again', async () => {
    const table = await spread()
    const one = { commit: newCommitId(), atMicros: 5n, ops: [add(table.id, ['p', 1n], 2, 3n)] }
    await backend.commit(one)
    await backend.commit(one)
    assert.equal((await backend.rows(table.id, [['p', 1n]]))[0]!.values[2], 3n)
  })
})

const isWithin = ({ from, to }: Piece, place: Uint8Array): boolean => Buffer.compare(place, from) >= 0 && Buffer.compare(place, to) < 0

/** Groups that each lie in one domain. */
function inDomains(backend: Backend, ops: readonly Op[]): Op[][] {
  const groups = new Map<string, Op[]>()
  for (const op of ops) groups.set(backend.domain(op), [...(groups.get(backend.domain(op)) ?? []), op])
  return [...groups.values()]
}
