/** Memory that bulk-loading and scanning `--count` rows take: the highest anonymous memory of the process above its start. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, StorageDict, StorageObject, t } from 'insitu'
import { type Bench, type Benchmark, mustEqual, withFolder } from './harness.js'

const COUNT = 200_000
const LOOK_EVERY = 5000

class Rows extends StorageObject {
  rows = new StorageDict({ part: t.i32, at: t.i64 }, { text: t.text, n: t.i64 })
}

/** Megabytes that belong to no file: pages of a mapped file can go at any time and count as nobody's. */
function anonymousMb(): number {
  const kb = /^Anonymous:\s+(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]
  if (kb === undefined) throw new Error('/proc/self/smaps_rollup does not say how much memory is anonymous')
  return Number(kb) / 1024
}

class Peak {
  readonly #start = anonymousMb()
  #highest = this.#start
  #seen = 0

  look(): void {
    if (this.#seen++ % LOOK_EVERY === 0) this.#highest = Math.max(this.#highest, anonymousMb())
  }

  get aboveStart(): number {
    return this.#highest - this.#start
  }
}

function* generated(count: number, peak: Peak): Generator<[{ part: number; at: number }, { text: string; n: number }]> {
  for (let at = 0; at < count; at++) {
    peak.look()
    yield [
      { part: at >> 12, at },
      { text: `the text of row ${at}`, n: at * 3 },
    ]
  }
}

async function load(log: Rows, count: number): Promise<number> {
  const peak = new Peak()
  mustEqual(await log.rows.bulk(generated(count, peak)), count, 'rows loaded')
  return peak.aboveStart
}

async function scan(log: Rows, count: number): Promise<number> {
  const peak = new Peak()
  let rows = 0
  let sum = 0
  for await (const [{ at }, { n }] of log.rows) {
    peak.look()
    rows++
    sum += Number(n) - 3 * Number(at)
  }
  mustEqual(rows, count, 'rows scanned')
  mustEqual(sum, 0, 'what does not fit its key')
  return peak.aboveStart
}

export const memory: Benchmark = {
  name: 'memory',
  about: 'MB of anonymous memory above the start, bulk-loading and scanning --count (200,000) rows; one sample',
  run: (bench: Bench) =>
    withFolder(async (folder) => {
      const count = bench.options.count ?? COUNT
      const store = await connect(`nvram:${join(folder, 'store')}`)
      try {
        const log = await new Rows().makePersistent()
        const one = { unit: 'MB', better: 'lower', rivals: {} } as const
        for (const [what, work] of [['bulk-load', load] as const, ['scan', scan] as const]) {
          const contest = { ...one, case: `${what} ${count.toLocaleString('en-GB')} rows`, ours: () => work(log, count) }
          // The second time there would be nothing new to take memory for.
          bench.report(contest, new Map([['insitu', [await contest.ours()]]]))
        }
      } finally {
        await store.close()
      }
    }),
}
