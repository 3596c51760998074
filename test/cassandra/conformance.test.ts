import { conformanceCases } from '../conformance/cases.js'
import { ConformanceSession } from '../conformance/session.js'
import { subjectAt } from '../conformance/subjects.js'
import { notRun } from '../tools/not-run.js'
import { siteFor, urlOf } from './kit.js'

describe('conformance: cassandra', function () {
  this.timeout(120_000)
  let session: ConformanceSession | undefined
  before(async function () {
    session = await ConformanceSession.start(subjectAt(urlOf(await siteFor(this), 'any')))
  })
  after(async function () {
    this.timeout(120_000)
    await session?.close()
  })
  for (const one of conformanceCases) {
    it(one.title, async function () {
      const outcome = await session!.run(one)
      if (outcome.result === 'failed') throw outcome.error
      if (outcome.result === 'skipped') notRun(this, outcome.why)
    })
  }
})
