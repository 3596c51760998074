/** A dict's rows as cells: where they are read from and buffered, bound or volatile. */
import type { Key, Piece, Range, StoredRow, Values } from '../backend.js'
import type { TableId } from '../ids.js'
import type { DictBinding } from './dict-binding.js'
import type { DictSchema } from './dict-schema.js'
import type { References } from './kind.js'
import { liveReferences } from './live-refs.js'
import type { DictRow } from './merged-scan.js'
import { ABOVE_ALL, coversStored, type Entry, entryOf, type KeyText, Overlay, withEntry } from './overlay.js'
import { encodeKeyText } from './row-key.js'

export const UNKNOWN = Symbol('only the store knows')

export class DictState {
  /** All rows of a volatile dict. */
  own = new Overlay()
  binding: DictBinding | undefined

  constructor(readonly schema: DictSchema) {}

  get refs(): References {
    return this.binding ?? liveReferences
  }

  get overlay(): Overlay {
    return this.binding ? this.binding.overlay() : this.own
  }

  /** Where scans read: the table or a part of it; `undefined` when nothing is stored. */
  get source(): TableId | Piece | undefined {
    return this.binding?.piece ?? this.binding?.table()?.id
  }

  assertUsable(): void {
    this.binding?.assertUsable()
  }

  // ---- writing

  set(key: Key, values: Values): void {
    this.schema.requireBuffered('set()')
    this.overlay.set(encodeKeyText(this.schema, key), key, values)
    this.binding?.changed()
  }

  add(key: Key, column: number, by: bigint): void {
    this.schema.requireBuffered('add()')
    this.overlay.add(encodeKeyText(this.schema, key), key, column, by)
    this.binding?.changed()
  }

  remove(key: Key): void {
    this.schema.requireBuffered('a removal')
    const text = encodeKeyText(this.schema, key)
    // nothing stands below a volatile dict, so there is nothing to remember a removal for
    if (!this.binding) this.own.forget(text)
    else {
      this.binding.overlay().remove(text, key)
      this.binding.changed()
    }
  }

  // ---- reading

  /** The row as far as memory knows it: without asking the store. */
  known(text: KeyText): Values | undefined | typeof UNKNOWN {
    const entry = this.overlay.get(text)
    const alone = this.source === undefined
    if (!entry) return alone ? undefined : UNKNOWN
    return alone || coversStored(entry, this.schema.counters.length > 0) ? this.merged(entry, undefined) : UNKNOWN
  }

  merged(entry: Entry, stored: Values | undefined): Values | undefined {
    return withEntry(entry, stored, this.schema.width, this.schema.counters)
  }

  /** Rows from the store under the buffered writes, in the order asked. `areShown`: the program is told their values. */
  async fetch(keys: readonly Key[], texts: readonly KeyText[], areShown = true): Promise<(Values | undefined)[]> {
    for (;;) {
      const view = this.viewNow() ?? (await this.steadyView())
      const rows = await this.binding!.rows(keys)
      if (view.isSteady()) return rows.map((row, i) => this.#seen(view.overlay, texts[i]!, row, areShown || !row))
    }
  }

  /**
   * The overlay together with what the store holds is one state only while no buffered write goes from one to the other.
   * Stored rows are read between taking a view and a check that it is still steady, and read again when it is not.
   */
  async steadyView(): Promise<SteadyView> {
    for (;;) {
      const view = this.viewNow()
      if (view) return view
      await this.#landed()
    }
  }

  /** `undefined` while something in flight makes stored rows doubtful. */
  viewNow(): SteadyView | undefined {
    if (this.#landed()) return undefined
    const { overlay } = this
    const { epoch } = overlay
    return { overlay, isSteady: () => this.overlay === overlay && overlay.epoch === epoch && !this.#landed() }
  }

  #landed(): Promise<void> | undefined {
    return this.overlay.landed(this.notesReads)
  }

  #seen(overlay: Overlay, text: KeyText, row: StoredRow | undefined, isShown: boolean): Values | undefined {
    if (this.notesReads) overlay.noteRead(text, row, isShown)
    const entry = overlay.get(text)
    return entry ? this.merged(entry, row?.values) : row?.values
  }

  get notesReads(): boolean {
    return this.schema.spec.writes === 'cas'
  }

  /** A row was read, and need not come to the program. */
  notePassed(overlay: Overlay, text: KeyText, row: StoredRow): void {
    if (this.notesReads) overlay.noteRead(text, row, false)
  }

  /** The values of a row of a scan, for the program. */
  shownValues(row: DictRow): Record<string, unknown> {
    this.#noteShown(row)
    return this.schema.valueOf(row.values, this.refs)
  }

  /** Removes a row that a scan has found, as it was found. */
  removeFound(row: DictRow): void {
    this.#noteShown(row)
    this.remove(row.key)
  }

  /** One with writes of its own has no clock here: what they expect was noted before. */
  #noteShown(row: DictRow & Partial<StoredRow>): void {
    const { atMicros } = row
    if (this.notesReads && atMicros !== undefined) this.overlay.noteRead(encodeKeyText(this.schema, row.key), { atMicros }, true)
  }

  storedPages(range: Omit<Range, 'in'>, signal: AbortSignal | undefined): AsyncIterable<readonly StoredRow[]> {
    return this.binding!.scan({ in: this.source!, ...range }, signal)
  }
}

export interface SteadyView {
  readonly overlay: Overlay
  isSteady(): boolean
}

/** A copy of buffered writes in which objects are referred to in another way. */
export function moved(from: Overlay, schema: DictSchema, oldRefs: References, newRefs: References): Overlay {
  const copy = new Overlay()
  for (const [text, entry] of from.between('', ABOVE_ALL)) {
    if (schema.hasRefs) mergeRewritten(copy, entry, schema, oldRefs, newRefs)
    else copy.merge(text, entry)
  }
  return copy
}

function mergeRewritten(into: Overlay, entry: Entry, schema: DictSchema, oldRefs: References, newRefs: References): void {
  const key = schema.keyCells(schema.keyOf(entry.key, oldRefs), newRefs)
  const set = entry.set && rewritten(schema, entry.set, oldRefs, newRefs)
  into.merge(encodeKeyText(schema, key), entryOf(key, entry.hides, set, entry.adds))
}

function rewritten(schema: DictSchema, values: Values, oldRefs: References, newRefs: References): Values {
  const row = schema.valueOf(values, oldRefs)
  for (const i of schema.counters) delete row[schema.spec.values[i]!.name]
  return schema.valueCells(row, newRefs)
}
