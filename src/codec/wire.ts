/**
 * Bytes for everything internal: cells, rows, ops, messages. Self-contained, exact, the same bytes for the same value.
 *
 * Writing is msgpackr's; what it would get wrong (-0, lone surrogates, `__proto__`, Map against object, typed arrays) is handed to it
 * as a `Tagged`. Reading is in wire-reader.ts, our own: bytes from a store or a peer may be hostile, and msgpackr's reader would run
 * whatever extension any library of the program has registered in its module-global table.
 */
import { addExtension, Packr } from 'msgpackr/pack'
import { Packed, Ref } from '../backend.js'
import { ValidationError } from '../errors.js'
import { copyOut } from './slab.js'
import { WIRE_DEPTH_MAX, WIRE_EXTENSION, WireTag } from './wire-format.js'
import { readPairs, readWire } from './wire-reader.js'

/**
 * What the wire carries. Plain objects are typed `object`, because an interface without index signature fits nothing narrower;
 * a class instance other than the ones named here is refused at run time.
 */
export type Wire = null | undefined | boolean | number | bigint | string | Date | Uint8Array | Ref | Packed | readonly Wire[] | object

/** A value that msgpackr cannot write exactly: a tag byte, then its content. */
class Tagged {
  constructor(
    readonly tag: WireTag,
    readonly content: unknown,
  ) {}
}

interface Room {
  readonly target: Uint8Array
  readonly position: number
}

// One class of ours in msgpackr's module-global table, under a code that nobody picks first.
addExtension({
  Class: Tagged,
  type: WIRE_EXTENSION,
  pack: ((value: Tagged, allocate: (size: number) => Room, pack: (value: unknown) => void) => {
    if (value.content instanceof Uint8Array) writeBytes(value.tag, value.content, allocate)
    else {
      const { target, position } = allocate(3)
      writeTag(target, position, value.tag)
      pack(value.content)
    }
  }) as never,
  unpack: () => undefined,
})

function writeTag(target: Uint8Array, position: number, tag: WireTag): void {
  target[position] = 0xd4
  target[position + 1] = WIRE_EXTENSION
  target[position + 2] = tag
}

/** Written here rather than by msgpackr, so that an extension which somebody registers for Uint8Array or Buffer does not catch it. */
function writeBytes(tag: WireTag, bytes: Uint8Array, allocate: (size: number) => Room): void {
  const head = tag === WireTag.bytes ? 0 : 3
  const { target, position } = allocate(head + 5 + bytes.length)
  if (head > 0) writeTag(target, position, tag)
  const at = position + head
  target[at] = 0xc6
  target[at + 1] = bytes.length >>> 24
  target[at + 2] = bytes.length >>> 16
  target[at + 3] = bytes.length >>> 8
  target[at + 4] = bytes.length
  target.set(bytes, at + 5)
}

const packr = new Packr({ useRecords: false, variableMapSize: true, useToJSON: false })
// msgpackr gives its working buffer with `start` and `end` set, and starts there again with the next call.
const REUSE_AND_RESET = 512 | 1024
type Working = Uint8Array & { readonly start: number; readonly end: number }

/** Small results share slabs, like small Buffers do: copy one before transferring it to another thread. */
export function encodeWire(value: Wire): Uint8Array {
  const working = packr.pack(exact(value, 0), REUSE_AND_RESET) as unknown as Working
  // Copied out, since msgpackr's buffer is shared with every other user of msgpackr in the program.
  return copyOut(working, working.start, working.end)
}

/** As `encodeWire`, behind a first byte that says what it is. */
export function encodeWireAs(format: number, value: Wire): Uint8Array {
  const working = packr.pack(exact(value, 0), REUSE_AND_RESET) as unknown as Working
  return copyOut(working, working.start, working.end, format)
}

/** Reads what `encodeWire` wrote. Anything else is a CorruptError, found before memory is taken for it. */
export const decodeWire = (bytes: Uint8Array): Wire => readWire(bytes) as Wire

/** The same of a list of names, each before its value, that begins at `from` and is the rest of the bytes. */
export const decodeWirePairs = (bytes: Uint8Array, from = 0): Map<string, Wire> => readPairs(bytes, from) as Map<string, Wire>

/** The value itself where msgpackr is exact, otherwise a copy of the path down to what it is not. */
function exact(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? value : new Tagged(WireTag.utf16, Buffer.from(value, 'utf16le'))
    case 'number':
      return Object.is(value, -0) ? new Tagged(WireTag.minusZero, null) : value
    case 'boolean':
    case 'undefined':
      return value
    case 'bigint':
      return value >= INT64_MIN && value <= INT64_MAX ? value : new Tagged(WireTag.bigint, hexOf(value))
    case 'object':
      return value === null ? null : exactObject(value, depth)
    default:
      throw new TypeError(`A ${typeof value} has no wire form.`)
  }
}

const INT64_MAX = 2n ** 63n - 1n
const INT64_MIN = -(2n ** 63n)

const hexOf = (value: bigint): string => (value < 0n ? `-${(-value).toString(16)}` : value.toString(16))

function exactObject(value: object, depth: number): unknown {
  if (depth > WIRE_DEPTH_MAX) throw new ValidationError(`A value is nested deeper than ${WIRE_DEPTH_MAX} levels.`)
  if (Array.isArray(value)) return exactArray(value, depth + 1)
  const proto: unknown = Object.getPrototypeOf(value)
  if (proto === Object.prototype || proto === null) return exactPlain(value as Record<string, unknown>, depth + 1)
  if (value instanceof Ref) return refTag(value, depth)
  if (value instanceof Packed) return new Tagged(WireTag.packed, value.bytes)
  if (value instanceof Uint8Array) return new Tagged(WireTag.bytes, value)
  if (value instanceof Map) return new Tagged(WireTag.map, flatEntries(value, depth + 1))
  if (value instanceof Set) return new Tagged(WireTag.set, exactArray([...value], depth + 1))
  if (value instanceof Date) return new Tagged(WireTag.date, value.getTime())
  const name = value.constructor?.name ?? 'an unnamed class'
  // A loader that translates modules, such as tsx, has made a copy of this package beside the one that its stores load.
  const copied = ' another copy of insitu made it: put "type": "module" into package.json, or give the program the extension .mts.'
  throw new TypeError(`An instance of ${name} has no wire form${name === 'Packed' || name === 'Ref' ? `;${copied}` : '.'}`)
}

/** The common leaves, decided without a call into the switch. */
function isExact(item: unknown): boolean {
  if (typeof item === 'string') return item.isWellFormed()
  if (typeof item === 'number') return item !== 0 || !Object.is(item, -0)
  return typeof item === 'boolean' || item === null || item === undefined
}

const exactItem = (item: unknown, depth: number): unknown => (isExact(item) ? item : exact(item, depth))

function exactArray(array: readonly unknown[], depth: number): readonly unknown[] {
  for (let i = 0; i < array.length; i++) {
    const item = array[i]
    if (isExact(item)) continue
    const same = exact(item, depth)
    if (same !== item) return exactTail(array, i, same, depth)
  }
  return array
}

function exactTail(array: readonly unknown[], from: number, first: unknown, depth: number): readonly unknown[] {
  const copy = array.slice()
  copy[from] = first
  for (let i = from + 1; i < copy.length; i++) copy[i] = exactItem(copy[i], depth)
  return copy
}

function exactPlain(object: Record<string, unknown>, depth: number): unknown {
  let copy: Record<string, unknown> | undefined
  for (const key of Object.keys(object)) {
    if (key === '__proto__' || !key.isWellFormed()) return new Tagged(WireTag.object, flatObject(object, depth))
    const item = object[key]
    if (isExact(item)) continue
    const same = exact(item, depth)
    if (same !== item) (copy ??= { ...object })[key] = same
  }
  return copy ?? object
}

function flatObject(object: Record<string, unknown>, depth: number): unknown[] {
  const flat: unknown[] = []
  for (const key of Object.keys(object)) flat.push(exactItem(key, depth), exactItem(object[key], depth))
  return flat
}

function flatEntries(map: ReadonlyMap<unknown, unknown>, depth: number): unknown[] {
  const flat: unknown[] = []
  for (const [key, item] of map) flat.push(exactItem(key, depth), exactItem(item, depth))
  return flat
}

function refTag({ id, classId, store }: Ref, depth: number): Tagged {
  const parts = store === undefined ? [id, classId] : [id, classId, store]
  return new Tagged(
    WireTag.ref,
    parts.map((part) => exact(part, depth)),
  )
}
