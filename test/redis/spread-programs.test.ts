/** Programs with dicts over the slots of a Cluster: what users see, and what the dead leave. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { connect, finish, type Store, stats, transact } from 'insitu'
import { jsonOfTable } from '../../backends/redis/redis-rows.js'
import type { Backend, Table } from '../../src/backend.js'
import type { TableId } from '../../src/ids.js'
import { put, row, send, tableFor, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { assertOk, insitu } from '../integration/processes.js'
import { RedisCluster } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, openAt } from './kit.js'
import { Chain, Sales, total } from './near-tasks.js'
import type { SpreadOrder } from './spread-child.js'

const CHILD = fileURLToPath(new URL('./spread-child.js', import.meta.url))
const SHOPS = 90

describe('redis+cluster: programs with dicts over several slots', function () {
  this.timeout(90_000)
  let cluster: RedisCluster
  let namespace: string
  let store: Store
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start()
  })
  after(() => cluster?.stop())
  beforeEach(async () => {
    await finish() // workers of tests before this one know of no logical hosts
    namespace = freshNamespace()
    store = await connect(`${cluster.url}?namespace=${namespace}`)
  })
  afterEach(() => store.close())

  const keys = async (pattern: string): Promise<string[]> =>
    (await Promise.all(cluster.servers.map((server) => server.cli('--scan', '--pattern', `${namespace}:*:${pattern}`)))).flatMap((text) =>
      text.split('\n').filter((key) => key !== ''),
    )

  async function chain(rows: number): Promise<Chain> {
    const made = await new Chain().makePersistent('chain')
    for (let n = 0; n < rows; n++) made.sales.set({ shop: `shop ${n % SHOPS}`, at: n }, { n })
    await made.save()
    return made
  }

  it('rows come in the order of their keys, saved and unsaved ones together, in pieces as well', async () => {
    const { sales } = await chain(900)
    sales.set({ shop: 'shop 11', at: 5000 }, { n: 1 })
    sales.delete({ shop: 'shop 12', at: 12 })
    const all: string[] = []
    for await (const [{ shop, at }] of sales) all.push(`${shop} ${String(at).padStart(6, '0')}`)
    assert.equal(all.length, 900)
    assert.deepEqual(
      all,
      [...all].sort((a, b) => order(a, b)),
    )
    const pieces = await sales.split(7)
    assert.ok(pieces.length >= 7)
    const inPieces: string[] = []
    for (const piece of pieces) for await (const [{ shop, at }] of piece) inPieces.push(`${shop} ${String(at).padStart(6, '0')}`)
    assert.deepEqual(inPieces.sort(order), all)
    assert.equal(await sales.count(), 900)
    let ofOne = 0
    for (const piece of pieces) for await (const _ of piece.range({ shop: 'shop 11' })) ofOne++
    assert.equal(ofOne, 11)
    const hosts = (await sales.getLocations()).filter(({ role }) => role === 'primary')
    assert.equal(hosts.length, 3)
  })

  it('tasks run beside the piece that they are given', async () => {
    process.env['INSITU_HOSTS'] = '3'
    try {
      const { sales } = await chain(900)
      const pieces = await sales.split(9)
      const sums = await Promise.all(pieces.map((piece) => total(piece)))
      assert.equal(
        sums.reduce((a, b) => a + b),
        (900n * 899n) / 2n,
      )
      assert.equal(stats().nearShare, 1)
      await finish()
    } finally {
      delete process.env['INSITU_HOSTS']
    }
  })

  it('a transaction over an object and rows of many slots is seen whole, or not at all', async () => {
    const made = await chain(0)
    await transact(async () => {
      for (let n = 0; n < SHOPS; n++) made.sales.set({ shop: `shop ${n}`, at: 0 }, { n: 1 })
    })
    assert.equal(await made.sales.count(), SHOPS)
    const failed = await failureOf(() =>
      transact(async () => {
        for (let n = 0; n < SHOPS; n++) made.sales.set({ shop: `shop ${n}`, at: 1 }, { n: 1 })
        throw new RangeError('no')
      }),
    )
    assert.equal(failed.name, 'RangeError')
    assert.equal(await made.sales.count(), SHOPS)
  })

  it('a loaded dict counts, groups and goes whole with its owner; gc and fsck see all of it', async () => {
    const made = await new Sales().makePersistent('sales')
    const rows = Array.from({ length: 3000 }, (_, n) => [{ shop: `shop ${n % SHOPS}`, at: BigInt(n) }, { n: BigInt(n) }] as const)
    assert.equal(await made.bulk(rows), 3000)
    assert.equal(await made.count(), 3000)
    const sums = new Map<string, bigint>()
    for await (const [{ shop }, { sum }] of made.groupBy(['shop'], { sum: ['sum', 'n'] })) sums.set(shop, sum!)
    assert.equal(sums.size, SHOPS)
    assert.equal(
      [...sums.values()].reduce((a, b) => a + b),
      (3000n * 2999n) / 2n,
    )
    const on = { storage: `${cluster.url}?namespace=${namespace}` }
    assert.match(
      assertOk(await insitu(['fsck', '--json'], on)).stdout,
      /"damaged":0,"dangling":0,"records":\{"objects":1,"names":1,"rows":3000\}/,
    )
    const [index] = await keys('t:*:keys')
    await cluster.servers[0]!.cli('-c', 'ZREMRANGEBYRANK', index!, '0', '0')
    const damaged = await insitu(['fsck', '--json'], on)
    assert.equal(damaged.code, 1)
    assert.match(damaged.stdout, /"kind":"index"/)
    await made.deletePersistent()
    assert.deepEqual(await keys('t:*'), [])
  })
})

const order = (a: string, b: string): number => {
  const [x, y] = [a, b].map((one) => one.replace(/ (\d+)$/, '\0$1')) as [string, string]
  return x < y ? -1 : x > y ? 1 : 0
}

describe('redis+cluster: who dies with a dict over several slots', function () {
  this.timeout(60_000)
  let cluster: RedisCluster
  let backend: Backend
  let table: Table
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start()
  })
  after(() => cluster?.stop())
  beforeEach(async () => {
    backend = await openAt(cluster)
    const owner = thing()
    await send(backend, put(owner, { v: 1 }))
    table = { ...tableFor(owner), id: backend.places!.tableBeside!(owner.id, 1) as TableId }
    await backend.define(table)
    for (let n = 0; n < 40; n++) await send(backend, row(table.id, [`p${n}`, 1n], [1n, undefined, undefined]))
  })
  afterEach(() => backend.close())

  async function killedAt(point: string, what: Omit<SpreadOrder, 'url' | 'table'>): Promise<void> {
    const child = spawn(process.execPath, [CHILD, JSON.stringify({ url: backend.url, table: jsonOfTable(table), ...what })], {
      env: { ...process.env, INSITU_FAILPOINT: point },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL', `the program never came to ${point}`)
  }

  it('before its first row leaves a table that others go on with', async () => {
    await backend.drop(table.id)
    await backend.define(table)
    await killedAt('part-made', { writes: 'p1' })
    assert.deepEqual(await flat(backend.scan({ in: table.id })), [])
    await send(backend, row(table.id, ['p1', 1n], [2n, undefined, undefined]))
    assert.equal((await flat(backend.scan({ in: table.id }))).length, 1)
  })

  it('while it gains columns leaves a table of the columns before, which can gain them again', async () => {
    await killedAt('parts-widened', { gains: true })
    const stands = await openAt(cluster, { namespace: new URL(backend.url.replace(/,[^?]*/, '')).searchParams.get('namespace')! })
    assert.equal((await stands.table(table.id))!.values.length, 3)
    await stands.define({ ...table, values: [...table.values, { name: 'more', type: 'text', optional: true }] })
    await send(stands, row(table.id, ['p1', 1n], [3n, undefined, undefined, 'x']))
    await send(backend, row(table.id, ['p1', 1n], [4n, undefined, undefined]))
    assert.deepEqual((await stands.rows(table.id, [['p1', 1n]]))[0]!.values, [4n, undefined, undefined, 'x'])
    await stands.close()
  })

  it('while it is dropped leaves no table, and parts that gc removes', async () => {
    await killedAt('table-dropped', { drops: true })
    assert.equal(await backend.table(table.id), undefined)
    assert.equal((await failureOf(() => flat(backend.scan({ in: table.id })))).name, 'NotFoundError')
    assert.deepEqual(
      (await flat(backend.upkeep!.tables())).map(({ id }) => id),
      [table.id],
    )
    assertOk(await insitu(['gc', '--older-than', '0s'], { storage: backend.url }))
    assert.deepEqual(await flat(backend.upkeep!.tables()), [])
  })
})
