/**
 * A StorageObject's fields ↔ its cells, and single values ↔ bytes.
 *
 * A value that has an exact native cell gets it, so that foreign clients of a store can read it; anything else is `Packed`. Fields that
 * share a mutable value are one cell, under the first of their names: so they still share it when they come back. Two views of one
 * ArrayBuffer come back with memory of their own each, and what is frozen comes back unfrozen.
 */
import { type Cell, type Cells, Packed, Ref } from '../backend.js'
import { CorruptError, InsituError, ValidationError } from '../errors.js'
import { VALUE_DEPTH_MAX } from '../limits.js'
import { Components } from './components.js'
import type { DecodeContext, EncodeContext } from './contexts.js'
import { isAsKept, type KeptCell } from './kept-cells.js'
import { Trail } from './trail.js'
import { Format, MEMORY_HEADER_BYTES } from './value-format.js'
import { corruptValue, readMemory, ValueReader } from './value-reader.js'
import { isDetached, Met, memoryOf, ValueWriter } from './value-writer.js'
import { decodeWire, encodeWireAs } from './wire.js'

export { collectionsIn, type Fingerprint, fingerprint, isItsPrint, refsIn, sameCell } from './cells.js'
export type { CollectionCell, DecodeContext, EncodeContext, NestedClass } from './contexts.js'
export { isKeptAs, type Kept, type KeptCell, KeptText, keptOf } from './kept-cells.js'

/**
 * The cells of an object's fields, which may be the same map. What cannot be stored is a ValidationError whose `path` says where it is.
 */
export const encodeFields = (fields: Map<string, unknown>, context: EncodeContext): Map<string, Cell> =>
  areNative(fields) ? fields : withStackGuard('store', () => encodeAll(fields, context))

/** Whether all fields have native cells, as those of most objects: each is its own. */
export function areNative(fields: Map<string, unknown>): fields is Map<string, Cell> {
  foundOther = false
  fields.forEach(lookForOther) // unlike a loop over the values, it makes nothing that is to be collected
  return !foundOther
}

let foundOther = false
const lookForOther = (value: unknown): void => {
  foundOther ||= nativeCell(value) === undefined
}

function encodeAll(fields: ReadonlyMap<string, unknown>, context: EncodeContext): Map<string, Cell> {
  const met = new Met()
  const names = [...fields.keys()]
  const components = new Components()
  const cells = new Map<string, Cell>()
  names.forEach((name, i) => {
    components.start(met.count)
    cells.set(
      name,
      cellOf(fields.get(name), context, met, new Trail(name), (number) => components.join(i, number), context.kept?.(name)),
    )
  })
  for (const together of components.joined()) storeTogether(cells, together.map((i) => names[i]!).sort(), fields, context)
  return cells
}

type OnShared = (number: number) => void

function cellOf(value: unknown, context: EncodeContext, met: Met, trail: Trail, onShared: OnShared, kept: KeptCell | undefined): Cell {
  const native = nativeCell(value)
  if (native !== undefined) return native
  if (typeof value === 'object' && value !== null) {
    if (kept && isAsKept(value, kept)) {
      claim(value, met, onShared)
      return kept
    }
    const own = plainMutable(value)
    if (own !== undefined) {
      claim(value, met, onShared)
      return own
    }
    if (!isPlainPrototype(value)) {
      const ref = context.refOf(value)
      if (ref) return ref
    }
  }
  return new Packed(packed(value, context, met, trail, onShared))
}

/** Primitives that every store keeps exactly. */
function nativeCell(value: unknown): Cell | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? value : undefined
    case 'number':
      return Number.isNaN(value) || Object.is(value, -0) ? undefined : value
    case 'boolean':
    case 'bigint':
      return value
    default:
      return value === null ? null : undefined
  }
}

/** Copies, since the cell is kept while the program may go on changing the value. */
function plainMutable(value: object): Cell | undefined {
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto === Uint8Array.prototype) {
    const { buffer, length } = value as Uint8Array
    return buffer instanceof ArrayBuffer && (length > 0 || !isDetached(buffer)) ? (value as Uint8Array).slice() : undefined
  }
  if (proto !== Date.prototype || Number.isNaN((value as Date).getTime()) || Object.keys(value).length > 0) return undefined
  return new Date((value as Date).getTime())
}

/** Numbers a value that is a whole field, so that other fields which hold it are noticed, or notices that one does. */
function claim(value: object, met: Met, onShared: OnShared): void {
  const number = met.meet(value)
  if (number !== undefined) onShared(number)
}

function isPlainPrototype(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value)
  return proto === Array.prototype || proto === Object.prototype || proto === null
}

function packed(value: unknown, context: EncodeContext, met: Met, trail: Trail, onShared: OnShared): Uint8Array {
  const memory = typeof value === 'object' && value !== null ? memoryOf(value) : undefined
  if (memory) {
    claim(value as object, met, onShared)
    return memoryBytes(memory.kind, memory.bytes)
  }
  const writer = new ValueWriter(context, met, trail, onShared)
  writer.write(value)
  return encodeWireAs(Format.graph, [writer.heads, ...writer.tokens])
}

function memoryBytes(kind: number, bytes: Uint8Array): Uint8Array {
  const into = new Uint8Array(MEMORY_HEADER_BYTES + bytes.length)
  into[0] = Format.memory
  into[1] = kind
  into.set(bytes, MEMORY_HEADER_BYTES)
  return into
}

function storeTogether(
  cells: Map<string, Cell>,
  names: readonly string[],
  fields: ReadonlyMap<string, unknown>,
  context: EncodeContext,
): void {
  const writer = new ValueWriter(context, new Met(), new Trail(''), () => {})
  for (const name of names) {
    writer.follow(new Trail(name))
    writer.write(fields.get(name))
    cells.delete(name)
  }
  cells.set(names[0]!, new Packed(encodeWireAs(Format.group, [names, writer.heads, ...writer.tokens])))
}

/** The fields of cells that `encodeFields` made. Damaged cells are a CorruptError. */
export const decodeFields = (cells: Cells, context: DecodeContext): Map<string, unknown> =>
  withStackGuard('load', () => {
    const fields = new Map<string, unknown>()
    for (const [name, cell] of cells) decodeCell(name, cell, fields, context)
    return fields
  })

function decodeCell(name: string, cell: Cell, fields: Map<string, unknown>, context: DecodeContext): void {
  if (cell instanceof Packed && cell.bytes[0] === Format.group) decodeGroup(name, cell.bytes, fields, context)
  else setOnce(fields, name, valueOfCell(name, cell, context))
}

function setOnce(fields: Map<string, unknown>, name: string, value: unknown): void {
  if (fields.has(name)) corruptValue(`the field ${JSON.stringify(name)} stands twice`)
  fields.set(name, value)
}

function valueOfCell(name: string, cell: Cell, context: DecodeContext): unknown {
  if (cell instanceof Packed) return unpack(cell.bytes, context, new Trail(name))
  if (cell instanceof Ref) return context.resolve(cell)
  // Copies, since a cell may be kept for other readers, and plain arrays of bytes whatever the driver gave.
  if (cell instanceof Uint8Array) return new Uint8Array(cell)
  if (cell instanceof Date) return new Date(cell.getTime())
  return Array.isArray(cell) ? corruptValue(`the field ${JSON.stringify(name)} is a list of cells`) : cell
}

function decodeGroup(name: string, bytes: Uint8Array, fields: Map<string, unknown>, context: DecodeContext): void {
  const [names, heads, ...tokens] = wireList(bytes)
  if (!Array.isArray(names) || names[0] !== name || !names.every((n) => typeof n === 'string')) corruptValue('names of fields are missing')
  if (!Array.isArray(heads)) corruptValue('heads are missing')
  const reader = new ValueReader(heads, tokens, context, new Trail(name))
  for (const each of names as string[]) setOnce(fields, each, reader.read(new Trail(each)))
  reader.end()
}

/** The fields that a cell holds: one, unless it is of several that share a value. */
export function namesIn(name: string, cell: Cell): readonly string[] {
  if (!(cell instanceof Packed) || cell.bytes[0] !== Format.group) return [name]
  const [names] = wireList(cell.bytes)
  return Array.isArray(names) ? (names as readonly string[]) : corruptValue('names of fields are missing')
}

function unpack(bytes: Uint8Array, context: DecodeContext, trail: Trail): unknown {
  if (bytes[0] === Format.memory) return readMemory(bytes)
  if (bytes[0] !== Format.graph) corruptValue('an unknown format')
  const [heads, ...tokens] = wireList(bytes)
  if (!Array.isArray(heads)) corruptValue('heads are missing')
  const reader = new ValueReader(heads, tokens, context, trail)
  const value = reader.read()
  reader.end()
  return value
}

function wireList(bytes: Uint8Array): unknown[] {
  const list = decodeWire(bytes.subarray(1))
  return Array.isArray(list) ? list : corruptValue('no list')
}

/** One value as bytes: a task's argument or result. */
export const encodeValue = (value: unknown, context: EncodeContext): Uint8Array =>
  withStackGuard('store', () => packed(value, context, new Met(), new Trail(context.path ?? 'value', false), () => {}))

/** The value of bytes that `encodeValue` made. Damaged bytes are a CorruptError. */
export const decodeValue = (bytes: Uint8Array, context: DecodeContext): unknown =>
  withStackGuard('load', () => unpack(bytes, context, new Trail('value')))

/** Values are walked by recursion within VALUE_DEPTH_MAX; a caller deep in a recursion of its own may leave too little stack for that. */
function withStackGuard<T>(doing: 'store' | 'load', body: () => T): T {
  try {
    return body()
  } catch (cause) {
    if (!(cause instanceof RangeError) || cause instanceof InsituError || !/call stack/.test(cause.message)) throw cause
    const message = `No stack left to ${doing} a value nested up to ${VALUE_DEPTH_MAX} levels: call from a shallower place.`
    throw doing === 'store' ? new ValidationError(message, { cause }) : new CorruptError(message, { cause })
  }
}
