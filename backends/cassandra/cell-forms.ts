/**
 * Cells of objects. A field whose values have a type of Cassandra's own lies in a column of that type; whatever else stands in the map
 * `~rest`, in the core's encoding. Which of the two a field is for is decided once for its class (class-tables.ts) and never changes.
 */
import type { types } from 'cassandra-driver'
import { type Cell, Packed, Ref } from '../../src/backend.js'
import { encodeFields } from '../../src/codec/values.js'
import { decodeWire, encodeWire } from '../../src/codec/wire.js'
import { CorruptError } from '../../src/errors.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { DriverModule } from './cassandra-driver-loader.js'

export type NativeType = 'text' | 'boolean' | 'double' | 'varint' | 'timestamp' | 'blob' | 'tuple<uuid, text>'
/** What a field's values lie in: a column of a type, or the rest. */
export type FieldKind = NativeType | 'packed'

/** Above it a cell has rows of its own. */
export const LARGE_BYTES = 256 * 1024

/** The driver puts an integer together byte by byte, and copies it each time: what is longer lies elsewhere. */
const VARINT_BYTES = 1024
const VARINT_END = 1n << BigInt(VARINT_BYTES * 8 - 1)

/** Numbers for which there is no plain cell, since not every store keeps them; columns of doubles do. */
const PACKED_NUMBERS: readonly (readonly [number, Packed])[] = [Number.NaN, -0].map((number) => [number, packedNumber(number)])

function packedNumber(number: number): Packed {
  const context = { refOf: () => undefined, collectionOf: () => undefined, classOf: () => undefined }
  return encodeFields(new Map([['number', number]]), context).get('number') as Packed
}

function numberIn({ bytes }: Packed): number | undefined {
  const found = PACKED_NUMBERS.find(([, packed]) => packed.bytes.length === bytes.length && Buffer.compare(packed.bytes, bytes) === 0)
  return found?.[0]
}

/** The type of Cassandra's that holds such cells exactly, however large this one is. */
export function columnTypeOf(cell: Cell): NativeType | undefined {
  switch (typeof cell) {
    case 'string':
      return cell.isWellFormed() ? 'text' : undefined
    case 'boolean':
      return 'boolean'
    case 'number':
      return 'double'
    case 'bigint':
      return 'varint'
    default:
      return columnTypeOfObject(cell)
  }
}

function columnTypeOfObject(cell: Cell): NativeType | undefined {
  if (cell instanceof Date) return Number.isNaN(cell.getTime()) ? undefined : 'timestamp'
  if (cell instanceof Uint8Array) return 'blob'
  if (cell instanceof Ref) return cell.store === undefined ? 'tuple<uuid, text>' : undefined
  return cell instanceof Packed && numberIn(cell) !== undefined ? 'double' : undefined
}

/** The same of what a column holds as it is, and is no larger than it may be there. */
export const nativeTypeOf = (cell: Cell, bytesMax: number): NativeType | undefined =>
  isSmall(cell, bytesMax) && !isUnpacked(cell) ? columnTypeOf(cell) : undefined

/** It would come back as if it had been packed. */
const isUnpacked = (cell: Cell): boolean => Number.isNaN(cell) || Object.is(cell, -0)

/** Judged without making its bytes. */
function isSmall(cell: Cell, bytesMax: number): boolean {
  if (typeof cell === 'string') return cell.length <= bytesMax / 4
  if (typeof cell === 'bigint') return -VARINT_END <= cell && cell < VARINT_END
  return !(cell instanceof Uint8Array) || cell.length <= bytesMax
}

export function nativeValue({ types }: DriverModule, cell: Cell): unknown {
  if (cell instanceof Uint8Array) return Buffer.from(cell)
  if (cell instanceof Ref) return new types.Tuple(types.Uuid.fromString(cell.id), cell.classId)
  return cell instanceof Packed ? numberIn(cell) : cell
}

/** @throws CorruptError */
export function cellOfNative(value: unknown): Cell {
  if (value === 0 || Number.isNaN(value)) return PACKED_NUMBERS.find(([number]) => Object.is(number, value))?.[1] ?? (value as Cell)
  if (value instanceof Uint8Array) return Uint8Array.from(value)
  if (value instanceof Date || typeof value !== 'object') return value as Cell
  const [id, classId] = (value as types.Tuple).elements as readonly unknown[]
  if (!id || !classId) throw new CorruptError('a reference lacks its id or class')
  return new Ref(String(id) as Id, classId as ClassId)
}

const WIRE = 0
const LARGE = 1

/** Where a large cell lies: the key of its rows, how many they are, and how long it is. */
export interface Manifest {
  readonly chunks: string
  readonly count: number
  readonly length: number
  /** What the bytes are. */
  readonly form: 'bytes' | 'packed' | 'wire'
}

export function restForm(cell: Cell): Buffer {
  const body = encodeWire(cell)
  const whole = Buffer.allocUnsafe(body.length + 1)
  whole[0] = WIRE
  whole.set(body, 1)
  return whole
}

export const manifestForm = ({ chunks, count, length, form }: Manifest): Buffer =>
  Buffer.concat([Buffer.of(LARGE), Buffer.from(JSON.stringify([chunks, count, length, form]))])

/** A cell, or where it lies. */
export function fromRest(bytes: Buffer): Cell | { readonly manifest: Manifest } {
  if (bytes[0] === WIRE) return decodeWire(Uint8Array.from(bytes.subarray(1))) as Cell
  if (bytes[0] !== LARGE) throw new CorruptError('A cell in Cassandra has an unknown form.')
  return { manifest: manifestFrom(bytes.toString('utf8', 1)) }
}

function manifestFrom(text: string): Manifest {
  try {
    const [chunks, count, length, form] = JSON.parse(text) as [string, number, number, Manifest['form']]
    if (typeof chunks === 'string' && Number.isSafeInteger(count) && Number.isSafeInteger(length)) return { chunks, count, length, form }
  } catch {}
  throw new CorruptError('A cell in Cassandra does not say where its chunks lie.')
}

/** The bytes of a cell that is to have rows of its own; `undefined` for one that is small. */
export function largeForm(cell: Cell, bytesMax = LARGE_BYTES): { readonly bytes: Uint8Array; readonly form: Manifest['form'] } | undefined {
  if (cell instanceof Uint8Array) return cell.length > bytesMax ? { bytes: cell, form: 'bytes' } : undefined
  if (cell instanceof Packed) return cell.bytes.length > bytesMax ? { bytes: cell.bytes, form: 'packed' } : undefined
  if (!Array.isArray(cell) && (typeof cell === 'object' || isSmall(cell, bytesMax))) return undefined
  const bytes = encodeWire(cell)
  return bytes.length > bytesMax ? { bytes, form: 'wire' } : undefined
}

export function cellOfLarge(bytes: Uint8Array, form: Manifest['form']): Cell {
  if (form === 'bytes') return bytes
  return form === 'packed' ? new Packed(bytes) : (decodeWire(bytes) as Cell)
}

/** A field's name as a key of the rest: any text, also what is no well-formed Unicode. */
export const restName = (name: string): string => (name.isWellFormed() && !name.startsWith('~') ? name : `~${JSON.stringify(name)}`)

export const nameOfRest = (key: string): string => (key.startsWith('~') ? (JSON.parse(key.slice(1)) as string) : key)
