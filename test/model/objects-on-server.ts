import fc from 'fast-check'
import { programs } from './objects-actions.js'
import { withData } from './objects-subjects.js'
import { World, type WorldOptions } from './objects-world.js'

/** A server must not be kept busy for longer than this; INSITU_RANDOM_RUNS says how many times as long, with other programs each time. */
const more = process.env['INSITU_RANDOM_RUNS']
const TIMES = Number(more ?? 1)
const TIME_MS = 15_000 * TIMES
export const SERVER_TEST_MS = TIME_MS + 60_000

/** Random programs, one after the other on the same data, for as long as there is time. */
export const checkOnServer = (url: string, options: Pick<WorldOptions, 'isSettledBetween'> = {}): Promise<void> =>
  withData(url, async (open) => {
    let programsRun = 0
    const property = fc.asyncProperty(programs(25), (program) => World.run(open, program, { ...options, prefix: `${programsRun++}/` }))
    const which = more === undefined ? { seed: 1 } : {}
    await fc.assert(property, { ...which, numRuns: 100 * TIMES, interruptAfterTimeLimit: TIME_MS, includeErrorInReport: true })
  })
