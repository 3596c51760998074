/** What is buffered for rows, and what is left of it once they are stored. */
import { expect } from 'chai'
import type { Table } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { Overlay } from '../../src/dict/overlay.js'
import { encodeKeyText } from '../../src/dict/row-key.js'
import { newId, newTableId } from '../../src/ids.js'
import { Reached } from '../../src/unit/reached.js'
import { takeRows } from '../../src/unit/taken-rows.js'

const tableOf = (writes: Table['writes']): Table => ({
  id: newTableId(),
  owner: new Ref(newId(), 'test#Owner' as never),
  keys: [{ name: 'at', type: 'i32' }],
  partition: 1,
  values: [{ name: 'n', type: 'i32' }],
  writes,
})

describe('rows that were sent', () => {
  const landed = (table: Table): { readonly overlay: Overlay; write(at: number): void } => {
    const overlay = new Overlay()
    const write = (at: number): void => overlay.set(encodeKeyText(table, [at]), [at], [1])
    write(7)
    takeRows([{ table, overlay, reached: new Reached() }], () => expect.fail('nothing was referred to')).landed(100n)
    return { overlay, write }
  }

  it('leave nothing behind where the last writer wins: a program may write rows for weeks', () => {
    const table = tableOf('lww')
    const { overlay, write } = landed(table)
    write(7)
    expect(overlay.toOps({ ...table, writes: 'cas' }).map((op) => 'expect' in op)).to.deep.equal([false])
  })

  it('leave their time where a changed row is a conflict: the next write expects it', () => {
    const table = tableOf('cas')
    const { overlay, write } = landed(table)
    write(7)
    expect(overlay.toOps(table).map((op) => 'expect' in op && op.expect)).to.deep.equal([100n])
  })
})
