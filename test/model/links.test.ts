import { checkLinks, PAIRS } from './links-check.js'

/** The same programs each time. More, and others: `npm run model-links`. */
const RUNS = { memory: 40, domains: 20, nvram: 10 }

describe('random programs on two stores that refer to each other', function () {
  this.timeout(60_000)
  for (const [name, runs] of Object.entries(RUNS))
    it(`show on ${name} what a plain Map would`, () => checkLinks(PAIRS[name]!, { runs, seed: 1, actionsMax: 15 }))
})
