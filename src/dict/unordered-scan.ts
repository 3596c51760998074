/**
 * Scans of stores that give the rows of a whole table in an order of their own, such as that of a hash ring. Each row that stands during
 * all of the scan is seen once, as in merged-scan.ts. Rows with buffered writes are left for the end and then read by key: so it does
 * not matter where they lie, nor whether their writes are committed meanwhile. Few rows come in key order all the same.
 */
import type { Key, Piece } from '../backend.js'
import type { TableId } from '../ids.js'
import type { DictState } from './dict-state.js'
import type { DictRow, ScanRange } from './merged-scan.js'
import type { KeyText } from './overlay.js'
import { prefetched } from './prefetched.js'
import { compareBytes, encodeKeyText, prefixBounds } from './row-key.js'

/** So many rows are sorted before the first is given. */
const SORTED_MAX = 4096
const FETCH_ROWS = 256

/** Whether a range is over partitions, which such a store has in no order that keys know; or over a piece whose bounds are no keys. */
export function isUnordered(dict: DictState, range: ScanRange): boolean {
  const backend = dict.binding?.unit?.store.backend
  if (dict.source === undefined || !backend) return false
  if (dict.binding?.piece && backend.placing) return true
  return backend.capabilities?.orderedScan === false && (range.prefix?.length ?? 0) < dict.schema.spec.partition
}

export async function* unorderedPages(dict: DictState, range: ScanRange, signal?: AbortSignal): AsyncGenerator<readonly DictRow[], void> {
  const { limit = Number.POSITIVE_INFINITY, reverse = false, ...bounds } = range
  const kept: DictRow[] = []
  let isSorted = true
  let given = 0
  for await (const page of rowsOnce(dict, { ...bounds, reverse }, signal)) {
    if (isSorted && kept.length + page.length <= SORTED_MAX) kept.push(...page)
    else {
      const rows = isSorted ? [...kept.splice(0), ...page] : page
      isSorted = false
      const some = rows.slice(0, limit - given)
      given += some.length
      if (some.length > 0) yield some
      if (given >= limit) return
    }
  }
  const rows = inKeyOrder(dict, kept, reverse).slice(0, limit - given)
  if (rows.length > 0) yield rows
}

/** Each row that is stored or buffered once, in no order. */
async function* rowsOnce(dict: DictState, range: ScanRange, signal?: AbortSignal): AsyncGenerator<readonly DictRow[], void> {
  const left = await bufferedKeys(dict, range)
  for await (const page of prefetched(dict.storedPages(range, signal))) {
    signal?.throwIfAborted()
    const { overlay } = dict
    if (left.size === 0 && overlay.isEmpty && !dict.notesReads) {
      yield page
      continue
    }
    const rows: DictRow[] = []
    for (const row of page) {
      const text = encodeKeyText(dict.schema, row.key)
      if (left.has(text)) continue
      if (overlay.get(text)) left.set(text, row.key)
      else {
        dict.notePassed(overlay, text, row)
        rows.push(row)
      }
    }
    if (rows.length > 0) yield rows
  }
  yield* fetched(dict, [...left], signal)
}

/** Keys of buffered writes within the range, by their texts. */
async function bufferedKeys(dict: DictState, range: ScanRange): Promise<Map<KeyText, Key>> {
  const piece = dict.binding?.piece
  const place = piece && (await dict.binding?.unit?.store.backend.placing?.(piece.table))
  const { from, to } = prefixBounds(dict.schema, { in: piece && !place ? piece : NO_TABLE, ...range })
  const keys = new Map<KeyText, Key>()
  for (const [text, { key }] of dict.overlay.between(latin(from), latin(to)))
    if (!piece || !place || isWithin(piece, place(key))) keys.set(text, key)
  return keys
}

const NO_TABLE = '' as TableId
const latin = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
const isWithin = ({ from, to }: Piece, place: Uint8Array): boolean => compareBytes(place, from) >= 0 && compareBytes(place, to) < 0

async function* fetched(
  dict: DictState,
  keys: readonly (readonly [KeyText, Key])[],
  signal?: AbortSignal,
): AsyncGenerator<readonly DictRow[], void> {
  for (let at = 0; at < keys.length; at += FETCH_ROWS) {
    signal?.throwIfAborted()
    const some = keys.slice(at, at + FETCH_ROWS)
    const found = await dict.fetch(
      some.map(([, key]) => key),
      some.map(([text]) => text),
    )
    const rows = found.flatMap((values, i) => (values ? [{ key: some[i]![1], values }] : []))
    if (rows.length > 0) yield rows
  }
}

function inKeyOrder(dict: DictState, rows: readonly DictRow[], reverse: boolean): readonly DictRow[] {
  const texts = rows.map((row): [KeyText, DictRow] => [encodeKeyText(dict.schema, row.key), row])
  texts.sort(([a], [b]) => (a < b !== reverse ? -1 : 1))
  return texts.map(([, row]) => row)
}
