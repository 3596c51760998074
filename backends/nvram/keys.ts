import { createHash } from 'node:crypto'
import { type CommitId, type Id, readUuid, type TableId, uuidBytes, writeUuid } from '../../src/ids.js'

const UUID_BYTES = 16
/** Longest text kept in a key as it is; the longest of LMDB's keys is 1978 bytes. */
const KEY_TEXT_BYTES_MAX = 1500

export const idKey = (id: Id | TableId | CommitId): Uint8Array => uuidBytes(id)

/** A first byte, since a key must not be empty. */
export const aliasKey = (alias: string): Uint8Array => Buffer.concat([ONE, Buffer.from(alias)])
export const aliasOf = (key: Uint8Array): string => Buffer.from(key.subarray(1)).toString()

export const objectAliasKey = (id: Id, alias: string): Uint8Array => Buffer.concat([uuidBytes(id), Buffer.from(alias)])
export const aliasOfObject = (key: Uint8Array): string => Buffer.from(key.subarray(UUID_BYTES)).toString()

export const CLASS_OBJECT_BYTES = 4 + UUID_BYTES

export function classObjectKey(classNumber: number, id: Id): Uint8Array {
  const key = new Uint8Array(CLASS_OBJECT_BYTES)
  key[0] = classNumber >>> 24
  key[1] = classNumber >>> 16
  key[2] = classNumber >>> 8
  key[3] = classNumber
  writeUuid(key, 4, id)
  return key
}
export const classNumberOf = (key: Uint8Array): number => Buffer.from(key.buffer, key.byteOffset, key.length).readUInt32BE(0)
export const objectOf = (key: Uint8Array): Id => readUuid(key, 4) as Id

export const classPrefix = (classNumber: number): Uint8Array => classObjectKey(classNumber, LOWEST).subarray(0, 4)
const LOWEST = '00000000-0000-0000-0000-000000000000' as Id

/** Both directions in one database: by number behind 0, by name behind 1. */
export function classByNumber(classNumber: number): Uint8Array {
  const key = Buffer.alloc(5)
  key.writeUInt32BE(classNumber, 1)
  return key
}
export const classByName = (name: string): Uint8Array => Buffer.concat([ONE, short(name)])

/**
 * The task first, its home behind it: what ends together was called together, so that the marks of a group lie on few pages. By their homes
 * each would lie on a page of its own, which doubles what a group of small tasks costs.
 */
export function markKey(home: Id, key: string): Uint8Array {
  const bytes = textBytes(key)
  if (bytes > KEY_TEXT_BYTES_MAX) return Buffer.concat([short(key), uuidBytes(home)])
  const whole = Buffer.allocUnsafe(bytes + UUID_BYTES)
  writeText(whole, 0, key, bytes)
  writeUuid(whole, bytes, home)
  return whole
}

/** As UTF-8. Keys of tasks are short and ASCII, for which two calls into the engine cost more than the loop. */
export function textBytes(text: string): number {
  if (text.length > LOOPED_MAX) return Buffer.byteLength(text)
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > ASCII_MAX) return Buffer.byteLength(text)
  return text.length
}

/** Of a text that takes so many bytes. */
export function writeText(into: Buffer, at: number, text: string, bytes: number): void {
  if (bytes !== text.length || bytes > LOOPED_MAX) into.write(text, at)
  else for (let i = 0; i < bytes; i++) into[at + i] = text.charCodeAt(i)
}

const LOOPED_MAX = 100
const ASCII_MAX = 0x7f
export const homeOfMark = (key: Uint8Array): Id => readUuid(key, key.length - UUID_BYTES) as Id

/** As in files of formats before 3. */
export const formerMarkKey = (home: Id, key: string): Uint8Array => Buffer.concat([uuidBytes(home), ONE, short(key)])
export const homeOfFormerMark = (key: Uint8Array): Id => readUuid(key, 0) as Id
export const stagedKey = (home: Id, commit: CommitId): Uint8Array => Buffer.concat([uuidBytes(home), uuidBytes(commit)])

export function rowKey(table: TableId, key: Uint8Array): Uint8Array {
  const whole = new Uint8Array(UUID_BYTES + key.length)
  writeUuid(whole, 0, table)
  whole.set(key, UUID_BYTES)
  return whole
}
/** Where the key of a row begins, behind that of its table. */
export const TABLE_BYTES = UUID_BYTES
export const keyInTable = (key: Uint8Array): Uint8Array => key.subarray(TABLE_BYTES)
export const tableIn = (key: Uint8Array): TableId => readUuid(key, 0) as TableId

/** A removed row in the order in which it may be forgotten. */
export function graveKey(atMs: number, key: Uint8Array): Uint8Array {
  const grave = Buffer.allocUnsafe(GRAVE_HEAD_BYTES + key.length)
  grave.writeUIntBE(atMs, 0, GRAVE_HEAD_BYTES)
  grave.set(key, GRAVE_HEAD_BYTES)
  return grave
}
const GRAVE_HEAD_BYTES = 6
export const rowInGrave = (grave: Uint8Array): Uint8Array => grave.subarray(GRAVE_HEAD_BYTES)
export const gravesUntil = (atMs: number): Uint8Array => graveKey(atMs, NOTHING)

/** Commit ids are uuids of version 7, which begin with their time: those made before it are below this key. */
export function receiptsUntil(atMs: number): Uint8Array {
  const key = Buffer.alloc(UUID_BYTES)
  key.writeUIntBE(atMs, 0, 6)
  return key
}

/** Below every key but those that begin with `prefix` and those before: the first key after all of them. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  for (let end = prefix.length; end > 0; end--) {
    if (prefix[end - 1] === 0xff) continue
    const next = Uint8Array.from(prefix.subarray(0, end))
    next[end - 1]!++
    return next
  }
  return undefined
}

/** Texts for keys: long ones by their hash. */
export function short(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  return bytes.length <= KEY_TEXT_BYTES_MAX ? bytes : Buffer.concat([ONE, createHash('sha256').update(bytes).digest()])
}

const ONE = Uint8Array.of(1)
const NOTHING = new Uint8Array(0)
