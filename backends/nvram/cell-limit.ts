import { type Cell, type Cells, type Op, Packed } from '../../src/backend.js'
import { ValidationError } from '../../src/errors.js'
import { opBytes } from '../../src/large-cells.js'

/** What a group may not bring: a cell of more than `bytesMax` bytes. */
export function requireCellRoom(op: Op, bytesMax: number): void {
  if (opBytes(op) <= bytesMax) return
  if (op.do === 'put')
    for (const cell of op.set.values())
      if (sizeOf(cell) > bytesMax) throw tooLarge(`Cell ${nameOf(cell, op.set)} of object ${op.ref.id}`, bytesMax)
  if (op.do === 'row')
    for (const value of op.set ?? []) if (sizeOf(value) > bytesMax) throw tooLarge(`A value of table ${op.table}`, bytesMax)
}

const nameOf = (cell: Cell, cells: Cells): string => JSON.stringify([...cells].find(([, one]) => one === cell)?.[0])

function sizeOf(cell: Cell | undefined): number {
  if (typeof cell === 'string' || cell instanceof Uint8Array) return cell.length
  return cell instanceof Packed ? cell.bytes.length : 0
}

const tooLarge = (what: string, bytesMax: number): ValidationError =>
  new ValidationError(`${what} is larger than ${bytesMax} bytes: split it, or use a StorageArray.`, {
    code: 'ERR_CELL_TOO_LARGE',
    bytesMax,
  })
