import { subjectAt } from '../conformance/subjects.js'
import { checkDicts } from '../model/dict-check.js'
import { siteFor, urlOf } from './kit.js'

describe('random programs on dicts: cassandra', function () {
  this.timeout(120_000)
  let url = ''
  before(async function () {
    url = urlOf(await siteFor(this), 'any')
  })
  // few: each has dicts of another shape, which is a table of its own
  it('show on a ring what a plain Map would', () => checkDicts(subjectAt(url), { runs: 2, seed: 1, actionsMax: 15 }))
})
