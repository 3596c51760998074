/**
 * Scans: stored pages with the buffered writes merged in, by key.
 *
 * A scan sees every row that stands during all of it, once. It is no snapshot: rows written or deleted meanwhile ahead of it are seen
 * as they then are, from the next page on. When buffered writes are committed during a scan, it reads on from the last key it gave,
 * since pages read before may lack them.
 */
import type { Key, Range, StoredRow, Values } from '../backend.js'
import { ValidationError } from '../errors.js'
import type { TableId } from '../ids.js'
import type { DictState } from './dict-state.js'
import type { Entry, KeyText, Overlay } from './overlay.js'
import { prefetched } from './prefetched.js'
import { encodeKeyText, prefixBounds } from './row-key.js'
import { isUnordered, unorderedPages } from './unordered-scan.js'

export interface DictRow {
  readonly key: Key
  readonly values: Values
}
export type ScanRange = Omit<Range, 'in'>

/** Rows per page of a scan of memory: few enough to stop early for little, many enough for the page to cost nothing. */
const PAGE_ROWS = 256

export async function* mergedPages(dict: DictState, range: ScanRange, signal?: AbortSignal): AsyncGenerator<readonly DictRow[], void> {
  if (isUnordered(dict, range)) return yield* unorderedPages(dict, range, signal)
  const scan = new MergedScan(dict, range)
  while (!scan.done) {
    signal?.throwIfAborted()
    yield* dict.source === undefined ? scan.memoryPages(dict.overlay) : scan.storedPages(signal)
  }
}

class MergedScan {
  /** What is still to come: keys in [from, to). */
  #from: KeyText
  #to: KeyText
  readonly #reverse: boolean
  #left: number
  /** The last key passed, from where a new scan of the store goes on. */
  #last: Key | undefined
  #done = false

  constructor(
    readonly dict: DictState,
    readonly range: ScanRange,
  ) {
    const { from, to } = prefixBounds(dict.schema, { in: dict.source ?? NO_TABLE, ...range })
    this.#from = Buffer.from(from).toString('latin1')
    this.#to = Buffer.from(to).toString('latin1')
    this.#reverse = range.reverse ?? false
    this.#left = range.limit ?? Number.POSITIVE_INFINITY
  }

  get done(): boolean {
    return this.#done || this.#left <= 0 || this.#from >= this.#to
  }

  /** One scan of the store, up to its end or to the first page that a commit made doubtful. */
  async *storedPages(signal?: AbortSignal): AsyncGenerator<readonly DictRow[], void> {
    const view = await this.dict.steadyView()
    const limit = this.#limitFor(view.overlay)
    let seen = 0
    for await (const page of prefetched(this.dict.storedPages(this.#rest(limit), signal))) {
      if (!view.isSteady()) return
      seen += page.length
      const rows = this.#merge(page, view.overlay)
      if (rows.length > 0) yield rows
      if (this.done) return
    }
    if (view.isSteady() && seen < limit) yield* this.memoryPages(view.overlay, view.isSteady)
  }

  /** What is buffered where nothing more is stored. */
  *memoryPages(overlay: Overlay, isSteady = (): boolean => this.dict.overlay === overlay): Generator<readonly DictRow[], void> {
    while (!this.done) {
      const rows = this.#nextOf(overlay)
      if (rows.length > 0) yield rows
      if (!isSteady()) return
    }
  }

  /** Enough stored rows for the limit even if every buffered write hides one, and one for the row that a second scan starts with. */
  #limitFor(overlay: Overlay): number {
    return this.#left + overlay.countBetween(this.#from, this.#to) + 1
  }

  #rest(limit: number): ScanRange {
    const { prefix = [], where, ...all } = this.range
    // A buffered row has all values but its counters: for those the stored one below it must not be left out.
    const range = where && this.dict.schema.counters.length === 0 ? { ...all, where } : all
    const bounds: ScanRange = { ...range, prefix, ...(Number.isFinite(limit) && { limit }) }
    const after = this.#last?.slice(prefix.length)
    if (!after || after.length === 0) return bounds
    return this.#reverse ? { ...bounds, to: after } : { ...bounds, from: after }
  }

  #merge(page: readonly StoredRow[], overlay: Overlay): DictRow[] {
    if (page.length === 0) return []
    const lastText = this.#textOf(page.at(-1)!)
    const [from, to] = this.#reverse ? [lastText, this.#to] : [this.#from, just(lastText)]
    const plain = !this.dict.notesReads && this.#isAhead(this.#textOf(page[0]!)) && overlay.countBetween(from, to) === 0
    const rows = plain ? page : this.#mergeRows(page, overlay.between(from, to, this.#reverse), overlay)
    this.#pass(lastText, page.at(-1)!.key)
    return this.#limited(rows)
  }

  #mergeRows(page: readonly StoredRow[], entries: Iterator<[KeyText, Entry]>, overlay: Overlay): DictRow[] {
    const rows: DictRow[] = []
    let next = entries.next()
    for (const row of page) {
      const text = this.#textOf(row)
      if (!this.#isAhead(text)) continue // passed before a second scan of the store
      this.dict.notePassed(overlay, text, row)
      for (; !next.done && this.#isBefore(next.value[0], text); next = entries.next()) this.#push(rows, next.value[1], undefined)
      if (next.done || next.value[0] !== text) rows.push(row)
      else {
        this.#push(rows, next.value[1], row.values)
        next = entries.next()
      }
    }
    for (; !next.done; next = entries.next()) this.#push(rows, next.value[1], undefined)
    return rows
  }

  #push(rows: DictRow[], entry: Entry, stored: Values | undefined): void {
    const values = this.dict.merged(entry, stored)
    if (values) rows.push({ key: entry.key, values })
  }

  #nextOf(overlay: Overlay): DictRow[] {
    const rows: DictRow[] = []
    for (const [text, entry] of overlay.between(this.#from, this.#to, this.#reverse)) {
      this.#push(rows, entry, undefined)
      if (rows.length === PAGE_ROWS || rows.length === this.#left) {
        this.#pass(text, entry.key)
        return this.#limited(rows)
      }
    }
    this.#done = true
    return rows
  }

  #limited(rows: readonly DictRow[]): DictRow[] {
    const kept = rows.slice(0, this.#left)
    this.#left -= kept.length
    return kept
  }

  #pass(text: KeyText, key: Key): void {
    this.#last = key
    if (this.#reverse) this.#to = text
    else this.#from = just(text)
  }

  #isAhead(text: KeyText): boolean {
    return text >= this.#from && text < this.#to
  }

  #isBefore(a: KeyText, b: KeyText): boolean {
    return this.#reverse ? a > b : a < b
  }

  #textOf(row: StoredRow): KeyText {
    return encodeKeyText(this.dict.schema, row.key)
  }
}

const NO_TABLE = '' as TableId

/** The first text above. */
const just = (text: KeyText): KeyText => `${text}\0`

export function checkedLimit(limit: number): number {
  if (Number.isSafeInteger(limit) && limit >= 0) return limit
  throw new ValidationError(`limit is a whole number from 0, got ${limit}`, { path: 'limit' })
}
