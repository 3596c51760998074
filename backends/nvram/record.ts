/**
 * Records as they lie in the file. All numbers are little-endian; `wire` is codec/wire.ts. The first eight bytes are the same in every
 * record and stay so in later formats, which is how an unknown format is told from damage:
 *
 * | at | bytes | |
 * | --- | --- | --- |
 * | 0 | u8 | format, now 1 |
 * | 1 | u8 | flags, see below |
 * | 2 | u16 | 0 |
 * | 4 | u32 | checksum: crc32 of the bytes from 8 on, begun with a fold of the key and bytes 0 to 3 |
 *
 * Object:
 *
 * | at | bytes | |
 * | --- | --- | --- |
 * | 1 | flags | 1: there is no object, only an intent to make one |
 * | 8 | u32 | class, as numbered in `classes` |
 * | 12 | u32 | length n of the intent, 0 for none |
 * | 16 | f64 | revision |
 * | 24 | 16 | commit id |
 * | 40 | n | intent, wire |
 * | 40+n | | cells, wire: name, value, name, value, … |
 *
 * Row:
 *
 * | at | bytes | |
 * | --- | --- | --- |
 * | 1 | flags | 1: has values; without values and sums it is a removed row |
 * | 8 | i64 | clock of the writer, microseconds since 1970 |
 * | 16 | u32 | length n of the sums, 0 for none |
 * | 20 | n | sums of the counter columns, wire: a Map by column |
 * | 20+n | | values, wire: a list by column |
 *
 * Mark:
 *
 * | at | bytes | |
 * | --- | --- | --- |
 * | 1 | flags | 1: always, 2: aborted, 4: has an outcome; without the first, as in files of formats before 3, it is wire from 8 on |
 * | 8 | 16 | attempt |
 * | 24 | u32 | length n of the task's key |
 * | 28 | n | that key, UTF-8 |
 * | 28+n | | outcome |
 *
 * Receipt: f64 revisions from 8 on. Several objects of a class (class-index.ts): 16 bytes of id each from 8 on. Everything else (aliases, tables, classes, staged redo, the owner): wire from 8 on.
 */
import { crc32 } from 'node:zlib'
import { type Intent, type Mark, Ref } from '../../src/backend.js'
import { copyOut } from '../../src/codec/slab.js'
import { decodeWire, encodeWire, type Wire } from '../../src/codec/wire.js'
import { CorruptError, UnsupportedError } from '../../src/errors.js'
import { type CommitId, type Id, isIdText, readUuid, writeUuid } from '../../src/ids.js'
import type { ObjectRecord, RowRecord } from '../memory/space.js'
import { textBytes, writeText } from './keys.js'

export const FORMAT = 1
/** Of the file as a whole: 2 since an entry of the index by class may list several objects, 3 since marks lie by their tasks. */
export const FILE_FORMAT = 3
const HEAD_BYTES = 8
const OBJECT_HEAD_BYTES = 40
const ROW_HEAD_BYTES = 20
const MARK_HEAD_BYTES = 28
const ID_BYTES = 16

/** Built here over and over: lmdb looks up the address of a buffer once, and copies before `put` returns. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024)
const SCRATCH_BYTES_MAX = 1024 * 1024

function room(bytes: number): Buffer {
  if (bytes <= scratch.length) return scratch
  const larger = Buffer.allocUnsafeSlow(bytes > SCRATCH_BYTES_MAX ? bytes : bytes * 2)
  if (larger.length <= SCRATCH_BYTES_MAX) scratch = larger
  return larger
}

/** A sealed record is valid until the next one is made. */
export function sealObject(key: Uint8Array, record: ObjectRecord, classNumber: number): Uint8Array {
  const intent = record.intent && encodeWire(record.intent)
  const intentBytes = intent?.length ?? 0
  const end = OBJECT_HEAD_BYTES + intentBytes + record.body.length
  const into = room(end)
  into.writeUInt32LE(FORMAT | (record.stamp ? 0 : 1 << 8), 0)
  into.writeUInt32LE(classNumber, 8)
  into.writeUInt32LE(intentBytes, 12)
  into.writeDoubleLE(record.stamp?.revision ?? 0, 16)
  if (record.stamp) writeCommit(into, record.stamp.commit)
  else into.fill(0, 24, 40)
  if (intent) into.set(intent, OBJECT_HEAD_BYTES)
  into.set(record.body, OBJECT_HEAD_BYTES + intentBytes)
  return seal(key, into, end)
}

/** The body is where `bodyAt` says in the bytes, to their end: decode or copy it before the next get. */
export interface OpenObject {
  readonly classNumber: number
  readonly stamp: ObjectRecord['stamp']
  readonly intent: Intent | undefined
  readonly bodyAt: number
}

export function openObject(key: Uint8Array, bytes: Buffer, what: () => string): OpenObject {
  check(key, bytes, OBJECT_HEAD_BYTES, what)
  const intentEnd = within(bytes, OBJECT_HEAD_BYTES + bytes.readUInt32LE(12), what)
  return {
    classNumber: bytes.readUInt32LE(8),
    stamp: bytes[1]! & 1 ? null : { revision: bytes.readDoubleLE(16), commit: commitIn(bytes) },
    intent: intentEnd > OBJECT_HEAD_BYTES ? intentIn(bytes.subarray(OBJECT_HEAD_BYTES, intentEnd), what) : undefined,
    bodyAt: intentEnd,
  }
}

/** What was stored together is often read together, and stored with one commit: its text and its bytes are made once. */
const lastCommit = { bytes: new Uint8Array(16), id: readUuid(new Uint8Array(16), 0) as CommitId }

function commitIn(record: Uint8Array): CommitId {
  const { bytes } = lastCommit
  let at = 15
  while (at >= 0 && record[24 + at] === bytes[at]) at--
  if (at >= 0) {
    for (let i = 0; i < 16; i++) bytes[i] = record[24 + i]!
    lastCommit.id = readUuid(bytes, 0) as CommitId
  }
  return lastCommit.id
}

function writeCommit(into: Uint8Array, commit: CommitId): void {
  const { bytes } = lastCommit
  if (commit !== lastCommit.id) {
    writeUuid(bytes, 0, commit)
    lastCommit.id = commit
  }
  for (let i = 0; i < 16; i++) into[24 + i] = bytes[i]!
}

/** Without looking further: for who passes over many records to find the few that have one. */
export const mayHaveIntent = (bytes: Buffer): boolean => bytes.length < OBJECT_HEAD_BYTES || bytes.readUInt32LE(12) > 0

export const recordOf = (open: OpenObject, ref: Ref, body: Uint8Array): ObjectRecord => ({
  ref,
  stamp: open.stamp,
  intent: open.intent,
  body,
})

export function sealRow(key: Uint8Array, record: RowRecord): Uint8Array {
  const sums = record.sums.size > 0 ? encodeWire(record.sums) : undefined
  const sumsBytes = sums?.length ?? 0
  const end = ROW_HEAD_BYTES + sumsBytes + (record.values?.length ?? 0)
  const into = room(end)
  into.writeUInt32LE(FORMAT | (record.values ? 1 << 8 : 0), 0)
  into.writeBigInt64LE(record.atMicros, 8)
  into.writeUInt32LE(sumsBytes, 16)
  if (sums) into.set(sums, ROW_HEAD_BYTES)
  if (record.values) into.set(record.values, ROW_HEAD_BYTES + sumsBytes)
  return seal(key, into, end)
}

const NO_SUMS: RowRecord['sums'] = new Map()

/** `values` is a view of `bytes`, as in `openObject`. */
export function openRow(key: Uint8Array, bytes: Buffer, what: () => string): RowRecord {
  check(key, bytes, ROW_HEAD_BYTES, what)
  const sumsEnd = within(bytes, ROW_HEAD_BYTES + bytes.readUInt32LE(16), what)
  return {
    atMicros: bytes.readBigInt64LE(8),
    values: bytes[1]! & 1 ? new Uint8Array(bytes.buffer, bytes.byteOffset + sumsEnd, bytes.length - sumsEnd) : null,
    sums: sumsEnd > ROW_HEAD_BYTES ? sumsIn(bytes.subarray(ROW_HEAD_BYTES, sumsEnd), what) : NO_SUMS,
  }
}

export function sealValue(key: Uint8Array, value: Wire): Uint8Array {
  const wire = encodeWire(value)
  const into = room(HEAD_BYTES + wire.length)
  into.writeUInt32LE(FORMAT, 0)
  into.set(wire, HEAD_BYTES)
  return seal(key, into, HEAD_BYTES + wire.length)
}

export function openValue(key: Uint8Array, bytes: Buffer, what: () => string): Wire {
  check(key, bytes, HEAD_BYTES, what)
  return decode(bytes.subarray(HEAD_BYTES, bytes.length), what)
}

const MARK_FLAG = 1
const ABORTED_FLAG = 2
const OUTCOME_FLAG = 4

export function sealMark(key: Uint8Array, { key: task, attempt, state, outcome }: Mark): Uint8Array {
  const taskBytes = textBytes(task)
  const end = MARK_HEAD_BYTES + taskBytes + (outcome?.length ?? 0)
  const into = room(end)
  const flags = MARK_FLAG | (state === 'aborted' ? ABORTED_FLAG : 0) | (outcome ? OUTCOME_FLAG : 0)
  into.writeUInt32LE(FORMAT | (flags << 8), 0)
  writeUuid(into, 8, attempt)
  into.writeUInt32LE(taskBytes, 24)
  writeText(into, MARK_HEAD_BYTES, task, taskBytes)
  if (outcome) into.set(outcome, MARK_HEAD_BYTES + taskBytes)
  return seal(key, into, end)
}

export function openMark(key: Uint8Array, bytes: Buffer, what: () => string): Mark {
  if (isFormerMark(bytes)) return markIn(openValue(key, bytes, what), what)
  check(key, bytes, MARK_HEAD_BYTES, what)
  const outcomeAt = within(bytes, MARK_HEAD_BYTES + bytes.readUInt32LE(24), what)
  return {
    key: bytes.toString('utf8', MARK_HEAD_BYTES, outcomeAt),
    attempt: readUuid(bytes, 8) as CommitId,
    state: bytes[1]! & ABORTED_FLAG ? 'aborted' : 'committed',
    outcome: bytes[1]! & OUTCOME_FLAG ? copyOut(bytes, outcomeAt, bytes.length) : null,
  }
}

/** Of a file of a format before 3: it has another form, and another key. */
export const isFormerMark = (bytes: Buffer): boolean => bytes.length > 1 && (bytes[1]! & MARK_FLAG) === 0

export function sealReceipt(key: Uint8Array, revisions: readonly number[]): Uint8Array {
  const end = HEAD_BYTES + revisions.length * 8
  const into = room(end)
  into.writeUInt32LE(FORMAT, 0)
  for (let i = 0; i < revisions.length; i++) into.writeDoubleLE(revisions[i]!, HEAD_BYTES + i * 8)
  return seal(key, into, end)
}

export function openReceipt(key: Uint8Array, bytes: Buffer, what: () => string): readonly number[] {
  check(key, bytes, HEAD_BYTES, what)
  return Array.from({ length: (bytes.length - HEAD_BYTES) >> 3 }, (_, i) => bytes.readDoubleLE(HEAD_BYTES + i * 8))
}

export function sealIds(key: Uint8Array, ids: readonly Id[]): Uint8Array {
  const end = HEAD_BYTES + ids.length * ID_BYTES
  const into = room(end)
  into.writeUInt32LE(FORMAT, 0)
  for (let i = 0; i < ids.length; i++) writeUuid(into, HEAD_BYTES + i * ID_BYTES, ids[i]!)
  return seal(key, into, end)
}

export function openIds(key: Uint8Array, bytes: Buffer, what: () => string): readonly Id[] {
  check(key, bytes, HEAD_BYTES, what)
  if ((bytes.length - HEAD_BYTES) % ID_BYTES !== 0) throw damaged(what, 'it is no list of ids')
  return Array.from({ length: (bytes.length - HEAD_BYTES) / ID_BYTES }, (_, i) => readUuid(bytes, HEAD_BYTES + i * ID_BYTES) as Id)
}

/** Views by their length of a buffer that is used again and again, since to make one takes as long as to check a small record. */
class Views {
  #of: ArrayBufferLike | undefined
  #from = 0
  #isAgain = false
  #byLength: (Uint8Array | undefined)[] = []

  view(buffer: ArrayBufferLike, from: number, length: number): Uint8Array {
    if (length > VIEW_BYTES_MAX || !this.#isKnown(buffer, from)) return new Uint8Array(buffer, from, length)
    return (this.#byLength[length] ??= new Uint8Array(buffer, from, length))
  }

  /** From the second time on: most buffers come once. */
  #isKnown(buffer: ArrayBufferLike, from: number): boolean {
    const isSame = buffer === this.#of && from === this.#from
    if (isSame && !this.#isAgain) this.#byLength = new Array<Uint8Array | undefined>(VIEW_BYTES_MAX + 1).fill(undefined)
    this.#of = buffer
    this.#from = from
    this.#isAgain = isSame
    return isSame
  }
}

const VIEW_BYTES_MAX = 1024

const sealed = new Views()
const written = new Views()
const read = new Views()

function seal(key: Uint8Array, into: Buffer, end: number): Uint8Array {
  into.writeUInt32LE(checksumOf(written, key, into, end), 4)
  return sealed.view(into.buffer, into.byteOffset, end)
}

/** With the key in it, so that a record under another record's key is found as well. */
export const checksum = (key: Uint8Array, bytes: Buffer, end: number): number => checksumOf(read, key, bytes, end)

function checksumOf(views: Views, key: Uint8Array, bytes: Buffer, end: number): number {
  const body = views.view(bytes.buffer, bytes.byteOffset + HEAD_BYTES, end - HEAD_BYTES)
  return crc32(body, fold(key, bytes.readUInt32LE(0)))
}

/** FNV-1a, to begin the crc with: one native call for a record instead of two. */
function fold(key: Uint8Array, head: number): number {
  let hash = 0x811c9dc5 ^ head
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193)
  return hash >>> 0
}

// The length is read from `length`: lmdb's shared buffer has one of its own, which its other views do not know.
function check(key: Uint8Array, bytes: Buffer, bytesMin: number, what: () => string): void {
  if (bytes.length < HEAD_BYTES || bytes.readUInt32LE(4) !== checksum(key, bytes, bytes.length))
    throw damaged(what, 'its checksum does not fit')
  if (bytes[0] !== FORMAT)
    throw new UnsupportedError(
      `${what()} has format ${bytes[0]}, this version reads ${FORMAT}: use the version that wrote it, or a later one.`,
      {
        code: 'ERR_FORMAT_VERSION',
        format: bytes[0],
      },
    )
  if (bytes.length < bytesMin) throw damaged(what, 'it is too short')
}

// Damage that a checksum lets pass, one case in four thousand million, or bytes from a hostile hand: no reader stumbles over a wrong shape.

function within(bytes: Buffer, end: number, what: () => string): number {
  if (end > bytes.length) throw damaged(what, 'it is too short')
  return end
}

function intentIn(bytes: Uint8Array, what: () => string): Intent {
  const intent = decode(bytes, what) as Partial<Intent> | null
  if (
    typeof intent?.commit !== 'string' ||
    !(intent.home instanceof Ref) ||
    !Array.isArray(intent.redo) ||
    typeof intent.leaseUntilMs !== 'number'
  )
    throw damaged(what, 'its intent is none')
  return intent as Intent
}

function markIn(value: Wire, what: () => string): Mark {
  const { key, attempt, state, outcome } = (value ?? {}) as Partial<Mark>
  const isSettled = state === 'committed' || state === 'aborted'
  if (typeof key !== 'string' || !isIdText(attempt) || !isSettled || !(outcome === null || outcome instanceof Uint8Array))
    throw damaged(what, 'it is no mark')
  return { key, attempt, state, outcome }
}

function sumsIn(bytes: Uint8Array, what: () => string): RowRecord['sums'] {
  const sums = decode(bytes, what)
  if (!(sums instanceof Map)) throw damaged(what, 'its sums are none')
  for (const [column, sum] of sums) if (!Number.isInteger(column) || typeof sum !== 'bigint') throw damaged(what, 'its sums are none')
  return sums as RowRecord['sums']
}

function decode(bytes: Uint8Array, what: () => string): Wire {
  try {
    return decodeWire(bytes)
  } catch (error) {
    throw damaged(what, 'its content cannot be read', error)
  }
}

export const damaged = (what: () => string, how: string, cause?: unknown): CorruptError =>
  new CorruptError(
    `${what()} is damaged: ${how}. Restore it from a backup, or remove it with \`insitu fsck\`.`,
    cause === undefined ? {} : { cause },
  )
