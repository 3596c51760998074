import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import {
  type AggregateTaskError,
  barrier,
  connect,
  dump,
  explain,
  finish,
  graphOf,
  group,
  stats,
  submitReady,
  task,
  waitOn,
} from '../../runtime/index.js'
import * as t from './hostile-tasks.js'
import { thrown } from './thrown.js'

const never = new Promise<number>(() => {})
const box = (n = 0): Promise<t.Box> => Object.assign(new t.Box(), { n }).makePersistent()
const messageOf = (error: unknown): string => (error as Error).message

for (const mode of ['on', 'off'] as const)
  describe(`calls that wait for a promise of the program, runtime ${mode}`, function () {
    this.timeout(60_000)
    before(async () => {
      Object.assign(process.env, { INSITU_RUNTIME: mode, INSITU_WORKERS: '2' })
      await connect('memory:')
    })
    after(async () => {
      await finish()
      for (const name of ['INSITU_RUNTIME', 'INSITU_WORKERS']) delete process.env[name]
    })

    it('keep their place before later calls on the same object, also one that stands in a list', async () => {
      const [a, b] = [await box(), await box()]
      t.addN(a, delay(20, 5))
      const [one, both] = [t.nOf(a), t.nOfAll([a, b])]
      t.addAll([a, b], delay(20, 2))
      t.addN(b, 1)
      expect([await one, await both, await t.nOf(a), await t.nOf(b)]).to.deep.equal([5, 5, 7, 3])
    })

    it('keep their place before later calls on the same value, and before the program changes it', async () => {
      const [o, list] = [{ n: 1 }, [[0]]]
      t.addTo(o, delay(20, 5))
      t.pushNested(list, delay(20, 1))
      const seen = [t.readN(o), t.echo(list)]
      o.n = 100
      t.addTo(o, 1)
      expect(await Promise.all(seen)).to.deep.equal([6, [[0, 1]]])
      expect(await waitOn(o)).to.deep.equal({ n: 7 })
    })

    it('and do not make earlier calls on it wait', async () => {
      const a = await box(1)
      const before = t.nOf(a)
      const late = t.addN(a, never)
      expect(await before).to.equal(1)
      late.cancel()
      await barrier()
    })

    it('those that write what a future gives keep their other places', async () => {
      const a = await box()
      t.moveN(a, t.newBox(1), 3)
      const seen = t.nOf(a)
      t.addAll([t.newBox(5), a], 1)
      expect([await seen, await t.nOf(a)]).to.deep.equal([-3, -2])
    })

    it('fail with what the promise rejects with, and cancel the calls behind until the program is told', async () => {
      const a = await box(1)
      const [bad, behind, reader] = [t.addN(a, Promise.reject(new t.OddError('outside', 1))), t.addN(a, 1), t.nOf(a)]
      const other = t.square(3)
      for (const call of [behind, reader]) expect((await thrown(() => call)).cause).to.have.property('message', 'outside')
      expect(await thrown(() => bad)).to.be.instanceOf(t.OddError)
      expect([await other, await t.nOf(a)]).to.deep.equal([9, 1])
      t.addN(a, Promise.reject(new Error('nobody awaits it')))
      t.addN(a, 1)
      const { errors } = (await thrown(() => barrier())) as AggregateTaskError
      expect(errors.map(messageOf)).to.deep.equal(['nobody awaits it'])
      expect(await t.addN(a, 1)).to.equal(2)
    })

    it('are ignored where their policy says so', async () => {
      const a = await box(1)
      const [bad, behind] = [t.addOrIgnore(a, Promise.reject(new Error('outside'))), t.addN(a, 1)]
      expect([await bad, await behind]).to.deep.equal([undefined, 2])
      await barrier()
    })

    it('are cancelled while they wait, with those behind them, by hand, by signal and by group', async () => {
      const a = await box(1)
      const reason = new Error('enough')
      const [waits, behind] = [t.addN(a, never), t.nOf(a)]
      waits.cancel(reason)
      expect(await thrown(() => waits)).to.include({ code: 'ERR_TASK_CANCELLED', cause: reason })
      expect(await thrown(() => behind)).to.have.property('code', 'ERR_TASK_FAILED')
      const limited = task.configure(t.square, { signal: AbortSignal.timeout(20) })(never)
      expect(await thrown(() => limited)).to.have.property('code', 'ERR_TASK_CANCELLED')
      const called = await group(async (tasks) => {
        const call = t.addN(a, never)
        call.catch(() => {})
        tasks.cancel()
        return [call]
      })
      expect(await thrown(() => called[0]!)).to.have.property('code', 'ERR_TASK_CANCELLED')
      t.addN(a, never).cancel()
      await barrier()
      expect([stats().pending, await t.nOf(a)]).to.deep.equal([0, 1])
    })

    it('count as pending, and their time begins with their body', async () => {
      const timed = task.configure(t.square, { timeoutMs: 15_000 })(delay(30, 4))
      expect(stats().pending).to.equal(1)
      await submitReady({ limit: 1 })
      expect([stats().pending, await timed]).to.deep.equal([0, 16])
    })

    it('whoever waits for an object is told of the failure of its writer, and the barrier is not', async () => {
      const a = await box(1)
      t.addN(a, Promise.reject(new Error('outside')))
      expect(await thrown(() => waitOn(a))).to.have.property('message', 'outside')
      await barrier()
      t.addN(a, delay(10, 1))
      expect((await waitOn(a)).n).to.equal(2)
    })

    it('an object that comes in the promise is used after the calls made by then, and loses nothing where those wait for this one', async () => {
      const [a, b] = [await box(), await box()]
      t.addSlowly(a, 20)
      const late = t.addN(delay(5, a), 10)
      for (let i = 0; i < 3; i++) t.addN(a, 100)
      expect(await late).to.equal(mode === 'off' ? 11 : 311)
      expect(await t.addN(a, 0)).to.equal(311)
      // Each waits for the other: for an object that it has a place on, and for one that has come too late to have one.
      t.moveN(a, delay(20, b), 1)
      t.moveN(b, a, 5)
      await barrier()
      expect([a.n, b.n]).to.deep.equal([315, -4])
    })

    it('a value that comes in the promise is as the program has it, not as calls behind make it', async () => {
      const [a, o] = [await box(), { n: 1 }]
      const sum = t.nOfAll([a, delay(10, o) as never])
      t.moveN(a, o as never, 5)
      expect(await sum).to.equal(1)
      expect([await waitOn(o), await t.nOf(a)]).to.deep.equal([{ n: 6 }, -5])
    })

    if (mode === 'off') return // there is no graph then

    it('are explained, and stand in the graph', async () => {
      const a = await box()
      const [late, next] = [t.addN(a, never), t.nOf(a)]
      expect(explain(late)).to.match(/^addN#\d+ waits for a promise of the program\./)
      expect(explain(next)).to.match(/^nOf#\d+ waits for .*addN#\d+ is waiting/)
      expect(dump()).to.include('waits for a promise of the program')
      const { nodes, edges } = graphOf()
      expect(edges).to.deep.include([nodes.length - 2, nodes.length - 1])
      late.cancel()
      await barrier()
    })

    it('may be given futures of later calls by the promise, but not of those that wait for them', async () => {
      expect(await t.echo(delay(5).then(() => [t.square(2), t.square(3)]) as Promise<unknown>)).to.deep.equal([4, 9])
      const a = await box()
      let give = (_: unknown): void => {}
      const late = t.addAll([a, new Promise((resolve) => (give = resolve)) as never], 1)
      const behind = t.nOf(a)
      await delay(5)
      give([behind])
      expect(messageOf(await thrown(() => late))).to.match(/was not run: a promise .* make that call first/)
      expect((await thrown(() => behind)).cause).to.have.property('code', 'ERR_TASK_FAILED')
      await barrier()
    })
  })
