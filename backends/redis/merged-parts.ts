/** Rows of several parts, each of which gives pages in key order, as pages in key order over all of them. */
import type { StoredRow } from '../../src/backend.js'
import { compareBytes } from '../../src/dict/row-key.js'
import type { Bounds } from '../memory/row-pages.js'
import type { PartBounds } from './part-bounds.js'

export interface KeyedPage {
  readonly keys: readonly Uint8Array[]
  readonly rows: readonly StoredRow[]
  readonly rest: Bounds | undefined
}

type Item = readonly [key: Uint8Array, row: StoredRow]

export interface Merge {
  readonly parts: readonly PartBounds[]
  readonly reverse: boolean
  readonly limit: number
  /** The next page of a part. */
  readonly read: (part: PartBounds, bounds: Bounds) => Promise<KeyedPage>
  /** After each part was looked at for the first time. */
  readonly onAllSeen: () => Promise<void>
  /** How many rows there may be before the next page of a part is asked for ahead of need. */
  readonly pageRows: number
}

export async function* mergedParts(merge: Merge, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
  const { parts, reverse, onAllSeen } = merge
  let left = merge.limit
  let cursors = parts.map((part) => new Cursor(part, merge))
  await Promise.all(cursors.map((cursor) => cursor.fill()))
  await onAllSeen()
  while (left > 0) {
    signal?.throwIfAborted()
    await Promise.all(cursors.map((cursor) => cursor.fill()))
    signal?.throwIfAborted()
    cursors = cursors.filter((cursor) => cursor.hasRows)
    if (cursors.length === 0) return
    const rows = sorted(cursors, reverse).slice(0, left)
    left -= rows.length
    yield rows
  }
}

/** Up to the first of the keys at which a part may have more that nobody has seen. */
function sorted(cursors: readonly Cursor[], reverse: boolean): readonly StoredRow[] {
  const order = (a: Uint8Array, b: Uint8Array): number => (reverse ? compareBytes(b, a) : compareBytes(a, b))
  const ends = cursors.flatMap(({ end }) => (end ? [end] : []))
  const bound = ends.length > 0 ? ends.reduce((a, b) => (order(a, b) < 0 ? a : b)) : undefined
  const items = cursors.flatMap((cursor) => cursor.take((key) => bound === undefined || order(key, bound) <= 0))
  return items.sort(([a], [b]) => order(a, b)).map(([, row]) => row)
}

class Cursor {
  #page: KeyedPage | undefined
  #at = 0
  #rest: Bounds | undefined
  #next: Promise<KeyedPage> | undefined

  constructor(
    readonly part: PartBounds,
    readonly merge: Merge,
  ) {
    this.#rest = part.bounds
  }

  get hasRows(): boolean {
    return this.#page !== undefined && this.#at < this.#page.keys.length
  }

  /** The last key that is known, if there may be others behind it. */
  get end(): Uint8Array | undefined {
    return this.#rest && this.#page?.keys.at(-1)
  }

  /** Until there is a row, or no more are to come. */
  async fill(): Promise<void> {
    while (!this.hasRows && this.#rest) {
      const page = await (this.#next ?? this.#ask(this.#rest))
      this.#page = page
      this.#at = 0
      this.#rest = page.rest
      this.#next = page.rest && this.merge.limit > this.merge.pageRows ? this.#ask(page.rest) : undefined
    }
  }

  #ask(bounds: Bounds): Promise<KeyedPage> {
    const next = this.merge.read(this.part, bounds)
    next.catch(() => {}) // thrown where it is awaited; nobody waits for it if the loop is left before
    return next
  }

  take(isWithin: (key: Uint8Array) => boolean): Item[] {
    const { keys, rows } = this.#page!
    const items: Item[] = []
    for (; this.#at < keys.length && isWithin(keys[this.#at]!); this.#at++) items.push([keys[this.#at]!, rows[this.#at]!])
    return items
  }
}
