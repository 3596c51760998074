/**
 * Cells as other clients of Redis can read them: JSON text, where a value that JSON lacks stands as an object with one `$` key. Text and
 * bytes of a field of their own are raw, behind a byte that JSON never starts with.
 */
import { type Cell, Packed, Ref } from '../../src/backend.js'
import { CorruptError } from '../../src/errors.js'
import type { ClassId, Id } from '../../src/ids.js'

const BYTES = 0
const PACKED = 1
const OUTSIDE = 2
const TEXT = 0x27

export function encodeCell(cell: Cell): string | Buffer {
  if (typeof cell === 'string' && cell.isWellFormed()) return `'${cell}`
  if (cell instanceof Uint8Array) return behind(BYTES, cell)
  if (cell instanceof Packed) return behind(PACKED, cell.bytes)
  return JSON.stringify(toJson(cell))
}

function behind(first: number, bytes: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(bytes.length + 1)
  whole[0] = first
  whole.set(bytes, 1)
  return whole
}

/** The cell between two places. What it gives shares no memory with `bytes`. */
export function decodeCell(bytes: Buffer, from = 0, to = bytes.length): Cell {
  switch (bytes[from]) {
    case TEXT:
      return bytes.toString('utf8', from + 1, to)
    case BYTES:
      return copied(bytes, from + 1, to)
    case PACKED:
      return new Packed(copied(bytes, from + 1, to))
    default:
      return fromJson(parse(bytes.toString('utf8', from, to)))
  }
}

/** A short reply is a view of all that came with it. */
const SHARED_BYTES_MAX = 32 * 1024

/** A cell that came alone: large bytes stay where they are, since nobody else holds them. */
export function decodeLarge(bytes: Buffer): Cell {
  const isBytes = bytes[0] === BYTES
  if (bytes.length <= SHARED_BYTES_MAX || (!isBytes && bytes[0] !== PACKED)) return decodeCell(bytes)
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset + 1, bytes.length - 1)
  return isBytes ? body : new Packed(body)
}

const copied = (bytes: Buffer, from: number, to: number): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset + from, to - from).slice()

/** Whether a cell lies under a key of its own: then its name and its size stand in its place. */
export const isOutside = (bytes: Buffer, from: number): boolean => bytes[from] === OUTSIDE

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new CorruptError('A cell in Redis is no JSON.', { cause: new Error((cause as Error).name) }) // its words are data
  }
}

/** The form of a cell inside JSON. */
export function toJson(cell: Cell | undefined): Json {
  switch (typeof cell) {
    case 'string':
    case 'boolean':
      return cell
    case 'number':
      return Number.isFinite(cell) && !Object.is(cell, -0) ? cell : { $number: Object.is(cell, -0) ? '-0' : String(cell) }
    case 'bigint':
      return { $int: String(cell) }
    case 'undefined':
      return { $unset: true }
    default:
      return cell === null ? null : objectToJson(cell)
  }
}

function objectToJson(cell: Exclude<Cell, null | boolean | number | bigint | string>): Json {
  if (cell instanceof Date) return { $date: Number.isNaN(cell.getTime()) ? null : cell.getTime() }
  if (cell instanceof Ref) return { $ref: cell.store === undefined ? [cell.id, cell.classId] : [cell.id, cell.classId, cell.store] }
  if (cell instanceof Packed) return { $packed: base64(cell.bytes) }
  if (cell instanceof Uint8Array) return { $bytes: base64(cell) }
  return (cell as readonly Cell[]).map(toJson)
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

export function fromJson(json: Json): Cell {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return (json as readonly Json[]).map(fromJson)
  const entry = Object.entries(json)[0]
  return entry ? tagged(entry[0], entry[1]) : unknownForm()
}

function tagged(tag: string, value: Json): Cell {
  switch (tag) {
    case '$number':
      return Number(value)
    case '$int':
      return BigInt(value as string)
    case '$date':
      return new Date(value === null ? Number.NaN : (value as number))
    case '$ref':
      return refOf(value)
    case '$packed':
      return new Packed(Uint8Array.from(Buffer.from(value as string, 'base64')))
    case '$bytes':
      return Uint8Array.from(Buffer.from(value as string, 'base64'))
    default:
      return unknownForm()
  }
}

function refOf(value: Json): Ref {
  const [id, classId, store] = value as readonly [string, string, string?]
  return new Ref(id as Id, classId as ClassId, store)
}

function unknownForm(): never {
  throw new CorruptError('A cell in Redis has an unknown form.')
}

export const isUnset = (json: Json): boolean => typeof json === 'object' && json !== null && '$unset' in json

/** A field's name in the hash of its object: any text, also what is no well-formed Unicode. */
export const fieldOf = (name: string): string => (name.isWellFormed() ? `.${name}` : `~${JSON.stringify(name)}`)

export const nameOf = (field: string): string => (field.startsWith('.') ? field.slice(1) : (JSON.parse(field.slice(1)) as string))
