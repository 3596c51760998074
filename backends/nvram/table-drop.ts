import { UnavailableError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import type { Environment } from './environment.js'
import { afterPrefix, idKey } from './keys.js'
import type { NvramSpace } from './nvram-space.js'

/** Rows removed in one transaction: some milliseconds. */
const ROWS_AT_ONCE = 2000
/** A disk that is nearly full may have room for fewer. */
const ROWS_AT_ONCE_MIN = 16
/** Begins the notes in `meta` of tables whose rows are being removed. */
export const DROP_PREFIX = Buffer.from('drop:')
const dropKey = (table: TableId): Uint8Array => Buffer.concat([DROP_PREFIX, idKey(table)])
const PRESENT = Uint8Array.of(1)

export interface Dropping {
  readonly env: Environment
  readonly space: NvramSpace
  /** Runs a change in a transaction of its own. */
  readonly write: (change: () => void) => void
}

/**
 * Removes a table at once and its rows part by part, yielding between the parts. A note in `meta` stays until the last, so that
 * `finishDrops` goes on when the process dies on the way.
 */
export function* dropTable(table: TableId, on: Dropping): Generator<void, void, void> {
  if (!on.space.table(table)) return
  on.write(() => {
    on.space.setTable(table, undefined)
    on.space.put(on.env.meta, dropKey(table), PRESENT)
  })
  yield* removeRows(dropKey(table), on)
}

/**
 * Goes on with what another process began and died over. Harmless while one is still at it. A full disk is no reason not to open the store,
 * which can be read all the same: whoever opens it next goes on.
 */
export function* finishDrops(on: Dropping): Generator<void, void, void> {
  const notes = on.env.meta.keys({ start: DROP_PREFIX, end: afterPrefix(DROP_PREFIX)! })
  try {
    for (const note of notes) yield* removeRows(note, on)
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

function* removeRows(note: Uint8Array, { env, space, write }: Dropping): Generator<void, void, void> {
  const table = note.subarray(DROP_PREFIX.length)
  let atOnce = ROWS_AT_ONCE
  for (let isMore = true; isMore; ) {
    try {
      write(() => {
        const keys = env.rows.keys({ start: table, end: afterPrefix(table) ?? Uint8Array.of(255), limit: atOnce })
        for (const key of keys) space.remove(env.rows, key)
        isMore = keys.length === atOnce
        if (!isMore) space.remove(env.meta, note)
      })
    } catch (error) {
      if (!isFull(error) || atOnce === ROWS_AT_ONCE_MIN) throw error
      atOnce = Math.max(ROWS_AT_ONCE_MIN, atOnce >> 3)
      isMore = true
    }
    yield
  }
}

const isFull = (error: unknown): boolean => error instanceof UnavailableError && error.code === 'ERR_STORE_FULL'
