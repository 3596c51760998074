/** Where random programs on two stores can be tried, and that they show what the model says. */
import fc from 'fast-check'
import { newCommitId } from '../../src/ids.js'
import type { Subject } from '../conformance/session.js'
import { PLACES, type Place } from './dict-places.js'
import { type Action, Links, linkPrograms } from './links-world.js'

/** Two stores, anew for each program where that costs nothing. */
interface Pair {
  urls(): readonly [string, string]
  stop(): Promise<void>
}

/** Under a name, since what refers to an object says its store by its url. */
const memoryUrl = (options: string): string => `memory:links-${newCommitId()}${options}`
const inMemory = (first: string, second: string) => async (): Promise<Pair> => ({
  urls: () => [memoryUrl(first), memoryUrl(second)],
  stop: async () => {},
})

/** By the names of two places. */
const ofPlaces =
  (...names: readonly [string, string]) =>
  async (): Promise<Pair> => {
    const places: Place[] = []
    const subjects: Subject[] = []
    for (const name of names) {
      const known = places[names.indexOf(name)]
      places.push(known ?? (await PLACES[name]!()))
      subjects.push(await places.at(-1)!.factory())
    }
    const [first, second] = subjects.map((one) => String(one.open())) as [string, string]
    const stop = async (): Promise<void> => {
      for (const one of subjects) await one.drop?.()
      for (const one of new Set(places)) await one.stop()
    }
    return { urls: () => [first, second], stop }
  }

export const PAIRS: Readonly<Record<string, () => Promise<Pair>>> = {
  memory: inMemory('', ''),
  domains: inMemory('?domains=3', ''),
  nvram: ofPlaces('nvram', 'nvram'),
  redis: ofPlaces('redis', 'redis'),
  'redis+nvram': ofPlaces('redis', 'nvram'),
  cassandra: ofPlaces('cassandra', 'cassandra'),
  'cassandra+nvram': ofPlaces('cassandra', 'nvram'),
}

export interface CheckOptions {
  readonly runs: number
  readonly actionsMax: number
  readonly seed: number
  readonly path?: string
}

/** @throws Error that says by which seed it comes again, and which is the smallest program that was found. */
export async function checkLinks(where: () => Promise<Pair>, { runs, actionsMax, seed, path }: CheckOptions): Promise<void> {
  const pair = await where()
  try {
    await fc.assert(
      fc.asyncProperty(linkPrograms(actionsMax), (actions) => Links.run(pair.urls(), actions)),
      { numRuns: runs, seed, ...(path !== undefined && { path }), reporter: report },
    )
  } finally {
    await pair.stop()
  }
}

function report(found: fc.RunDetails<[readonly Action[]]>): void {
  if (!found.failed) return
  const [actions] = found.counterexample ?? []
  const told = (actions ?? []).map((one, i) => `  ${i} ${fc.stringify(one)}`).join('\n')
  const cause = found.errorInstance
  throw new Error(
    `programs on two stores, seed ${found.seed}, path ${found.counterexamplePath}: ${cause instanceof Error ? cause.message : String(cause)}\n${told}`,
    { cause },
  )
}
