import type { Backend, Key, Op, Piece, Range, Receipt, StoredRow, Table } from '../backend.js'
import type { References } from './kind.js'
import type { Overlay } from './overlay.js'

/** The store below a bound dict, for what does not go through the unit of work: parts, aggregates, bulk loads. */
export interface DictStore {
  readonly backend: Backend
  commit(ops: readonly Op[]): Promise<Receipt>
  /** Rows that need not commit together, to a store that takes them so. */
  load(ops: readonly Op[]): Promise<Receipt>
  /** Waits for the acknowledgement level that the store promises. */
  reached(): Promise<void> | undefined
}

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
  /** Sends the buffered writes; in a task or transaction they go with its commit. */
  save(): Promise<void>
  /** Whether what is written now belongs to a task or transaction. */
  isInTransaction?(): boolean
  /** Throws when the dict cannot be used now (closed store, deleted owner). */
  assertUsable(): void
  /** The part of the table that scans of this dict cover; all of it when left out. */
  readonly piece?: Piece
  readonly unit?: { readonly store: DictStore } | undefined
}

/** The same table, of which scans cover one part. */
export class PieceBinding implements DictBinding {
  constructor(
    readonly whole: DictBinding,
    readonly piece: Piece,
  ) {}

  get unit(): { readonly store: DictStore } | undefined {
    return this.whole.unit
  }

  table(): Table | undefined {
    return this.whole.table()
  }

  overlay(): Overlay {
    return this.whole.overlay()
  }

  rows(keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    return this.whole.rows(keys)
  }

  scan(range: Range, signal?: AbortSignal): AsyncIterable<readonly StoredRow[]> {
    return this.whole.scan(range, signal)
  }

  changed(): void {
    this.whole.changed()
  }

  save(): Promise<void> {
    return this.whole.save()
  }

  isInTransaction(): boolean {
    return this.whole.isInTransaction?.() ?? false
  }

  assertUsable(): void {
    this.whole.assertUsable()
  }

  refOf(o: object): ReturnType<References['refOf']> {
    return this.whole.refOf(o)
  }

  resolve(ref: Parameters<References['resolve']>[0]): unknown {
    return this.whole.resolve(ref)
  }
}

export const idOfPiece = ({ table, epoch, from, to }: Piece): string =>
  [table, epoch, ...[from, to].map((key) => Buffer.from(key).toString('base64url'))].join('/')
