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
import type { ColumnSpec, ColumnType, Key, Piece, Range } from '../backend.js'
import { ValidationError } from '../errors.js'
import { ROW_KEY_BYTES_MAX } from '../limits.js'
import { corrupt, KeyReader } from './key-reader.js'
import { keyBytes, keyText } from './key-writer.js'

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
  return keyBytes(table.keys, key)
}

/** The same bytes as a string of code units 0–255, whose `<` is the order of the bytes: the form for Map keys in memory. */
export function encodeKeyText(table: KeyColumns, key: Key): string {
  requireWhole(table, key)
  return keyText(table.keys, key)
}

/** The key whose bytes begin at `from`. @throws CorruptError */
export function decodeKey(table: KeyColumns, bytes: Uint8Array, from = 0): Key {
  const reader = new KeyReader(bytes, from)
  const key = table.keys.map((column) => reader.cell(column.type))
  if (!reader.done) throw corrupt('has bytes after its last column')
  return key
}

/** The key that bytes are of, which were made of `key`: it comes back in its one form, as `1.5` for `1.50`. */
export const storedKey = (table: KeyColumns, key: Key, bytes: Uint8Array): Key =>
  table.keys.every(({ type }) => HAVE_ONE_FORM.has(type)) ? key : decodeKey(table, bytes)

/** Their cells are primitives that come back just as they were. */
const HAVE_ONE_FORM: ReadonlySet<ColumnType> = new Set(['text', 'bool', 'i32', 'i64'])

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
  return cells.length === 0 ? START : keyBytes(table.keys, cells)
}

function requireWhole(table: KeyColumns, key: Key): void {
  if (key.length !== table.keys.length) throw new ValidationError(`a key has ${table.keys.length} columns, got ${key.length}`)
}
