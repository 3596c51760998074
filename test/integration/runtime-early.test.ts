import { expect } from 'chai'
import {
  type AggregateTaskError,
  barrier,
  CannotPlaceError,
  connect,
  dump,
  executeTask,
  explain,
  type Future,
  finish,
  graphOf,
  init,
  stats,
  task,
  ValidationError,
} from '../../runtime/index.js'
import * as t from './hostile-tasks.js'
import { thrown } from './thrown.js'

/** Something that no task makes, and that comes later. */
const soon = <T>(value: T): Promise<T> => new Promise((resolve) => setTimeout(resolve, 5, value))
const never = new Promise<number>(() => {})

/** The first call of a program opens its store: what is called meanwhile, or waits for promises, is like any other call. */
for (const mode of ['on', 'off'] as const)
  for (const when of ['before the store is open', 'afterwards'] as const)
    describe(`calls ${when}, runtime ${mode}`, function () {
      this.timeout(60_000)
      const settings = { INSITU_RUNTIME: mode, INSITU_STORAGE: 'memory:', INSITU_WORKERS: '2' }
      // A program that has closed the store it had chosen opens no other by itself: other tests may have.
      before(async () => {
        Object.assign(process.env, settings)
        await connect()
        await finish()
      })
      beforeEach(async () => {
        Object.assign(process.env, settings)
        if (when === 'afterwards') await init()
      })
      afterEach(async () => {
        await finish()
        for (const name of Object.keys(settings)) delete process.env[name]
      })

      it('take a value in a list as calls before them have written it', async () => {
        const [o, other] = [{ n: 1 }, { n: 10 }]
        const first = t.echo([o, other])
        t.addTo(o, 5)
        const list = [o, 7, [other, [o]]]
        const [once, later] = [t.echo(list), t.echo([o, soon(3)])]
        t.addTo(o, 5)
        const [twice, mixed] = [t.echo(list), t.echo([o, t.square(2)])]
        expect(await first).to.deep.equal([{ n: 1 }, { n: 10 }])
        expect(await once).to.deep.equal([{ n: 6 }, 7, [{ n: 10 }, [{ n: 6 }]]])
        expect(await twice).to.deep.equal([{ n: 11 }, 7, [{ n: 10 }, [{ n: 11 }]]])
        expect(await mixed).to.deep.equal([{ n: 11 }, 4])
        expect(await later).to.deep.equal([{ n: 6 }, 3])
        expect(await t.echo([o]), 'one that is over').to.deep.equal([{ n: 11 }])
        expect(o.n).to.equal(1)
      })

      it('take what they are given as it is at the call', async () => {
        const buffer = new Float64Array(3)
        const map = new Map([['a', 1]])
        const calls = [1, 2, 3].map((n) => {
          buffer.fill(n)
          map.set('a', n)
          return [t.echo(buffer), t.sumOfMap(map), t.echo([buffer, soon(n)])] as const
        })
        buffer.fill(9)
        map.clear()
        for (const [i, [array, sum, list]] of calls.entries()) {
          expect([...(await array)], 'array').to.deep.equal([i + 1, i + 1, i + 1])
          expect(await sum, 'map').to.equal(i + 1)
          expect(await list, 'list with a promise').to.deep.equal([Float64Array.of(i + 1, i + 1, i + 1), i + 1])
        }
      })

      it('see what was written to values by calls before them, and by none behind them', async () => {
        const list = [[0]]
        t.pushNested(list, 1)
        const one = t.square(1)
        const calls = [t.echo(list), t.echo([list, one]), t.echo(new Map([[list, one]]))]
        t.pushNested(list, 2)
        const last = t.echo(list)
        const [direct, inList, inMap] = await Promise.all(calls)
        expect(direct).to.deep.equal([[0, 1]])
        expect((inList as unknown[])[1]).to.equal(1)
        expect(inMap).to.be.instanceOf(Map)
        expect([...Object(inMap).values()]).to.deep.equal([1])
        expect(await last).to.deep.equal([[0, 1, 2]])
      })

      it('are not run when one that they take the result of fails, which the barrier tells alone', async () => {
        const bad = t.rejectLater()
        for (const call of [
          t.echo(bad),
          t.echo([bad]),
          t.echo(new Map([['a', bad]])),
          executeTask(bad as never as Future<t.Box>, 'add', 1),
        ]) {
          const error = await thrown(() => call as PromiseLike<unknown> as Promise<unknown>)
          expect(error).to.include({ name: 'TaskFailedError', code: 'ERR_TASK_FAILED' })
          expect((error.cause as Error).message).to.equal('later')
        }
        t.echo(t.rejectLater())
        const { errors } = (await thrown(() => barrier())) as AggregateTaskError
        expect(errors.map((error) => (error as Error).message)).to.deep.equal(['later'])
      })

      it('that take the result of one that waits for a promise wait for both', async () => {
        const first = t.square(soon(3) as never)
        expect(await t.echo([first, t.square(first)])).to.deep.equal([9, 81])
        expect(await t.echo(new Map([['deep', t.square(soon(2) as never)]]))).to.deep.equal(new Map([['deep', 4]]))
        const refused = t.square(Promise.reject(new Error('outside')) as never)
        const behind = t.echo(refused)
        expect((await thrown(() => behind)).cause).to.have.property('message', 'outside')
        expect(await thrown(() => refused)).to.have.property('message', 'outside')
        await barrier()
      })

      if (mode === 'off') return // there are no hosts then, no graph, and each call waits for the one before it

      it('that no host can run are refused at once', () => {
        expect(() => task.configure(t.square, { needs: { units: 99 } })(1)).to.throw(CannotPlaceError)
      })

      it('are explained, and stand in the graph with what they wait for', async () => {
        const a = t.square(2)
        const b = t.square(a)
        if (when !== 'afterwards') expect(explain(b)).to.match(/waits for the store to open/)
        expect(await b).to.equal(16)
        const waits = t.square(never as never)
        const [waiting, text] = [explain(waits), dump()]
        waits.cancel() // the end of the run waits for it
        expect(waiting).to.match(/^square#2 waits for a promise of the program\./)
        expect(text)
          .to.match(/^step \d+ at/)
          .and.to.include('square#2 waits for a promise of the program.')
        expect(explain(b)).to.match(/^square#1 is done \(attempt 1\): it ran on worker \d+.*\.\n.*void → waiting/)
        expect(graphOf().edges).to.deep.equal([[0, 1]])
        expect(dump()).not.to.include('promise of the program')
        expect(explain(waits)).to.match(/was cancelled: cancelled on request/)
      })

      it('are cancelled while they wait for a promise that never comes', async () => {
        const reason = new Error('enough')
        const waits = t.square(never as never)
        const behind = t.echo(waits)
        waits.cancel(reason)
        expect(await thrown(() => waits)).to.include({ code: 'ERR_TASK_CANCELLED', cause: reason })
        expect(await thrown(() => behind)).to.include({ code: 'ERR_TASK_FAILED' })
        const { signal } = new AbortController()
        const late = task.configure(t.square, { signal: AbortSignal.any([signal, AbortSignal.timeout(20)]) })(never as never)
        expect(await thrown(() => late)).to.include({ code: 'ERR_TASK_CANCELLED' })
        t.square(never as never).cancel()
        await barrier()
        expect(stats().pending).to.equal(0)
      })
    })

describe('options of tasks and waits', () => {
  const body = (n: number): number => n
  const wrong: Record<string, readonly unknown[]> = {
    onFailure: ['retry', 'NONE', null],
    priority: ['high', Number.NaN, 1.5, 16, -17],
    timeoutMs: [-1, Number.NaN, '5s', 2 ** 40, null],
    signal: ['x', {}, null],
    needs: [null, 4, { cores: 2 }, { units: '2' }],
    args: ['INOUT', { 0: 'INOUT' }],
    timeout: [5],
  }

  it('that mean nothing are refused where they are written, by name', () => {
    for (const [name, values] of Object.entries(wrong))
      for (const value of values) expect(() => task(body, { [name]: value }), `${name}: ${String(value)}`).to.throw(ValidationError, name)
    expect(() => task.configure(t.square, { timeoutMs: 2 ** 31 })).to.throw(ValidationError, 'timeoutMs')
    expect(() => task.configure(t.square, { onFailure: 'RETRY' } as never)).to.throw(ValidationError, 'onFailure')
  })

  it('of waits too, and an endless one is none', async () => {
    await connect('memory:')
    await t.square(1)
    for (const timeoutMs of [Number.NaN, -1, '5', 2 ** 40])
      expect(await thrown(() => barrier({ timeoutMs: timeoutMs as number }))).to.be.instanceOf(ValidationError)
    await barrier({ timeoutMs: Number.POSITIVE_INFINITY })
    const patient = task.configure(t.onceThere, { timeoutMs: Number.POSITIVE_INFINITY })
    expect(await patient(1, process.execPath)).to.equal(1)
    await finish()
  })
})
