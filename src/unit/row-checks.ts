/** Rows that a unit of work has read, of dicts with `writes: 'cas'`: that they have not changed. */
import type { Op, Table } from '../backend.js'
import type { CheckRow } from '../dict/overlay.js'
import { NotFoundError } from '../errors.js'
import type { Store } from '../store.js'
import type { TableRows } from './table-rows.js'

/** That rows which were only read have not changed. */
export const rowChecksOf = (rows: Iterable<TableRows>): Op[] =>
  Array.from(rows).flatMap(({ overlay, table }) => (overlay.hasReads ? overlay.checks(table, 'only read') : []))

/** The tables of rows that ops check. */
export function checkedTables(ops: readonly Op[], rows: Iterable<TableRows>): Table[] {
  const checked = new Set(ops.map((op) => (op.do === 'checkRow' ? op.table : undefined)))
  return Array.from(rows, ({ table }) => table).filter(({ id }) => checked.has(id))
}

/** Whether a group failed since a table is gone of which rows were read. */
export const isReadTableGone = (error: unknown, ops: readonly Op[]): boolean =>
  error instanceof NotFoundError && ops.some((op) => op.do === 'checkRow' && op.table === (error as { table?: unknown }).table)

/** Rows asked for at once. */
const ROWS = 1000

/**
 * Whether all rows that were read are as they were then. Their owners are read first: an intent on one leads to rows of a unit that has
 * been decided, and of which others may have been seen already.
 */
export async function areRowsCurrent(store: Store, rows: Iterable<TableRows>): Promise<boolean> {
  const read = [...rows].filter(({ overlay }) => overlay.hasReads)
  if (read.length === 0) return true
  await store.read(read.map(({ table }) => table.owner))
  for (const { table, overlay } of read) {
    const checks = overlay.checks(table, 'all')
    for (let at = 0; at < checks.length; at += ROWS) if (!(await hold(store, table, checks.slice(at, at + ROWS)))) return false
  }
  return true
}

async function hold({ backend }: Store, { id }: Table, checks: readonly CheckRow[]): Promise<boolean> {
  try {
    const keys = checks.map(({ key }) => key)
    const found = await backend.rows(id, keys)
    return found.every((row, i) => (row?.atMicros ?? null) === checks[i]!.expect)
  } catch (error) {
    if (error instanceof NotFoundError) return false // its owner was deleted
    throw error
  }
}
