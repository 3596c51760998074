/**
 * A row's key as bytes whose order is the order of the key's values, column by column, on every backend.
 * Each column is self-delimiting, so a key that fixes the first columns is a byte prefix of the keys that start with them.
 *
 * | type | cell | bytes |
 * | --- | --- | --- |
 * | text | string | UTF-8 with 00 → 01 01 and 01 → 01 02, then 00: an end shorter than any escape, and below every content byte |
 * | blob | Uint8Array | its bytes, escaped like text |
 * | bool | boolean | 00, 01 |
 * | i32, i64 | number, bigint | big-endian, sign bit flipped |
 * | f32, f64 | number | big-endian; sign bit flipped, all bits when negative; NaN comes last; -0 is 0, as in a Map |
 * | decimal | string | sign, exponent, digits in pairs; 1.5 and 1.50 are one key and come back as 1.5 |
 * | uuid | string | its 16 bytes |
 * | date, time | string | days since 1970, nanoseconds since midnight |
 * | timestamp | Date | milliseconds since 1970 |
 * | ref | Ref | the 16 bytes of the id, then the class like text |
 * | tuple | Cell[] | its elements one after the other |
 */
import { type Cell, type ColumnSpec, type ColumnType, type Key, type Piece, type Range, Ref } from '../backend.js'
import { CorruptError, ValidationError } from '../errors.js'
import { isIdText, readUuid, writeUuid, type ClassId, type Id } from '../ids.js'
import { ROW_KEY_BYTES_MAX } from '../limits.js'
import { dayOf, dayText, FIRST_DAY, LAST_DAY, NANOS_PER_DAY, nanosOf, nanosText } from './calendar.js'
import { decimalOfParts, decimalParts } from './decimal.js'

type ScalarType = Extract<ColumnType, string>

/** What encoding needs of a Table. */
export interface KeyColumns {
  readonly keys: readonly ColumnSpec[]
}

/** True for the types whose values have an order and so can be keys, elements of a set, or keys of a map. */
export function isKeyType(type: ColumnType): boolean {
  if (typeof type === 'string') return type !== 'counter'
  return 'tupleOf' in type && type.tupleOf.every(isKeyType)
}

/** The bytes of a whole key. Errors: ValidationError (`ERR_KEY_TOO_LONG` beyond ROW_KEY_BYTES_MAX). */
export function encodeKey(table: KeyColumns, key: Key): Uint8Array {
  requireWhole(table, key)
  writeKey(table, key)
  return Uint8Array.prototype.slice.call(scratch, 0, at)
}

/** The same bytes as a string of code units 0–255, whose `<` is the order of the bytes: the form for Map keys in memory. */
export function encodeKeyText(table: KeyColumns, key: Key): string {
  requireWhole(table, key)
  writeKey(table, key)
  return scratch.toString('latin1', 0, at)
}

export function decodeKey(table: KeyColumns, bytes: Uint8Array): Key {
  const reader = new KeyReader(bytes)
  const key = table.keys.map((column) => reader.cell(column.type))
  if (!reader.done) throw corrupt('has bytes after its last column')
  return key
}

/** Above every key: no key is as long. */
const END = new Uint8Array(ROW_KEY_BYTES_MAX + 1).fill(0xff)
const START = new Uint8Array(0)

/** The encoded keys [from, to) that a range covers; a piece's own bounds are honoured. Empty when `from` is not below `to`. */
export function prefixBounds(table: KeyColumns, range: Omit<Range, 'reverse' | 'limit'>): { from: Uint8Array; to: Uint8Array } {
  const prefix = range.prefix ?? []
  const from = encodeLeading(table, range.from ? [...prefix, ...range.from] : prefix)
  const to = range.to ? encodeLeading(table, [...prefix, ...range.to]) : after(encodeLeading(table, prefix))
  return typeof range.in === 'string' ? { from, to } : intersect(range.in, from, to)
}

function intersect(piece: Piece, from: Uint8Array, to: Uint8Array): { from: Uint8Array; to: Uint8Array } {
  return {
    from: compareBytes(piece.from, from) > 0 ? piece.from : from,
    to: compareBytes(piece.to, to) < 0 ? piece.to : to,
  }
}

/** Bytewise, a prefix before what it begins. */
export const compareBytes = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

/** The first bytes above everything that starts with `prefix`. */
function after(prefix: Uint8Array): Uint8Array {
  let last = prefix.length - 1
  while (last >= 0 && prefix[last] === 0xff) last--
  if (last < 0) return END
  const next = prefix.slice(0, last + 1)
  next[last]!++
  return next
}

function encodeLeading(table: KeyColumns, cells: Key): Uint8Array {
  if (cells.length > table.keys.length) throw new ValidationError(`a key has ${table.keys.length} columns, got ${cells.length}`)
  if (cells.length === 0) return START
  writeKey(table, cells)
  return Uint8Array.prototype.slice.call(scratch, 0, at)
}

/** Zeros between the point and the digits; a key holds far fewer digits than that anyway. */
const DECIMAL_EXPONENT_MAX = 10_000

// ---- writing. One scratch buffer for all: encoding is synchronous and never calls out.

/** Checked after every cell, and no cell of an allowed length writes more than 4 × the limit, so the buffer cannot overrun. */
const scratch = Buffer.allocUnsafeSlow(ROW_KEY_BYTES_MAX * 5 + 64)
const view = new DataView(scratch.buffer, scratch.byteOffset, scratch.length)
let at = 0

function requireWhole(table: KeyColumns, key: Key): void {
  if (key.length !== table.keys.length) throw new ValidationError(`a key has ${table.keys.length} columns, got ${key.length}`)
}

function writeKey(table: KeyColumns, cells: Key): void {
  at = 0
  for (let i = 0; i < cells.length; i++) writeCell(table.keys[i]!.name, table.keys[i]!.type, cells[i]!)
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
  return new ValidationError(`key column '${name}': the key is longer than ${ROW_KEY_BYTES_MAX} bytes; use a hash of it, or a value column`, {
    code: 'ERR_KEY_TOO_LONG',
    path: name,
  })
}

// ---- reading. Bytes from a store are data: every step is checked.

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const corrupt = (what: string): Error => new CorruptError(`stored row key ${what}`)

class KeyReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  cell(type: ColumnType): Cell {
    if (typeof type === 'string') return this.#scalar(type)
    if ('tupleOf' in type) return type.tupleOf.map((of) => this.cell(of))
    throw corrupt('has a column type that cannot be a key')
  }

  #scalar(type: ScalarType): Cell {
    switch (type) {
      case 'text':
        return this.#text()
      case 'bool':
        return this.#bool()
      case 'i32':
        return this.#i32()
      case 'i64':
        return this.#i64()
      case 'f32':
        return this.#float(4).getFloat32(0)
      case 'f64':
        return this.#float(8).getFloat64(0)
      case 'decimal':
        return this.#decimal()
      case 'blob':
        return Uint8Array.prototype.slice.call(this.#content().bytes)
      case 'uuid':
        return this.#id()
      case 'date':
        return this.#date()
      case 'time':
        return this.#time()
      case 'timestamp':
        return this.#timestamp()
      case 'ref':
        return new Ref(this.#id() as Id, this.#text() as ClassId)
      case 'counter':
        throw corrupt('has a counter column')
      default:
        return type satisfies never
    }
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw corrupt('is cut off')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  /** A copy of the next bytes with the sign bit flipped back. */
  #signed(length: number): Buffer {
    const bytes = Buffer.from(this.#take(length))
    bytes[0]! ^= 0x80
    return bytes
  }

  #bool(): boolean {
    const byte = this.#take(1)[0]!
    if (byte > 1) throw corrupt('has a bad bool')
    return byte === 1
  }

  #i32(): number {
    return this.#signed(4).readInt32BE()
  }

  #i64(): bigint {
    return this.#signed(8).readBigInt64BE()
  }

  #float(length: 4 | 8): DataView {
    const bytes = Uint8Array.prototype.slice.call(this.#take(length))
    if (bytes[0]! & 0x80) bytes[0]! ^= 0x80
    else for (let i = 0; i < length; i++) bytes[i]! ^= 0xff
    return new DataView(bytes.buffer)
  }

  #id(): string {
    return readUuid(this.#take(16), 0)
  }

  #date(): string {
    const day = this.#i32()
    if (day < FIRST_DAY || day > LAST_DAY) throw corrupt('has a bad date')
    return dayText(day)
  }

  #time(): string {
    const nanos = this.#take(6).readUIntBE(0, 6)
    if (nanos >= NANOS_PER_DAY) throw corrupt('has a bad time')
    return nanosText(nanos)
  }

  #timestamp(): Date {
    const date = new Date(Number(this.#i64()))
    if (Number.isNaN(date.getTime())) throw corrupt('has a bad timestamp')
    return date
  }

  #text(): string {
    const { bytes, ascii } = this.#content()
    if (ascii) return bytes.toString('latin1')
    try {
      return utf8.decode(bytes)
    } catch (cause) {
      throw new CorruptError('stored row key has text that is not UTF-8', { cause })
    }
  }

  /** Content up to its end, without escapes. */
  #content(): { bytes: Buffer; ascii: boolean } {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0) throw corrupt('is cut off')
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end + 1
    let seen = 0
    let escapes = 0
    for (let i = 0; i < bytes.length; i++) {
      seen |= bytes[i]!
      if (bytes[i] === 1) {
        escapes++
        i++ // what stands behind an escape is checked when it is undone
      }
    }
    return { bytes: escapes === 0 ? bytes : unescaped(bytes, escapes), ascii: seen < 0x80 }
  }

  #decimal(): string {
    const sign = this.#take(1)[0]!
    if (sign === 1) return '0'
    if (sign !== 0 && sign !== 2) throw corrupt('has a bad decimal')
    const flip = sign === 0 ? 0xff : 0
    const exponentBytes = Buffer.from(this.#take(4))
    for (let i = 0; i < 4; i++) exponentBytes[i]! ^= flip
    exponentBytes[0]! ^= 0x80
    let digits = ''
    for (let pair = this.#take(1)[0]! ^ flip; pair !== 0; pair = this.#take(1)[0]! ^ flip) {
      if (pair > 100) throw corrupt('has a bad decimal')
      digits += String(pair - 1).padStart(2, '0')
    }
    const exponent = exponentBytes.readInt32BE()
    // canonical forms only; the exponent is bounded so that damage cannot ask for gigabytes of zeros
    if (!/^[1-9]/.test(digits) || digits.endsWith('00') || Math.abs(exponent) > DECIMAL_EXPONENT_MAX) throw corrupt('has a bad decimal')
    return decimalOfParts({ negative: sign === 0, exponent, digits: digits.replace(/0$/, '') })
  }
}

function unescaped(bytes: Buffer, escapes: number): Buffer {
  const out = Buffer.allocUnsafe(bytes.length - escapes)
  let to = 0
  for (let from = 0; from < bytes.length; from++) {
    if (bytes[from] !== 1) out[to++] = bytes[from]!
    else {
      const escape = bytes[++from]
      if (escape !== 1 && escape !== 2) throw corrupt('has a bad escape')
      out[to++] = escape - 1
    }
  }
  return out
}
