import { conformanceCases } from '../conformance/cases.js'
import { ConformanceSession } from '../conformance/session.js'
import { subjectAt } from '../conformance/subjects.js'
import { notRun } from '../tools/not-run.js'
import { siteFor, urlOf } from './kit.js'

/** Dicts lie in two layouts, of which most see one only. */
const SUBJECTS = { 'as it comes': '', 'dicts of one shape in one table': '&ownTables=0' }

for (const [name, query] of Object.entries(SUBJECTS)) {
  describe(`conformance: cassandra, ${name}`, function () {
    this.timeout(60_000)
    let session: ConformanceSession | undefined
    before(async function () {
      session = await ConformanceSession.start(subjectAt(`${urlOf(await siteFor(this), 'any')}${query}`))
    })
    after(async function () {
      this.timeout(120_000)
      await session?.close()
    })
    for (const one of conformanceCases.filter((c) => query === '' || /^(?:B[4-7]|H18|H26|I6|I13|I14)/.test(c.title))) {
      it(one.title, async function () {
        const outcome = await session!.run(one)
        if (outcome.result === 'failed') throw outcome.error
        if (outcome.result === 'skipped') notRun(this, outcome.why)
      })
    }
  })
}
