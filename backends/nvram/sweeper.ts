import type { Environment } from './environment.js'
import { gravesUntil, receiptsUntil, rowInGrave, tableIn } from './keys.js'
import type { NvramSpace } from './nvram-space.js'
import { openRow } from './record.js'
import type { Records } from './records.js'

/** How long the receipt of a commit and the trace of a removed row are kept, so that sending an old group again changes nothing. */
export const RECEIPTS_KEPT_MS = 3_600_000
/** Swept at most this often, and this much at a time: what is left waits for the next commit. */
const SWEEP_EVERY_MS = 1000
const SWEEP_MAX = 500
/** Receipts lie by the time at which their id was made, which may be before their commit. */
const RECEIPT_MARGIN_MS = RECEIPTS_KEPT_MS

/** Drops what has been kept long enough, a little with a commit now and then, and what readers held that have died. */
export class Sweeper {
  readonly #env: Environment
  readonly #space: NvramSpace
  readonly #now: () => number
  #dueMs: number

  constructor(env: Environment, space: NvramSpace, now: () => number = Date.now) {
    this.#env = env
    this.#space = space
    this.#now = now
    this.#dueMs = now() + SWEEP_EVERY_MS
  }

  /** Inside a write transaction. */
  sweepIfDue(): void {
    const nowMs = this.#now()
    if (nowMs < this.#dueMs) return
    this.#dueMs = nowMs + SWEEP_EVERY_MS
    this.#env.file.forgetDeadReaders()
    const keptSince = nowMs - RECEIPTS_KEPT_MS
    for (const key of keysBelow(this.#env.receipts, receiptsUntil(keptSince - RECEIPT_MARGIN_MS)))
      this.#space.remove(this.#env.receipts, key)
    for (const grave of keysBelow(this.#env.graves, gravesUntil(keptSince))) this.#bury(grave)
  }

  /** The row may have been written again since. A damaged one stays for `fsck` to see. */
  #bury(grave: Uint8Array): void {
    const key = rowInGrave(grave)
    const bytes = this.#env.rows.look(key)
    this.#space.remove(this.#env.graves, grave)
    if (bytes && isRemoved(key, bytes)) this.#space.remove(this.#env.rows, key)
  }
}

function isRemoved(key: Uint8Array, bytes: Buffer): boolean {
  try {
    const row = openRow(key, bytes, () => `A row of table ${tableIn(key)}`)
    return row.values === null && row.sums.size === 0
  } catch {
    return false
  }
}

/** Taken out whole, since removing under a cursor moves it. */
const keysBelow = (records: Records, end: Uint8Array): Uint8Array[] => records.keys({ start: FIRST, end, limit: SWEEP_MAX })
const FIRST = Uint8Array.of(0)
