import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { connect, finish, init, task } from '../../runtime/index.js'
import * as t from './order-tasks.js'

const BY_DIRECTION = {
  IN: t.inOf,
  OUT: t.outOf,
  INOUT: t.inoutOf,
  CONCURRENT: t.concurrentOf,
  COMMUTATIVE: t.commutativeOf,
  IN_DELETE: t.inDeleteOf,
}
type Name = keyof typeof BY_DIRECTION
const NAMES = Object.keys(BY_DIRECTION) as Name[]

/** Which run beside those of the same direction; all others run one after the other. */
const TOGETHER: readonly Name[] = ['IN', 'CONCURRENT']

for (const isolation of ['thread', 'process'] as const)
  describe(`the order of tasks, in workers that are ${isolation === 'thread' ? 'threads' : 'processes'}`, function () {
    this.timeout(60_000)
    let folder: string
    let n = 0
    const file = (): string => join(folder, String(n++))

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-order-'))
      await connect('memory:?private')
      await init({ workers: 2, isolation })
    })
    after(async () => {
      await finish()
      await rm(folder, { recursive: true, force: true })
    })

    /** Whether tasks of two directions ran at one time on one object, called in this order. `ms`: how long each waits for the other. */
    async function meet(first: Name, second: Name, ms: number): Promise<readonly boolean[]> {
      const board = await new t.Board().makePersistent()
      const [own, other] = [file(), file()]
      return Promise.all([BY_DIRECTION[first](board, own, other, ms), BY_DIRECTION[second](board, other, own, ms)])
    }

    it('readers of an object run beside one another, and so do CONCURRENT tasks', async () => {
      for (const name of TOGETHER) expect(await meet(name, name, 20_000), name).to.deep.equal([true, true])
    })

    it('all others wait for who was called before, whichever direction each has', async () => {
      for (const first of NAMES)
        for (const second of NAMES) {
          if (first === second && TOGETHER.includes(first)) continue
          expect(await meet(first, second, 20), `${first}, ${second}`).to.deep.equal([false, false])
        }
    })

    it('of COMMUTATIVE tasks the one that can start goes first, and who reads behind them has what all did', async () => {
      const board = await new t.Board().makePersistent()
      const go = file()
      const late = t.sign(board, 'late', t.held(go))
      await t.sign(board, 'early')
      writeFileSync(go, '')
      await late
      t.sign(board, 'last')
      expect(await t.namesOn(board)).to.deep.equal(['early', 'late', 'last'])
    })
  })

describe('the priority of calls', function () {
  this.timeout(60_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-priority-'))
    await connect('memory:?private')
    await init({ workers: 1 })
  })
  after(async () => {
    await finish()
    await rm(folder, { recursive: true, force: true })
  })

  it('says which of those that can start goes first; of equals the one that was called first', async () => {
    const [go, told] = [join(folder, 'go'), join(folder, 'told')]
    const busy = t.held(go)
    const calls = [-16, 0, 7, 0, 15].map((priority, i) => task.configure(t.note, { priority })(told, `${priority}#${i}`))
    const plain = t.note(told, 'plain')
    writeFileSync(go, '')
    await Promise.all([busy, plain, ...calls])
    expect(readFileSync(told, 'utf8').trim().split(' ')).to.deep.equal(['15#4', '7#2', '0#1', '0#3', 'plain', '-16#0'])
  })
})
