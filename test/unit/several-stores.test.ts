/** One program with several stores open: references between them, and units of work that span them. */
import { AsyncResource } from 'node:async_hooks'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { connect, type Id, StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { openBackend } from '../../runtime/open-backend.js'
import { type Group, type Intent, type Op, type Receipt, Ref } from '../../src/backend.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { type ClassId, newCommitId } from '../../src/ids.js'
import { Store } from '../../src/store.js'
import { FaultyBackend, InterruptedBackend } from '../conformance/faulty-backend.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'

class Account extends StorageObject {
  balance = 0
  log = new StorageDict({ day: t.text }, { moved: t.i64 })
}

class Ledger extends StorageObject {
  totals = new StorageDict({ of: t.text }, { sum: t.i32 }, { writes: 'cas' })
}

/** Without collections of its own. */
class Saver extends StorageObject {
  balance = 0
}

class Bank extends StorageObject {
  name = ''
  accounts: Account[] = []
  savers: Saver[] = []
  owners = new StorageDict({ n: t.i32 }, { of: t.ref(() => Saver), beside: t.list(t.ref(() => Saver)).optional() })
}

/** Out of reach as soon as rows are to be applied. */
class RowlessBackend extends ForwardingBackend {
  override commit(group: Group): Promise<Receipt> {
    if (group.ops.some((op) => op.do === 'row')) return Promise.reject(new UnavailableError('the connection broke'))
    return this.inner.commit(group)
  }
}

const kinds: Record<string, (folder: string) => [string, string]> = {
  memory: (folder) => [`memory:${folder}-a`, `memory:${folder}-b`],
  'memory of three domains': (folder) => [`memory:${folder}-c?domains=3`, `memory:${folder}-d?domains=3`],
  files: (folder) => [`nvram:${folder}/a`, `nvram:${folder}/b`],
  'a file and memory': (folder) => [`nvram:${folder}/a`, `memory:${folder}-e?domains=2`],
}

for (const [kind, urls] of Object.entries(kinds))
  describe(`several stores: ${kind}`, () => {
    let folder: string
    let a: Store
    let b: Store
    let faulty: FaultyBackend

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-stores-'))
      const [first, second] = urls(folder)
      a = await connect(first)
      faulty = new FaultyBackend(await openBackend(second))
      b = new Store(faulty, { patienceMs: 50 })
    })
    afterEach(async () => {
      await a.close()
      await b.close()
      await rm(folder, { recursive: true, force: true })
    })

    const accountIn = (store: Store, balance: number): Promise<Account> =>
      store.run(() => Object.assign(new Account(), { balance }).makePersistent())
    const key = { of: 'all' }
    const ledgerInB = async (): Promise<Ledger> => {
      const ledger = new Ledger()
      ledger.totals.set(key, { sum: 0 })
      return b.run(() => ledger.makePersistent())
    }
    /** As a program sees it that has read nothing before. */
    const balanceIn = async (store: Store, account: Account): Promise<number> =>
      new Store(store.backend).run(async () => (await Account.getByID(account.getID()!)).balance)

    it('what a transaction has only read in one store is checked when it writes to another', async () => {
      const [here, there] = [await accountIn(a, 1), await accountIn(b, 1)]
      // Bound here, or it would take part in the transaction.
      const withdraw = AsyncResource.bind(() =>
        new Store(b.backend).run(async () => {
          const theirs = await Account.getByID(there.getID()!)
          theirs.balance = 0
          await theirs.save()
        }),
      )
      let runs = 0
      await a.run(() =>
        transact(
          async () => {
            const [x, y] = [await Account.getByID(here.getID()!), await b.run(() => Account.getByID(there.getID()!))]
            // Each may go to nothing as long as the other does not.
            if (runs++ === 0) await withdraw()
            if (x.balance + y.balance > 1) x.balance = 0
          },
          { check: true },
        ),
      )
      expect([runs, await balanceIn(a, here), await balanceIn(b, there)]).to.deep.equal([2, 1, 0])
    })

    it('what a group of the other store alone has decided is taken, not given up, by a transaction over both that meets it', async () => {
      const [here, there] = [await accountIn(a, 10), await accountIn(b, 1)]
      let isDecided = false
      // Bound here, or it would take part in the transaction. Its writer dies behind the decision, with its lease over.
      const decide = AsyncResource.bind(async () => {
        const [stored] = await b.backend.read([new Ref(there.getID()!, '' as ClassId)])
        const { ref, stamp } = stored!
        const redo: Op = { do: 'put', ref, set: new Map([['balance', 100]]), expect: stamp }
        const commit = newCommitId()
        const intent: Intent = { commit, home: ref, redo: [redo], leaseUntilMs: Date.now() - 1 }
        const send = (op: Op): Promise<unknown> => b.backend.commit({ commit: newCommitId(), atMicros: 1n, ops: [op] })
        await send({ do: 'reserve', target: { ref }, expect: stamp, intent })
        await send({ do: 'mark', home: ref, mark: { key: commit, attempt: commit, state: 'committed', outcome: null } })
        isDecided = true
      })
      await a.run(() =>
        transact(async () => {
          const source = await Account.getByID(here.getID()!)
          const target = await b.run(() => Account.getByID(there.getID()!))
          if (!isDecided) await decide()
          source.balance -= 5
          target.balance += 5
        }),
      )
      expect([await balanceIn(a, here), await balanceIn(b, there)]).to.deep.equal([5, 105])
    })

    for (const first of ['here', 'there'] as const)
      it(`rows in both stores, and nothing else, are committed by a transaction whose writer dies behind the decision: ${first} read first`, async () => {
        const accounts = { here: await accountIn(a, 1), there: await accountIn(b, 1) }
        const stores = { here: a.backend, there: b.backend }
        const day = { day: 'mon' }
        const dying = new Store(new RowlessBackend(b.backend), { patienceMs: 50 })
        const outcome = await new Store(a.backend, { patienceMs: 50 })
          .run(() =>
            transact(async () => {
              ;(await Account.getByID(accounts.here.getID()!)).log.set(day, { moved: -7n })
              const { log } = await dying.run(() => Account.getByID(accounts.there.getID()!))
              log.set(day, { moved: 7n })
            }),
          )
          .catch((error: unknown) => error)
        expect(outcome, 'nobody could tell it').to.be.instanceOf(UnknownOutcomeError)
        const movedIn = (where: 'here' | 'there'): Promise<bigint | undefined> =>
          new Store(stores[where]).run(async () => (await (await Account.getByID(accounts[where].getID()!)).log.get(day))?.moved)
        const other = first === 'here' ? 'there' : 'here'
        const [one, two] = [await movedIn(first), await movedIn(other)]
        expect([one, two]).to.deep.equal(first === 'here' ? [-7n, 7n] : [7n, -7n])
      })

    it('a row of a dict that excludes other writers is not lost to who writes nothing else, at any moment of a transaction over both', async () => {
      const countUp = async (totals: Ledger['totals']): Promise<void> => totals.set(key, { sum: (await totals.get(key))!.sum + 1 })
      for (let nth = 0; nth < 5; nth++) {
        const [here, ledger] = [await accountIn(a, 0), await ledgerInB()]
        const interrupted = new InterruptedBackend(b.backend)
        const through = new Store(interrupted, { patienceMs: 50 })
        const other = new Store(b.backend)
        const held = await other.run(async () => {
          const { totals } = await Ledger.getByID(ledger.getID()!)
          await totals.get(key)
          return totals
        })
        let alone: Promise<number> | undefined
        interrupted.interrupt = AsyncResource.bind(async () => {
          alone = other
            .run(() => countUp(held).then(() => held.save()))
            .then(
              () => 1,
              () => 0,
            )
          await Promise.race([alone, delay(50)]) // it may wait for the transaction
        })
        interrupted.before = nth
        const together = await transactOn(a, async () => {
          ;(await Account.getByID(here.getID()!)).balance++
          await countUp((await through.run(() => Ledger.getByID(ledger.getID()!))).totals)
        }).then(
          () => 1,
          () => 0,
        )
        interrupted.before = Number.POSITIVE_INFINITY
        const saved = (await alone) ?? 0
        const sum = await new Store(b.backend).run(async () => (await (await Ledger.getByID(ledger.getID()!)).totals.get(key))!.sum)
        expect([sum, await balanceIn(a, here)], `before call ${nth}`).to.deep.equal([together + saved, together])
      }
    }).timeout(60_000)

    it('a row that a transaction only read in one store holds while it writes to the other, at any moment', async () => {
      for (let nth = 0; nth < 5; nth++) {
        const [here, ledger] = [await accountIn(a, 0), await ledgerInB()]
        const interrupted = new InterruptedBackend(b.backend)
        // Each goes to one as long as the other is nothing.
        const change = (first: Store, second: Store, what: 'account' | 'row'): Promise<void> =>
          first.run(() =>
            transact(
              async () => {
                const account = await Account.getByID(here.getID()!)
                const { totals } = await second.run(() => Ledger.getByID(ledger.getID()!))
                if (account.balance + (await totals.get(key))!.sum > 0) return
                if (what === 'account') account.balance = 1
                else totals.set(key, { sum: 1 })
              },
              { check: true },
            ),
          )
        let alone: Promise<void> | undefined
        interrupted.interrupt = AsyncResource.bind(async () => {
          alone = change(new Store(a.backend), new Store(b.backend), 'row')
          await Promise.race([alone, delay(50)]) // it may wait for the other
        })
        interrupted.before = nth
        await change(new Store(a.backend), new Store(interrupted), 'account')
        interrupted.before = Number.POSITIVE_INFINITY
        await alone
        const sum = await new Store(b.backend).run(async () => (await (await Ledger.getByID(ledger.getID()!)).totals.get(key))!.sum)
        expect(sum + (await balanceIn(a, here)), `before call ${nth}`).to.equal(1)
      }
    }).timeout(60_000)

    it('an object refers to one of another store, which is found there', async () => {
      const there = await accountIn(b, 7)
      const bank = await a.run(() => Object.assign(new Bank(), { accounts: [there] }).makePersistent('bank'))
      const other = { a: new Store(a.backend), b: new Store(b.backend) }
      const loaded = await other.a.run(() => Bank.getByAlias('bank', { depth: 1 }))
      expect(loaded.accounts[0]!.getID()).to.equal(there.getID())
      expect(loaded.accounts[0]!.balance).to.equal(7)
      loaded.accounts[0]!.balance = 8
      await loaded.accounts[0]!.save()
      expect(await balanceIn(b, there)).to.equal(8)
      expect(await other.b.run(() => Account.getByID(there.getID()!))).to.equal(loaded.accounts[0])
      expect(bank.accounts[0]).to.equal(there)
      // Saved again it keeps the reference as it is.
      loaded.name = 'renamed'
      await loaded.save()
      await bank.reload()
      expect(bank.accounts[0]).to.equal(there)
    })

    it('a reference into a store that is not open is a handle, and loads once the store is', async () => {
      const there = await accountIn(b, 7)
      await a.run(() => Object.assign(new Bank(), { accounts: [there] }).makePersistent('bank'))
      const { url } = b
      await b.close()
      const program = new Store(a.backend)
      const bank = await program.run(() => Bank.getByAlias('bank'))
      const [handle] = bank.accounts
      expect(handle!.getID()).to.equal(there.getID())
      const error = await program
        .run(() => handle!.load())
        .then(
          () => undefined,
          (e: unknown) => e,
        )
      expect(error).to.be.instanceOf(UnavailableError)
      expect(error).to.include({ code: 'ERR_STORE_NOT_OPEN', store: url })
      if (url.startsWith('nvram:')) {
        b = await connect(url)
        expect((await program.run(() => handle!.load())).balance).to.equal(7)
      }
    })

    it('a transaction changes objects and rows of both, or of neither', async () => {
      const [from, to] = [await accountIn(a, 10), await accountIn(b, 0)]
      await transactOn(a, async () => {
        from.balance -= 4
        to.balance += 4
        from.log.set({ day: 'mon' }, { moved: -4n })
        to.log.set({ day: 'mon' }, { moved: 4n })
        await from.save()
        await to.save()
      })
      expect([await balanceIn(a, from), await balanceIn(b, to)]).to.deep.equal([6, 4])
      expect(await to.log.get({ day: 'mon' })).to.deep.equal({ moved: 4n })
      faulty.failCommits({ times: 1000, after: false, error: () => new UnavailableError('away', { retryable: true }) })
      const failed = await transactOn(a, async () => {
        from.balance -= 1
        to.balance += 1
        await from.save()
        await to.save()
      }).then(
        () => false,
        () => true,
      )
      faulty.failCommits({ times: 0, after: false, error: () => new Error() })
      expect(failed).to.equal(true)
      expect([await balanceIn(a, from), await balanceIn(b, to)]).to.deep.equal([6, 4])
    })

    it('what is fetched and made in the other store inside a transaction is part of it', async () => {
      const from = await accountIn(a, 10)
      const to = await accountIn(b, 0)
      let made: Account | undefined
      const run = (fail: boolean): Promise<void> =>
        transactOn(a, async () => {
          const mine = await Account.getByID(from.getID()!)
          const theirs = await b.run(() => Account.getByID(to.getID()!))
          mine.balance -= 1
          theirs.balance += 1
          made = await b.run(() => new Account().makePersistent('made'))
          if (fail) throw new Error('on purpose')
        })
      await run(true).catch(() => {})
      expect([await balanceIn(a, from), await balanceIn(b, to), made!.getID()]).to.deep.equal([10, 0, null])
      await run(false)
      expect([await balanceIn(a, from), await balanceIn(b, to)]).to.deep.equal([9, 1])
      expect([from.balance, to.balance]).to.deep.equal([9, 1])
      expect((await b.run(() => Account.getByAlias('made'))).getID()).to.equal(made!.getID())
    })

    const banks = async (): Promise<[Bank, Bank]> => [
      await a.run(() => new Bank().makePersistent()),
      await b.run(() => new Bank().makePersistent()),
    ]
    const timesStored = async (id: Id): Promise<number> =>
      (await Promise.all([a, b].map((store) => store.find([id])))).flat().filter((ref) => ref).length
    /** The balances that rows of both banks lead to, for programs that have read nothing before. */
    const owned = async (both: readonly Bank[]): Promise<number[]> => {
      const [newA, newB] = [new Store(a.backend), new Store(b.backend)]
      newA.meet(newB)
      const [first, second] = await Promise.all(
        [newA, newB].map((store, i) =>
          store.run(async () => {
            const bank = await Bank.getByID(both[i]!.getID()!)
            const { of, beside } = (await bank.owners.get({ n: 1 }))!
            return Promise.all([of, ...beside!].map(async (saver) => (await saver.load()).balance))
          }),
        ),
      )
      return [...first!, ...second!]
    }

    for (const order of ['here first', 'there first'])
      it(`a new object that rows of both refer to is stored once, and found by both: ${order}`, async () => {
        const both = await banks()
        const inOrder = order === 'here first' ? both : [...both].reverse()
        const saved = Object.assign(new Saver(), { balance: 3 })
        for (const { owners } of inOrder) owners.set({ n: 1 }, { of: saved, beside: [saved] })
        for (const bank of inOrder) await bank.owners.save()
        expect([await timesStored(saved.getID()!), await owned(both)]).to.deep.equal([1, [3, 3, 3, 3]])
        const made = Object.assign(new Saver(), { balance: 7 })
        await a.run(() =>
          transact(() => {
            for (const { owners } of inOrder) owners.set({ n: 1 }, { of: made, beside: [made] })
          }),
        )
        expect([await timesStored(made.getID()!), await owned(both)]).to.deep.equal([1, [7, 7, 7, 7]])
        expect((await b.run(() => both[1].owners.get({ n: 1 })))!.of).to.equal(made)
      })

    it('a new object that objects of both refer to is stored once', async () => {
      const both = await banks()
      const made = Object.assign(new Saver(), { balance: 5 })
      await a.run(() =>
        transact(async () => {
          for (const bank of both) {
            bank.savers = [made]
            await bank.save()
          }
        }),
      )
      expect(await timesStored(made.getID()!)).to.equal(1)
      for (const bank of both) expect(bank.savers).to.deep.equal([made])
    })

    it('programs that move money between stores at once lose and make none', async () => {
      const accounts = [await accountIn(a, 100), await accountIn(b, 100), await accountIn(a, 100), await accountIn(b, 100)]
      const programs = [0, 1, 2].map(() => ({ a: new Store(a.backend), b: new Store(b.backend) }))
      await Promise.all(
        programs.map(async ({ a: storeA, b: storeB }, p) => {
          storeA.meet(storeB)
          for (let i = 0; i < 8; i++) {
            const [x, y] = [(p + i) % 4, (p + i + 1 + (i % 3)) % 4]
            await transactOn(storeA, async () => {
              const take = (n: number): Promise<Account> =>
                (n % 2 === 0 ? storeA : storeB).run(() => Account.getByID(accounts[n]!.getID()!))
              const [from, to] = [await take(x), await take(y)]
              from.balance -= 1
              to.balance += 1
            })
          }
        }),
      )
      const balances = await Promise.all(accounts.map((account, n) => balanceIn(n % 2 === 0 ? a : b, account)))
      expect(balances.reduce((sum, n) => sum + n)).to.equal(400)
    }).timeout(60_000)
  })

const transactOn = <T>(store: Store, body: () => Promise<T>): Promise<T> => store.run(() => transact(body))
