import type { Op, Table } from '../backend.js'
import type { TableRows } from './table-rows.js'

/** Buffered rows taken out to be sent. */
export interface TakenRows {
  readonly tables: readonly Table[]
  readonly ops: readonly Op[]
  landed(atMicros: bigint): void
  failed(): void
}

export const NO_ROWS: TakenRows = { tables: [], ops: [], landed: () => {}, failed: () => {} }

export function takeRows(buffers: readonly TableRows[]): TakenRows {
  const taken = buffers.filter((r) => r.overlay.count > 0).map((buffer) => ({ buffer, sent: buffer.overlay.take() }))
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
