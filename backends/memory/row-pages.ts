import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Range, StoredRow } from '../../src/backend.js'

/** Rows looked at in one turn of the event loop: well below a millisecond. */
export const PAGE_ROWS = 512

export interface Bounds {
  readonly from: Uint8Array
  readonly to: Uint8Array
}

export interface RowPage {
  readonly rows: readonly StoredRow[]
  /** What is left to look at; `undefined` at the end. */
  readonly rest: Bounds | undefined
}

/**
 * Pages of a scan. Each page is a short read of its own that begins behind the last key, so that nothing is held open while the
 * caller works, and other work of the event loop gets its turn between two pages.
 */
export async function* rowPages(
  bounds: Bounds,
  range: Pick<Range, 'limit' | 'reverse'>,
  read: (bounds: Bounds, rowsMax: number) => RowPage,
  signal?: AbortSignal,
): AsyncGenerator<readonly StoredRow[], void, void> {
  let left = range.limit ?? Number.POSITIVE_INFINITY
  for (let rest: Bounds | undefined = bounds; rest && left > 0; ) {
    signal?.throwIfAborted()
    const page: RowPage = read(rest, Math.min(left, PAGE_ROWS))
    if (page.rows.length > 0) yield page.rows
    left -= page.rows.length
    rest = page.rest
    if (rest && left > 0) await nextTurn()
  }
}

/** What is left of `bounds` behind `key`. */
export function behind(bounds: Bounds, key: Uint8Array, reverse: boolean): Bounds {
  return reverse ? { from: bounds.from, to: key } : { from: successor(key), to: bounds.to }
}

/** The smallest key above `key`. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
