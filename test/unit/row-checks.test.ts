/** Rows that exclude each other, beside what is seldom: units about nothing else than names, and rows loaded in bulk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { connect, StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { type Intent, Ref } from '../../src/backend.js'
import { type ClassId, newCommitId } from '../../src/ids.js'
import { Store } from '../../src/store.js'

class Rules extends StorageObject {
  static readonly typeName = 'insitu/test#Rules'
  rows = new StorageDict({ name: t.text }, { holds: t.bool }, { writes: 'cas' })
}

const OPEN = { name: 'open' }
const LEASE_MS = 300

describe('rows that exclude each other', () => {
  let folder: string
  let store: Store
  let rules: Rules

  const begin = async (url: string): Promise<void> => {
    store = await connect(url)
    rules = new Rules()
    rules.rows.set(OPEN, { holds: true })
    await store.run(() => rules.makePersistent())
  }
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-row-checks-'))
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  for (const url of ['memory:?private', 'memory:?private&domains=3', 'nvram'])
    it(`are checked by a transaction that does nothing but give names: ${url}`, async () => {
      await begin(url === 'nvram' ? `nvram:${folder}` : url)
      const theirs = new Store(store.backend)
      const change = (holds: boolean): Promise<void> =>
        theirs.run(async () => {
          const { rows } = await Rules.getByID(rules.getID()!)
          rows.set(OPEN, { holds })
          await rows.save()
        })
      const seen: (boolean | undefined)[] = []
      for (let nth = 0; nth < 6; nth++)
        await store.run(() =>
          transact(
            async () => {
              seen.push((await rules.rows.get(OPEN))?.holds)
              if (seen.length === 1) await change(false)
              await rules.addAlias(`name${nth}`)
            },
            { check: true },
          ),
        )
      expect(seen).to.deep.equal([true, ...Array(6).fill(false)])
      expect(await store.run(() => rules.aliases())).to.have.length(6)
    })

  it('are loaded in bulk once no unit over several domains holds them by their owner', async () => {
    await begin(`nvram:${folder}`)
    const { backend } = store
    const ref = new Ref(rules.getID()!, Rules.typeName as ClassId)
    const intent: Intent = { commit: newCommitId(), home: ref, redo: [], leaseUntilMs: Date.now() + LEASE_MS }
    await backend.commit({ commit: newCommitId(), atMicros: 1n, ops: [{ do: 'reserve', target: { ref }, expect: 'present', intent }] })
    const loading = store.run(() => rules.rows.bulk([[{ name: 'loaded' }, { holds: true }]]))
    await new Promise((resolve) => setTimeout(resolve, LEASE_MS / 3))
    expect(await store.run(() => rules.rows.has({ name: 'loaded' }))).to.equal(false)
    expect(await loading).to.equal(1)
    expect(await store.run(() => rules.rows.has({ name: 'loaded' }))).to.equal(true)
  })
})
