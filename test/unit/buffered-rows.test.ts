import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { connect, StorageDict, StorageObject, t } from '../../runtime/index.js'
import type { Ref, Table } from '../../src/backend.js'
import { type Id, newTableId } from '../../src/ids.js'
import { BufferedRows } from '../../src/unit/buffered-rows.js'
import { noRowsYet, type TableRows } from '../../src/unit/table-rows.js'
import { newThing } from './backend-spec.js'

class Log extends StorageObject {
  rows = new StorageDict({ k: t.text }, { n: t.i32 })
}

const newTable = (owner: Ref): Table => ({
  id: newTableId(),
  owner,
  keys: [{ name: 'k', type: 'text' }],
  partition: 1,
  values: [{ name: 'n', type: 'i32' }],
  writes: 'lww',
})
const rowsOf = (table: Table): TableRows => noRowsYet(table, false)
const written = (table: Table): TableRows => {
  const rows = rowsOf(table)
  rows.overlay.set('a', ['a'], [1])
  return rows
}

async function useMany(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const another = await new Log().makePersistent()
    await another.rows.has({ k: 'a' })
  }
}

describe('buffered rows', () => {
  it('are found by their table and their owner', () => {
    const buffered = new BufferedRows(true)
    const owner = newThing()
    const [a, b, other] = [newTable(owner), newTable(owner), newTable(newThing())].map(written) as [TableRows, TableRows, TableRows]
    for (const rows of [a, b, other]) buffered.add(rows)
    expect([...buffered.ofOwner(owner.id)]).to.deep.equal([a, b])
    expect(buffered.get(other.table.id)).to.equal(other)
    buffered.delete(a.table.id)
    expect([...buffered.ofOwner(owner.id)]).to.deep.equal([b])
    buffered.clear()
    expect([buffered.size, [...buffered.ofOwner(owner.id)]]).to.deep.equal([0, []])
  })

  it('are as many as have something in them, however many dicts were used, and all of them in a transaction', () => {
    const [program, transaction] = [new BufferedRows(true), new BufferedRows(false)]
    const kept = Array.from({ length: 10 }, () => written(newTable(newThing())))
    for (const buffered of [program, transaction]) for (const rows of kept) buffered.add(rows)
    for (let i = 0; i < 10_000; i++) {
      const rows = rowsOf(newTable(newThing()))
      program.add(rows)
      transaction.add(rows)
    }
    expect(program.size).to.be.lessThan(2000)
    expect(transaction.size).to.equal(10_010)
    for (const rows of kept) expect(program.get(rows.table.id)).to.equal(rows)
  })

  it('are stored by themselves once they are many, and the others when their store is closed', async () => {
    const name = `memory:${newTableId()}`
    const [store, other] = await Promise.all([connect(name, { classes: [Log] }), connect(name, { classes: [Log] })])
    const rowCount = (id: Id): Promise<number> => other.run(async () => (await Log.getByID(id)).rows.count())
    const id = await store.run(async () => {
      const log = await new Log().makePersistent()
      for (let n = 0; n < 5000; n++) log.rows.set({ k: String(n) }, { n })
      return log.getID()!
    })
    let stored = 0
    for (let looks = 0; stored === 0 && looks < 1000; looks++) {
      await delay(5)
      stored = await rowCount(id)
    }
    expect(stored).to.be.within(1, 5000)
    await store.run(async () => (await Log.getByID(id)).rows.set({ k: 'last' }, { n: -1 }))
    await store.close()
    expect(await rowCount(id)).to.equal(5001)
    await other.close()
  })

  it('of an object that was deleted are no longer sent: its store closes as if they had not been written', async () => {
    const store = await connect('memory:?private', { classes: [Log] })
    await store.run(async () => {
      const log = await new Log().makePersistent()
      log.rows.set({ k: 'late' }, { n: 1 })
      await log.deletePersistent()
    })
    await store.close()
  })

  it('that are forgotten between two pages of a scan leave it whole', async () => {
    const store = await connect('memory:?private', { classes: [Log] })
    const seen: number[] = []
    await store.run(async () => {
      const log = await new Log().makePersistent()
      for (let n = 0; n < 3000; n++) log.rows.set({ k: String(n).padStart(4, '0') }, { n })
      await log.save()
      for await (const { n } of log.rows.values()) if (seen.push(n) === 10) await useMany(1500)
    })
    await store.close()
    expect(seen).to.deep.equal(Array.from({ length: 3000 }, (_, n) => n))
  })
})
