/** Transactions that give and take names, and change nothing else. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { AliasTakenError, ConflictError, connect, NotFoundError, StorageObject, transact } from '../../runtime/index.js'
import { type Group, type Receipt, Ref } from '../../src/backend.js'
import { classOf } from '../../src/classes/class-registry.js'
import { Store } from '../../src/store.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'

class Named extends StorageObject {
  n = 1
}

class Other extends StorageObject {}

for (const url of ['memory:?private', 'memory:?private&domains=3'])
  describe(`names in a transaction: ${url}`, () => {
    let store: Store
    beforeEach(async () => {
      store = await connect(url)
    })
    afterEach(() => store.close())

    const standing = async (): Promise<readonly string[]> => {
      const found: string[] = []
      for (let nth = 0; nth < 6; nth++) {
        const one = await new Store(store.backend).run(() => Named.getByAlias(`name${nth}`).catch(() => undefined))
        if (one) found.push(`name${nth}`)
      }
      return found
    }

    it('are given all or none, taken all or none, and moved', async () => {
      const [one, other] = [await new Named().makePersistent(), await new Named().makePersistent('taken')]
      const all = ['name0', 'name1', 'name2', 'name3', 'name4', 'name5']
      await transact(async () => {
        for (const name of all) await one.addAlias(name)
      })
      expect(await standing()).to.deep.equal(all)
      await transact(async () => {
        for (const name of all.slice(0, 3)) await one.removeAlias(name)
        for (const name of all.slice(0, 3)) await other.addAlias(name)
      })
      expect((await Named.getByAlias('name1')).getID()).to.equal(other.getID())
      await transact(async () => {
        for (const name of all.slice(3)) await one.removeAlias(name)
      })
      expect(await standing()).to.deep.equal(all.slice(0, 3))
      const error = await transact(async () => {
        for (const name of ['name4', 'name5', 'taken']) await one.addAlias(name)
      }).catch((why: unknown) => why)
      expect(error).to.be.instanceOf(AliasTakenError)
      expect(await standing()).to.deep.equal(all.slice(0, 3))
    })

    it('are given to what the transaction has read, changed, made or checks', async () => {
      const [read, changed] = [await new Named().makePersistent(), await new Named().makePersistent()]
      await transact(
        async () => {
          const [one, other] = [await Named.getByID(read.getID()!), await Named.getByID(changed.getID()!)]
          other.n = 2
          await one.addAlias('name0')
          await other.addAlias('name1')
          await new Named().makePersistent('name2')
        },
        { check: true },
      )
      expect(await standing()).to.deep.equal(['name0', 'name1', 'name2'])
    })

    it('that are left of an object which is gone do not make it stand', async () => {
      const one = await new Named().makePersistent()
      const theirs = await new Store(store.backend).run(() => Named.getByID(one.getID()!))
      await theirs.deletePersistent()
      const ref = new Ref(one.getID()!, classOf(Named).id)
      await store.commit([{ do: 'name', alias: 'left', expect: null, to: ref }])
      expect(await one.addAlias('left').catch((why: unknown) => why)).to.be.instanceOf(NotFoundError)
      for (const ctor of [Named, Other]) expect(await ctor.getByAlias('left').catch((why: unknown) => why)).to.be.instanceOf(NotFoundError)
    })

    it('are not given to an object that is gone by then', async () => {
      const one = await new Named().makePersistent()
      const theirs = await new Store(store.backend).run(() => Named.getByID(one.getID()!))
      await theirs.deletePersistent()
      const error = await transact(async () => {
        await one.addAlias('name0')
        await one.addAlias('name1')
      }).catch((why: unknown) => why)
      expect(error instanceof ConflictError || error instanceof NotFoundError, String(error)).to.equal(true)
      const names: string[] = []
      for await (const page of store.backend.aliases({ prefix: 'name' })) for (const [alias] of page) names.push(alias)
      expect(names).to.deep.equal([])
    })
  })

/** What a decision leaves to be done is slow to come, as on a ring. */
class LateSettling extends ForwardingBackend {
  override async commit(group: Group): Promise<Receipt> {
    if (group.ops.every(({ do: what }) => what === 'settle')) await delay(30)
    return super.commit(group)
  }
}

describe('names that are still being settled', () => {
  it('go with the object that is deleted', async () => {
    const backend = new LateSettling(createBackend('memory:?private&domains=3'))
    await backend.open()
    const store = new Store(backend)
    try {
      const names = ['name0', 'name1', 'name2', 'name3', 'name4', 'name5']
      await store.run(async () => {
        for (const name of names) {
          const one = await new Named().makePersistent()
          await one.addAlias(name)
          await one.deletePersistent()
        }
      })
      expect(await new Store(backend).find(names.map((alias) => ({ alias })))).to.deep.equal(names.map(() => undefined))
    } finally {
      await store.close()
    }
  })
})
