import assert from 'node:assert/strict'
import { brokenBackends } from '../conformance/broken-backends.js'
import { instanceSubject } from '../conformance/subjects.js'
import { checkDicts } from './dict-check.js'
import { PLACES } from './dict-places.js'

/** The same programs each time. More, and others: `INSITU_RANDOM_RUNS=1000 npm test -- dist/test/model/dict.test.js`, or `npm run model-dicts`. */
const RUNS = { memory: 15, domains: 12, nvram: 8, sqlite: 6 }
const more = process.env['INSITU_RANDOM_RUNS']

describe('random programs on dicts', function () {
  this.timeout(more === undefined ? 60_000 : 600_000)
  for (const [name, runs] of Object.entries(RUNS))
    it(`show on ${name} what a plain Map would`, async () => {
      const place = await PLACES[name]!()
      try {
        const which = more === undefined ? { runs, seed: 1 } : { runs: Number(more) }
        await checkDicts(place.factory, { ...which, actionsMax: 15 })
      } finally {
        await place.stop()
      }
    })

  for (const fault of ['EndsScansEarly', 'IgnoresReverse', 'IncludesTheEnd', 'KeepsFirstRow', 'PiecesOverlap'] as const)
    it(`notice a store that ${fault.replace(/(?<=.)[A-Z]/g, (sign) => ` ${sign.toLowerCase()}`)}`, async () => {
      const broken = (): ReturnType<typeof instanceSubject> =>
        instanceSubject('memory:?private', (backend) => new brokenBackends[fault](backend))
      await assert.rejects(checkDicts(broken, { runs: 200, seed: 1, actionsMax: 15, endsAtFirst: true }), /programs on dicts, seed 1/)
    })
})
