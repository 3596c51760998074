/** What becomes of a save when nobody can say whether it was committed. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { getByID, StorageDict, StorageObject, t } from '../../runtime/index.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { Store } from '../../src/store.js'
import { FaultyBackend } from '../conformance/faulty-backend.js'

class Tally extends StorageObject {
  n = 0
  log = new StorageDict({ day: t.text }, { hits: t.counter })
}

const lost = (): Error => new UnknownOutcomeError('the connection was cut', { retryable: true })

for (const url of ['memory:?private', 'memory:?private&domains=3'])
  describe(`unknown outcomes on ${url}`, () => {
    const isOne = !url.includes('domains')
    let backend: FaultyBackend
    let store: Store

    beforeEach(async () => {
      backend = new FaultyBackend(createBackend(url))
      await backend.open()
      store = new Store(backend, { patienceMs: 20 })
    })
    afterEach(() => store.close())

    const within = (body: () => Promise<void>) => (): Promise<void> => store.run(body)
    const failing = async (work: () => Promise<unknown>): Promise<unknown> =>
      work().then(
        () => undefined,
        (error: unknown) => error,
      )

    async function stored(tally: Tally): Promise<{ n: number; hits: bigint | undefined }> {
      const fresh = new Store(backend)
      return fresh.run(async () => {
        const again = (await getByID(tally.getID()!)) as Tally
        return { n: again.n, hits: (await again.log.get({ day: 'mon' }))?.hits }
      })
    }

    for (const after of [true, false])
      it(
        `a save ${after ? 'that was applied' : 'that was lost'} is settled by the next, once`,
        within(async () => {
          const tally = await new Tally().makePersistent()
          tally.n = 1
          tally.log.add({ day: 'mon' }, 'hits', 1n)
          backend.failCommits({ times: 1000, after, error: lost })
          // Over several domains a first step that nobody answered means that nothing is committed, and is told so.
          const error = await failing(() => tally.save())
          expect(error instanceof UnknownOutcomeError || (!isOne && error instanceof UnavailableError)).to.equal(true)
          backend.failCommits({ times: 0, after, error: lost })
          tally.n = 2
          tally.log.add({ day: 'mon' }, 'hits', 1n)
          await tally.save()
          expect(await stored(tally)).to.deep.equal({ n: 2, hits: 2n })
        }),
      ).timeout(60_000)

    it(
      'an object whose first save has an unknown outcome is persistent once it is known',
      within(async () => {
        const tally = new Tally()
        tally.n = 7
        backend.failCommits({ times: 1000, after: true, error: lost })
        const error = await failing(() => tally.makePersistent('seven'))
        expect(error instanceof UnknownOutcomeError || (!isOne && error instanceof UnavailableError)).to.equal(true)
        backend.failCommits({ times: 0, after: true, error: lost })
        expect(await tally.makePersistent('seven')).to.equal(tally)
        expect((await stored(tally)).n).to.equal(7)
      }),
    ).timeout(60_000)

    it(
      'a store that is away has not saved, and what was to be saved still is unsaved',
      within(async () => {
        const tally = await new Tally().makePersistent()
        tally.n = 1
        tally.log.add({ day: 'mon' }, 'hits', 1n)
        backend.failCommits({ times: 1000, after: false, error: () => new UnavailableError('away', { retryable: true }) })
        expect(await failing(() => tally.save())).to.be.instanceOf(UnavailableError)
        backend.failCommits({ times: 0, after: false, error: lost })
        await tally.save()
        expect(await stored(tally)).to.deep.equal({ n: 1, hits: 1n })
      }),
    ).timeout(60_000)
  })
