/** A sum by group over many rows: where they lie, beside the program fetching them. */
import { StorageDict, t } from 'insitu'
import { type Bench, mustEqual, type Sample } from '../harness.js'
import type { Field } from './field.js'

const ROWS = 1_000_000
const GROUPS = 10

export class RedisSales extends StorageDict.of({ shop: t.text, at: t.i64 }, { n: t.i64, note: t.text }) {}

function* sales(count: number): Generator<readonly [{ shop: string; at: bigint }, { n: bigint; note: string }]> {
  for (let n = 0; n < count; n++)
    yield [
      { shop: `shop ${n % GROUPS}`, at: BigInt(n) },
      { n: BigInt(n % 1000), note: `sale ${n}` },
    ]
}

/** What a shop sold, added up without a store. */
function expected(count: number): Map<string, bigint> {
  const sums = new Map<string, bigint>()
  for (let n = 0; n < count; n++) sums.set(`shop ${n % GROUPS}`, (sums.get(`shop ${n % GROUPS}`) ?? 0n) + BigInt(n % 1000))
  return sums
}

function checked(found: ReadonlyMap<string, bigint>, wanted: ReadonlyMap<string, bigint>): void {
  mustEqual(found.size, wanted.size, 'groups')
  for (const [shop, sum] of wanted) mustEqual(found.get(shop), sum, `sum of ${shop}`)
}

async function inStore(dict: RedisSales): Promise<Map<string, bigint>> {
  const sums = new Map<string, bigint>()
  for await (const [{ shop }, { total }] of dict.groupBy(['shop'], { total: ['sum', 'n'] })) sums.set(shop, BigInt(total ?? 0))
  return sums
}

async function fetching(dict: RedisSales): Promise<Map<string, bigint>> {
  const sums = new Map<string, bigint>()
  for await (const [{ shop }, { n }] of dict.entries()) sums.set(shop, (sums.get(shop) ?? 0n) + BigInt(n))
  return sums
}

export async function aggregates(bench: Bench, field: Field): Promise<void> {
  const count = bench.options.count ?? ROWS
  const wanted = expected(count)
  await field.program(async () => {
    const dict = await new RedisSales().makePersistent()
    await dict.bulk(sales(count))
    const timed =
      (work: (dict: RedisSales) => Promise<Map<string, bigint>>): Sample =>
      async () => {
        const start = performance.now()
        checked(await work(dict), wanted)
        return performance.now() - start
      }
    await bench.contest({
      case: `sum by group over ${count} rows`,
      unit: 'ms',
      better: 'lower',
      warmUp: false,
      ours: timed(inStore),
      rivals: { 'fetching them': timed(fetching) },
    })
    await bench.contest({
      case: `count of ${count} rows`,
      unit: 'ms',
      better: 'lower',
      warmUp: false,
      ours: timed(async (of) => {
        mustEqual(await of.count(), count, 'rows')
        return wanted as Map<string, bigint>
      }),
      rivals: {},
    })
  })
}
