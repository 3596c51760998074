/** Tasks that end one after the other commit as one group; what happens to one of them happens to it alone. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { beginAttempt, type Call, type Changes, homeOf, type Outcome, outcomeIn, runAttempt } from '../../runtime/attempt.js'
import { carry } from '../../runtime/data/carry.js'
import { JointCommits } from '../../runtime/engines/joint-commits.js'
import { getByID, StorageDict, StorageObject, t } from '../../runtime/index.js'
import type { Group, Op, Receipt } from '../../src/backend.js'
import { ConflictError, UnknownOutcomeError } from '../../src/errors.js'
import { OUTCOME_BYTES_MAX } from '../../src/limits.js'
import { Store } from '../../src/store.js'
import { FaultyBackend } from '../conformance/faulty-backend.js'

class Account extends StorageObject {
  balance = 0
}

class Ledger extends StorageObject {
  lines = new StorageDict({ at: t.i32 }, { amount: t.i32 })
}

/** Keeps the groups that it was given. */
class Watched extends FaultyBackend {
  groups: Group[] = []
  override commit(group: Group): Promise<Receipt> {
    this.groups.push(group)
    return super.commit(group)
  }
}

const marksIn = ({ ops }: Group): number => ops.filter(({ do: what }) => what === 'mark').length

describe('commits of tasks that end one after the other', () => {
  let backend: Watched
  let store: Store
  let joints: JointCommits
  let ways: Promise<void>[]

  beforeEach(async () => {
    await begin('memory:?private')
  })
  afterEach(() => store.close())

  async function begin(url: string): Promise<void> {
    backend = new Watched(createBackend(url))
    await backend.open()
    store = new Store(backend, { patienceMs: 50 })
    ways = []
    joints = new JointCommits((way) => ways.push(way))
  }

  const accounts = (count: number): Promise<Account[]> =>
    store.run(() => Promise.all(Array.from({ length: count }, () => new Account().makePersistent())))
  const balances = (of: readonly Account[]): Promise<number[]> =>
    new Store(backend).run(() => Promise.all(of.map(async (one) => ((await getByID(one.getID()!)) as Account).balance)))

  const callOf = (key: string, arg: StorageObject): Call => ({
    key,
    name: 'pay',
    directions: ['INOUT'],
    isMethod: false,
    target: 'IN',
    args: [carry(arg, 'argument')],
  })
  const pay = ([it]: unknown[]): unknown => ++(it as Account).balance

  /** A task whose body is over. */
  async function ended(call: Call, body: (args: unknown[]) => unknown = pay): Promise<Changes> {
    return (await beginAttempt(store, call, body)).changes!
  }

  /** What becomes of each of the tasks once they have left: its result, or what it failed with. */
  async function left(all: readonly Changes[]): Promise<unknown[]> {
    const told: unknown[] = []
    backend.groups = []
    for (const [i, changes] of all.entries())
      joints.add({
        changes,
        committed: ({ result }: Outcome) => (told[i] = result),
        failed: async (error) => void (told[i] = error),
      })
    joints.leave()
    await Promise.all(ways)
    return told
  }

  const endedAll = (of: readonly StorageObject[], body?: (args: unknown[]) => unknown): Promise<Changes[]> =>
    Promise.all(of.map((one, i) => ended(callOf(`run/${i}`, one), body)))

  it('are one group, in which each has its mark and its outcome', async () => {
    const all = await accounts(5)
    expect(await left(await endedAll(all))).to.deep.equal([1, 1, 1, 1, 1])
    expect(backend.groups.map(marksIn)).to.deep.equal([5])
    expect(await balances(all)).to.deep.equal([1, 1, 1, 1, 1])
    for (const [i, one] of all.entries()) {
      const home = homeOf(callOf('', one))
      const mark = await store.markOf(home, `run/${i}`)
      expect(await outcomeIn(store, mark!, home, 'pay')).to.deep.equal({ result: 1, changed: [one.getID()], home: [home.id, home.classId] })
      // A further attempt changes nothing and tells the same.
      expect((await runAttempt(store, callOf(`run/${i}`, one), pay)).result).to.equal(1)
    }
    expect(await balances(all)).to.deep.equal([1, 1, 1, 1, 1])
  })

  it('an outcome too large for its mark goes in the same group, and a later attempt tells it', async () => {
    const all = await accounts(3)
    const large = (i: number) => (args: unknown[]) => `${pay(args)}${' '.repeat(i === 1 ? OUTCOME_BYTES_MAX : i)}`
    const changes = await Promise.all(all.map((one, i) => ended(callOf(`large/${i}`, one), large(i))))
    const told = await left(changes)
    expect(backend.groups.map(marksIn)).to.deep.equal([3])
    for (const [i, one] of all.entries())
      expect((await runAttempt(store, callOf(`large/${i}`, one), large(i))).result, String(i)).to.deep.equal(told[i])
    expect(told).to.deep.equal([0, 1, 2].map((i) => large(i)([new Account()])))
    expect(await balances(all)).to.deep.equal([1, 1, 1])
  })

  it('a conflict of one is its own: all others commit, once', async () => {
    const all = await accounts(4)
    const changes = await endedAll(all)
    await runAttempt(store, callOf('other/1', all[2]!), pay)
    const told = await left(changes)
    expect(told[2]).to.be.instanceOf(ConflictError)
    expect([told[0], told[1], told[3]]).to.deep.equal([1, 1, 1])
    expect(backend.groups.map(marksIn)).to.deep.equal([4, 1, 1, 1, 1])
    expect(await balances(all)).to.deep.equal([1, 1, 1, 1])
  })

  it('one that an earlier attempt has done tells its outcome, one that was given up changes nothing', async () => {
    const all = await accounts(4)
    const changes = await endedAll(all)
    await runAttempt(store, callOf('run/1', all[1]!), ([it]) => ((it as Account).balance = 7))
    await store.giveUp(homeOf(callOf('run/3', all[3]!)), 'run/3')
    const told = await left(changes)
    expect(told.slice(0, 3)).to.deep.equal([1, 7, 1])
    expect(told[3]).to.have.property('code', 'ERR_TASK_GIVEN_UP')
    expect(await balances(all)).to.deep.equal([1, 7, 1, 0])
  })

  it('of two that change one object without waiting for each other one meets a conflict, and nothing is lost', async () => {
    const [one, other] = (await accounts(2)) as [Account, Account]
    const changes = await Promise.all([one, one, other].map((it, i) => ended(callOf(`run/${i}`, it))))
    const told = await left(changes)
    expect(told.filter((it) => it instanceof ConflictError)).to.have.length(1)
    expect(told.filter((it) => it === 1)).to.have.length(2)
    expect(told[2]).to.equal(1)
    expect(await balances([one, other])).to.deep.equal([1, 1])
  })

  it('of unknown outcome: all are told so, and the marks say what is true', async () => {
    for (const after of [true, false]) {
      const all = await accounts(3)
      const changes = await Promise.all(all.map((one, i) => ended(callOf(`${after}/${i}`, one))))
      backend.failCommits({ times: 100, after, error: () => new UnknownOutcomeError('cut') })
      const told = await left(changes)
      backend.failCommits({ times: 0, after, error: () => new Error() })
      for (const error of told) expect(error).to.be.instanceOf(UnknownOutcomeError)
      expect(new Set(backend.groups.map(({ commit }) => commit)).size, 'the same group is sent again').to.equal(1)
      expect(await balances(all)).to.deep.equal(after ? [1, 1, 1] : [0, 0, 0])
      for (const [i, one] of all.entries()) expect((await runAttempt(store, callOf(`${after}/${i}`, one), pay)).result).to.equal(1)
      expect(await balances(all)).to.deep.equal([1, 1, 1])
    }
  })

  it('what needs more than puts of objects goes by itself', async () => {
    const ledger = await store.run(() => new Ledger().makePersistent())
    const [account, gone, free] = (await accounts(3)) as [Account, Account, Account]
    const write = ([it]: unknown[]): void => (it as Ledger).lines.set({ at: 1 }, { amount: 5 })
    const remove = async ([it]: unknown[]): Promise<void> => (it as Account).deletePersistent()
    const changes = [
      await ended(callOf('run/0', ledger), write),
      await ended(callOf('run/1', account)),
      await ended(callOf('run/2', gone), remove),
      await ended(callOf('run/3', free)),
    ]
    await left(changes)
    expect(backend.groups.map(marksIn).sort()).to.deep.equal([1, 1, 2])
    expect(await balances([account, free])).to.deep.equal([1, 1])
    expect(await new Store(backend).run(async () => ((await getByID(ledger.getID()!)) as Ledger).lines.count())).to.equal(1)
  })

  it('new objects go with the task that makes them', async () => {
    const all = await accounts(2)
    const make = async ([it]: unknown[]): Promise<string> => {
      ;(it as Account).balance = 3
      return (await Object.assign(new Account(), { balance: 9 }).makePersistent()).getID()!
    }
    const ids = (await left(await endedAll(all, make))) as string[]
    expect(backend.groups.map(marksIn)).to.deep.equal([2])
    const puts = backend.groups[0]!.ops.filter((op: Op) => op.do === 'put').length
    expect(puts).to.equal(4)
    expect(ids.every((id) => id.length === 36)).to.equal(true)
    expect(await balances(all)).to.deep.equal([3, 3])
  })

  it('objects of several domains leave as a group for each', async () => {
    await store.close()
    await begin('memory:?private&domains=3')
    const all = await accounts(30)
    expect((await left(await endedAll(all))).every((result) => result === 1)).to.equal(true)
    expect(backend.groups.length).to.be.within(2, 3)
    expect(backend.groups.map(marksIn).reduce((a, b) => a + b)).to.equal(30)
    expect(await balances(all)).to.deep.equal(all.map(() => 1))
  })
})
