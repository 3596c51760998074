/** How often a unit of work over several domains waits for its stores before its caller goes on. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { getByID, StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import {
  type Backend,
  type Group,
  type Key,
  type Mark,
  type Op,
  type Receipt,
  Ref,
  type Stored,
  type StoredRow,
} from '../../src/backend.js'
import type { ClassId, CommitId, Domain, Id, TableId } from '../../src/ids.js'
import { Store } from '../../src/store.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'

class Account extends StorageObject {
  balance = 0
  log = new StorageDict({ day: t.text }, { amount: t.i32 })
  rules = new StorageDict({ name: t.text }, { holds: t.bool }, { writes: 'cas' })
}

/** Answers all that is asked at one time together, once nobody asks for more: as far as a caller waits, that is one round trip. */
class DistantBackend extends ForwardingBackend {
  trips = 0
  #asked: (() => void)[] = []

  async #there(): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.#asked.push(resolve) === 1) setTimeout(() => this.#answer(), 5)
    })
  }

  #answer(): void {
    this.trips++
    for (const answer of this.#asked.splice(0)) answer()
  }

  override async commit(group: Group): Promise<Receipt> {
    await this.#there()
    return super.commit(group)
  }
  override async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    await this.#there()
    return super.read(refs)
  }
  override async find(what: readonly (Id | { readonly alias: string })[]): ReturnType<Backend['find']> {
    await this.#there()
    return super.find(what)
  }
  override async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    await this.#there()
    return super.marks(home, keys)
  }
  override async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    await this.#there()
    return super.staged(home, commit)
  }
  override async rows(table: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    await this.#there()
    return super.rows(table, keys)
  }
}

describe('round trips of a transaction over three domains', function () {
  this.timeout(60_000)
  let backend: DistantBackend
  let store: Store
  let other: Store

  beforeEach(async () => {
    backend = new DistantBackend(createBackend('memory:?private&domains=3'))
    await backend.open()
    store = new Store(backend)
    other = new Store(backend)
  })
  afterEach(() => store.close())

  const domainOf = (account: Account): Domain =>
    backend.domain({ do: 'check', ref: new Ref(account.getID()!, 'insitu/test#Account' as ClassId), expect: 'present' })

  /** Three accounts of a program, each in a domain of its own. */
  async function accounts(): Promise<[Account, Account, Account]> {
    const found = new Map<Domain, Account>()
    while (found.size < 3) {
      const account = await new Account().makePersistent()
      found.set(domainOf(account), account)
    }
    return [...found.values()] as [Account, Account, Account]
  }

  const idsOf = (all: readonly Account[]): Id[] => all.map((account) => account.getID()!)

  async function tripsOf(work: () => Promise<unknown>): Promise<number> {
    const before = backend.trips
    await work()
    return backend.trips - before
  }

  async function pay(ids: readonly Id[], withRows: boolean): Promise<void> {
    await transact(async () => {
      const all = (await getByID(...ids)) as Account[]
      for (const account of all) {
        account.balance += 10
        if (withRows) account.log.set({ day: 'mon' }, { amount: account.balance })
      }
    })
  }

  const seenElsewhere = (ids: readonly Id[]): Promise<[number, number | undefined][]> =>
    new Store(backend).run(async () => {
      const all = (await getByID(...ids)) as Account[]
      return Promise.all(
        all.map(async ({ balance, log }) => [balance, (await log.get({ day: 'mon' }))?.amount] as [number, number | undefined]),
      )
    })

  for (const withRows of [false, true])
    for (const isHeld of [false, true]) {
      const [most, what] = withRows ? [5, 'objects and rows'] : [4, 'objects']
      it(`are ${most} at most with ${what}, ${isHeld ? 'that the program holds loaded' : 'that nobody holds'}`, async () => {
        const made = await store.run(accounts)
        const ids = idsOf(made)
        const trips = await (isHeld ? store : other).run(() => tripsOf(() => pay(ids, withRows)))
        expect(trips).to.be.within(3, most)
        const expected = [10, withRows ? 10 : undefined]
        if (isHeld) expect(made.map(({ balance }) => balance)).to.deep.equal([10, 10, 10])
        expect(await seenElsewhere(ids)).to.deep.equal([expected, expected, expected])
      })
    }

  it('are no more for rows that were only read, and are to hold', async () => {
    const ids = await store.run(async () => {
      const made = await accounts()
      for (const { rules } of made) rules.set({ name: 'open' }, { holds: true })
      await Promise.all(made.map((account) => account.save()))
      return idsOf(made)
    })
    const work = (): Promise<void> =>
      transact(
        async () => {
          const all = (await getByID(...ids)) as Account[]
          const open = await Promise.all(all.map(({ rules }) => rules.get({ name: 'open' })))
          for (const [i, account] of all.entries()) if (open[i]?.holds) account.balance += 10
        },
        { check: true },
      )
    expect(await other.run(() => tripsOf(work))).to.be.within(4, 5) // one of which reads the rows
    expect((await seenElsewhere(ids)).map(([balance]) => balance)).to.deep.equal([10, 10, 10])
  })

  it('leave instances of the program that can be changed and saved again', async () => {
    const made = await store.run(accounts)
    await store.run(async () => {
      await pay(idsOf(made), true)
      for (const account of made) account.balance++
      await Promise.all(made.map((account) => account.save()))
      await pay(idsOf(made), true)
    })
    expect(made.map(({ balance }) => balance)).to.deep.equal([21, 21, 21])
    expect(await seenElsewhere(idsOf(made))).to.deep.equal([
      [21, 21],
      [21, 21],
      [21, 21],
    ])
  })

  it('leave neither marks nor intents behind, once they are settled', async () => {
    const ids = await store.run(async () => idsOf(await accounts()))
    await store.run(() => pay(ids, true))
    await store.close() // which waits for what is being settled
    await backend.open()
    const { marksBefore, intents } = backend.upkeep!
    for (const listed of [marksBefore(Number.MAX_SAFE_INTEGER), intents()]) for await (const page of listed) expect(page).to.deep.equal([])
  })

  it('take nothing back from an instance that has become newer meanwhile', async () => {
    const made = await store.run(accounts)
    const [first] = made
    await store.run(async () => {
      const paying = pay(idsOf(made), false)
      await other.run(async () => {
        const again = (await getByID(first.getID()!)) as Account
        await new Promise((resolve) => setTimeout(resolve, 40))
        again.balance = 500
        await again.save().catch(() => {}) // whoever comes second
      })
      await paying
      const now = first.balance
      await first.reload()
      expect(first.balance).to.equal(now)
    })
  })
})
