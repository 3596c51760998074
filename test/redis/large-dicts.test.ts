import assert from 'node:assert/strict'
import type { Backend, Table } from '../../src/backend.js'
import { add, group, row, tableOn } from '../conformance/contract-kit.js'
import { RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { openAt } from './kit.js'
import { longestMs, NOTING } from './script-times.js'

/** Each page begins behind the last key, which takes the server the same time among a hundred thousand rows as among ten million, nearly. */
const ROWS = 100_000
const LARGE_ROWS = 400
/** Sixteen megabytes of them. */
const HUGE_ROWS = 160
const HUGE_TEXT = 'x'.repeat(100_000)
const SCRIPT_MS_MAX = 10

describe('redis: a partition of many rows', function () {
  this.timeout(300_000)
  let server: RedisServer
  let backend: Backend
  let table: Table
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start(NOTING)
    backend = await openAt(server)
    table = await tableOn(backend)
    const rows = Array.from({ length: ROWS }, (_, n) => row(table.id, ['many', BigInt(n)], [BigInt(n), `note ${n}`, undefined]))
    for (let at = 0; at < ROWS; at += 2560)
      await Promise.all(
        Array.from({ length: 10 }, (_, i) => rows.slice(at + i * 256, at + (i + 1) * 256))
          .filter((some) => some.length > 0)
          .map((some) => backend.commit(group(some))),
      )
    const large = Array.from({ length: LARGE_ROWS }, (_, n) => row(table.id, ['large', BigInt(n)], [1n, 'x'.repeat(20_000), undefined]))
    const huge = Array.from({ length: HUGE_ROWS }, (_, n) => row(table.id, ['huge', BigInt(n)], [1n, HUGE_TEXT + n, undefined]))
    for (const one of [...large, ...huge]) await backend.commit(group([one]))
    await backend.commit(group(Array.from({ length: 200 }, (_, n) => add(table.id, ['many', BigInt(n)], 2, 1n))))
  })
  after(async () => {
    await backend?.close()
    await server?.stop()
  })

  const works: Record<string, () => Promise<unknown>> = {
    'scanned from its beginning': () => counted({ prefix: ['many'] }, ROWS),
    'scanned backwards, from its middle': () => counted({ prefix: ['many'], to: [BigInt(ROWS / 2)], reverse: true }, ROWS / 2),
    'scanned where rows are large': () => counted({ prefix: ['large'] }, LARGE_ROWS),
    counted: () => backend.aggregates!.aggregate({ in: table.id }, [], [['count', '*']]),
    'summed up': () =>
      backend.aggregates!.aggregate(
        { in: table.id, prefix: ['many'], to: [20_000n] },
        [],
        [
          ['sum', 'n'],
          ['max', 'note'],
        ],
      ),
    'summed up where rows are huge': async () => {
      const found = await backend.aggregates!.aggregate(
        { in: table.id, prefix: ['huge'] },
        [],
        [
          ['sum', 'n'],
          ['max', 'note'],
        ],
      )
      assert.deepEqual(found, [[BigInt(HUGE_ROWS), `${HUGE_TEXT}99`]])
    },
    'asked for huge rows by their keys': async () => {
      const keys = Array.from({ length: HUGE_ROWS + 1 }, (_, n) => ['huge', BigInt(n)])
      const found = await backend.rows(table.id, keys)
      assert.deepEqual(
        found.map((one) => one?.values[1]),
        [...keys.slice(1).map((_, n) => HUGE_TEXT + n), undefined],
      )
    },
    'cut into pieces and located': async () => backend.locate(await backend.pieces(table.id, 64)),
    'asked for many keys': () =>
      backend.rows(
        table.id,
        Array.from({ length: 5000 }, (_, n) => ['many', BigInt(n * 17)]),
      ),
  }

  for (const [what, work] of Object.entries(works))
    it(`${what} holds up the server for less than 10 ms at a time`, async () => {
      const ms = await longestMs(server, SCRIPT_MS_MAX, async () => work)
      assert.ok(ms <= SCRIPT_MS_MAX, `a script took ${ms} ms`)
    })

  it('takes no more memory to scan than a few pages', async () => {
    const { gc } = globalThis as { gc?: () => void }
    gc?.()
    const before = process.memoryUsage().rss
    let most = 0
    for await (const page of backend.scan({ in: table.id })) {
      assert.ok(page.length <= 512 && page.reduce((sum, { values }) => sum + String(values[1]).length, 0) <= 2 ** 20)
      most = Math.max(most, process.memoryUsage().rss)
    }
    assert.ok(most - before < 150 * 2 ** 20, `${(most - before) / 2 ** 20} MiB`)
  })

  async function counted(range: object, expected: number): Promise<void> {
    let rows = 0
    for await (const page of backend.scan({ in: table.id, ...range })) rows += page.length
    assert.equal(rows, expected)
  }
})
