/** Dicts with `writes: 'counters'` on a store that has no counters of its own: the rules are the same. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { UnknownOutcomeError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { Store } from '../../src/store.js'
import { FaultyBackend } from '../conformance/faulty-backend.js'

class Visits extends StorageObject {
  pages = new StorageDict({ page: t.text }, { hits: t.counter }, { writes: 'counters' })
}
class Usual extends StorageObject {
  pages = new StorageDict({ page: t.text }, { hits: t.counter })
}

describe("dicts with writes: 'counters'", () => {
  let backend: FaultyBackend
  let store: Store
  beforeEach(async () => {
    backend = new FaultyBackend(createBackend('memory:?private'))
    await backend.open()
    store = new Store(backend)
  })
  afterEach(() => store.close())

  const failing = (work: () => Promise<unknown>): Promise<any> =>
    work().then(
      () => undefined,
      (error: unknown) => error,
    )

  it('count at once, for every program, without a save', () =>
    store.run(async () => {
      const visits = await new Visits().makePersistent('visits')
      await visits.pages.increment({ page: 'a' }, 'hits')
      await visits.pages.increment({ page: 'a' }, 'hits', 41n)
      const other = new Store(backend)
      const again = await other.run(() => Visits.getByAlias('visits'))
      expect(await again.pages.get({ page: 'a' })).to.deep.equal({ hits: 42n })
    }))

  it('are declared with counters alone', () => {
    for (const columns of [{}, { n: t.i32 }, { hits: t.counter, n: t.i32 }])
      expect(() => new StorageDict({ k: t.text }, columns, { writes: 'counters' })).to.throw(ValidationError, /counters/)
  })

  it('refuse what a unit of work would hold, and increment() is refused elsewhere', () =>
    store.run(async () => {
      const visits = await new Visits().makePersistent()
      for (const wrong of [
        () => visits.pages.add({ page: 'a' }, 'hits', 1),
        () => visits.pages.set({ page: 'a' }, {}),
        () => visits.pages.delete({ page: 'a' }),
      ])
        expect(wrong).to.throw(UnsupportedError, /increment\(\)/)
      expect(await failing(() => new Visits().pages.increment({ page: 'a' }, 'hits'))).to.be.instanceOf(ValidationError)
      const usual = await new Usual().makePersistent()
      expect((await failing(() => usual.pages.increment({ page: 'a' }, 'hits'))).code).to.equal('ERR_COUNTERS_ONLY')
    }))

  it('are sent once, whatever becomes of them', () =>
    store.run(async () => {
      const visits = await new Visits().makePersistent()
      backend.failCommits({ times: 1, after: true, error: () => new UnknownOutcomeError('cut', { retryable: true }) })
      expect(await failing(() => visits.pages.increment({ page: 'a' }, 'hits'))).to.be.instanceOf(UnknownOutcomeError)
      expect(await visits.pages.get({ page: 'a' })).to.deep.equal({ hits: 1n })
    }))

  it('are refused in a transaction, and so in a task, with the reason', () =>
    store.run(async () => {
      const visits = await new Visits().makePersistent()
      const error = await failing(() => transact(() => visits.pages.increment({ page: 'a' }, 'hits')))
      expect(error.message).to.match(/runs again, would have counted/)
      expect(await visits.pages.get({ page: 'a' })).to.equal(undefined)
    }))
})
