import fc from 'fast-check'
import { programs } from './objects-actions.js'
import { withData } from './objects-subjects.js'
import { World } from './objects-world.js'

/** How many programs, for each store. INSITU_RANDOM_RUNS says how many times as many. */
const STORES: readonly (readonly [url: string, runs: number])[] = [
  ['memory:', 400],
  ['memory:?domains=3', 150],
]
const TIMES = Number(process.env['INSITU_RANDOM_RUNS'] ?? 1)

describe('objects: random programs and their model', function () {
  this.timeout(60_000 * TIMES)
  for (const [url, runs] of STORES)
    it(`see the same on ${url}`, () =>
      fc.assert(
        fc.asyncProperty(programs(30), (program) => withData(url, (open) => World.run(open, program))),
        { numRuns: runs * TIMES },
      ))
})
