import { type Cell, type Op, Ref, type Table } from '../backend.js'
import type { Overlay } from '../dict/overlay.js'
import type { Id } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import type { TableRows } from './table-rows.js'

/** How an object is referred to by now. */
type RefOf = (state: ObjectState) => Ref

/** Buffered rows taken out to be sent. */
export interface TakenRows {
  readonly tables: readonly Table[]
  readonly ops: readonly Op[]
  landed(atMicros: bigint): void
  failed(): void
}

export const NO_ROWS: TakenRows = { tables: [], ops: [], landed: () => {}, failed: () => {} }

/** `bytesMax`: of each table no more than that, if it has more than one row. */
export function takeRows(buffers: readonly TableRows[], refOf: RefOf, bytesMax?: number): TakenRows {
  const taken = buffers.filter((r) => r.overlay.count > 0).map((buffer) => ({ buffer, sent: buffer.overlay.take(bytesMax) }))
  return {
    tables: taken.map(({ buffer }) => buffer.table),
    ops: taken.flatMap(({ buffer, sent }) => rowOpsOf(buffer, sent, refOf)),
    landed: (atMicros) => {
      for (const { buffer, sent } of taken) buffer.overlay.settle(sent, buffer.table.writes === 'cas' ? atMicros : undefined)
    },
    failed: () => {
      for (const { buffer, sent } of taken) buffer.overlay.putBack(sent)
    },
  }
}

/** Buffered rows of one table that another unit of work is to store. Until it has ended they are in flight here. */
export interface LentRows {
  readonly table: Table
  readonly writes: Overlay
  /** Volatile objects that they refer to. */
  readonly reached: Iterable<ObjectState>
  landed(atMicros: bigint): void
  failed(): void
}

export function lendRows({ table, overlay, reached }: TableRows): LentRows {
  const writes = overlay.take()
  return {
    table,
    writes,
    reached,
    landed: (atMicros) => overlay.settle(writes, table.writes === 'cas' ? atMicros : undefined),
    failed: () => overlay.putBack(writes),
  }
}

/**
 * Writes of a table as ops. An object that was volatile when it came into a row may have come to lie in another store: who stores it first
 * decides.
 */
export function rowOpsOf({ table, reached }: TableRows, writes: Overlay, refOf: RefOf): readonly Op[] {
  const ops = writes.toOps(table)
  const far = new Map<Id, Ref>()
  for (const state of reached) {
    const ref = refOf(state)
    if (ref.store !== undefined) far.set(ref.id, ref)
  }
  return far.size === 0
    ? ops
    : ops.map((op) => (op.do === 'row' && op.set ? { ...op, set: op.set.map((cell) => referring(cell, far)) } : op))
}

function referring<C extends Cell | undefined>(cell: C, far: ReadonlyMap<Id, Ref>): Cell | C {
  if (cell instanceof Ref) return far.get(cell.id) ?? cell
  return Array.isArray(cell) ? (cell as readonly Cell[]).map((one) => referring(one, far)) : cell
}
