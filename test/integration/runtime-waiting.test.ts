import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import {
  AggregateTaskError,
  asCompleted,
  barrier,
  connect,
  executeTask,
  finish,
  group,
  stats,
  submitReady,
  type TaskFailedError,
  task,
  UnknownOutcomeError,
  waitOn,
} from '../../runtime/index.js'
import { FaultyBackend } from '../conformance/faulty-backend.js'
import { SharedBackend } from '../conformance/forwarding-backend.js'
import * as t from './hostile-tasks.js'
import { assertOk, node } from './processes.js'
import { thrown } from './thrown.js'

for (const mode of ['on', 'off'] as const)
  describe(`waiting for tasks, runtime ${mode}`, function () {
    this.timeout(60_000)
    let folder: string
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-waiting-'))
      process.env['INSITU_RUNTIME'] = mode
      await connect('memory:')
    })
    after(async () => {
      await finish()
      delete process.env['INSITU_RUNTIME']
      await rm(folder, { recursive: true, force: true })
    })
    /** A file that tasks wait for, which is there when it is asked for by `allow`. */
    const gate = (name: string): { readonly path: string; readonly allow: () => void } => {
      const path = join(folder, name)
      return { path, allow: () => writeFileSync(path, '') }
    }

    it('a call whose input failed is cancelled whatever its policy, and leaves the value that it was to write bad', async () => {
      const o = { n: 1 }
      const bad = t.rejectLater()
      const cancelled = t.failOnWriteAfter(o, bad)
      const behind = t.echo(o)
      for (const call of [cancelled, behind]) expect(await thrown(() => call)).to.have.property('code', 'ERR_TASK_FAILED')
      await barrier()
    })

    it('each call behind a failed one has the reason of that as its cause, however far behind it stands', async () => {
      const bad = t.rejectLater()
      const calls: PromiseLike<unknown>[] = [t.echo(bad)]
      for (let i = 0; i < 3; i++) calls.push(t.echo([calls[i], calls[0]]))
      const reason = (await thrown(() => bad)) as Error
      for (const call of calls) {
        const error = (await thrown(() => call)) as Error
        expect(error).to.have.property('code', 'ERR_TASK_FAILED')
        expect((error.cause as Error).message).to.equal(reason.message)
      }
      await barrier()
    })

    it('a list that holds itself goes there and back, also beside futures and values that calls write', async () => {
      const [list, o]: [unknown[], { n: number }] = [[1], { n: 1 }]
      const inner: unknown[] = [list, o]
      list.push(inner, inner)
      const check = (back: unknown[]): void => {
        expect(back[0]).to.equal(1)
        expect(back[1]).to.equal(back[2])
        expect((back[1] as unknown[])[0]).to.equal(back)
      }
      check(await t.echo(list))
      const written = { n: 1 }
      t.failWriting(written)
      check(await t.echo(list))
      const [back, two] = (await t.echo<unknown>([t.echo(list), t.echo(2)])) as [unknown[], number]
      check(back)
      expect(two).to.equal(2)
      expect(await waitOn(list)).to.equal(list)
      expect(await thrown(() => waitOn(written))).to.be.instanceOf(RangeError)
      await barrier()
    })

    it('whoever waits for a value is told of the failure of its writer, and the barrier is not', async () => {
      const o = { n: 1 }
      t.failWriting(o)
      expect(await thrown(() => waitOn(o))).to.be.instanceOf(RangeError)
      await barrier()
    })

    it('asCompleted gives each outcome once, failures too, and goes on', async () => {
      const { path, allow } = gate('last')
      // Without a runtime each call is at its end before the next begins.
      if (mode === 'off') allow()
      const calls = [t.onceThere(1, path), t.square(2), t.rejectLater(), Promise.resolve(4)] as PromiseLike<unknown>[]
      const got = new Map<number, unknown>()
      for await (const done of asCompleted(calls)) {
        got.set(done.index, done.status === 'fulfilled' ? done.value : (done.reason as Error).message)
        if (got.size === 3) allow()
      }
      expect([...got].sort(([a], [b]) => a - b)).to.deep.equal([
        [0, 1],
        [1, 4],
        [2, 'later'],
        [3, 4],
      ])
      if (mode === 'on') expect([...got.keys()].at(-1)).to.equal(0)
      for await (const never of asCompleted([])) expect(never).to.equal(undefined)
    })

    it('a group waits for its own tasks, those called late too, and leaves instances up to date', async () => {
      const box = await new t.Box().makePersistent()
      const { path, allow } = gate('outside')
      if (mode === 'off') allow()
      const outside = t.onceThere('outside', path)
      let isOver = false
      outside.then(
        () => (isOver = true),
        () => {},
      )
      const size = await group(async (tasks) => {
        t.addN(box, 1)
        await delay(5)
        t.addN(box, 2)
        return tasks.size
      })
      expect([size, box.n, isOver]).to.deep.equal([2, 3, mode === 'off'])
      outside.cancel()
      allow()
    })

    it('a group tells failures that nobody awaited, once, and the barrier does not repeat them', async () => {
      const error = await thrown(() =>
        group(async () => {
          t.throwOdd('unseen')
          await t.rejectLater().catch(() => {})
        }),
      )
      expect(error).to.be.instanceOf(AggregateTaskError)
      expect((error as AggregateTaskError).errors.map((e: Error) => e.message)).to.deep.equal(['unseen'])
      await barrier()
    })

    it('a group can be cancelled', async () => {
      const calls: PromiseLike<unknown>[] = []
      const error = await thrown(() =>
        group((tasks) => {
          for (let i = 0; i < 20; i++) calls.push(t.slowly(i, 100))
          tasks.cancel(new Error('enough'))
        }),
      )
      expect(error).to.be.instanceOf(AggregateTaskError)
      const outcomes = await Promise.allSettled(calls)
      expect(outcomes.every((o) => o.status === 'rejected' && (o.reason as TaskFailedError).code === 'ERR_TASK_CANCELLED')).to.equal(true)
    })

    it('a group has the calls of groups in it: their number, their end, and their cancelling', async () => {
      const sizes: number[] = []
      const done: string[] = []
      let inner: Promise<unknown> | undefined
      await group(async (outer) => {
        t.echo(1)
        inner = group((tasks) => {
          t.slowly(1, 50).then(() => done.push('inner'), String)
          t.echo(2)
          sizes.push(tasks.size)
        })
        await delay(1)
        sizes.push(outer.size)
      })
      done.push('outer')
      await inner
      expect([sizes, done]).to.deep.equal([
        [2, 3],
        ['inner', 'outer'],
      ])
      const stopped = await group(async (outer) => {
        const calls = [t.slowly(1, 3000), t.slowly(2, 3000)]
        const within = group(() => Promise.allSettled([...calls, t.slowly(3, 3000)]))
        await delay(20)
        outer.cancel()
        return within
      })
      expect(stopped.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'rejected'])
    })

    it('many calls may share a signal', async () => {
      const warned: string[] = []
      const onWarning = ({ name }: Error): void => void warned.push(name)
      process.on('warning', onWarning)
      const stop = new AbortController()
      const call = task.configure(t.slowly, { signal: stop.signal })
      const calls = Array.from({ length: 40 }, (_, i) => call(i, i < 2 ? 1000 : 1))
      await delay(30)
      stop.abort('enough')
      const codes = (await Promise.allSettled(calls)).map((end) =>
        end.status === 'rejected' ? (end.reason as TaskFailedError).code : 'done',
      )
      process.off('warning', onWarning)
      expect([codes.includes('ERR_TASK_CANCELLED'), warned]).to.deep.equal([true, []])
      await barrier()
    })

    it('what does not listen and ends soon after it was cancelled was cancelled all the same', async () => {
      const box = await new t.Box().makePersistent()
      const call = t.addSlowly(box, 200)
      await delay(100)
      call.cancel('not wanted')
      expect(await thrown(() => call)).to.include({ code: 'ERR_TASK_CANCELLED', cause: 'not wanted' })
      expect((await box.reload()).n).to.equal(0)
      await barrier()
    })

    it('submitReady holds calls under a limit', async () => {
      let most = 0
      for (let i = 0; i < 300; i++) {
        await submitReady({ limit: 10 })
        t.square(i)
        most = Math.max(most, stats().pending)
      }
      expect(most).to.be.greaterThan(1).and.at.most(10)
      await barrier()
      await submitReady()
      for (const limit of [0, Number.NaN, '5' as never])
        expect(await thrown(() => submitReady({ limit }))).to.have.property('code', 'ERR_CALL_OPTION')
      process.env['INSITU_PENDING_MAX'] = '5'
      try {
        for (let i = 0; i < 50; i++) {
          await submitReady()
          t.square(i)
          expect(stats().pending).to.be.at.most(5)
        }
      } finally {
        delete process.env['INSITU_PENDING_MAX']
      }
      await barrier()
    })

    it('a time limit rejects a barrier while tasks go on', async () => {
      const { path, allow } = gate('slow')
      const slow = t.onceThere(7, path)
      expect(await thrown(() => barrier({ timeoutMs: 10 }))).to.have.property('name', 'TimeoutError')
      allow()
      expect(await slow).to.equal(7)
    })

    it('futures inside values, methods of futures, written values and policies give the same', async () => {
      expect(await t.echo({ f: t.square(3), m: new Map([['k', [t.square(2)]]]) } as unknown)).to.deep.equal({
        f: 9,
        m: new Map([['k', [4]]]),
      })
      expect(await t.echo([[t.square(1)], 2])).to.deep.equal([[1], 2])
      expect(await executeTask(t.newBox(4), 'add', 3)).to.equal(7)
      const o = { n: 1 }
      t.addTo(o, 2)
      t.addTo(o, 3)
      expect([await t.readN(o), (await waitOn(o)).n]).to.deep.equal([6, 6])
      expect(await t.failIgnored()).to.equal(undefined)
      const bad = t.rejectLater()
      const after = await thrown(() => t.echo(bad))
      expect([after.constructor.name, (after.cause as Error).message]).to.deep.equal(['TaskFailedError', 'later'])
      await barrier()
    })

    it('a future that a call writes is what that makes of it for calls behind it, and for who waits for it', async () => {
      const o = t.echo({ n: 1 })
      const before = t.readN(o)
      t.addTo(o, 2)
      const between = t.readN(o)
      t.addTo(o, 3)
      expect([await before, await between, await t.readN(o), (await waitOn(o)).n, (await o).n]).to.deep.equal([1, 3, 6, 6, 1])
      expect(await t.echo([o, { n: 0 }])).to.deep.equal([{ n: 6 }, { n: 0 }])
      const box = t.newBox(4)
      executeTask(box, 'add', 1)
      const seen = t.nOf(box)
      executeTask(box, 'add', 2)
      expect([await seen, (await waitOn(box)).n, await t.nOfAll([box])]).to.deep.equal([5, 7, 7])
    })

    it('a call that was to write a future and failed cancels those behind it, and is told once', async () => {
      const o = t.echo({ n: 1 })
      t.failWriting(o)
      const error = await thrown(() => t.readN(o))
      expect([error.code, (error.cause as Error).constructor.name]).to.deep.equal(['ERR_TASK_FAILED', 'RangeError'])
      expect(await thrown(() => waitOn(o))).to.be.instanceOf(RangeError)
      await barrier()
      const other = t.echo({ n: 1 })
      t.failWriting(other)
      t.readN(other)
      const { errors } = (await thrown(() => barrier())) as AggregateTaskError
      expect(errors.map((one) => (one as Error).constructor.name)).to.deep.equal(['RangeError'])
    })

    it('what a task made persistent, or the program did, is an object for who waits for it', async () => {
      const box = new t.Box()
      t.persistWith(box, 27)
      const made = await waitOn(box)
      expect([made.n, typeof made.getID(), box.n, box.getID()]).to.deep.equal([27, 'string', 0, null])
      const other = new t.Box()
      void other.add(5)
      await other.makePersistent()
      void other.add(100)
      expect([(await waitOn(other)) === other, other.n, (await other.reload()).n]).to.deep.equal([true, 100, 100])
    })

    it('cancelled and late tasks reject by code, and store nothing', async () => {
      const box = await new t.Box().makePersistent()
      const { path, allow } = gate('late')
      expect(await thrown(() => task.configure(t.addOnceThere, { timeoutMs: 20 })(box, path))).to.have.property('code', 'ERR_TASK_TIMEOUT')
      allow()
      const held = t.slowly(1, 50)
      const behind = t.echo(held)
      behind.cancel()
      expect(await thrown(() => behind)).to.have.property('code', 'ERR_TASK_CANCELLED')
      await delay(250)
      expect((await box.reload()).n).to.equal(0)
    })

    it('a task that was cancelled tells why, also if it does not listen, and stores nothing', async () => {
      const box = await new t.Box().makePersistent()
      const stop = new AbortController()
      const calls = [t.addSlowly(box, 3000), task.configure(t.slowly, { signal: stop.signal })(1, 3000), t.slowly(1, 3000), t.echo(1)]
      await delay(100) // some of them run
      stop.abort(new RangeError('enough'))
      calls[0]!.cancel('not wanted')
      calls[0]!.cancel('said again')
      calls[2]!.cancel()
      const errors = (await Promise.all(calls.slice(0, 3).map((call) => thrown(() => call)))) as TaskFailedError[]
      expect(errors.map(({ code }) => code)).to.deep.equal(['ERR_TASK_CANCELLED', 'ERR_TASK_CANCELLED', 'ERR_TASK_CANCELLED'])
      expect([errors[0]!.cause, (errors[1]!.cause as Error).message]).to.deep.equal(['not wanted', 'enough'])
      expect([await calls[3], (await box.reload()).n]).to.deep.equal([1, 0])
    })

    it('a failure of policy FAIL stops what was called before it is told, and nothing that is called then', async () => {
      const { path, allow } = gate('stopped')
      const bad = t.failAll()
      const behind = t.echo(t.onceThere(1, path))
      expect((await thrown(() => bad)).message).to.equal('stops all')
      allow()
      expect(await thrown(() => behind)).to.have.property('code', 'ERR_TASK_FAILED')
      expect(await t.square(2)).to.equal(4)
      await barrier()
    })

    it('a commit whose outcome stays unknown is settled by its mark: effects once', async () => {
      const faulty: { backend?: FaultyBackend } = {}
      const main = await connect('memory:')
      faulty.backend = new FaultyBackend(new SharedBackend(main.backend))
      const store = await connect(faulty.backend)
      await store.run(async () => {
        const box = await new t.Box().makePersistent()
        faulty.backend!.failCommits({ times: 14, after: true, error: () => new UnknownOutcomeError('no answer') })
        const value = t.addN(box, 1)
        expect(await value).to.equal(1)
        await barrier()
        expect((await box.reload()).n).to.equal(1)
      })
      await store.close()
      await main.close()
    })
  })

describe('a hundred thousand pending tasks', function () {
  this.timeout(60_000)

  it('cost at most 256 bytes of heap each, and nothing when they are over', async () => {
    const { stdout } = assertOk(await node([fileURLToPath(new URL('./pending-memory.js', import.meta.url))]))
    const { pending, left } = JSON.parse(stdout) as { readonly pending: number[]; readonly left: number[] }
    // The least of some rounds: the engine collects when it likes.
    expect(Math.min(...pending), stdout).to.be.within(1, 256)
    expect(Math.min(...left), stdout).to.be.lessThan(16)
  })
})
