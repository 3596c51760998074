import type { Cell, Cells, Intent, Mark, Op, Ref, Stamp, Stored, StoredRow, Table, Values } from '../../src/backend.js'
import { encodePlainCells } from '../../src/codec/plain-cells.js'
import { decodeWire, decodeWirePairs, encodeWire } from '../../src/codec/wire.js'
import { fitsColumns } from '../../src/dict/table-columns.js'
import { CorruptError, ValidationError } from '../../src/errors.js'
import type { CommitId, Id, TableId } from '../../src/ids.js'

/** What stands under an object's id. Bodies are bytes, never values, so that nobody shares a mutable buffer with a store. */
export interface ObjectRecord {
  readonly ref: Ref
  /** `null`: there is no such object, only an intent to make one. */
  readonly stamp: Stamp | null
  /** Encoded by `encodeCells`. */
  readonly body: Uint8Array
  readonly intent?: Intent | undefined
}

export interface AliasRecord {
  /** `null`: there is no such alias, only an intent to make one. */
  readonly to: Ref | null
  readonly intent?: Intent | undefined
}

/**
 * What stands under a row's key. A removed row stays as a record without values, so that an older write which is applied later
 * does not bring it back.
 */
export interface RowRecord {
  /** Clock of the latest `row` op; 0 when there were only `add`s. */
  readonly atMicros: bigint
  /** Encoded by `encodeValues`, without the counters; `null`: removed, or never written. */
  readonly values: Uint8Array | null
  /** What `add` made of the counter columns, by column. */
  readonly sums: ReadonlyMap<number, bigint>
  readonly intent?: Intent | undefined
}

/**
 * Where one domain's records lie, to the rules in apply-group.ts. All synchronous: whoever calls `applyGroup` sees to it that the
 * reads and writes of a group are not mixed with others', and that its writes happen all or not at all.
 */
export interface Space {
  /** The revisions that the group of this id gave the objects it put, in the order of its ops. */
  receipt(commit: CommitId): readonly number[] | undefined
  object(id: Id): ObjectRecord | undefined
  alias(alias: string): AliasRecord | undefined
  table(id: TableId): Table | undefined
  row(table: Table, key: Uint8Array): RowRecord | undefined
  mark(home: Id, key: string): Mark | undefined

  keepReceipt(commit: CommitId, revisions: readonly number[]): void
  /** `before`: what `object` gives for it. */
  setObject(id: Id, record: ObjectRecord | undefined, before: ObjectRecord | undefined): void
  setAlias(alias: string, record: AliasRecord | undefined): void
  setRow(table: Table, key: Uint8Array, record: RowRecord): void
  setMark(home: Id, key: string, mark: Mark | undefined): void
  setStaged(home: Id, commit: CommitId, redo: readonly Op[] | null): void
}

/** Cells as one flat list, name after value: nothing but the list is allocated on the way. */
export function encodeCells(cells: Cells): Uint8Array {
  const plain = encodePlainCells(cells)
  if (plain) return plain
  const flat = new Array<string | Cell>(cells.size * 2)
  let at = 0
  for (const [name, cell] of cells) {
    flat[at++] = name
    flat[at++] = cell
  }
  return encodeWire(flat)
}

/** What begins at `from`. */
export const decodeCells = (bytes: Uint8Array, from = 0): Map<string, Cell> => decodeWirePairs(bytes, from) as Map<string, Cell>

function decodeValues(table: Table, bytes: Uint8Array): (Cell | undefined)[] {
  const values = decodeWire(bytes)
  if (!Array.isArray(values) || !fitsColumns(table, values.length))
    throw new CorruptError(`Damaged bytes: a row of table ${table.id} has not the columns of its table.`, { table: table.id })
  while (values.length < table.values.length) values.push(undefined) // its table has gained columns since
  return values
}

export const isCounter = (table: Table, column: number): boolean => table.values[column]?.type === 'counter'

/** Counters are left out: their sums are kept apart. Errors: ValidationError for more values than the table has columns. */
export function encodeValues(table: Table, values: Values): Uint8Array {
  if (values.length > table.values.length)
    throw new ValidationError(`A row of ${values.length} values is for no table of ${table.values.length} columns.`, { table: table.id })
  return encodeWire(table.values.map((_, i) => (isCounter(table, i) ? undefined : values[i])))
}

/** The values of a writer that does not know the last columns, over a row whose last columns stay as they are. */
export function valuesOver(table: Table, values: Values, standing: Uint8Array): Uint8Array {
  return encodeValues(table, [...values, ...decodeValues(table, standing).slice(values.length)])
}

export function storedOf({ ref, body, intent }: ObjectRecord, stamp: Stamp, bytes: number): Stored {
  const cells = decodeCells(body)
  return intent ? { ref, stamp, bytes, cells, intent } : { ref, stamp, bytes, cells }
}

/** Whether readers see the row: it has values, or counters alone. */
export const isVisible = (record: RowRecord | undefined): record is RowRecord =>
  record !== undefined && (record.values !== null || record.sums.size > 0)

export function storedRowOf(table: Table, key: StoredRow['key'], record: RowRecord): StoredRow {
  const values = record.values ? decodeValues(table, record.values) : new Array<Cell | undefined>(table.values.length).fill(undefined)
  for (const [column, sum] of record.sums) values[column] = sum
  return { key, values, atMicros: record.atMicros }
}
