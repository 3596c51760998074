import { expect } from 'chai'
import { connect, StorageDict, StorageObject, t } from '../../runtime/index.js'
import type { Ref, Table } from '../../src/backend.js'
import { newTableId } from '../../src/ids.js'
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
