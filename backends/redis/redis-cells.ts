/**
 * Cells as other clients of Redis can read them: JSON text, where a value that JSON lacks stands as an object with one `$` key; bytes of
 * a field of their own are raw, behind a byte that JSON never starts with.
 */
import { type Cell, Packed, Ref } from '../../src/backend.js'
import { CorruptError } from '../../src/errors.js'
import type { ClassId, Id } from '../../src/ids.js'

const BYTES = 0
const PACKED = 1

export function encodeCell(cell: Cell): string | Buffer {
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

/** Takes bytes that nobody else holds. */
export function decodeCell(bytes: Buffer): Cell {
  if (bytes[0] === BYTES) return owned(bytes)
  if (bytes[0] === PACKED) return new Packed(owned(bytes))
  return fromJson(parse(bytes.toString()))
}

/** A short reply is a view of all that came with it. */
const SHARED_BYTES_MAX = 32 * 1024

function owned(bytes: Buffer): Uint8Array {
  const body = bytes.subarray(1)
  return body.length > SHARED_BYTES_MAX ? new Uint8Array(body.buffer, body.byteOffset, body.length) : Uint8Array.from(body)
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new CorruptError(`A cell in Redis is no JSON: ${text.slice(0, 40)}`, { cause })
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
  return entry ? tagged(entry[0], entry[1]) : unknownForm(json)
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
      return unknownForm(value)
  }
}

function refOf(value: Json): Ref {
  const [id, classId, store] = value as readonly [string, string, string?]
  return new Ref(id as Id, classId as ClassId, store)
}

function unknownForm(json: Json): never {
  throw new CorruptError(`A cell in Redis has an unknown form: ${JSON.stringify(json).slice(0, 40)}`)
}

export const isUnset = (json: Json): boolean => typeof json === 'object' && json !== null && '$unset' in json

/** A field's name in the hash of its object: any text, also what is no well-formed Unicode. */
export const fieldOf = (name: string): string => (name.isWellFormed() ? `.${name}` : `~${JSON.stringify(name)}`)

export const nameOf = (field: string): string => (field.startsWith('.') ? field.slice(1) : (JSON.parse(field.slice(1)) as string))
