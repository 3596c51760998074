import type { Table } from '../backend.js'
import { Overlay } from '../dict/overlay.js'
import type { Store } from '../store.js'
import { Reached } from './reached.js'
import type { UndoLog } from './undo-log.js'

/** Buffered rows of one table. */
export interface TableRows {
  readonly table: Table
  readonly overlay: Overlay
  /** Volatile objects that buffered rows refer to: stored with them. */
  readonly reached: Reached
}

/** The main program goes on after a save and may read again; a task or transaction that saw two states of a row must not commit. */
export const noRowsYet = (table: Table, isTransaction: boolean, undo?: UndoLog): TableRows => ({
  table,
  overlay: new Overlay(isTransaction, undo),
  reached: new Reached(),
})

/** Nothing is left in it that anybody could miss. */
export function isIdle({ overlay, reached }: TableRows): boolean {
  return overlay.isEmpty && !overlay.hasReads && reached.volatile().length === 0
}

/** What lies here is referred to as it was foreseen. What is still volatile, or lies elsewhere, may stand in rows that were not sent yet. */
export function forgetReached({ overlay, reached }: TableRows, store: Store): void {
  reached.keep((state) => !state.ref || !(overlay.isEmpty || state.unit?.store === store))
}

export function discardRows({ overlay, reached }: TableRows): void {
  overlay.clear()
  reached.clear()
}

/** What was read of them is still to be as it was. Gives what brings back what they reached. */
export function dropWrites({ overlay, reached }: TableRows): () => void {
  overlay.dropWrites()
  return reached.clear()
}
