/**
 * Reads the wire. Takes only what our writer writes; every length is checked against the bytes that are there before memory is taken,
 * nothing is run, no prototype is set. Each byte costs at most a small object, so memory is a small multiple of the input.
 */
import { Packed, Ref } from '../backend.js'
import { CorruptError } from '../errors.js'
import type { ClassId, Id } from '../ids.js'
import { WIRE_DEPTH_MAX, WIRE_EXTENSION, WireTag } from './wire-format.js'

// Module state instead of an object per message: reading is synchronous, calls nothing foreign, and so never re-enters.
const NOTHING = new Uint8Array(0)
let bytes: Uint8Array = NOTHING
let view: DataView | undefined
let at = 0
let end = 0
let depth = 0

export const readWire = (source: Uint8Array): unknown => readAll(source, 0, read)

/** A list of names, each before its value, that begins at `from`: as a map, without the list. */
export const readPairs = (source: Uint8Array, from: number): Map<string, unknown> => readAll(source, from, pairs)

function readAll<T>(source: Uint8Array, from: number, readOne: () => T): T {
  bytes = source
  view = undefined
  at = from
  end = source.length
  depth = 0
  try {
    const value = readOne()
    if (at !== end) throw corrupt('bytes are left over')
    return value
  } finally {
    bytes = NOTHING
    view = undefined
    window = ''
  }
}

const corrupt = (what: string): Error => new CorruptError(`Damaged bytes: ${what} at offset ${at} of ${end}.`, { offset: at })

/** Moves past `length` bytes and gives where they start. */
function take(length: number): number {
  const start = at
  if (length > end - start) throw corrupt('the end is missing')
  at = start + length
  return start
}

function read(): unknown {
  if (at >= end) throw corrupt('the end is missing')
  const token = bytes[at++]!
  if (token < 0x80) return token
  if (token < 0x90) return readObject(token & 0x0f)
  if (token < 0xa0) return readArray(token & 0x0f)
  if (token < 0xc0) return readText(token & 0x1f)
  if (token === 0xcb) return viewOf().getFloat64(take(8))
  if (token >= 0xe0) return token - 0x100
  return readLong(token)
}

function readLong(token: number): unknown {
  switch (token) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc6:
      return readBytes(readU32())
    case 0xcc:
      return bytes[take(1)]
    case 0xcd:
      return readU16()
    case 0xce:
      return readU32()
    case 0xd0:
      return (bytes[take(1)]! << 24) >> 24
    case 0xd1:
      return (readU16() << 16) >> 16
    case 0xd2:
      return readU32() | 0
    case 0xd3:
      return readI64()
    case 0xd4:
      return readExtension()
    case 0xd9:
      return readText(bytes[take(1)]!)
    case 0xda:
      return readText(readU16())
    case 0xdb:
      return readText(readU32())
    case 0xdc:
      return readArray(readU16())
    case 0xdd:
      return readArray(readU32())
    case 0xde:
      return readObject(readU16())
    case 0xdf:
      return readObject(readU32())
    default:
      throw corrupt(`byte 0x${token.toString(16)} starts no value`)
  }
}

function readU16(): number {
  const start = take(2)
  return (bytes[start]! << 8) | bytes[start + 1]!
}

function readU32(): number {
  const start = take(4)
  return ((bytes[start]! << 24) | (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!) >>> 0
}

/** Most are small, and a view costs more than a number. */
function readI64(): bigint {
  const start = at
  const high = readU32() | 0
  const low = readU32()
  return high >= -SAFE_HIGH && high < SAFE_HIGH ? BigInt(high * 2 ** 32 + low) : viewOf().getBigInt64(start)
}

/** Up to here the whole is a number without loss. */
const SAFE_HIGH = 2 ** 20

/** Made when the first 8-byte number comes: most messages have none, and a view costs more than such a message's whole header. */
const viewOf = (): DataView => (view ??= new DataView(bytes.buffer, bytes.byteOffset, end))

function enter(items: number): void {
  if (items > end - at) throw corrupt('the end is missing')
  if (++depth > WIRE_DEPTH_MAX + 1) throw corrupt('nested too deeply')
}

function pairs(): Map<string, unknown> {
  const length = lengthOfList()
  enter(length)
  if (length % 2 !== 0) throw corrupt('a name without a value')
  const map = new Map<string, unknown>()
  for (let i = 0; i < length; i += 2) {
    const name = read()
    if (typeof name !== 'string') throw corrupt('a value without a name')
    map.set(name, read())
  }
  depth--
  return map
}

function lengthOfList(): number {
  const token = bytes[take(1)]!
  if (token >= 0x90 && token < 0xa0) return token & 0x0f
  if (token === 0xdc) return readU16()
  if (token === 0xdd) return readU32()
  throw corrupt('no list where one is to be')
}

function readArray(length: number): unknown[] {
  enter(length)
  const array = firstOf(length)
  while (array.length < length) array.push(read())
  depth--
  return array
}

/** A list that grows makes room for seventeen, and most are shorter: those are made with their values. */
function firstOf(length: number): unknown[] {
  if (length === 1) return [read()]
  if (length === 2) return [read(), read()]
  if (length === 3) return [read(), read(), read()]
  return []
}

function readObject(size: number): Record<string, unknown> {
  enter(size * 2)
  const object: Record<string, unknown> = {}
  for (let i = 0; i < size; i++) {
    const key = read()
    if (typeof key !== 'string' || key === '__proto__') throw corrupt('an impossible key')
    object[key] = read()
  }
  if (Object.keys(object).length !== size) throw corrupt('a key stands twice')
  depth--
  return object
}

/** A copy with memory of its own: the source may be a page of a memory map, or a buffer that is used again. */
function readBytes(length: number): Uint8Array {
  const start = take(length)
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, length).slice() // without zeros first
}

type SliceText = (this: Uint8Array, start: number, end: number) => string
const { utf8Slice, latin1Slice } = Buffer.prototype as unknown as { readonly utf8Slice: SliceText; readonly latin1Slice: SliceText }

// A call into Buffer costs more than a short text. Of a message that may have many, bytes become one text, out of which they are cut.
const CUT_BYTES_MIN = 4096
/** The engine copies up to here; a longer piece would keep the whole text in memory. */
const CUT_LENGTH_MAX = 12
const WINDOW_BYTES = 64 * 1024
let window = ''
let windowFrom = 0

/** A short text, if it is ASCII. */
function cutText(start: number, length: number): string | undefined {
  let all = 0
  for (let i = start; i < start + length; i++) all |= bytes[i]!
  if (all > 0x7f) return undefined
  if (start < windowFrom || start + length > windowFrom + window.length) {
    windowFrom = start
    window = latin1Slice.call(bytes, start, Math.min(end, start + WINDOW_BYTES))
  }
  return window.substring(start - windowFrom, start - windowFrom + length)
}

// Keys, kinds and class names come again and again: finding one here costs a third of decoding it.
const KNOWN_LENGTH_MAX = 32
const known: string[] = new Array<string>(4096).fill('')

function readText(length: number): string {
  const start = take(length)
  if (length === 0) return ''
  if (length > KNOWN_LENGTH_MAX) return utf8Slice.call(bytes, start, start + length)
  const last = start + length - 1
  const slot =
    ((length << 10) ^ (bytes[start]! << 7) ^ (bytes[start + (length >> 1)]! << 5) ^ (bytes[last - 1]! << 3) ^ bytes[last]!) & 4095
  const candidate = known[slot]!
  if (isTextAt(candidate, start, length)) return candidate
  const cut = length <= CUT_LENGTH_MAX && end > CUT_BYTES_MIN ? cutText(start, length) : undefined
  return (known[slot] = cut ?? utf8Slice.call(bytes, start, start + length))
}

/** True for ASCII only: a byte beyond it is never equal to the code unit that it became. */
function isTextAt(text: string, start: number, length: number): boolean {
  if (text.length !== length) return false
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i]!
    if (byte !== text.charCodeAt(i) || byte > 0x7f) return false
  }
  return true
}

function readExtension(): unknown {
  const start = take(2)
  const code = bytes[start]
  const tag = bytes[start + 1]
  if (code === 0 && tag === 0) return undefined
  if (code !== WIRE_EXTENSION) throw corrupt('an unknown extension')
  if (tag === WireTag.map) return readMap()
  const content = read()
  switch (tag) {
    case WireTag.minusZero:
      if (content === null) return -0
      break
    case WireTag.utf16:
      if (content instanceof Uint8Array && content.length % 2 === 0) return Buffer.from(content.buffer).toString('utf16le')
      break
    case WireTag.bigint:
      if (typeof content === 'string') return bigintOf(content)
      break
    case WireTag.date:
      if (typeof content === 'number') return new Date(content)
      break
    case WireTag.packed:
      if (content instanceof Uint8Array) return new Packed(content)
      break
    default:
      if (Array.isArray(content)) return compound(tag!, content)
  }
  throw corrupt(`tag ${tag} with impossible content`)
}

function compound(tag: number, items: readonly unknown[]): unknown {
  switch (tag) {
    case WireTag.ref:
      if (items.length === 2 || items.length === 3) return refOf(items)
      break
    case WireTag.set:
      return setOf(items)
    case WireTag.object:
      return objectOf(items)
  }
  throw corrupt(`tag ${tag} with impossible content`)
}

/** What follows is a list: key, value, key, value … */
function readMap(): Map<unknown, unknown> {
  const token = bytes[take(1)]!
  const length = token >= 0x90 && token < 0xa0 ? token & 0x0f : token === 0xdc ? readU16() : token === 0xdd ? readU32() : 1
  if (length % 2 !== 0) throw corrupt('a map that is none')
  enter(length)
  const map = new Map<unknown, unknown>()
  for (let i = 0; i < length; i += 2) {
    const key = read()
    map.set(key, read())
  }
  depth--
  if (map.size * 2 !== length) throw corrupt('a key stands twice')
  return map
}

function setOf(items: readonly unknown[]): Set<unknown> {
  const set = new Set(items)
  if (set.size !== items.length) throw corrupt('a value stands twice')
  return set
}

function objectOf(items: readonly unknown[]): object {
  const object = {}
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i]
    if (typeof key !== 'string') throw corrupt('an impossible key')
    // Defined, never assigned: `__proto__` stays an ordinary key.
    Object.defineProperty(object, key, { value: items[i + 1], enumerable: true, configurable: true, writable: true })
  }
  if (Object.keys(object).length * 2 !== items.length) throw corrupt('a key stands twice')
  return object
}

const HEX = /^-?[0-9a-f]+$/

function bigintOf(text: string): bigint {
  if (!HEX.test(text)) throw corrupt('no number')
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`)
}

function refOf([id, classId, store]: readonly unknown[]): Ref {
  if (typeof id !== 'string' || typeof classId !== 'string' || (store !== undefined && typeof store !== 'string'))
    throw corrupt('a reference that is none')
  return new Ref(id as Id, classId as ClassId, store)
}
