import type { Op, Table } from '../backend.js'
import type { Overlay } from '../dict/overlay.js'
import type { ObjectState } from '../objects/object-state.js'
import type { TableRows } from './table-rows.js'

/** Buffered rows taken out to be sent. */
export interface TakenRows {
  readonly tables: readonly Table[]
  readonly ops: readonly Op[]
  landed(atMicros: bigint): void
  failed(): void
}

export const NO_ROWS: TakenRows = { tables: [], ops: [], landed: () => {}, failed: () => {} }

/** `bytesMax`: of each table no more than that, if it has more than one row. */
export function takeRows(buffers: readonly TableRows[], bytesMax?: number): TakenRows {
  const taken = buffers.filter((r) => r.overlay.count > 0).map((buffer) => ({ buffer, sent: buffer.overlay.take(bytesMax) }))
  return {
    tables: taken.map(({ buffer }) => buffer.table),
    ops: taken.flatMap(({ buffer, sent }) => sent.toOps(buffer.table)),
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
