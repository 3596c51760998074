import { v7 } from 'uuid'
import { fillRandom } from './random-bytes.js'

type Brand<T, B extends string> = T & { readonly __brand: B }

/** Identity of a StorageObject: a uuid v7 in its text form (36 characters, lower case), location-free, never reused. */
export type Id = Brand<string, 'Id'>
/** Identity of a class: package name + module path without extension or output folder + `#` + name, or its `static typeName`. */
export type ClassId = Brand<string, 'ClassId'>
/** Identity of a stored table (the rows of one StorageDict): a uuid v7. */
export type TableId = Brand<string, 'TableId'>
/** Identity of one group, made by the writer before it is sent: a uuid v7. Sending it again is harmless. */
export type CommitId = Brand<string, 'CommitId'>
/** What one backend can commit atomically; equal strings commit together. */
export type Domain = Brand<string, 'Domain'>
/** A host's name, as `getLocations` reports it. */
export type Host = Brand<string, 'Host'>

export const newId = (): Id => nextUuid() as Id
export const newTableId = (): TableId => nextUuid() as TableId
export const newCommitId = (): CommitId => nextUuid() as CommitId

let lastMs = 0
let sequence = 0

/** As `v7()`, in rising order within a thread; with random bytes from a pool, since asking the system each time takes four times as long. */
function nextUuid(): string {
  fillRandom(random)
  const nowMs = Date.now()
  if (nowMs > lastMs) {
    lastMs = nowMs
    sequence = ((random[6]! << 23) | (random[7]! << 16) | (random[8]! << 8) | random[9]!) & 0x7fffffff
  } else {
    sequence = (sequence + 1) | 0
    if (sequence === 0) lastMs++
  }
  return readUuid(v7({ random, msecs: lastMs, seq: sequence }, made), 0)
}

const made = new Uint8Array(16)
const random = new Uint8Array(16)

/** True for text in the form of an id; says nothing about whether such an object exists. */
export function isIdText(text: unknown): text is Id {
  if (typeof text !== 'string' || text.length !== 36) return false
  if (text[8] !== '-' || text[13] !== '-' || text[18] !== '-' || text[23] !== '-') return false
  return areDigits(text, 0, 8) && areDigits(text, 9, 13) && areDigits(text, 14, 18) && areDigits(text, 19, 23) && areDigits(text, 24, 36)
}

/** By a table: two thirds less time than by comparing, and each id that is asked for is looked at. */
function areDigits(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (IS_DIGIT[text.charCodeAt(i)] !== 1) return false
  return true
}

/** The id that a text says, in capitals as well, as other tools write uuids; `undefined` for what is none. */
export function idIn(text: unknown): Id | undefined {
  if (isIdText(text)) return text
  const lower = typeof text === 'string' ? text.toLowerCase() : undefined
  return isIdText(lower) ? lower : undefined
}

/** When an id was made (milliseconds since the epoch): a uuid v7 begins with it. */
export const madeAtMs = (id: Id | TableId | CommitId): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)

/** The 16 bytes of a uuid. */
export function uuidBytes(id: string): Uint8Array {
  const bytes = new Uint8Array(16)
  writeUuid(bytes, 0, id)
  return bytes
}

/** Writes the 16 bytes of a uuid at `offset`. */
export function writeUuid(into: Uint8Array, offset: number, id: string): void {
  const byte = (i: number): number => (NIBBLES[id.charCodeAt(i)]! << 4) | NIBBLES[id.charCodeAt(i + 1)]!
  // One by one, in the text's groups: a loop that counts them takes two and a half times as long.
  into[offset] = byte(0)
  into[offset + 1] = byte(2)
  into[offset + 2] = byte(4)
  into[offset + 3] = byte(6)
  into[offset + 4] = byte(9)
  into[offset + 5] = byte(11)
  into[offset + 6] = byte(14)
  into[offset + 7] = byte(16)
  into[offset + 8] = byte(19)
  into[offset + 9] = byte(21)
  into[offset + 10] = byte(24)
  into[offset + 11] = byte(26)
  into[offset + 12] = byte(28)
  into[offset + 13] = byte(30)
  into[offset + 14] = byte(32)
  into[offset + 15] = byte(34)
}

const DASH = 0x2d
const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))
/** What a digit stands for, by its code. */
const NIBBLES = new Uint8Array(128)
const IS_DIGIT = new Uint8Array(128)
DIGITS.forEach((code, value) => {
  IS_DIGIT[code] = 1
  NIBBLES[code] = value
})

/** The text form of the uuid at `offset`. */
export function readUuid(from: Uint8Array, offset: number): string {
  const h = (i: number): number => DIGITS[from[offset + i]! >> 4]!
  const l = (i: number): number => DIGITS[from[offset + i]! & 15]!
  // One call: pieces put together would be a tree of twenty strings, five times the time and ten times the memory.
  // biome-ignore format: as the text is grouped
  return String.fromCharCode(
    h(0), l(0), h(1), l(1), h(2), l(2), h(3), l(3), DASH,
    h(4), l(4), h(5), l(5), DASH, h(6), l(6), h(7), l(7), DASH, h(8), l(8), h(9), l(9), DASH,
    h(10), l(10), h(11), l(11), h(12), l(12), h(13), l(13), h(14), l(14), h(15), l(15),
  )
}
