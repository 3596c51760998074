import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { barrier, connect, finish, init, type Store, stats } from '../../runtime/index.js'
import * as t from './nested-tasks.js'
import { thrown } from './thrown.js'
import { ElsewhereError } from './thrown-class.js'

const settings: readonly (readonly [string, NodeJS.ProcessEnv])[] = [
  ['one thread', { INSITU_WORKERS: '1' }],
  ['two threads', { INSITU_WORKERS: '2' }],
  ['two processes', { INSITU_WORKERS: '2', INSITU_ISOLATION: 'process' }],
  ['three hosts', { INSITU_HOSTS: '3' }],
  ['the runtime off', { INSITU_RUNTIME: 'off' }],
]

for (const [name, env] of settings)
  describe(`tasks that call tasks, on ${name}`, function () {
    this.timeout(60_000)
    let folder: string
    let store: Store
    const isOff = env['INSITU_RUNTIME'] === 'off'
    const workers = Number(env['INSITU_HOSTS'] ?? env['INSITU_WORKERS'] ?? 1)

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-nested-'))
      await finish()
      Object.assign(process.env, env)
      store = await connect(`nvram:${join(folder, 'store')}`)
      await init()
    })
    after(async () => {
      await finish()
      for (const key of Object.keys(env)) delete process.env[key]
      await rm(folder, { recursive: true, force: true })
    })
    const tally = async (n = 0): Promise<t.Tally> => Object.assign(new t.Tally(), { n }).makePersistent()

    it('recursion gives its result, in width and depth', async () => {
      expect(await t.fib(13)).to.equal(233)
      expect(await t.deep(60)).to.equal(60)
      expect(await Promise.all([t.tree(3, 3), t.tree(3, 3), t.tree(2, 5)])).to.deep.equal([27, 27, 25])
    })

    /** A process takes its time on a busy machine. */
    const allStarted = async (): Promise<void> => {
      for (let seen = 0; seen < (isOff ? 1 : workers); )
        seen = new Set(await Promise.all(Array.from({ length: workers }, () => t.where(100)))).size
    }

    it('children run on other workers while their parent waits, as tasks of the graph', async () => {
      await allStarted()
      const before = stats().tasks
      const places = await t.spread(12, 15)
      expect(places.length).to.equal(isOff ? 1 : workers)
      if (workers > 1) expect(stats().tasks).to.be.greaterThan(before + 1)
    })

    it('a child that the worker of its waiting parent runs, the first of its kind, is heard of', async () => {
      await allStarted()
      const others = Array.from({ length: workers - 1 }, () => t.where(300))
      expect(await t.pair()).to.deep.equal([1, 2])
      await Promise.all(others)
    })

    // With the runtime off nothing can stop it.
    if (!isOff)
      it('a child that computes for ever fails when its time is over, and its parent goes on, whichever worker ran it', async () => {
        const mine = await tally()
        expect(await t.callLoops(mine, 2)).to.deep.equal(['ERR_TASK_TIMEOUT', 'ERR_TASK_TIMEOUT'])
        await barrier()
        expect(mine.n).to.equal(2)
      })

    it('parents that wait leave room for each other, however many they are', async () => {
      const all = await Promise.all(Array.from({ length: 8 }, () => t.tree(2, 3)))
      expect(all).to.deep.equal(Array.from({ length: 8 }, () => 9))
    })

    it('children commit by themselves; on what the parent holds for writing they are part of it', async () => {
      const [mine, other] = [await tally(), await tally()]
      expect((await thrown(() => t.addTwiceAndFail(mine, other))).message).to.equal('saw 2')
      await Promise.all([mine.reload({ discard: true }), other.reload({ discard: true })])
      expect([mine.n, other.n]).to.deep.equal([0, 1])
    })

    it('children of one object take turns in the order of their calls, and the parent sees what they did', async () => {
      expect(await t.addInOrder(await tally())).to.deep.equal([1, 11, 11, 111, 111])
      expect(await t.makeAndPass()).to.deep.equal([5, 6])
    })

    it('instances of the program are up to date with what children changed', async () => {
      const one = await tally()
      void t.addInOrder(one)
      await barrier()
      expect(one.n).to.equal(111)
    })

    it('errors of children arrive at the parent, and harm nobody else', async () => {
      expect(await t.callFailing('so')).to.deep.equal([undefined, 'so', 'so!'])
      await barrier()
    })

    it('a child that is out of time is stopped wherever it runs, and changes nothing afterwards', async () => {
      const tallies = await Promise.all([tally(), tally(), tally()])
      const [never, now] = [join(folder, 'go-on'), folder]
      expect(await t.callLate(tallies, never, false)).to.deep.equal(['ERR_TASK_TIMEOUT', 'ERR_TASK_TIMEOUT', 'ERR_TASK_TIMEOUT'])
      expect(await t.callLate(tallies, now, true)).to.deep.equal(['done', 'done', 'done'])
      const own = await tally()
      expect(await t.callLateInPlace(own, now, true)).to.equal('done')
      expect(await t.callLateInPlace(own, never, false)).to.equal('ERR_TASK_TIMEOUT')
      // Bodies that could not be stopped end now.
      writeFileSync(never, '')
      await delay(500)
      for (const one of [...tallies, own]) expect((await one.reload()).n).to.equal(1)
    })

    it('children are cancelled wherever they are, by hand and by signal, and change nothing', async () => {
      const [mine, ...others] = [await tally(), await tally(), await tally()]
      const [codes, causes, n] = await t.cancelChildren(mine!, others)
      expect(codes).to.deep.equal(Array.from({ length: 6 }, () => 'ERR_TASK_CANCELLED'))
      expect(causes).to.deep.equal(['early', 'running', 'running', 'signal', 'before', 'own'])
      expect(n).to.equal(0)
      for (const one of [mine!, ...others]) expect((await one.reload()).n).to.equal(0)
    })

    it('children take what they are given as it is at the call, with futures anywhere in it', async () => {
      expect(await t.giveAll()).to.deep.equal([[[3], [1, [2]]], 3])
    })

    it('errors of children, and of tasks, are of their class wherever it stands', async () => {
      expect(await t.classesOfChildren(4)).to.deep.equal([14, 14, 14, 14])
      expect(await thrown(() => t.failElsewhere(0))).to.be.instanceOf(ElsewhereError)
    })

    it('a task that waits until little is pending does not wait for itself', async () => {
      expect(await t.askToSubmit()).to.equal('goes on')
    })

    it('two parents that call for what the other holds both end', async () => {
      const [a, b] = [await tally(), await tally()]
      void t.crossed(a, b)
      void t.crossed(b, a)
      await barrier()
      expect([a.n, b.n]).to.deep.equal([11, 11])
    })

    if (!isOff)
      it('a parent that runs again does not have its children do anything twice', async () => {
        const one = await tally()
        expect(await t.addAndDieOnce(one, join(folder, 'died'))).to.equal(4)
        expect(await t.read(one)).to.equal(4)
        expect(store.closed).to.equal(false)
      })
  })

describe('recursion of tasks', function () {
  this.timeout(60_000)
  before(async () => {
    await finish()
    process.env['INSITU_WORKER_HEAP_MB'] = '48'
    await connect('memory:?private')
  })
  after(async () => {
    await finish()
    delete process.env['INSITU_WORKER_HEAP_MB']
  })

  it('needs memory for its depth, not for all of its calls', async () => {
    // 28,656 calls: were they all under way at once, they would need several times the workers' memory.
    expect(await t.fib(21)).to.equal(10946)
    expect(stats().lost).to.equal(0)
  })
})
