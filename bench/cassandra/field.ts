/** What the benchmarks of one Cassandra node share. */
import { type Client, types } from 'cassandra-driver'
import { type Bench, type Contest, collectGarbage, inProgram, perSecond, type Sample } from '../harness.js'

export const COUNT = 20_000
/** Statements of the driver at once: what serves it best here. */
export const IN_FLIGHT = 256

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

export async function atOnce<T>(all: readonly T[], inFlight: number, work: (one: T, n: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let n = next++; n < all.length; n = next++) await work(all[n]!, n)
  }
  await Promise.all(upTo(inFlight).map(worker))
}

export const timed = (count: number, work: () => Promise<void>): Promise<number> => {
  collectGarbage()
  return perSecond(count, work)
}

export class Field {
  #runs = 0

  constructor(
    readonly url: string,
    readonly raw: Client,
    readonly count: number,
  ) {}

  program<T>(body: () => Promise<T>): Promise<T> {
    return inProgram(this.url, body)
  }

  /** Keys that no run before has used. */
  keys(count = this.count): string[] {
    const run = this.#runs++
    return upTo(count).map((n) => `${run}-${n}`)
  }

  execute(query: string, params: unknown[], options: object = {}): Promise<types.ResultSet> {
    return this.raw.execute(query, params, { prepare: true, isIdempotent: true, consistency: types.consistencies.quorum, ...options })
  }
}

/** The driver's samples meet ours in one program, which stays open for all of them, as the driver's client does. */
export const against = (bench: Bench, field: Field, contest: Omit<Contest, 'rivals' | 'better'>, driver: Sample): Promise<void> =>
  field.program(() => bench.contest({ ...contest, better: 'higher', rivals: { 'cassandra-driver': driver } }))
