/** Attempts of one task: only the first that commits has effects, and all tell its outcome. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { beginAttempt, type Call, homeOf, type Outcome, outcomeIn, runAttempt } from '../../runtime/attempt.js'
import { carry, unpack } from '../../runtime/data/carry.js'
import { ConflictError, getByID, StorageObject } from '../../runtime/index.js'
import { dropChunks } from '../../runtime/kept-outcome.js'
import type { Direction } from '../../runtime/tasks/directions.js'
import { Ref } from '../../src/backend.js'
import { CHUNK_CLASS } from '../../src/large-cells.js'
import { CHUNK_BYTES, OUTCOME_BYTES_MAX } from '../../src/limits.js'
import { Store } from '../../src/store.js'
import { thrown } from '../integration/thrown.js'

class Account extends StorageObject {
  balance = 0
}

for (const url of ['memory:?private', 'memory:?private&domains=3'])
  describe(`attempts of a task on ${url}`, () => {
    let store: Store
    beforeEach(async () => {
      const backend = createBackend(url)
      await backend.open()
      store = new Store(backend)
    })
    afterEach(() => store.close())

    const callOf = (key: string, directions: Direction[], args: unknown[]): Call => ({
      key,
      name: 'pay',
      directions,
      isMethod: false,
      target: 'IN',
      args: args.map((arg, i) => carry(arg, `argument ${i}`)),
    })
    const balance = (account: Account): Promise<number> =>
      new Store(store.backend).run(async () => ((await getByID(account.getID()!)) as Account).balance)

    it('the second attempt changes nothing and tells what the first did', async () => {
      const [from, to] = await store.run(async () => {
        const pair = [new Account(), new Account()] as const
        for (const one of pair) await one.makePersistent()
        return pair
      })
      let runs = 0
      const body = ([a, b, amount]: unknown[]): unknown => {
        ;(a as Account).balance -= amount as number
        ;(b as Account).balance += amount as number
        return ++runs
      }
      const call = callOf('run 1 task 1', ['INOUT', 'INOUT', 'IN'], [from, to, 5])
      expect((await runAttempt(store, call, body)).result).to.equal(1)
      expect((await runAttempt(store, call, body)).result).to.equal(1)
      expect(runs).to.equal(2)
      expect([await balance(from), await balance(to)]).to.deep.equal([-5, 5])
      expect((await runAttempt(store, { ...call, key: 'run 1 task 2' }, body)).result).to.equal(3)
      expect([await balance(from), await balance(to)]).to.deep.equal([-10, 10])
    })

    it('an attempt of a task that was given up changes nothing, and one that had committed before is what counts', async () => {
      const account = await store.run(() => new Account().makePersistent())
      const body = ([it]: unknown[]): unknown => ++(it as Account).balance
      const late = callOf('run 2 task 1', ['INOUT'], [account])
      expect((await store.giveUp(homeOf(late), late.key)).state).to.equal('aborted')
      expect((await store.giveUp(homeOf(late), late.key)).state).to.equal('aborted')
      expect(await thrown(() => runAttempt(store, late, body))).to.have.property('code', 'ERR_TASK_GIVEN_UP')
      expect(await balance(account)).to.equal(0)
      const early = callOf('run 2 task 2', ['INOUT'], [account])
      await runAttempt(store, early, body)
      const standing = await store.giveUp(homeOf(early), early.key)
      expect([standing.state, (await outcomeIn(store, standing, homeOf(early), 'pay')).result]).to.deep.equal(['committed', 1])
      expect((await runAttempt(store, early, body)).result).to.equal(1)
      expect(await balance(account)).to.equal(1)
    })

    it('a task that has removed its argument is done for every later attempt', async () => {
      const account = await store.run(() => new Account().makePersistent())
      const call = callOf('run 3 task 1', ['INOUT'], [account])
      const body = async ([it]: unknown[]): Promise<string> => {
        await (it as Account).deletePersistent()
        return 'gone'
      }
      for (let i = 0; i < 2; i++) expect((await runAttempt(store, call, body)).result).to.equal('gone')
      const other = callOf('run 3 task 2', ['INOUT'], [account])
      expect(await thrown(() => runAttempt(store, other, body))).to.have.property('code', 'ERR_NOT_FOUND')
    })

    it('a task that only makes objects makes them once', async () => {
      const made: Account[] = []
      const body = async (): Promise<Account> => {
        const account = new Account()
        made.push(account)
        return account.makePersistent('the one', { ifExists: 'replace' })
      }
      const call = callOf('run 1 task 3', [], [])
      const first = await runAttempt(store, call, body)
      expect(await runAttempt(store, call, body)).to.deep.include({ result: first.result })
      expect(made).to.have.length(2)
      const ids: string[] = []
      for await (const page of store.backend.objects({})) ids.push(...page.map((ref) => ref.id))
      expect(ids).to.deep.equal([(first.result as { id: string }).id])
    })

    describe('with an outcome that is too large for its mark', () => {
      const chunks = async (): Promise<number> => {
        let count = 0
        for await (const page of store.backend.objects({ classId: CHUNK_CLASS })) count += page.length
        return count
      }
      const bytesOf = ({ result }: Outcome): Uint8Array => unpack(result, store.program) as Uint8Array
      const pay =
        (bytes: number) =>
        ([it]: unknown[]): Uint8Array =>
          new Uint8Array(bytes).fill(++(it as Account).balance)

      for (const [bytes, count] of [
        [OUTCOME_BYTES_MAX + 1, 1],
        [2 * CHUNK_BYTES + 1, 3],
      ] as const)
        it(`a later attempt tells it: ${bytes} bytes`, async () => {
          const account = await store.run(() => new Account().makePersistent())
          const call = callOf('run 5 task 1', ['INOUT'], [account])
          const first = await runAttempt(store, call, pay(bytes))
          const second = await runAttempt(store, call, pay(bytes))
          expect(second).to.deep.equal(first)
          expect(bytesOf(second)).to.deep.equal(new Uint8Array(bytes).fill(1))
          expect([await balance(account), await chunks()]).to.deep.equal([1, count])
          expect(second.home![4]).to.have.lengthOf(count)

          await dropChunks(store, undefined, second.home![4]!)
          expect(await chunks()).to.equal(0)
          const late = await thrown(() => runAttempt(store, call, pay(bytes)))
          expect([late.name, late.message]).to.deep.equal([
            'ConflictError',
            'an earlier attempt of pay has committed, but its outcome is no longer kept',
          ])
        })

      for (const bytes of [OUTCOME_BYTES_MAX + 1, CHUNK_BYTES + 1])
        it(`one that does not commit leaves nothing of it: ${bytes} bytes`, async () => {
          const account = await store.run(() => new Account().makePersistent())
          const call = callOf('run 6 task 1', ['INOUT'], [account])
          const late = (await beginAttempt(store, call, pay(bytes))).changes!
          await runAttempt(store, callOf('run 6 task 2', ['INOUT'], [account]), ([it]) => ++(it as Account).balance)
          expect(await thrown(() => late.commit())).to.be.instanceOf(ConflictError)
          expect(await chunks()).to.equal(0)

          const given = (await beginAttempt(store, call, pay(bytes))).changes!
          await store.giveUp(homeOf(call), call.key)
          expect(await thrown(() => given.commit())).to.have.property('code', 'ERR_TASK_GIVEN_UP')
          expect([await chunks(), await balance(account)]).to.deep.equal([0, 1])
        })
    })
  })

for (const query of ['', '&domains=3'])
  describe(`attempts of a task that writes to another store than its own, memory${query}`, () => {
    let own: Store
    let other: Store
    let account: Account
    beforeEach(async () => {
      ;[own, other] = await Promise.all(
        ['own', 'other'].map(async (name) => {
          const backend = createBackend(`memory:${name}?private${query}`)
          await backend.open()
          return new Store(backend)
        }) as [Promise<Store>, Promise<Store>],
      )
      account = await other.run(() => new Account().makePersistent())
    })
    afterEach(async () => {
      await own.close()
      await other.close()
    })

    const body = (): Promise<number> =>
      other.run(async () => {
        const found = (await getByID(account.getID()!)) as Account
        return ++found.balance
      })
    const call = (key: string): Call => ({ key, name: 'pay', directions: [], isMethod: false, target: 'IN', args: [] })
    const balance = (): Promise<number> => new Store(other.backend).run(async () => ((await getByID(account.getID()!)) as Account).balance)

    it('its mark stands where those who give it up look, and is the only one', async () => {
      const paid = call('run 4 task 1')
      expect((await runAttempt(own, paid, body)).result).to.equal(1)
      expect((await own.giveUp(homeOf(paid), paid.key)).state).to.equal('committed')
      expect((await runAttempt(own, paid, body)).result).to.equal(1)
      expect(await balance()).to.equal(1)
    })

    it('an outcome too large for the mark stands where the mark does', async () => {
      const large = OUTCOME_BYTES_MAX + 1
      for (const [key, keeper, args] of [
        ['run 4 task 4', own, []],
        ['run 4 task 5', other, [carry(account, 'account', own)]],
      ] as const) {
        const paid: Call = { ...call(key), directions: ['INOUT'], args }
        const first = await runAttempt(own, paid, async () => new Uint8Array(large).fill(await body()))
        expect(await runAttempt(own, paid, async () => new Uint8Array(large).fill(await body()))).to.deep.equal(first)
        const chunks: Ref[] = []
        for await (const page of keeper.backend.objects({ classId: CHUNK_CLASS })) chunks.push(...page)
        expect(chunks.map(({ id }) => id)).to.deep.equal(first.home![4])
      }
      expect(await balance()).to.equal(2)
    })

    it('once given up it changes nothing', async () => {
      const late = call('run 4 task 2')
      expect((await own.giveUp(homeOf(late), late.key)).state).to.equal('aborted')
      expect(await thrown(() => runAttempt(own, late, body))).to.have.property('code', 'ERR_TASK_GIVEN_UP')
      expect(await balance()).to.equal(0)
    })

    it('with an argument of the other store, its mark stands beside that', async () => {
      const paid: Call = { ...call('run 4 task 3'), directions: ['INOUT'], args: [carry(account, 'account', own)] }
      expect(homeOf(paid)).to.include({ id: account.getID(), store: other.url })
      for (let i = 0; i < 2; i++) expect((await runAttempt(own, paid, ([it]) => ++(it as Account).balance)).result).to.equal(1)
      expect((await other.markOf(new Ref(homeOf(paid).id, homeOf(paid).classId), paid.key))?.state).to.equal('committed')
      expect(await balance()).to.equal(1)
    })
  })
