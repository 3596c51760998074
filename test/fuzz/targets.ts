/** What reads bytes that may be damaged or hostile: how to make sound ones, and how to read. */

import { encodeCells, encodeValues, storedOf, storedRowOf } from '../../backends/memory/space.js'
import { aliasKey, classByNumber, formerMarkKey, idKey, markKey, rowKey, stagedKey } from '../../backends/nvram/keys.js'
import {
  checksum,
  openMark,
  openObject,
  openReceipt,
  openRow,
  openValue,
  recordOf,
  sealMark,
  sealObject,
  sealReceipt,
  sealRow,
  sealValue,
} from '../../backends/nvram/record.js'
import { type Mark, Packed, type Table } from '../../src/backend.js'
import { collectionsIn, decodeFields, decodeValue, refsIn } from '../../src/codec/values.js'
import { decodeWire, encodeWire } from '../../src/codec/wire.js'
import { decodeKey, encodeKey } from '../../src/dict/row-key.js'
import { chunksIn } from '../../src/large-cells.js'
import type { Chance } from './chance.js'
import { sameBytes } from './mutants.js'
import { cellsBy, commitBy, decoding, idBy, intentBy, keyCellBy, markBy, opsBy, refBy, tableBy, valueBytesBy, wireBy } from './samples.js'

export interface Sample {
  readonly bytes: Uint8Array
  /** Gives what was read; throws an InsituError for bytes that are not sound. */
  read(bytes: Uint8Array): unknown
  /** A checksum covers them: whatever is changed must be refused. */
  readonly isSealed: boolean
  /** What must hold of bytes that were accepted. */
  isRight?(bytes: Uint8Array, found: unknown): boolean
}

export type Target = (chance: Chance) => Sample

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
const what = (): string => 'a record'

// ---- codec

const wire: Target = (c) => ({
  bytes: encodeWire(wireBy(c) as never),
  isSealed: false,
  read: decodeWire,
  // What was taken can be stored again, and is then the same.
  isRight: (_, found) => sameBytes(encodeWire(found as never), encodeWire(decodeWire(encodeWire(found as never)))),
})

const value: Target = (c) => ({
  bytes: valueBytesBy(c),
  isSealed: false,
  read: (bytes) => decodeValue(bytes, decoding),
})

/** A packed field: its value, and what the collector and placement look for in it. */
const field: Target = (c) => ({
  bytes: valueBytesBy(c),
  isSealed: false,
  read: (bytes) => {
    const cells = new Map([['field', new Packed(bytes)]])
    const found = [refsIn(cells), collectionsIn(cells)]
    return [decodeFields(cells, decoding), found]
  },
})

const cells: Target = (c) => ({
  bytes: encodeWire(cellsBy(c) as never),
  isSealed: false,
  read: (bytes) => {
    const found = decodeWire(bytes)
    return found instanceof Map ? decodeFields(found as never, decoding) : found
  },
})

const manifest: Target = (c) => ({
  bytes: Uint8Array.from([0xfe, ...encodeWire({ kind: 'packed', bytes: 100, chunks: [idBy(c), ...c.many(2, () => idBy(c))] })]),
  isSealed: false,
  read: (bytes) => chunksIn(new Map([['field', new Packed(bytes)]])),
})

const rowKeys: Target = (c) => {
  const table = tableBy(c)
  return {
    bytes: encodeKey(
      table,
      table.keys.map(({ type }) => keyCellBy(c, type)),
    ),
    isSealed: false,
    read: (bytes) => decodeKey(table, bytes),
    // A key has one form: bytes that are no key's must not be taken for one.
    isRight: (bytes, found) => sameBytes(encodeKey(table, found as never), bytes),
  }
}

// ---- records

/** A record as it lies in the file, and one whose damage has got a checksum that fits: only our reading stands between it and the program. */
interface RecordTarget {
  readonly key: Uint8Array
  readonly sealed: Uint8Array
  open(key: Uint8Array, bytes: Buffer): unknown
  isRight?(bytes: Uint8Array, found: unknown): boolean
}

const sealed = (make: (c: Chance) => RecordTarget): Target => {
  return (c) => {
    const { key, sealed: bytes, open } = make(c)
    return { bytes: Uint8Array.from(bytes), isSealed: true, read: (changed) => open(key, asBuffer(changed)) }
  }
}

const HEAD_BYTES = 8

const resealed = (make: (c: Chance) => RecordTarget): Target => {
  return (c) => {
    const { key, sealed: bytes, open, isRight } = make(c)
    return {
      bytes: Uint8Array.from(bytes),
      isSealed: false,
      ...(isRight && { isRight }),
      read: (changed) => {
        const buffer = Buffer.from(changed)
        if (buffer.length >= HEAD_BYTES) buffer.writeUInt32LE(checksum(key, buffer, buffer.length), 4)
        return open(key, buffer)
      },
    }
  }
}

function objectRecord(c: Chance): RecordTarget {
  const ref = refBy(c)
  const stamp = c.once(6) ? null : { revision: 1 + c.below(9), commit: commitBy(c) }
  const key = idKey(ref.id)
  const record = { ref, stamp, body: encodeCells(stamp ? cellsBy(c) : new Map()), intent: c.once(3) ? intentBy(c) : undefined }
  return {
    key,
    sealed: sealObject(key, record, 1),
    open: (at, bytes) => {
      const open = openObject(at, bytes, what)
      const found = recordOf(open, ref, bytes.subarray(open.bodyAt))
      const stored = found.stamp ? storedOf(found, found.stamp, bytes.length) : found
      return 'cells' in stored ? [stored, refsIn(stored.cells), decodeFields(stored.cells, decoding)] : stored
    },
  }
}

function rowRecord(c: Chance): RecordTarget {
  const table: Table = tableBy(c)
  const cellsOfKey = table.keys.map(({ type }) => keyCellBy(c, type))
  const key = rowKey(table.id, encodeKey(table, cellsOfKey))
  const values = c.once(5) ? null : encodeValues(table, [5n, c.once(2) ? 'note' : undefined, undefined])
  return {
    key,
    sealed: sealRow(key, { atMicros: 1n << 50n, values, sums: c.once(2) ? new Map([[2, 7n]]) : new Map() }),
    open: (at, bytes) => storedRowOf(table, cellsOfKey, openRow(at, bytes, what)),
  }
}

const valueRecord =
  (make: (c: Chance) => readonly [key: Uint8Array, value: object | string | number]) =>
  (c: Chance): RecordTarget => {
    const [key, stored] = make(c)
    return { key, sealed: sealValue(key, stored), open: (at, bytes) => openValue(at, bytes, what) }
  }

function receiptRecord(c: Chance): RecordTarget {
  const key = idKey(commitBy(c))
  return {
    key,
    sealed: sealReceipt(
      key,
      c.many(5, () => c.below(99)),
    ),
    open: (at, bytes) => openReceipt(at, bytes, what),
  }
}

function markRecord(c: Chance): RecordTarget {
  const mark = markBy(c)
  const key = markKey(idBy(c), mark.key)
  return { key, sealed: sealMark(key, mark), open: (at, bytes) => openMark(at, bytes, what), isRight: (_, found) => isMark(found) }
}

/** As it lies in files of formats before 3, which are read as well. */
function formerMarkRecord(c: Chance): RecordTarget {
  const mark = markBy(c)
  const key = formerMarkKey(idBy(c), mark.key)
  return { key, sealed: sealValue(key, mark), open: (at, bytes) => openMark(at, bytes, what), isRight: (_, found) => isMark(found) }
}

function isMark(found: unknown): boolean {
  const { key, attempt, state, outcome } = (found ?? {}) as Partial<Mark>
  const isOutcome = outcome === null || outcome instanceof Uint8Array
  return typeof key === 'string' && typeof attempt === 'string' && (state === 'committed' || state === 'aborted') && isOutcome
}

const aliasRecord = valueRecord((c) => [aliasKey('alias'), { to: c.once(4) ? null : refBy(c), ...(c.once(3) && { intent: intentBy(c) }) }])

export const TARGETS: Readonly<Record<string, Target>> = {
  wire,
  value,
  field,
  cells,
  manifest,
  'row key': rowKeys,
  object: sealed(objectRecord),
  'object with a checksum that fits': resealed(objectRecord),
  row: sealed(rowRecord),
  'row with a checksum that fits': resealed(rowRecord),
  mark: sealed(markRecord),
  'mark with a checksum that fits': resealed(markRecord),
  'former mark': sealed(formerMarkRecord),
  'former mark with a checksum that fits': resealed(formerMarkRecord),
  alias: sealed(aliasRecord),
  'alias with a checksum that fits': resealed(aliasRecord),
  table: sealed(valueRecord((c) => [idKey(idBy(c)), tableBy(c)])),
  'staged redo': sealed(valueRecord((c) => [stagedKey(idBy(c), commitBy(c)), opsBy(c)])),
  class: sealed(valueRecord((c) => [classByNumber(c.below(99)), 'app/words#Block'])),
  receipt: sealed(receiptRecord),
}
