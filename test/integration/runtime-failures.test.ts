import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { AggregateTaskError, barrier, connect, finish, type Store, stats, TaskFailedError, task } from '../../runtime/index.js'
import * as t from './hostile-tasks.js'
import { memoryUsed } from './memory-used.js'
import { thrown } from './thrown.js'

describe('tasks that fail', function () {
  this.timeout(60_000)
  let folder: string
  let store: Store
  const marker = (name: string): string => join(folder, name)

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-failures-'))
    process.env['INSITU_WORKER_HEAP_MB'] = '100'
    store = await connect(`nvram:${join(folder, 'store')}`)
  })
  after(async () => {
    delete process.env['INSITU_WORKER_HEAP_MB']
    await finish()
    await rm(folder, { recursive: true, force: true })
  })

  describe('by throwing', () => {
    it('an error of an own class arrives as that class, with fields, cause and stack', async () => {
      const error = (await thrown(() => t.throwOdd('own'))) as t.OddError
      expect(error).to.be.instanceOf(t.OddError)
      expect(error).to.be.instanceOf(RangeError)
      expect([error.message, error.code, error.twice]).to.deep.equal(['own', 'E_ODD', 'own own'])
      expect(error.detail).to.deep.equal({ list: [1, 2] })
      expect((error.cause as Error).message).to.equal('inner')
      expect(error.stack).to.include('hostile-tasks')
    })

    it('an error of a class that is not exported keeps name, message and fields', async () => {
      const error = await thrown(() => t.throwHidden())
      expect(error.message).to.equal('hidden class')
      expect(error).to.have.property('hidden', true)
    })

    it('frozen errors and aggregates arrive', async () => {
      expect((await thrown(() => t.throwFrozen())).message).to.equal('frozen')
      const all = (await thrown(() => t.throwAggregate())) as AggregateError
      expect(all.errors.map((e: Error) => e.message)).to.deep.equal(['one', 'two'])
    })

    it('an error that cannot be looked at fails its task all the same, and of one with a field that cannot be sent the others arrive', async () => {
      expect(
        await Promise.all((['unreadable', 'constructor', 'revoked'] as const).map((kind) => thrown(() => t.throwUnsendable(kind)))),
      ).to.have.lengthOf(3)
      const error = (await thrown(() => t.throwUnsendable('field'))) as Error & { code?: string; report?: unknown }
      expect(error).to.be.instanceOf(RangeError)
      expect([error.message, error.code, (error.cause as Error).message, error.report]).to.deep.equal([
        'field',
        'E_KEPT',
        'the cause',
        undefined,
      ])
      expect(error.stack).to.include('hostile-tasks')
      expect(await t.square(3)).to.equal(9)
    })

    it('what is no error arrives as it is, or as what it was', async () => {
      const caught = async (kind: Parameters<typeof t.throwValue>[0]): Promise<unknown> => {
        let what: unknown = 'nothing was thrown'
        await t.throwValue(kind).catch((error: unknown) => (what = error))
        return what
      }
      expect(await caught('text')).to.equal('just text')
      expect(await caught('nothing')).to.equal(undefined)
      expect(await caught('object')).to.deep.equal({ reason: 1 })
      expect(String(await caught('symbol'))).to.include('Symbol(s)')
      expect(String(await caught('function'))).to.include('=>')
    })

    it('errors go when nobody has them any more', async () => {
      const fail = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++) await thrown(() => t.throwOdd(`${i % 10}`.repeat(2 ** 17)))
        await delay(20)
      }
      await fail(100) // the newest are kept
      const before = memoryUsed()
      await fail(100)
      expect((memoryUsed() - before) / 2 ** 20).to.be.lessThan(10)
    })

    it('the barrier tells own classes too, once', async () => {
      void t.throwOdd('at the barrier')
      void t.echo(t.throwOdd('and what depends on it'))
      const error = (await thrown(() => barrier())) as AggregateTaskError
      expect(error).to.be.instanceOf(AggregateTaskError)
      expect(error.errors).to.have.lengthOf(2)
      for (const e of error.errors) expect(e).to.be.instanceOf(t.OddError)
      await barrier()
    })

    it('a rejection that a body forgot harms nobody', async () => {
      expect(await Promise.all([t.forgetRejection(1), t.square(3)])).to.deep.equal([1, 9])
    })

    it('a task that is not exported names the place and the fix', async () => {
      expect(await thrown(() => t.callUnexported())).to.have.property('code', 'ERR_TASK_NOT_EXPORTED')
      expect(await t.shared.inGroup(1)).to.equal(2)
    })
  })

  describe('with a policy', () => {
    it('RETRY runs again up to twice, and ours that pass too', async () => {
      expect(await t.failTimes(marker('twice'), 2)).to.equal('at last')
      expect((await thrown(() => t.failTimes(marker('thrice'), 3))).message).to.equal('attempt 3')
      expect(await t.unavailableTimes(marker('unavailable'), 1)).to.equal('at last')
    })

    it('IGNORE gives undefined, and what depends on it runs', async () => {
      const ignored = t.failIgnored()
      expect(await t.echo(ignored)).to.equal(undefined)
      expect(await ignored).to.equal(undefined)
      await barrier()
    })

    it('CANCEL_SUCCESSORS cancels what depends on it and nothing else', async () => {
      const bad = t.rejectLater()
      const [after, beside] = [t.echo(t.echo(bad)), t.square(4)]
      expect((await thrown(() => after)).cause).to.be.instanceOf(TypeError)
      expect(await beside).to.equal(16)
      await thrown(() => bad)
    })

    it('FAIL stops all that is pending, and the next call runs', async () => {
      const pending = Array.from({ length: 20 }, (_, i) => t.slowly(i, 50))
      const bad = task.configure(t.failAll, { priority: 10 })()
      const outcomes = await Promise.allSettled(pending)
      expect(outcomes.filter((o) => o.status === 'rejected')).to.have.length.greaterThan(10)
      expect((await thrown(() => bad)).message).to.equal('stops all')
      expect(await t.square(2)).to.equal(4)
    })
  })

  describe('with their worker', () => {
    it('a worker that is killed is replaced and its task runs again', async () => {
      expect(await t.exitOnce(marker('exit'))).to.equal('again')
      expect(await t.throwInTimerOnce(marker('timer'))).to.equal('went well')
    })

    it('a task that takes worker after worker along fails and says how, and others are done', async () => {
      const bad = [t.exitWorker(7), t.throwInTimer(), t.fillMemory()]
      const good = Array.from({ length: 200 }, (_, i) => t.square(i))
      const [exit, timer, memory] = await Promise.all(bad.map((b) => thrown(() => b)))
      for (const error of [exit!, timer!, memory!]) {
        expect(error).to.be.instanceOf(TaskFailedError)
        expect(error).to.have.property('code', 'ERR_WORKER_LOST')
      }
      expect((exit!.cause as Error).message).to.include('7')
      expect((timer!.cause as Error).message).to.equal('in a timer')
      expect(memory!.cause).to.have.property('code', 'ERR_WORKER_OUT_OF_MEMORY')
      expect(await Promise.all(good)).to.deep.equal(Array.from({ length: 200 }, (_, i) => i * i))
    }).timeout(60_000)

    it('effects happen once when the worker ends after its commit', async () => {
      const box = await new t.Box().makePersistent()
      for (let i = 0; i < 8; i++) t.addAndExitOnce(box, marker(`effects-${i}`))
      await barrier()
      expect(box.n).to.equal(8)
      expect(stats().lost).to.be.greaterThan(0)
    })
  })

  describe('out of time, or cancelled', () => {
    it('timeoutMs stops a body that loops, and the next task runs', async () => {
      const error = await thrown(() => t.loopForeverBriefly())
      expect(error).to.be.instanceOf(TaskFailedError)
      expect(error).to.have.property('code', 'ERR_TASK_TIMEOUT')
      expect(await t.square(5)).to.equal(25)
    })

    it('timeoutMs and RETRY: the second attempt has its own time', async () => {
      expect(await t.loopOnce(marker('loop'))).to.equal('second time')
    })

    it('the signal reaches the body before its worker is replaced', async () => {
      // A worker that does not come to it in time is replaced all the same, as one of a machine that stands still.
      for (let i = 0, isHeard = false; !isHeard; i++) {
        expect(i).to.be.lessThan(20)
        const lost = stats().lost!
        expect(await thrown(() => t.waitForSignal(marker(`heard-${i}`)))).to.have.property('code', 'ERR_TASK_TIMEOUT')
        isHeard = stats().lost === lost
        if (isHeard) expect(existsSync(marker(`heard-${i}`))).to.equal(true)
      }
    })

    it('cancel reaches a body that runs, and one that does not listen is stopped', async () => {
      const [kind, deaf] = [t.waitForCancel(marker('cancelled')), t.loopAndTell(marker('loops'))]
      const after = t.echo(kind)
      while (!existsSync(marker('loops'))) await delay(5)
      await delay(100)
      kind.cancel(new Error('no longer wanted'))
      deaf.cancel()
      const error = await thrown(() => kind)
      expect(error).to.have.property('code', 'ERR_TASK_CANCELLED')
      expect((await thrown(() => after)).message).to.include('was cancelled')
      expect(await thrown(() => deaf)).to.have.property('code', 'ERR_TASK_CANCELLED')
      expect(await t.square(6)).to.equal(36)
    })

    it('cancel stops what has not begun, and what is done stays done', async () => {
      const held = t.slowly(1, 100)
      const behind = t.echo(held)
      behind.cancel()
      expect(await thrown(() => behind)).to.have.property('code', 'ERR_TASK_CANCELLED')
      expect(await held).to.equal(1)
      held.cancel()
      expect(await held).to.equal(1)
    })

    it('an AbortSignal given with the call cancels it', async () => {
      const stop = new AbortController()
      const calls = [
        task.configure(t.slowly, { signal: stop.signal })(1, 5000),
        task.configure(t.square, { signal: AbortSignal.abort() })(2),
      ]
      await delay(20)
      stop.abort()
      for (const call of calls) expect(await thrown(() => call)).to.have.property('code', 'ERR_TASK_CANCELLED')
    })

    it('a task that has changed an object and is out of time leaves it as it was', async () => {
      const box = await new t.Box().makePersistent()
      const late = task.configure(t.addSlowly, { timeoutMs: 30 })
      expect(await thrown(() => late(box, 5000))).to.have.property('code', 'ERR_TASK_TIMEOUT')
      await box.reload()
      expect(box.n).to.equal(0)
      await t.addN(box, 1)
      await barrier()
      expect(box.n).to.equal(1)
    })
  })

  it('a store that is closed under its tasks makes them fail, not hang', async () => {
    const other = await connect(`nvram:${join(folder, 'other')}`)
    await other.run(async () => {
      const box = await new t.Box().makePersistent()
      const late = t.addOnceThere(box, marker('closed'))
      await delay(10)
      await other.close()
      writeFileSync(marker('closed'), '')
      expect(await thrown(() => late)).to.have.property('code')
    })
    expect(store.closed).to.equal(false)
    expect(await t.square(2)).to.equal(4)
  })
})
