/**
 * Large memory (typed arrays, buffers) and long texts that a unit of work keeps as they were read: whether the value has changed is then
 * a comparison, where a digest of both would take ten times as long. Memory takes its room once more until the unit ends; a text none
 * until it changes, since it is the very one that the object holds.
 */
import { type Cell, Packed } from '../backend.js'
import { isItsPrint } from './cells.js'
import { Format, MEMORY_HEADER_BYTES, UINT8_ARRAY } from './value-format.js'
import { memoryOf } from './value-writer.js'

/** Below it a digest is cheap, above it memory is dear. */
const KEPT_BYTES_MIN = 1024
const KEPT_BYTES_MAX = 64 * 1024 * 1024

export type KeptCell = Packed | Uint8Array

export class KeptText {
  constructor(readonly text: string) {}
}

export type Kept = KeptCell | KeptText

/** A cell as it is kept, if that is worth it. */
export function keptOf(cell: Cell): Kept | undefined {
  if (typeof cell === 'string') return isItsPrint(cell) ? undefined : new KeptText(cell)
  return isWorthKeeping(cell) ? cell : undefined
}

/** Whether a cell is what was kept of it. */
export const isKeptAs = (cell: Cell, kept: unknown): kept is Kept =>
  typeof cell === 'string' ? kept instanceof KeptText && kept.text === cell : typeof cell === 'object' && kept === cell && cell !== null

function isWorthKeeping(cell: Cell): cell is KeptCell {
  const bytes = cell instanceof Packed && cell.bytes[0] === Format.memory ? cell.bytes : cell
  if (!(bytes instanceof Uint8Array)) return false
  const { length } = bytes
  return length >= KEPT_BYTES_MIN && length <= KEPT_BYTES_MAX
}

/** Whether a value is stored by this very cell. */
export function isAsKept(value: object, kept: KeptCell): boolean {
  const memory = memoryOf(value)
  if (!memory) return false
  if (!(kept instanceof Packed)) return memory.kind === UINT8_ARRAY && areSame(memory.bytes, kept)
  return kept.bytes[1] === memory.kind && areSame(memory.bytes, kept.bytes.subarray(MEMORY_HEADER_BYTES))
}

const areSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0
