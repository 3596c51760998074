import type { Key, Piece, Range, StoredRow, Table } from '../backend.js'
import type { References } from './kind.js'
import type { Overlay } from './overlay.js'

/** What a bound dict stands on. The session implements it; a volatile dict has none. */
export interface DictBinding extends References {
  /** The stored table, `undefined` while there is none yet. */
  table(): Table | undefined
  /** The buffered writes of the current unit of work; may be another one at each call. */
  overlay(): Overlay
  /** Stored rows, in the order asked. */
  rows(keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]>
  /** Pages of stored rows in key order. */
  scan(range: Range, signal?: AbortSignal): AsyncIterable<readonly StoredRow[]>
  /** After each buffered write: marks the owner dirty, sends a full buffer. */
  changed(): void
  /** Throws when the dict cannot be used now (closed store, deleted owner). */
  assertUsable(): void
  /** The part of the table that scans of this dict cover; all of it when left out. */
  readonly piece?: Piece
  /** Bindings of at least `n` parts that together cover each key once. */
  split?(n: number): Promise<readonly DictBinding[]>
}
