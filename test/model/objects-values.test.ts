import fc from 'fast-check'
import { comesBack, fieldShapes, isRefused } from './objects-any-value.js'
import { withData } from './objects-subjects.js'

const TIMES = Number(process.env['INSITU_RANDOM_RUNS'] ?? 1)

describe('objects: random values', function () {
  this.timeout(60_000 * TIMES)
  for (const url of ['memory:', 'memory:?domains=3'])
    it(`come back as they went in, and what cannot be stored is refused, on ${url}`, () =>
      withData(url, async (open) => {
        const [one, other] = [await open(), await open()]
        let runs = 0
        const property = fc.asyncProperty(fieldShapes, fieldShapes, fc.nat(100), async (first, then, bad) => {
          await comesBack(one, other, first, then)
          await isRefused(one, first, bad, `bad ${runs++}`)
        })
        await fc.assert(property, { numRuns: 20 * TIMES, includeErrorInReport: true, ...(TIMES === 1 && { seed: 1 }) })
        for (const store of [one, other]) await store.close()
      }))
})
