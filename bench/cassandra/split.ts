/** A whole table, read piece by piece, beside the ranges of tokens that one would read by hand. */
import { StorageDict, t } from 'insitu'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import { atOnce, type Field, IN_FLIGHT, timed, upTo } from './field.js'

const ROWS = 1_000_000
const PIECES = 16
const AT_ONCE = 4
const GROUP = 20_000

export class Wide extends StorageDict.of({ k: t.text }, { n: t.i64 }) {}

function* rowsOf(count: number): Generator<readonly [{ k: string }, { n: number }]> {
  for (let n = 0; n < count; n++) yield [{ k: `key-${n}` }, { n }] as const
}

const sumTo = (count: number): bigint => (BigInt(count) * BigInt(count - 1)) / 2n

const ours =
  (dict: Wide, count: number): Sample =>
  () =>
    timed(count, async () => {
      let sum = 0n
      await atOnce(await dict.split(PIECES), AT_ONCE, async (piece) => {
        for await (const [{ k }, { n }] of piece) if (k !== '') sum += n
      })
      mustEqual(sum, sumTo(count), 'sum')
    })

const borders = upTo(PIECES + 1).map((n) => (n === PIECES ? 2n ** 63n - 1n : -(2n ** 63n) + (BigInt(n) * 2n ** 64n) / BigInt(PIECES)))
const RANGE = 'SELECT k, n FROM wide WHERE token(k) > ? AND token(k) <= ?'

const raw =
  (field: Field, count: number, fetchSize: number): Sample =>
  () =>
    timed(count, async () => {
      let sum = 0n
      await atOnce(upTo(PIECES), AT_ONCE, async (piece) => {
        let pageState: string | undefined
        do {
          const page = await field.execute(RANGE, [borders[piece], borders[piece + 1]], { fetchSize, pageState })
          for (const { k, n } of page.rows) if (k !== '') sum += n as bigint
          pageState = page.pageState ?? undefined
        } while (pageState !== undefined)
      })
      mustEqual(sum, sumTo(count), 'sum')
    })

async function fill(field: Field, count: number): Promise<void> {
  await field.execute('CREATE TABLE wide (k text PRIMARY KEY, n bigint)', [], { prepare: false })
  for (let at = 0; at < count; at += GROUP)
    await atOnce(upTo(Math.min(GROUP, count - at)), IN_FLIGHT, (i) =>
      field.execute('INSERT INTO wide (k, n) VALUES (?, ?)', [`key-${at + i}`, BigInt(at + i)]),
    )
}

export async function split(bench: Bench, field: Field): Promise<void> {
  const count = bench.options.count ?? ROWS
  await fill(field, count)
  await field.program(async () => {
    const dict = await new Wide().makePersistent()
    await dict.bulk(rowsOf(count))
    await bench.contest({
      case: `${count} rows by split(${PIECES}), ${AT_ONCE} at once`,
      unit: 'rows/s',
      better: 'higher',
      ours: ours(dict, count),
      rivals: { 'token ranges, page 1000': raw(field, count, 1000), 'token ranges, page 5000': raw(field, count, 5000) },
    })
  })
}
