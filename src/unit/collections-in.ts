import { type Cells, Packed, type Ref } from '../backend.js'
import { Format } from '../codec/value-format.js'
import { decodeWire } from '../codec/wire.js'
import { isDeleted, type DictCell } from './persist-plan.js'

/** The collections inside stored cells, found without their classes. */
export function collectionsIn(cells: Cells): DictCell[] {
  const found: DictCell[] = []
  for (const cell of cells.values())
    if (cell instanceof Packed && !isDeleted(cell) && cell.bytes[0] !== MEMORY) collect(decodeWire(cell.bytes.subarray(1)), found)
  return found
}

/** Format of raw numeric memory, which holds no collections (see codec/value-format.ts). */
const MEMORY = Format.memory

function collect(value: unknown, found: DictCell[]): void {
  if (Array.isArray(value) || value instanceof Set) for (const item of value) collect(item, found)
  else if (value instanceof Map) for (const pair of value) collect(pair, found)
  else if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    const cell = value as Partial<DictCell> & { owner?: Ref }
    if (cell.kind === 'dict' && typeof cell.table === 'string' && cell.owner) found.push(cell as DictCell)
    else for (const item of Object.values(value)) collect(item, found)
  }
}
