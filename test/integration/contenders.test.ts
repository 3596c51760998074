import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { connect, type Store } from '../../runtime/index.js'
import { Shared } from './contended.js'
import { assertOk, node } from './processes.js'

const PROGRAM = fileURLToPath(new URL('./contender.js', import.meta.url))

describe('several programs at once on one file', function () {
  this.timeout(240_000)
  let folder = ''
  let store: Store

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-contenders-'))
    store = await connect(`nvram:${folder}`)
  })

  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  })

  const program = async (role: string, count: number, me: string | number): Promise<number> => {
    const ended = await node([PROGRAM, store.url, role, String(count), String(me)])
    return JSON.parse(assertOk(ended).stdout) as number
  }

  it('ten programs, a thousand increments each by update: none is lost, none is doubled', async () => {
    await store.run(async () => {
      const shared = await new Shared().makePersistent('shared')
      const names = Array.from({ length: 10 }, (_, i) => `p${i}`)
      const last = await Promise.all(names.map((name) => program('increments', 1000, name)))
      await shared.reload()
      expect([shared.n, shared.text, Math.max(...last)]).to.deep.equal([10_000, '10000', 10_000])
      expect(shared.by).to.deep.equal(Object.fromEntries(names.map((name) => [name, 1000])))
    })
  })

  it('readers during ten thousand rewrites see whole states, one after the other, and never nothing', async () => {
    await store.run(async () => {
      await new Shared().makePersistent('shared')
      const [written, ...reads] = await Promise.all([
        program('rewrites', 10_000, 'writer'),
        program('reads', 10_000, 'one'),
        program('reads', 10_000, 'two'),
      ])
      expect(written).to.equal(10_000)
      for (const count of reads) expect(count).to.be.greaterThan(100)
    })
  })

  it('three programs with conflicting transactions: each happens once, and what they check holds all the time', async () => {
    await store.run(async () => {
      const [a, b] = [await new Shared().makePersistent('a'), await new Shared().makePersistent('b')]
      const names = ['x', 'y', 'z']
      await Promise.all(names.map((name) => program('moves', 201, name)))
      await a.reload()
      await b.reload()
      // Of 201 moves 101 go from b to a, for each of the three.
      expect([a.n, b.n]).to.deep.equal([3, -3])
      expect([a.by, b.by]).to.deep.equal([101, 100].map((times) => Object.fromEntries(names.map((name) => [name, times]))))
    })
  })
})
