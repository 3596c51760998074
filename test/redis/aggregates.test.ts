import assert from 'node:assert/strict'
import type { Backend, Cell, Range, StoredRow, Table } from '../../src/backend.js'
import { UnsupportedError } from '../../src/errors.js'
import { newTableId } from '../../src/ids.js'
import { add, row, send, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, openAt } from './kit.js'

const ROWS = 1700

/** Rows of several partitions, with whole numbers that no double holds, nothing here and there, and text that JSON escapes. */
const valuesOf = (i: number): (Cell | undefined)[] => [
  i % 7 === 0 ? undefined : 2n ** 60n * BigInt(i % 2 ? 1 : -1) + BigInt(i),
  i % 11 === 0 ? null : i / 8,
  i % 13 === 0 ? undefined : `${i % 5}"é\n`,
  i % 3 === 0,
  undefined,
]

describe('redis: aggregates in the store', function () {
  this.timeout(60_000)
  let server: RedisServer | undefined
  let backend: Backend
  let table: Table
  let rows: StoredRow[]
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start()
    backend = await openAt(server)
    table = {
      id: newTableId(),
      owner: thing(),
      keys: [
        { name: 'p', type: 'text' },
        { name: 'o', type: 'i64' },
      ],
      partition: 1,
      values: [
        { name: 'whole', type: 'i64' },
        { name: 'real', type: 'f64' },
        { name: 'text', type: 'text' },
        { name: 'flag', type: 'bool' },
        { name: 'hits', type: 'counter' },
      ],
      writes: 'lww',
    }
    await backend.define(table)
    const all = Array.from({ length: ROWS }, (_, i) => i)
    await send(backend, ...all.map((i) => row(table.id, [`p${i % 4}\u0000`, BigInt(i - 800)], valuesOf(i))))
    await send(backend, ...all.filter((i) => i % 9 === 0).map((i) => add(table.id, [`p${i % 4}\u0000`, BigInt(i - 800)], 4, 2n ** 61n)))
    rows = await flat(backend.scan({ in: table.id }))
  })
  after(async () => {
    await backend?.close()
    await server?.stop()
  })

  const ask = (range: Omit<Range, 'in'>, by: readonly string[], ...ops: (readonly ['count' | 'sum' | 'min' | 'max', string])[]) =>
    backend.aggregates!.aggregate({ in: table.id, ...range }, by, ops)
  const whole = (all: readonly StoredRow[]): bigint[] => all.flatMap((r) => (typeof r.values[0] === 'bigint' ? [r.values[0]] : []))
  const sum = (all: readonly bigint[]): bigint => all.reduce((a, b) => a + b, 0n)

  it('are exact over many pages, for numbers that no double holds', async () => {
    const found = await ask(
      {},
      [],
      ['count', '*'],
      ['count', 'whole'],
      ['sum', 'whole'],
      ['min', 'whole'],
      ['max', 'whole'],
      ['sum', 'hits'],
    )
    const all = whole(rows)
    const hits = sum(rows.map((r) => (r.values[4] as bigint | undefined) ?? 0n))
    const sorted = [...all].sort((a, b) => (a < b ? -1 : 1))
    assert.deepEqual(found, [[ROWS, all.length, sum(all), sorted[0], sorted.at(-1), hits]])
    assert.deepEqual(await ask({}, [], ['count', '*']), [[ROWS]])
    const reals = rows.flatMap((r) => (typeof r.values[1] === 'number' ? [r.values[1]] : []))
    assert.deepEqual(await ask({}, [], ['sum', 'real'], ['max', 'real'], ['min', 'text'], ['max', 'text']), [
      [reals.reduce((a, b) => a + b), Math.max(...reals), '0"é\n', '4"é\n'],
    ])
  })

  it('stay within bounds', async () => {
    const inside = rows.filter((r) => r.key[0] === 'p1\u0000' && (r.key[1] as bigint) >= -100n && (r.key[1] as bigint) < 500n)
    const range = { prefix: ['p1\u0000'], from: [-100n], to: [500n] }
    assert.deepEqual(await ask(range, [], ['count', '*'], ['sum', 'whole']), [[inside.length, sum(whole(inside))]])
    assert.deepEqual(await ask({ prefix: ['none'] }, [], ['sum', 'whole']), [])
    const pieces = await backend.pieces(table.id, 3)
    const counts = await Promise.all(pieces.map((piece) => backend.aggregates!.aggregate({ in: piece }, [], [['count', 'flag']])))
    assert.equal(
      counts.reduce((all, groups) => all + Number(groups[0]?.[0] ?? 0), 0),
      ROWS,
    )
  })

  it('are grouped by keys and by values, in their order, with what has none first', async () => {
    const groups = await ask({}, ['p'], ['count', '*'], ['sum', 'whole'])
    const expected = ['p0\u0000', 'p1\u0000', 'p2\u0000', 'p3\u0000'].map((p) => {
      const mine = rows.filter((r) => r.key[0] === p)
      return [p, mine.length, sum(whole(mine))]
    })
    assert.deepEqual(groups, expected)
    const texts = await ask({}, ['text', 'flag'], ['count', '*'])
    assert.deepEqual(
      texts.slice(0, 2).map(([text, flag]) => [text, flag]),
      [
        [null, false],
        [null, true],
      ],
    )
    assert.equal(texts.length, 12)
    assert.equal(
      texts.reduce((all, [, , n]) => all + Number(n), 0),
      ROWS,
    )
    assert.equal((await ask({}, ['o'], ['count', '*'])).length, ROWS)
  })

  it('that Redis cannot compute are refused, so that the rows are fetched', async () => {
    assert.ok((await failureOf(() => ask({ limit: 3 }, [], ['count', '*']))) instanceof UnsupportedError)
    assert.ok((await failureOf(() => ask({}, [], ['min', 'o']))) instanceof UnsupportedError)
    assert.ok((await failureOf(() => ask({}, ['real'], ['count', '*']))) instanceof UnsupportedError)
    await send(backend, row(table.id, ['zz', 1n], [1n, Number.NaN, 'x', true, undefined]))
    assert.ok((await failureOf(() => ask({}, [], ['max', 'real']))) instanceof UnsupportedError)
  })
})
