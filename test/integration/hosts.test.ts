import { writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { HostsPool } from '../../runtime/hosts/hosts-pool.js'
import { currentHosts } from '../../runtime/hosts/the-hosts.js'
import {
  barrier,
  connect,
  executeTask,
  finish,
  graphOf,
  hosts,
  LostValueError,
  newReplica,
  stats,
  transact,
  waitOn,
} from '../../runtime/index.js'
import * as t from './host-tasks.js'
import { cellAt, HOSTS, OnHosts } from './on-hosts.js'
import { thrown } from './thrown.js'

describe('logical hosts', function () {
  this.timeout(60_000)
  const on = OnHosts.forSuite()
  const pidOf = (host: string): number | undefined => currentHosts()!.pidOf(HOSTS.indexOf(host))
  /** Returns when another has taken its place. */
  const killAgent = async (host: string): Promise<void> => {
    const killed = pidOf(host)!
    process.kill(killed, 'SIGKILL')
    while (pidOf(host) === killed) await delay(5)
  }
  const hostOf = async (what: t.Cell): Promise<string> => (await what.getLocations())[0]!.host

  describe('objects', () => {
    it('lie in the file of the host that was said, and the program spreads the others', async () => {
      expect(await hosts()).to.deep.equal(HOSTS)
      // Not in the order in which hosts take what nobody has said anything of.
      for (const host of ['host-2', 'host-2', 'host-1', 'host-3']) expect(await hostOf(await cellAt(host))).to.equal(host)
      const spread = await Promise.all(Array.from({ length: 9 }, () => new t.Cell().makePersistent()))
      expect(new Set(await Promise.all(spread.map(hostOf)))).to.deep.equal(new Set(HOSTS))
      expect((await readdir(on.folder)).sort()).to.deep.equal(['catalogue', ...HOSTS, 'hosts.json'])
    })

    it('what is stored with an object lies where that was said to lie', async () => {
      const cell = new t.Cell()
      cell.next = new t.Cell()
      await cell.makePersistent(undefined, { host: 'host-2' })
      expect(await hostOf(cell.next)).to.equal('host-2')
    })

    it('an unknown host is refused by name, with those there are', async () => {
      const error = await thrown(() => cellAt('host-9'))
      expect(error).to.have.property('code', 'ERR_UNKNOWN_HOST')
      expect(error.message).to.include('host-9').and.to.include('host-1, host-2, host-3')
    })

    it('that a task makes lie on its host, and elsewhere if it says so', async () => {
      const cell = await cellAt('host-3', 4)
      await t.makeBeside(cell, 'beside')
      const made = await t.Cell.getByAlias('beside')
      expect([await hostOf(made), made.n]).to.deep.equal(['host-3', 5])
      const other = await t.Cell.getByID(await t.makeAt(cell, 'host-1'))
      expect(await hostOf(other)).to.equal('host-1')
    })
  })

  describe('tasks', () => {
    it('run in the process that owns the file of their data, and nothing moves', async () => {
      const before = stats().bytesMoved
      for (const host of HOSTS) {
        const cell = await cellAt(host, 1, 1_000_000)
        expect(await t.whereIs(cell)).to.equal(pidOf(host))
        expect(await executeTask(cell, 'pidHere')).to.equal(pidOf(host))
      }
      expect(stats().bytesMoved).to.equal(before)
      expect(stats().nearShare).to.equal(1)
      expect(graphOf().nodes.map((node) => node.worker)).to.include.members(HOSTS)
    })

    it('many at once on all hosts give what they should', async () => {
      const cells = await Promise.all(Array.from({ length: 30 }, (_, i) => cellAt(HOSTS[i % 3]!, i)))
      for (let round = 0; round < 4; round++) for (const cell of cells) t.bump(cell, 1)
      await barrier()
      expect(cells.map((cell) => cell.n)).to.deep.equal(cells.map((_, i) => i + 4))
    })

    it('a collection lies with its owner, and tasks read and write it there', async () => {
      const before = stats().bytesMoved
      const table = await new t.Table().makePersistent(undefined, { host: 'host-2' })
      for (let i = 0; i < 10; i++) t.addRow(table, `k${i}`, BigInt(i))
      expect(await t.sumRows(table)).to.equal(45n)
      expect(stats().bytesMoved).to.equal(before)
    })

    it('objects of several hosts change together, in tasks and in transactions', async () => {
      const [a, b] = [await cellAt('host-1', 100), await cellAt('host-2', 100)]
      for (let i = 0; i < 10; i++) t.move(i % 2 ? a : b, i % 2 ? b : a, i)
      await barrier()
      expect([a.n, b.n]).to.deep.equal([95, 105])
      await transact(() => {
        a.n -= 5
        b.n += 5
      }).catch(() => {})
      await Promise.all([a.makePersistent('a'), b.makePersistent('b')])
      await t.bothIn('a', 'b')
      await Promise.all([a.reload({ discard: true }), b.reload({ discard: true })])
      expect(a.n + b.n).to.equal(202)
      const [mine] = await thrownOr(async () =>
        transact(async () => {
          const [x, y] = [await t.Cell.getByAlias('a'), await t.Cell.getByAlias('b')]
          x.n = -1
          y.n = -1
          throw new RangeError('no')
        }),
      )
      expect(mine).to.be.instanceOf(RangeError)
      expect((await a.reload()).n + (await b.reload()).n).to.equal(202)
    })
  })

  describe('copies', () => {
    it('are used by readers on their host, and follow the object', async () => {
      const cell = await cellAt('host-1', 7, 500_000)
      const beside = await cellAt('host-3', 0, 600_000)
      const read = async (): Promise<number> => t.sizesOf(beside, cell)
      const start = stats().bytesMoved
      expect(await read()).to.equal(1_100_000)
      const once = stats().bytesMoved - start
      expect(once).to.be.greaterThan(499_999)

      await newReplica(cell.getID()!, 'host-3')
      expect((await cell.getLocations()).map(({ host, role }) => [host, role])).to.deep.equal([
        ['host-1', 'primary'],
        ['host-3', 'copy'],
      ])
      const copied = stats().bytesMoved
      for (let i = 0; i < 3; i++) expect(await read()).to.equal(1_100_000)
      expect(stats().bytesMoved).to.equal(copied)

      // Somebody changes the object: no reader may see the old one, and the copy is renewed by the first.
      await t.bump(cell, 1)
      expect(await t.nOfAll(beside, cell)).to.equal(8)
      const renewed = stats().bytesMoved
      expect(renewed).to.be.greaterThan(copied)
      expect(await t.nOfAll(beside, cell)).to.equal(8)
      expect(stats().bytesMoved).to.equal(renewed)
    })

    it('are no objects of their own, and go with the object', async () => {
      const cell = await cellAt('host-1', 1)
      await cell.newReplica()
      const [, copy] = await cell.getLocations()
      expect(copy!.role).to.equal('copy')
      const ids: string[] = []
      for await (const page of on.store.backend.objects({})) ids.push(...page.map((ref) => ref.id))
      expect(ids.filter((id) => id === cell.getID())).to.have.lengthOf(1)
      expect(new Set(ids).size).to.equal(ids.length)
      const id = cell.getID()!
      await cell.deletePersistent()
      expect((await thrown(() => t.Cell.getByID(id))).message).to.include(id)
    })
  })

  it('leave no listener of the process behind, however often they are started and ended', async () => {
    const before = process.listenerCount('exit')
    const pool = new HostsPool(1, true)
    await pool.close()
    expect(process.listenerCount('exit')).to.equal(before)
  })

  describe('the loss of an agent', () => {
    it('loses nothing that was stored: tasks run again, and the host has a new agent', async () => {
      const cells = await Promise.all(HOSTS.map((host) => cellAt(host)))
      const { done } = stats()
      for (let i = 0; i < 40; i++) for (const cell of cells) t.bumpSlowly(cell, 20)
      // All hosts are at work then.
      for (const endMs = performance.now() + 20_000; stats().done! - done! < 12 && performance.now() < endMs; ) await delay(5)
      const killed = pidOf('host-2')!
      process.kill(killed, 'SIGKILL')
      await barrier()
      expect(cells.map((cell) => cell.n)).to.deep.equal([40, 40, 40])
      expect(pidOf('host-2')).not.to.equal(killed)
      // Moving so small an object costs less than a wait: anywhere is right.
      expect(HOSTS.map(pidOf)).to.include(await t.whereIs(cells[1]!))
      expect(stats().lost).to.be.greaterThan(0)
    })

    it('by a body that crashes the process fails that task only, and says how', async () => {
      const cells = await Promise.all(HOSTS.map((host) => cellAt(host, 3)))
      const bad = t.killHost(cells[0]!)
      const good = cells.map((cell) => t.nOfCell(cell))
      const error = await thrown(() => bad)
      expect(error).to.have.property('code', 'ERR_WORKER_LOST')
      expect((error.cause as Error).message).to.include('SIGKILL')
      expect(await Promise.all(good)).to.deep.equal([3, 3, 3])
    })

    it('while units over several files are under way leaves the sum as it was', async () => {
      const cells = await Promise.all(HOSTS.map((host) => cellAt(host, 100)))
      for (let i = 0; i < 30; i++) t.move(cells[i % 3]!, cells[(i + 1) % 3]!, 1 + (i % 5))
      await delay(60)
      process.kill(pidOf('host-1')!, 'SIGKILL')
      await delay(60)
      process.kill(pidOf('host-3')!, 'SIGKILL')
      await barrier()
      expect(cells.reduce((sum, cell) => sum + cell.n, 0)).to.equal(300)
    })
  })

  describe('large values of tasks', () => {
    it('stay on the host that made them, go to another once, and come to the program when it asks', async () => {
      const [here, there] = [await cellAt('host-1', 5, 3_000_000), await cellAt('host-2', 6, 3_000_000)]
      const start = stats()
      const value = t.bytesLike(here, 1_000_000)
      expect(await t.lengthOf(here, value)).to.deep.equal([pidOf('host-1'), 1_000_000, 5])
      expect(await t.lengths(value, value)).to.equal(2_000_000)
      expect(stats().bytesMoved).to.equal(start.bytesMoved)
      for (let i = 0; i < 3; i++) expect(await t.lengthOf(there, value)).to.deep.equal([pidOf('host-2'), 1_000_000, 5])
      const moved = stats().bytesMoved - start.bytesMoved
      expect(moved).to.be.greaterThan(999_999).and.lessThan(1_001_000)
      expect((await value)[999_999]).to.equal(5)
      expect(await t.lengthOf(there, value)).to.deep.equal([pidOf('host-2'), 1_000_000, 5])
      expect(stats().bytesMoved - start.bytesMoved).to.equal(moved)
      expect(stats().bytesCarried).to.equal(start.bytesCarried)
    })

    it('come ahead to the host where a task is going to take them, while it waits for its turn', async () => {
      const [here, there] = [await cellAt('host-1', 5, 3_000_000), await cellAt('host-2', 6, 9_000_000)]
      // Planned are tasks that are known to be long.
      await t.lengthBesideSlowly(there, new Uint8Array(10))
      await t.sleepBeside(there, 20, on.folder)
      const value = t.bytesLike(here, 1_000_000)
      await t.lengthOf(here, value)
      const before = stats().bytesMoved
      const awake = join(on.folder, 'awake')
      const sleeping = t.sleepBeside(there, 0, awake)
      await delay(50)
      const after = t.lengthBesideSlowly(there, value)
      // Its turn comes when the sleeper is awake, and that one waits for the bytes to have moved.
      for (const endMs = performance.now() + 20_000; stats().bytesMoved - before < 1_000_000; await delay(5))
        expect(performance.now(), 'nothing came ahead').to.be.lessThan(endMs)
      const moved = stats().bytesMoved - before
      writeFileSync(awake, '')
      expect(await after).to.equal(1_000_000)
      expect(stats().bytesMoved - before, 'it moves once').to.equal(moved)
      await sleeping
    })

    it('that two want on a host at one time come once, and both are told', async () => {
      const nowhere = { k: 'r', h: 0, n: 'nobody has made it', s: 1 } as const
      const told = await Promise.all([currentHosts()!.bring(1, nowhere), currentHosts()!.bring(1, nowhere)])
      expect(told).to.deep.equal([false, false])
    })

    it('that are written stay as well, and stand in lists', async () => {
      const here = await cellAt('host-3', 2, 3_000_000)
      const bytes = new Uint8Array(500_000)
      t.fillBytes(here, bytes, 7)
      expect(await t.lengthOf(here, bytes)).to.deep.equal([pidOf('host-3'), 500_000, 7])
      expect(((await waitOn(bytes)) as Uint8Array)[0]).to.equal(7)
      const values = [1, 2].map((n) => t.bytesLike(here, n * 100_000))
      expect(await t.lengthOfAll(values)).to.equal(300_000)
    })

    it('that are lost with their agent are made again, also from values that were lost too, each once', async () => {
      const [here, there] = [await cellAt('host-1', 5, 3_000_000), await cellAt('host-2', 6, 3_000_000)]
      const first = t.bytesLike(here, 1_000_000)
      const second = t.incremented(first)
      const third = t.incremented(t.incremented(second))
      expect(await t.lengthOf(here, third)).to.deep.equal([pidOf('host-1'), 1_000_000, 8])
      const before = stats().remade!
      await killAgent('host-1')
      const users = Array.from({ length: 5 }, () => t.lengthOf(there, third))
      for (const [, length, byte] of await Promise.all(users)) expect([length, byte]).to.deep.equal([1_000_000, 8])
      expect(stats().remade! - before).to.equal(4)
      expect([(await first)[0], (await second)[0], (await third)[999_999]]).to.deep.equal([5, 6, 8])
      expect(stats().remade! - before).to.equal(4)
      await killAgent('host-1')
      await killAgent('host-2')
      expect(await t.lengths(first, third)).to.equal(2_000_000)
      expect((await t.incremented(second))[0]).to.equal(7)
    })

    it('that are lost are made again for the program that awaits them, also those that were written to an argument', async () => {
      const here = await cellAt('host-3', 2, 3_000_000)
      const [value, bytes] = [t.bytesLike(here, 300_000), new Uint8Array(300_000)]
      t.fillBytes(here, bytes, 7)
      await t.lengthOfAll([value])
      await barrier()
      await killAgent('host-3')
      expect((await value)[299_999]).to.equal(2)
      expect(((await waitOn(bytes)) as Uint8Array)[299_999]).to.equal(7)
      expect(await t.lengthOf(here, bytes)).to.include(300_000)
    })

    it('go to a second host before a task changes what they were made of, unless it takes them itself', async () => {
      const [here, there] = [await cellAt('host-1', 5, 3_000_000), await cellAt('host-3', 6, 3_000_000)]
      const value = t.bytesLike(here, 1_000_000)
      const [behind, beside] = [t.incremented(value), t.bytesLike(here, 500_000)]
      await t.lengths(behind, beside)
      const before = stats()
      await t.bumpBy(here, beside)
      expect(stats().bytesMoved - before.bytesMoved, 'the one that it takes stays').to.be.within(2_000_000, 2_010_000)
      await killAgent('host-1')
      // What stands at the second host is asked for there: by tasks, by the program, and by a third host.
      expect((await t.lengthOf(there, value)).slice(1)).to.deep.equal([1_000_000, 5])
      expect((await t.incremented(behind))[999_999]).to.equal(7)
      expect((await value)[0]).to.equal(5)
      expect(stats().remade).to.equal(before.remade)
      expect(await thrown(async () => beside)).to.be.instanceOf(LostValueError)
      expect(await t.nOfCell(here)).to.equal(6)
    })

    it('cannot be made again if what they were made of has changed and both places are lost: who needs one is told so, and others go on', async () => {
      const [here, there] = [await cellAt('host-1', 5, 3_000_000), await cellAt('host-2', 6, 3_000_000)]
      const value = t.bytesLike(here, 1_000_000)
      expect(await t.lengthOf(here, value)).to.include(1_000_000)
      await t.bump(here, 1)
      await killAgent('host-1')
      await killAgent('host-2')
      const [after, behind] = [t.lengthOf(there, value), t.incremented(t.incremented(value))]
      expect(await thrown(() => after)).to.be.instanceOf(LostValueError)
      expect(await thrown(async () => behind)).to.be.instanceOf(LostValueError)
      expect(await thrown(async () => value)).to.be.instanceOf(LostValueError)
      expect(await t.nOfCell(here)).to.equal(6)
      await barrier()
    })

    it('nor if their task changed something, or looked at what no stamp tells', async () => {
      const cell = await cellAt('host-1', 5, 3_000_000)
      const table = await new t.Table().makePersistent(undefined, { host: 'host-1' })
      await t.addRow(table, 'one', 1n)
      await cell.addAlias('named')
      for (const make of [() => t.bumpForBytes(cell), () => t.bytesOfRows(table, cell), () => t.bytesOfNamed('named', cell)]) {
        const value = make()
        await t.lengthOfAll([value])
        await killAgent('host-1')
        expect(await thrown(async () => value)).to.be.instanceOf(LostValueError)
        const user = t.lengthOfAll([value])
        expect(await thrown(() => user)).to.be.instanceOf(LostValueError)
      }
      expect((await cell.reload()).n).to.equal(6)
    })
  })

  it('a later run with the same hosts finds everything, and without agents too', async () => {
    const cell = await cellAt('host-3', 42)
    await cell.addAlias('kept')
    const id = cell.getID()!
    await on.close()
    const bare = await connect(on.url)
    expect((await t.Cell.getByAlias('kept')).n).to.equal(42)
    expect(await hostOf(await t.Cell.getByID(id))).to.equal('host-3')
    await bare.close()
    process.env['INSITU_HOSTS'] = '2'
    expect(await thrown(() => connect(on.url))).to.have.property('code', 'ERR_HOSTS_DIFFER')
    await finish()
    await on.open()
    const again = await t.Cell.getByAlias('kept')
    expect(await t.nOfCell(again)).to.equal(42)
    expect(await t.whereIs(again)).to.equal(pidOf('host-3'))
  })
})

async function thrownOr(run: () => Promise<unknown>): Promise<[unknown]> {
  try {
    await run()
    return [undefined]
  } catch (error) {
    return [error]
  }
}
