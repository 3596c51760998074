import type { TableId } from '../../src/ids.js'
import type { Committer } from './committer.js'
import type { Environment } from './environment.js'
import { afterPrefix, idKey } from './keys.js'
import type { NvramSpace } from './nvram-space.js'

/** Rows removed in one transaction: some milliseconds. */
const ROWS_AT_ONCE = 2000
const DROP_PREFIX = Buffer.from('drop:')
const dropKey = (table: TableId): Uint8Array => Buffer.concat([DROP_PREFIX, idKey(table)])
const PRESENT = Uint8Array.of(1)

/**
 * Removes a table at once and its rows part by part, yielding between the parts. A note in `meta` stays until the last, so that
 * `finishDrops` goes on when the process dies on the way.
 */
export function* dropTable(
  table: TableId,
  env: Environment,
  space: NvramSpace,
  write: (change: () => void) => void,
): Generator<void, void, void> {
  if (!space.table(table)) return
  write(() => {
    space.setTable(table, undefined)
    env.meta.putSync(dropKey(table), PRESENT)
  })
  yield* removeRows(idKey(table), dropKey(table), env, write)
}

/** Finishes what another process began and died over. Harmless while one is still at it. */
export function finishDrops(env: Environment, committer: Committer): void {
  const end = afterPrefix(DROP_PREFIX)!
  for (const note of [...env.meta.getKeys({ start: DROP_PREFIX, end })])
    for (const _part of removeRows(note.subarray(DROP_PREFIX.length), note, env, (change) => committer.write(change)));
}

function* removeRows(
  prefix: Uint8Array,
  note: Uint8Array,
  env: Environment,
  write: (change: () => void) => void,
): Generator<void, void, void> {
  const range = { start: prefix, end: afterPrefix(prefix) ?? Uint8Array.of(255), limit: ROWS_AT_ONCE }
  for (let isMore = true; isMore; ) {
    write(() => {
      const keys = [...env.rows.getKeys(range)]
      for (const key of keys) env.rows.removeSync(key)
      isMore = keys.length === ROWS_AT_ONCE
      if (!isMore) env.meta.removeSync(note)
    })
    yield
  }
}
