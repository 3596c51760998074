import { conformanceCases } from '../conformance/cases.js'
import { ConformanceSession } from '../conformance/session.js'
import { subjectAt } from '../conformance/subjects.js'
import { notRun } from '../tools/not-run.js'
import { siteFor, urlOf } from './kit.js'

/** Those about rows; what concerns objects alone is the same in both layouts. */
const ABOUT_ROWS = /^(?:B(?:4|5|6|7[0-24-9])|H18|H26|I6|I13|I14)/

describe('conformance: cassandra, dicts of one shape in one table', function () {
  this.timeout(180_000)
  let session: ConformanceSession | undefined
  before(async function () {
    session = await ConformanceSession.start(subjectAt(`${urlOf(await siteFor(this), 'any')}&ownTables=0`))
  })
  after(async function () {
    this.timeout(300_000)
    await session?.close()
  })
  for (const one of conformanceCases.filter(({ title }) => ABOUT_ROWS.test(title))) {
    it(one.title, async function () {
      const outcome = await session!.run(one)
      if (outcome.result === 'failed') throw outcome.error
      if (outcome.result === 'skipped') notRun(this, outcome.why)
    })
  }
})
