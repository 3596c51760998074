import { tmpdir } from 'node:os'
import fc from 'fast-check'
import type { Store } from '../../runtime/index.js'
import { programs } from './objects-actions.js'
import { withData } from './objects-subjects.js'
import { World } from './objects-world.js'

/** The same programs each time; INSITU_RANDOM_RUNS says how many times as many run, and others. */
const more = process.env['INSITU_RANDOM_RUNS']
const TIMES = Number(more ?? 1)
const REPORT = { includeErrorInReport: true, ...(more === undefined && { seed: 1 }) }

describe('objects: random programs and their model', function () {
  this.timeout(60_000 * TIMES)
  for (const [url, runs] of [
    ['memory:', 200],
    ['memory:?domains=3', 60],
  ] as const)
    it(`see the same on ${url}`, () =>
      fc.assert(
        fc.asyncProperty(programs(30), (program) => withData(url, (open) => World.run(open, program))),
        { numRuns: runs * TIMES, ...REPORT },
      ))

  it('see the same on a file, which all of them share', () =>
    withData(`nvram:${tmpdir()}`, async (open: () => Promise<Store>) => {
      let number = 0
      const property = fc.asyncProperty(programs(20), (program) => World.run(open, program, { prefix: `${number++}/` }))
      await fc.assert(property, { numRuns: 15 * TIMES, ...REPORT })
    }))
})
