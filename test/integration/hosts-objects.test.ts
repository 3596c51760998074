/** Objects on several hosts at their edges: where they lie after a refusal, and what becomes of their copies. */
import { expect } from 'chai'
import { createBackend } from '../../backends/nvram/index.js'
import { COPY_CLASS } from '../../runtime/hosts/copies.js'
import { catalogueUrl, fileUrl } from '../../runtime/hosts/hosts-folder.js'
import { AliasTakenError, barrier, connect, executeTask, explain, stats, transact } from '../../runtime/index.js'
import { collect } from '../../src/gc/index.js'
import { cellsBytes } from '../../src/large-cells.js'
import { stateOf } from '../../src/objects/storage-object.js'
import * as t from './host-tasks.js'
import { cellAt, cellOf, OnHosts } from './on-hosts.js'
import { thrown } from './thrown.js'

const LARGE = 300_000

describe('objects on several hosts', function () {
  this.timeout(60_000)
  const on = OnHosts.forSuite()
  const hostsOf = async (what: t.Cell): Promise<string[]> => (await what.getLocations()).map(({ host }) => host)
  /** Records of copies in all files and notes in the catalogue: what somebody looks at who opens each by itself. */
  const copiesLeft = async (): Promise<number> => {
    let count = 0
    for (const at of [0, 1, 2].map((i) => fileUrl(on.folder, i, 3)).concat(catalogueUrl(on.folder))) {
      const file = createBackend(at)
      await file.open()
      for await (const page of file.objects({ classId: COPY_CLASS })) count += page.length
      await file.close()
    }
    return count
  }

  describe('after a refusal', () => {
    it('an object may be stored where nobody said, or elsewhere', async () => {
      const cell = cellOf(1)
      expect(await thrown(() => cell.makePersistent(undefined, { host: 'host-9' }))).to.have.property('code', 'ERR_UNKNOWN_HOST')
      await cell.makePersistent()
      expect(await hostsOf(cell)).to.have.lengthOf(1)

      const other = cellOf(2)
      await cell.addAlias('taken')
      expect(await thrown(() => other.makePersistent('taken', { host: 'host-1' }))).to.be.instanceOf(AliasTakenError)
      await other.makePersistent(undefined, { host: 'host-2' })
      expect(await hostsOf(other)).to.deep.equal(['host-2'])
    })
  })

  describe('copies', () => {
    it('go with their object, whoever deletes it and whether it has a name', async () => {
      const before = await copiesLeft()
      const copied = async (alias?: string): Promise<t.Cell> => {
        const cell = await cellOf(1, LARGE).makePersistent(alias, { host: 'host-1' })
        await Promise.all([cell.newReplica('host-2'), cell.newReplica('host-3')])
        return cell
      }
      const [plain, named, inTransaction, inTask] = [await copied(), await copied('named'), await copied('moved'), await copied('tasked')]
      expect(await copiesLeft()).to.equal(before + 4 * 3)
      await plain.deletePersistent()
      await named.deletePersistent()
      await transact(() => inTransaction.deletePersistent())
      await t.removeIt(inTask)
      await barrier()
      expect(await copiesLeft()).to.equal(before)
    })

    it('that outlasted their object are collected', async () => {
      const before = await copiesLeft()
      const cell = await cellAt('host-1', 1, LARGE)
      await cell.newReplica('host-2')
      // As by a program that ended between the removal and what follows it.
      const file = createBackend(fileUrl(on.folder, 0, 3))
      await file.open()
      const [stored] = await file.read([{ id: cell.getID()!, classId: 'x' as never }])
      await file.commit({
        commit: '01995f0e-7c1b-7d3a-9a54-0f2f6d1f4b11' as never,
        atMicros: 0n,
        ops: [{ do: 'remove', ref: stored!.ref, expect: 'present' }],
      })
      await file.close()
      expect(await copiesLeft()).to.equal(before + 2)
      await on.close()
      const atRest = await connect(on.url)
      const kept = await cellOf(5).makePersistent('kept', { host: 'host-1' })
      await kept.newReplica('host-2')
      expect((await collect(atRest.backend, { dryRun: true })).counts.copy).to.equal(1)
      expect((await collect(atRest.backend)).counts.copy).to.equal(1)
      expect(await hostsOf(kept)).to.deep.equal(['host-1', 'host-2'])
      await kept.deletePersistent()
      await atRest.close()
      expect(await copiesLeft()).to.equal(before)
      await on.open()
    })

    it('of what was deleted, or is not stored yet, are refused and leave nothing behind', async () => {
      const before = await copiesLeft()
      const cell = await cellAt('host-1', 1)
      await on.store.run(() => on.store.commit([{ do: 'remove', ref: { id: cell.getID()!, classId: 'x' as never }, expect: 'present' }]))
      expect(await thrown(() => cell.newReplica('host-2'))).to.have.property('code', 'ERR_NOT_FOUND')
      const early = await thrown(() =>
        transact(async () => {
          const made = await cellOf(1).makePersistent()
          await made.newReplica('host-2')
        }),
      )
      expect(early).to.have.property('code', 'ERR_NOT_PERSISTENT')
      expect(early.message).to.include('when this task or transaction ends')
      expect(await copiesLeft()).to.equal(before)
    })

    it('that an earlier program has made are known to the next: tasks go there', async () => {
      const cell = await cellAt('host-1', 1, LARGE)
      await cell.addAlias('copied')
      await cell.newReplica('host-3')
      const beside = await cellAt('host-3', 1, 10)
      await beside.addAlias('beside')
      await on.close()
      await on.open()
      const [again, near] = [await t.Cell.getByAlias('copied'), await t.Cell.getByAlias('beside')]
      const both = t.sizesOf(again, near)
      expect(await both).to.equal(LARGE + 10)
      expect(explain(both)).to.include('host-3')
      expect(stats().bytesMoved).to.equal(0)
    })
  })

  describe('what moves is counted', () => {
    /** Bytes that moved while something was done. */
    const movedBy = async (body: () => Promise<unknown>): Promise<number> => {
      const before = stats().bytesMoved
      await body()
      return stats().bytesMoved - before
    }
    /** Tasks go to it, whatever else they take. */
    const large = (host: string): Promise<t.Cell> => cellAt(host, 1, 3 * 2 ** 20)
    /** Also if that is a collection, whose size nobody knows. */
    const LARGER = 18 * 2 ** 20

    it('cells of an object to the byte, each time that it is fetched, for tasks and not for the program', async () => {
      const [here, there] = [await large('host-1'), await cellAt('host-2', 1, LARGE)]
      await t.whereIs(here) // from the first task on, stats() are of this run
      const [stored] = await on.store.read([stateOf(there).ref!])
      const bytes = cellsBytes(stored!.cells)
      expect(bytes).to.be.within(LARGE, LARGE + 200)
      for (let i = 0; i < 2; i++) expect(await movedBy(async () => t.sizesOf(here, there))).to.equal(bytes)
      expect(await movedBy(async () => t.sizesOf(there, there))).to.equal(0)
      expect(await movedBy(() => there.reload())).to.equal(0)
    })

    it('rows and items of streams that are read on another host', async () => {
      const [here, feed] = [await cellAt('host-3', 1, LARGER), new t.Feed()]
      for (let i = 0; i < 10; i++) feed.rows.set({ key: `k${i}` }, { text: 'x'.repeat(1000) })
      await feed.makePersistent(undefined, { host: 'host-1' })
      await feed.items.append(...Array.from({ length: 5 }, () => new Uint8Array(10_000)))
      await feed.items.end()
      const own = await movedBy(async () => t.rowBeside(here, feed, 'none'))
      expect((await movedBy(async () => expect(await t.rowsBeside(here, feed)).to.equal(10_000))) - own).to.be.within(10_000, 11_000)
      expect((await movedBy(async () => expect(await t.rowBeside(here, feed, 'k3')).to.equal(1000))) - own).to.be.within(1000, 1100)
      expect((await movedBy(async () => expect(await t.itemsBeside(here, feed)).to.equal(50_000))) - own).to.be.within(50_000, 51_000)
    })

    it('and small results, which ride in the message of their task, are not', async () => {
      const [here, there] = [await large('host-1'), await large('host-2')]
      await t.whereIs(here)
      const moved = await movedBy(async () => {
        const bytes = t.smallResult(here, 50_000)
        expect([await t.lengthBeside(there, bytes), (await bytes).length]).to.deep.equal([50_000, 50_000])
      })
      expect(moved).to.equal(0)
    })
  })

  it('a method that a task calls runs where its object is, whose data stay there', async () => {
    const [here, there] = [await cellAt('host-1', 1), await cellAt('host-2', 7, LARGE)]
    here.next = there
    await here.save()
    await t.whereIs(here) // from the first task on, stats() are of this run
    const start = stats().bytesMoved
    expect(await t.askNext(here)).to.deep.equal([await t.whereIs(here), await t.whereIs(there), 8])
    expect(stats().bytesMoved).to.equal(start)
  })

  it('a task that is done says where it ran, and why there', async () => {
    const cell = await cellAt('host-2', 1, 10 * LARGE)
    const inSitu = executeTask(cell, 'pidHere')
    const pid = await inSitu
    const task = t.whereIs(cell)
    expect(await task).to.equal(pid)
    expect(explain(inSitu)).to.match(/is done \(attempt 1\): it ran on worker \d+ of host-2, where it must run\./)
    expect(explain(task)).to.match(/is done \(attempt 1\): it ran on worker \d+ of host-2, because its data lie there\./)
  })
})
