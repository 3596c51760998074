/** Tasks that are given up while an attempt of theirs may go on: what the program is told of them is what the store has. */
import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { type Call, homeOf, runAttempt } from '../../runtime/attempt.js'
import { carry } from '../../runtime/data/carry.js'
import { currentHosts } from '../../runtime/hosts/the-hosts.js'
import { connect, finish, init, runId, type Store, stats } from '../../runtime/index.js'
import { abandon } from '../../runtime/runtime-api.js'
import { UnknownOutcomeError } from '../../src/errors.js'
import { newId } from '../../src/ids.js'
import { stateOf } from '../../src/objects/storage-object.js'
import { FaultyBackend } from '../conformance/faulty-backend.js'
import { SharedBackend } from '../conformance/forwarding-backend.js'
import * as t from './given-up-tasks.js'
import { thrown } from './thrown.js'

const there = async (path: string): Promise<void> => {
  while (!existsSync(path)) await delay(5)
}

/** A process that was stopped, if it has not been ended. */
function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

for (const isolation of ['thread', 'process'] as const)
  describe(`tasks that are given up, in workers that are ${isolation === 'thread' ? 'threads' : 'processes'}`, function () {
    this.timeout(60_000)
    let folder: string
    let store: Store
    let markers = 0
    const marker = (): string => join(folder, `marker-${markers++}`)
    const open = async (): Promise<void> => {
      store = await connect(`nvram:${join(folder, 'store')}`)
      await init()
    }
    const stored = async (tally: t.Tally): Promise<unknown> => (await store.read([stateOf(tally).ref!]))[0]?.cells.get('n')

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-given-up-'))
      Object.assign(process.env, { INSITU_WORKERS: '2', INSITU_ISOLATION: isolation })
    })
    beforeEach(open)
    afterEach(() => finish().catch(() => {}))
    after(async () => {
      delete process.env['INSITU_WORKERS']
      delete process.env['INSITU_ISOLATION']
      await rm(folder, { recursive: true, force: true })
    })

    it('an attempt that goes on after its task was given up commits nothing', async () => {
      const tally = await new t.Tally().makePersistent()
      const begun = marker()
      const deaf = t.addAndLoop(tally, begun)
      const key = `${runId()}/${stats().tasks - 1}`
      await there(begun)
      deaf.cancel()
      expect(await thrown(() => deaf)).to.have.property('code', 'ERR_TASK_CANCELLED')

      // As its worker would have gone on, had it been frozen and not ended.
      const call: Call = {
        key,
        name: 'addAndLoop',
        directions: ['INOUT', 'IN'],
        isMethod: false,
        target: 'IN',
        args: [carry(tally, 'tally'), begun],
      }
      const late = runAttempt(store, call, ([it]) => {
        ;(it as t.Tally).n += 1
      })
      expect(await thrown(() => late)).to.have.property('code', 'ERR_TASK_GIVEN_UP')
      expect(await stored(tally)).to.equal(0)
      expect((await store.markOf(homeOf(call), call.key))?.state).to.equal('aborted')
      expect(await t.add(tally)).to.equal(1)
    })

    it('a task whose first attempt committed and was lost is done, though the second finds its object removed', async () => {
      const tally = await new t.Tally().makePersistent()
      expect(await t.removeAndExitOnce(tally, marker())).to.equal('removed')
      expect(await stored(tally)).to.equal(undefined)
    })

    it('the same if the second throws because of what the first did', async () => {
      for (let i = 0; i < 4; i++) {
        const tally = await new t.Tally().makePersistent()
        expect(await t.addOnceAndExitOnce(tally, marker())).to.equal(1)
        expect(await stored(tally)).to.equal(1)
      }
      expect(stats().lost).to.be.greaterThan(0)
    })

    it('a run that goes on runs the tasks that its former life had given up', async () => {
      const tally = await new t.Tally().makePersistent()
      const run = newId()
      const call = { isMethod: false, target: 'IN', directions: ['INOUT'], args: [carry(tally, 'tally')], key: `${run}/0` } as const
      expect((await store.giveUp(homeOf(call), call.key)).state).to.equal('aborted')
      Object.assign(process.env, { INSITU_RUN: run, INSITU_STATE: folder })
      try {
        expect(await t.add(tally)).to.equal(1)
        expect(await stored(tally)).to.equal(1)
        await finish()
      } finally {
        delete process.env['INSITU_RUN']
        delete process.env['INSITU_STATE']
      }
    })

    it('at the end of a run each task that was told to be unfinished has changed nothing', async () => {
      let [done, unfinished] = [0, 0]
      // Longer where a busy machine has done none of them sooner.
      for (let ms = 0; ms <= 32 || (done === 0 && ms < 5000); ms = ms * 2 || 1) {
        const tallies = await Promise.all(Array.from({ length: 100 }, () => new t.Tally().makePersistent()))
        await t.add(await new t.Tally().makePersistent())
        const added = Promise.allSettled(tallies.map(async (tally) => t.add(tally)))
        await delay(ms)
        await abandon()
        await open()
        for (const [i, end] of (await added).entries()) {
          // A machine that stood still: nobody was told that it has changed something, or that it has not.
          if (end.status === 'rejected' && end.reason instanceof UnknownOutcomeError) continue
          expect(await stored(tallies[i]!), `${end.status} after ${ms} ms`).to.equal(end.status === 'fulfilled' ? 1 : 0)
          if (end.status === 'fulfilled') done++
          else unfinished++
        }
      }
      expect(done).to.be.greaterThan(0)
      expect(unfinished).to.be.greaterThan(0)
    })
  })

describe('tasks that are given up, on a store that does not answer', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-given-up-'))
  })
  after(async () => {
    await finish().catch(() => {})
    await rm(folder, { recursive: true, force: true })
  })

  it('are told to be unknown at the end of their run, not to be unfinished', async () => {
    const main = await connect('memory:')
    const faulty = new FaultyBackend(new SharedBackend(main.backend))
    const store = await connect(faulty)
    const [begun, go] = [join(folder, 'begun'), join(folder, 'go')]
    const [tally, beside] = await store.run(() => Promise.all([new t.Tally().makePersistent(), new t.Tally().makePersistent()]))
    const settled = store.run(() => Promise.allSettled([t.addFar(tally!, beside!, begun, go)]))
    await there(begun)
    faulty.failCommits({ times: Number.POSITIVE_INFINITY, after: false, error: () => new UnknownOutcomeError('no answer') })
    await abandon()
    writeFileSync(go, '')
    const [end] = await settled
    expect(end!.status === 'rejected' && end!.reason).to.be.instanceOf(UnknownOutcomeError)
    faulty.failCommits({ times: 0, after: false, error: () => new Error() })
    await store.close()
    await main.close()
  })
})

describe('tasks that are given up, on logical hosts', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-given-up-'))
    process.env['INSITU_HOSTS'] = '2'
    await connect(`nvram:${join(folder, 'store')}`)
  })
  after(async () => {
    await finish().catch(() => {})
    delete process.env['INSITU_HOSTS']
    await rm(folder, { recursive: true, force: true })
  })

  for (const begins of ['before', 'after'])
    it(`a task whose group reaches a frozen host ${begins} the task is out of time is done if that stores it, and else is not stored`, async () => {
      const here = new t.Tally()
      here.bytes = new Uint8Array(4_000_000)
      await here.makePersistent(undefined, { host: 'host-1' })
      const far = await new t.Tally().makePersistent(undefined, { host: 'host-2' })
      const [begun, go] = [join(folder, `begun-${begins}`), join(folder, `go-${begins}`)]
      const settled = Promise.allSettled([t.addFar(far, here, begun, go)])
      // A machine that stands still for its time lets the task not even begin; then nothing of it is stored.
      await Promise.race([there(begun), settled])
      const frozen = currentHosts()!.pidOf(1)!
      process.kill(frozen, 'SIGSTOP')
      try {
        if (begins === 'before') writeFileSync(go, '')
        await delay(2500) // out of time, and its agent killed
      } finally {
        goOn(frozen)
      }
      const [{ status }] = await settled
      await delay(200)
      await far.reload()
      expect(far.n).to.equal(status === 'fulfilled' ? 1 : 0)
    })
})
