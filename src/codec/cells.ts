/** Looking at cells without rebuilding values: comparing, remembering what they were, finding references. */
import { hash } from 'node:crypto'
import { type Cell, type Cells, Packed, Ref } from '../backend.js'
import { CorruptError } from '../errors.js'
import type { CollectionCell } from './contexts.js'
import { Format, MEMORY_HEADER_BYTES } from './value-format.js'
import { collectionIn } from './value-reader.js'
import { decodeWire, encodeWire } from './wire.js'

export function sameCell(a: Cell, b: Cell): boolean {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Packed) return b instanceof Packed && sameBytes(a.bytes, b.bytes)
  if (a instanceof Ref) return b instanceof Ref && a.id === b.id && a.classId === b.classId
  if (a instanceof Date) return b instanceof Date && Object.is(a.getTime(), b.getTime())
  if (a instanceof Uint8Array) return b instanceof Uint8Array && sameBytes(a, b)
  return isList(b) && a.length === b.length && a.every((item, i) => sameCell(item, b[i]!))
}

const isList = (cell: Cell): cell is readonly Cell[] => Array.isArray(cell)

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && Buffer.compare(a, b) === 0

/** What a cell was, in little memory. Two cells are the same exactly when their fingerprints are `===` (128 bits make chance no concern). */
export type Fingerprint = string | number | bigint | boolean | null

const WHOLE_BYTES_MAX = 64
/** A text is kept by the object itself: to keep it here too takes no memory, until it changes, and no time. */
const WHOLE_TEXT_MAX = 1024

/** What is no text begins with a NUL and a letter for its kind, so that no text looks like a date or a digest. */
export function fingerprint(cell: Cell): Fingerprint {
  switch (typeof cell) {
    case 'string':
      return cell.length <= WHOLE_TEXT_MAX ? wholeText(cell) : `\0S${digest(cell.isWellFormed() ? cell : Buffer.from(cell, 'utf16le'))}`
    case 'number':
      return Number.isNaN(cell) || Object.is(cell, -0) ? `\0n${Object.is(cell, -0) ? '-0' : 'NaN'}` : cell
    case 'object':
      return cell === null ? null : fingerprintOfObject(cell)
    default:
      return cell
  }
}

/** Whether a cell is its own fingerprint: no object is, since it might be one of many bytes. */
export function isItsPrint(cell: Cell): boolean {
  switch (typeof cell) {
    case 'string':
      return cell.length <= WHOLE_TEXT_MAX && cell.charCodeAt(0) !== 0
    case 'number':
      return !Number.isNaN(cell) && !Object.is(cell, -0)
    case 'object':
      return cell === null
    default:
      return true
  }
}

const wholeText = (text: string): string => (text.charCodeAt(0) === 0 ? `\0s${text}` : text)

function fingerprintOfObject(cell: Date | Uint8Array | Ref | Packed | readonly Cell[]): string {
  if (cell instanceof Packed) return `\0p${bytesMark(cell.bytes)}`
  if (cell instanceof Ref) return `\0r${cell.id} ${cell.classId}`
  if (cell instanceof Date) return `\0d${cell.getTime()}`
  if (cell instanceof Uint8Array) return `\0b${bytesMark(cell)}`
  return `\0l${bytesMark(encodeWire(cell))}`
}

/** The length first, so that short bytes taken whole never equal a digest. */
function bytesMark(bytes: Uint8Array): string {
  if (bytes.length > WHOLE_BYTES_MAX) return `:${digest(bytes)}`
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

const DIGEST_CHARACTERS = 22 // of six bits: 128 and a little

const digest = (data: string | Uint8Array): string => hash('sha256', data, 'base64url').slice(0, DIGEST_CHARACTERS)

/** The references inside cells, each id once; needs no classes. */
export function refsIn(cells: Cells): Ref[] {
  const found = new Map<string, Ref>()
  for (const cell of cells.values()) collect(cell, found)
  return [...found.values()]
}

function collect(value: unknown, found: Map<string, Ref>): void {
  if (typeof value !== 'object' || value === null) return
  if (value instanceof Ref) found.set(value.id, value)
  else if (value instanceof Packed) collectPacked(value.bytes, found)
  else if (Array.isArray(value)) for (const item of value) collect(item, found)
  else if (value instanceof Map) collectEntries(value, found)
  else if (value instanceof Set) for (const item of value) collect(item, found)
  else if (!(value instanceof Uint8Array || value instanceof Date)) for (const item of Object.values(value)) collect(item, found)
}

function collectEntries(map: ReadonlyMap<unknown, unknown>, found: Map<string, Ref>): void {
  for (const [key, item] of map) {
    collect(key, found)
    collect(item, found)
  }
}

function collectPacked(bytes: Uint8Array, found: Map<string, Ref>): void {
  for (const token of tokensOf(bytes)) collect(token, found)
}

/** The collections inside cells; needs no classes. */
export function collectionsIn(cells: Cells): CollectionCell[] {
  const found: CollectionCell[] = []
  for (const cell of cells.values())
    if (cell instanceof Packed)
      for (const token of tokensOf(cell.bytes)) {
        const collection = collectionIn(token)
        if (collection) found.push(collection)
      }
  return found
}

function tokensOf(bytes: Uint8Array): readonly unknown[] {
  // The core's sign for a deleted field.
  if (bytes.length === 0) return []
  if (bytes[0] === Format.memory && bytes.length >= MEMORY_HEADER_BYTES) return []
  const list = bytes[0] === Format.graph || bytes[0] === Format.group ? decodeWire(bytes.subarray(1)) : undefined
  if (!Array.isArray(list)) throw new CorruptError('Damaged bytes of a value: an unknown format.')
  return list as readonly unknown[]
}
