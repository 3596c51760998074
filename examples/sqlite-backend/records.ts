import {
  type Cell,
  type CommitId,
  decodeKey,
  decodeWire,
  type Id,
  type Intent,
  type Mark,
  Ref,
  type Stamp,
  type StoredRow,
  type Table,
} from 'insitu'
import type { Database } from './database.js'

export interface ObjectRecord {
  readonly ref: Ref
  /** `null`: there is no such object, only an intent to make one. Readers must not see it. */
  readonly stamp: Stamp | null
  /** A Map of the cells, encoded. */
  readonly cells: Uint8Array
  readonly intent?: Intent | undefined
}

export interface AliasRecord {
  /** `null`: there is no such alias, only an intent to make one. */
  readonly to: Ref | null
  readonly intent?: Intent | undefined
}

export interface RowRecord {
  /** Clock of the latest write; 0 when there were only additions. */
  readonly atMicros: bigint
  /** The columns that are no counters, encoded; `null`: removed, or never written. */
  readonly values: Uint8Array | null
  /** What `add` made of the counter columns. */
  readonly sums: ReadonlyMap<number, bigint>
}

type Bytes = Uint8Array | null
type SqlObject = readonly [
  id: Id,
  classId: Ref['classId'],
  revision: bigint | null,
  commit: CommitId | null,
  cells: Uint8Array,
  intent: Bytes,
]
export type SqlRow = readonly [key: Uint8Array, atMicros: bigint, values: Bytes, sums: Bytes]

export const textKey = (text: string): Uint8Array => Buffer.from(text)

export function objectAt(db: Database, id: Id): ObjectRecord | undefined {
  const found = db.one<SqlObject>('SELECT id, class, revision, commit_id, cells, intent FROM objects WHERE id = ?', id)
  if (!found) return undefined
  const [, classId, revision, commit, cells, intent] = found
  const stamp = revision === null ? null : { revision: Number(revision), commit: commit! }
  return { ref: new Ref(id, classId), stamp, cells, intent: decoded<Intent>(intent) }
}

export function aliasAt(db: Database, alias: string): AliasRecord | undefined {
  const found = db.one<[Bytes, Bytes]>('SELECT ref, intent FROM aliases WHERE alias = ?', textKey(alias))
  return found && { to: decoded<Ref>(found[0]) ?? null, intent: decoded<Intent>(found[1]) }
}

export function markAt(db: Database, home: Id, key: string): Mark | undefined {
  return decoded<Mark>(db.one<[Bytes]>('SELECT mark FROM marks WHERE home = ? AND key = ?', home, textKey(key))?.[0])
}

export function tableAt(db: Database, id: Table['id']): Table | undefined {
  return decoded<Table>(db.one<[Bytes]>('SELECT definition FROM tables WHERE id = ?', id)?.[0])
}

export function rowAt(db: Database, table: Table, key: Uint8Array): RowRecord | undefined {
  const found = db.one<SqlRow>('SELECT key, at_micros, vals, sums FROM rows WHERE tbl = ? AND key = ?', table.id, key)
  return found && rowRecord(found)
}

const rowRecord = ([, atMicros, values, sums]: SqlRow): RowRecord => ({
  atMicros,
  values,
  sums: decoded<RowRecord['sums']>(sums) ?? new Map(),
})

/** Whether readers see the row: it has values, or counters alone. In SQL: `vals IS NOT NULL OR sums IS NOT NULL`. */
export const isVisible = (record: RowRecord | undefined): record is RowRecord =>
  record !== undefined && (record.values !== null || record.sums.size > 0)

/** The key comes back as it was understood, not as it was asked for: -0 as 0, 1.50 as 1.5. */
export function storedRow(table: Table, found: SqlRow): StoredRow {
  const { atMicros, values: encoded, sums } = rowRecord(found)
  // Shorter than the table where it has gained columns since.
  const written = decoded<(Cell | undefined)[]>(encoded) ?? []
  const values = table.values.map((_, column) => written[column])
  for (const [column, sum] of sums) values[column] = sum
  return { key: decodeKey(table, found[0]), values, atMicros }
}

/** What only the core understands is kept in its own encoding, exact for every cell, and checked as it is read. */
const decoded = <T>(bytes: Bytes | undefined): T | undefined => (bytes ? (decodeWire(bytes) as T) : undefined)
