/** Tasks that depend on one another are given to workers ahead: what they make is the same, whatever happens on the way. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { connect, finish, graphOf, init, stats } from '../../runtime/index.js'
import * as t from './lane-tasks.js'
import { thrown } from './thrown.js'

for (const isolation of ['thread', 'process'] as const)
  describe(`tasks that follow one another in lanes, each worker a ${isolation}`, function () {
    this.timeout(60_000)
    let folder: string
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-lanes-'))
      await connect('memory:')
      await init({ workers: 2, isolation })
      // What a task takes is known from here on: what is not known is not given ahead.
      for (let i = 0; i < 20; i++) {
        await Promise.all([t.plus(1, 1), t.list([], 1), t.failAt(0, -1), t.wide('', 10), t.dieAt(0, -1, '')])
      }
    })
    after(async () => {
      await finish()
      await rm(folder, { recursive: true, force: true })
    })

    /** Rounds of the program that so many steps took. */
    async function stencil(steps: number): Promise<number> {
      let [a, b] = [t.plus(1, 2), t.plus(2, 2)]
      let [x, y] = [3, 4]
      const before = stats()['steps']!
      for (let i = 0; i < steps; i++) {
        ;[a, b] = [t.plus(a, b), t.plus(b, b)]
        ;[x, y] = [(x + y) % 1_000_003, (2 * y) % 1_000_003]
      }
      expect(await Promise.all([a, b])).to.deep.equal([x, y])
      return stats()['steps']! - before
    }

    it('a stencil gives what a loop gives, in far fewer rounds of the program than it has steps', async () => {
      const STEPS = 1500
      let least = Number.POSITIVE_INFINITY
      // Workers tell what they have done after some time, however little that is: on a busy machine in every round.
      for (let i = 0; i < 10 && least >= STEPS; i++) least = Math.min(least, await stencil(STEPS))
      expect(least).to.be.lessThan(STEPS)
    })

    it('values of every kind are handed on; those too large for a lane come by the program', async () => {
      let numbers = t.list([], 0)
      for (let i = 1; i < 200; i++) numbers = t.list(numbers, i)
      expect(await numbers).to.deep.equal([195, 196, 197, 198, 199])
      let long = t.wide('', 1)
      for (let i = 1; i < 400; i += 3) long = t.wide(long, i)
      expect(await long).to.have.length(397)
    })

    it('a failure in the midst cancels what follows, and nothing of that runs', async () => {
      let last = t.failAt(0, 100)
      const all = [last]
      for (let i = 1; i < 300; i++) all.push((last = t.failAt(last, 100)))
      expect(await thrown(() => Promise.resolve(all[100]!))).to.be.instanceOf(RangeError)
      expect(await thrown(() => Promise.resolve(last))).to.have.property('code', 'ERR_TASK_FAILED')
      expect((await Promise.all(all.slice(0, 100))).at(-1)).to.equal(100)
      const states = graphOf()
        .nodes.slice(-300)
        .map((n) => n.state)
      expect([states.filter((s) => s === 'done').length, states.filter((s) => s === 'cancelled').length]).to.deep.equal([100, 199])
    })

    it('cancelling a task cancels what follows it', async () => {
      let last = t.plus(0, 1)
      let middle = last
      for (let i = 1; i < 400; i++) {
        last = t.plus(last, 1)
        if (i === 300) middle = last
      }
      middle.cancel()
      const [how] = await Promise.allSettled([last])
      if (how.status === 'fulfilled') expect(how.value).to.equal(400)
      else expect(how.reason).to.have.property('name', 'TaskFailedError')
    })

    it('a worker that dies is replaced, and what followed its tasks goes on; objects change once', async () => {
      const sum = await new t.Sum().makePersistent()
      for (let i = 0; i < 30; i++) await t.addTo(sum, 0)
      for (const at of [3, 150]) {
        let last = t.dieAt(0, at, join(folder, String(at)))
        for (let i = 1; i < 200; i++) {
          last = t.dieAt(last, at, join(folder, String(at)))
          if (i % 50 === 0) t.addTo(sum, last)
        }
        expect(await last).to.equal(200)
      }
      expect(await t.addTo(sum, 0)).to.equal(2 * (51 + 101 + 151))
      expect(stats()['lost']).to.be.greaterThan(0)
    })
  })
