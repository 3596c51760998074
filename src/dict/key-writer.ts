/** Writes row keys: see row-key.ts. One scratch buffer for all, since encoding is synchronous and never calls out. */
import { type Cell, type ColumnSpec, type ColumnType, type Key, Ref } from '../backend.js'
import { copyOut } from '../codec/slab.js'
import { ValidationError } from '../errors.js'
import { isIdText, writeUuid } from '../ids.js'
import { ROW_KEY_BYTES_MAX } from '../limits.js'
import { dayOf, nanosOf } from './calendar.js'
import { decimalParts } from './decimal.js'

type ScalarType = Extract<ColumnType, string>

/** Zeros between the point and the digits; a key holds far fewer digits than that anyway. */
export const DECIMAL_EXPONENT_MAX = 10_000

/** Checked after every cell, and no cell of an allowed length writes more than 4 × the limit, so the buffer cannot overrun. */
const scratch = Buffer.allocUnsafeSlow(ROW_KEY_BYTES_MAX * 5 + 64)
const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.length)
let at = 0

/** The bytes of leading key columns; the table of encodings stands in row-key.ts. */
export function keyBytes(columns: readonly ColumnSpec[], cells: Key): Uint8Array {
  writeKey(columns, cells)
  return copyOut(scratch, 0, at)
}

/** The same bytes as code units. */
export function keyText(columns: readonly ColumnSpec[], cells: Key): string {
  writeKey(columns, cells)
  return scratch.toString('latin1', 0, at)
}

function writeKey(columns: readonly ColumnSpec[], cells: Key): void {
  at = 0
  for (let i = 0; i < cells.length; i++) writeCell(columns[i]!.name, columns[i]!.type, cells[i]!)
}

function writeCell(name: string, type: ColumnType, cell: Cell): void {
  if (typeof type !== 'string') writeTuple(name, type, cell)
  else if (!writeScalar(name, type, cell)) throw refused(name, type, cell)
  if (at > ROW_KEY_BYTES_MAX) throw tooLong(name)
}

function writeTuple(name: string, type: Exclude<ColumnType, string>, cell: Cell): void {
  if (!('tupleOf' in type) || !Array.isArray(cell) || cell.length !== type.tupleOf.length) throw refused(name, type, cell)
  for (let i = 0; i < cell.length; i++) writeCell(name, type.tupleOf[i]!, cell[i])
}

/** False when the cell is no key of that type. */
function writeScalar(name: string, type: ScalarType, cell: Cell): boolean {
  switch (type) {
    case 'text':
      return typeof cell === 'string' && writeText(name, cell)
    case 'bool':
      return typeof cell === 'boolean' && writeByte(cell ? 1 : 0)
    case 'i32':
      return typeof cell === 'number' && (cell | 0) === cell && writeI32(cell)
    case 'i64':
      return typeof cell === 'bigint' && BigInt.asIntN(64, cell) === cell && writeI64(cell)
    case 'f32':
      return typeof cell === 'number' && writeF32(cell)
    case 'f64':
      return typeof cell === 'number' && writeF64(cell)
    case 'decimal':
      return typeof cell === 'string' && writeDecimal(name, cell)
    case 'blob':
      return cell instanceof Uint8Array && writeBlob(name, cell)
    case 'uuid':
      return isIdText(cell) && writeId(cell)
    case 'date':
      return typeof cell === 'string' && writeDate(cell)
    case 'time':
      return typeof cell === 'string' && writeTime(cell)
    case 'timestamp':
      return cell instanceof Date && !Number.isNaN(cell.getTime()) && writeI64(BigInt(cell.getTime()))
    case 'ref':
      return cell instanceof Ref && isIdText(cell.id) && writeId(cell.id) && writeText(name, cell.classId)
    case 'counter':
      return false
    default:
      return type satisfies never
  }
}

function writeByte(byte: number): true {
  scratch[at++] = byte
  return true
}

function writeContent(byte: number): void {
  if (byte <= 1) scratch[at++] = 1
  scratch[at++] = byte <= 1 ? byte + 1 : byte
}

function writeText(name: string, text: string): boolean {
  // a code unit takes at least one byte, so this also bounds what the loop below can write
  if (text.length > ROW_KEY_BYTES_MAX) throw tooLong(name)
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) writeContent(unit)
    else {
      const point = text.codePointAt(i)!
      if (point >= 0xd800 && point <= 0xdfff) return false // half a surrogate pair has no UTF-8
      if (point > 0xffff) i++
      writePoint(point)
    }
  }
  return writeByte(0)
}

/** UTF-8 of a code point above 7F; its bytes are never 00 or 01. */
function writePoint(point: number): void {
  if (point < 0x800) scratch[at++] = 0xc0 | (point >> 6)
  else {
    if (point < 0x10000) scratch[at++] = 0xe0 | (point >> 12)
    else {
      scratch[at++] = 0xf0 | (point >> 18)
      scratch[at++] = 0x80 | ((point >> 12) & 0x3f)
    }
    scratch[at++] = 0x80 | ((point >> 6) & 0x3f)
  }
  scratch[at++] = 0x80 | (point & 0x3f)
}

function writeBlob(name: string, blob: Uint8Array): true {
  if (blob.length > ROW_KEY_BYTES_MAX) throw tooLong(name)
  for (let i = 0; i < blob.length; i++) writeContent(blob[i]!)
  return writeByte(0)
}

function writeI32(n: number): true {
  view.setInt32(at, n)
  scratch[at]! ^= 0x80
  at += 4
  return true
}

function writeI64(n: bigint): true {
  view.setBigInt64(at, n)
  scratch[at]! ^= 0x80
  at += 8
  return true
}

function writeF32(n: number): true {
  if (Number.isNaN(n)) view.setUint32(at, 0x7fc00000)
  else view.setFloat32(at, Math.fround(n) + 0) // + 0 turns -0 into 0, which rounding may have made
  return orderFloat(4)
}

function writeF64(n: number): true {
  view.setFloat64(at, n + 0)
  // engines may keep whatever payload a NaN has; all NaNs are one key
  if (Number.isNaN(n)) view.setBigUint64(at, 0x7ff8000000000000n)
  return orderFloat(8)
}

function orderFloat(bytes: 4 | 8): true {
  const flip = scratch[at]! & 0x80 ? 0xff : 0
  if (flip === 0) scratch[at]! ^= 0x80
  else for (let i = 0; i < bytes; i++) scratch[at + i]! ^= flip
  at += bytes
  return true
}

/** 00 negative, 01 zero, 02 positive; then the exponent, then digit pairs 01–64 ended by 00; all complemented when negative. */
function writeDecimal(name: string, text: string): boolean {
  const parts = decimalParts(text)
  if (!parts) return false
  if (parts.digits.length > ROW_KEY_BYTES_MAX * 2 || Math.abs(parts.exponent) > DECIMAL_EXPONENT_MAX) throw tooLong(name)
  if (parts.digits === '') return writeByte(1)
  writeByte(parts.negative ? 0 : 2)
  const start = at
  writeI32(parts.exponent)
  for (let i = 0; i < parts.digits.length; i += 2) writeByte(Number(parts.digits.slice(i, i + 2).padEnd(2, '0')) + 1)
  writeByte(0)
  if (parts.negative) for (let i = start; i < at; i++) scratch[i]! ^= 0xff
  return true
}

function writeId(id: string): true {
  writeUuid(scratch, at, id)
  at += 16
  return true
}

function writeDate(text: string): boolean {
  const day = dayOf(text)
  return day !== undefined && writeI32(day)
}

function writeTime(text: string): boolean {
  const nanos = nanosOf(text)
  if (nanos === undefined) return false
  at = scratch.writeUIntBE(nanos, at, 6)
  return true
}

function refused(name: string, type: ColumnType, cell: Cell): Error {
  const wanted = typeof type === 'string' ? type : JSON.stringify(type)
  const kind = cell === null ? 'null' : typeof cell === 'object' ? cell.constructor.name : typeof cell
  return new ValidationError(`key column '${name}' wants ${wanted}, got ${kind}: keys are never null or of another type`, { path: name })
}

function tooLong(name: string): Error {
  return new ValidationError(
    `key column '${name}': the key is longer than ${ROW_KEY_BYTES_MAX} bytes; use a hash of it, or a value column`,
    {
      code: 'ERR_KEY_TOO_LONG',
      path: name,
    },
  )
}
