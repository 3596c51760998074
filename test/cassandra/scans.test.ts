/** How much of a table a scan asks for, and how much of one a load sends. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, StorageDict, type Store, t } from '../../runtime/index.js'
import type { Backend, Range, Table } from '../../src/backend.js'
import { row, send, tableOn } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { Keyspace, siteFor } from './kit.js'
import { WatchedDriver, WHOLE_ROWS } from './watched-driver.js'

const ROWS = 12_000
/** So many rows of several partitions are sorted before the first is given, and no more. */
const SORTED_ROWS = 4097
const LOOKED_EACH = 1500
const LOADED = 5000
/** In which a page that somebody had asked for would have been seen to be. */
const STILL_MS = 100

class Lines extends StorageDict.of({ p: t.text, o: t.i64 }, { n: t.i64 }) {}

describe('cassandra: how much travels at once', function () {
  this.timeout(60_000)
  let keyspace: Keyspace | undefined
  let backend: Backend
  let table: Table
  let driver: WatchedDriver | undefined
  let store: Store | undefined
  before(async function () {
    keyspace = await Keyspace.on(await siteFor(this))
    backend = await keyspace.open()
    table = await tableOn(backend)
    for (const half of [0, ROWS / 2])
      await send(backend, ...Array.from({ length: ROWS / 2 }, (_, o) => row(table.id, ['p', BigInt(half + o)], [1n, 'x', undefined])))
  })
  afterEach(() => driver?.end())
  after(async function () {
    this.timeout(120_000)
    await store?.close()
    await backend?.close()
    await keyspace?.drop()
  })

  /** Pages that were asked for since. */
  function watch(): () => number {
    const watched = new WatchedDriver()
    driver = watched
    return () => watched.asked.filter(({ query }) => query.startsWith(WHOLE_ROWS)).length
  }

  const where = async (): Promise<readonly [string, Range][]> => [
    ['a table', { in: table.id }],
    ['a piece', { in: (await backend.pieces(table.id, 1))[0]! }],
    ['a partition', { in: table.id, prefix: ['p'] }],
  ]

  it('a backend asks for each page when it is wanted, and for none when nobody wants more', async () => {
    for (const [name, range] of await where()) {
      const pages = watch()
      let taken = 0
      for await (const _ of backend.scan(range)) {
        taken++
        await delay(STILL_MS)
        assert.equal(pages(), taken, name)
        if (taken === 3) break
      }
      await delay(STILL_MS)
      assert.equal(pages(), 3, name)
      driver?.end()
    }
  })

  it('a consumer who gives up by a signal is told so, and nothing more is asked for', async () => {
    const pages = watch()
    const giving = new AbortController()
    await assert.rejects(async () => {
      for await (const _ of backend.scan({ in: table.id }, giving.signal)) giving.abort(new Error('enough'))
    }, /enough/)
    await delay(STILL_MS)
    assert.equal(pages(), 1)
  })

  it('a scan with a limit asks for no more rows than that', async () => {
    for (const [name, range] of await where())
      for (const [limit, wanted] of [
        [1, 1],
        [1000, 1],
        [1500, 2],
      ] as const) {
        const pages = watch()
        assert.equal((await flat(backend.scan({ ...range, limit }))).length, limit)
        await delay(STILL_MS)
        assert.equal(pages(), wanted, `${name}: ${limit} rows`)
        driver?.end()
      }
  })

  it('a scan with a limit goes on where some of what it read were removed rows', async () => {
    const counted = await tableOn(backend)
    for (const o of [0n, 1n, 2n]) await send(backend, row(counted.id, ['p', o], [o, undefined, undefined]))
    await send(backend, row(counted.id, ['p', 0n], null))
    const rows = await flat(backend.scan({ in: counted.id, limit: 2 }))
    assert.deepEqual(
      rows.map(({ key }) => key[1]),
      [1n, 2n],
    )
  })

  it('loops over a dict, a piece and a partition have one page under way while they work on one, and stop reading when they stop', async () => {
    store ??= await connect(keyspace!.url)
    const dict = await store.run(async () => {
      const made = await new Lines().makePersistent()
      await made.bulk(Array.from({ length: ROWS }, (_, o) => [{ p: 'p', o }, { n: o }] as const))
      return made
    })
    await store.run(async () => {
      const [piece] = await dict.split(1)
      for (const [name, rows, sorted] of [
        ['dict', dict, SORTED_ROWS],
        ['piece', piece!, SORTED_ROWS],
        ['partition', dict.range({ p: 'p' }), 0],
      ] as const) {
        const pages = watch()
        let seen = 0
        for await (const _ of rows) {
          if (++seen % LOOKED_EACH !== 1) continue
          await delay(STILL_MS)
          assert.ok(pages() <= pagesOf(Math.max(seen, sorted)) + 1, `${name}: ${pages()} pages asked for after ${seen} rows`)
        }
        assert.equal(seen, ROWS)
        driver?.end()
        const again = watch()
        for await (const _ of rows) break
        await delay(STILL_MS)
        assert.ok(again() <= pagesOf(Math.max(1, sorted)) + 1, `${name}: ${again()} pages asked for one row`)
        driver?.end()
      }
    })
  })

  it('rows that are loaded into one partition leave a thousand at a time: a server works on one batch with one thread', async () => {
    store ??= await connect(keyspace!.url)
    const watched = new WatchedDriver()
    driver = watched
    await store.run(async () => {
      const dict = await new Lines().makePersistent()
      watched.batches.length = 0
      await dict.bulk(Array.from({ length: LOADED }, (_, o) => [{ p: 'p', o }, { n: o }] as const))
      assert.equal(await dict.count(), LOADED)
    })
    const loads = watched.batches.filter((rows) => rows > 10)
    assert.deepEqual([Math.max(...loads), loads.reduce((sum, rows) => sum + rows, 0)], [1024, LOADED])
  })

  /** In how many pages so many rows of this table come. */
  function pagesOf(rows: number): number {
    let pages = 0
    for (const page of driver!.pages.filter((one) => one > 0)) {
      if (rows <= 0) break
      rows -= page
      pages++
    }
    return pages
  }
})
