/** Adds past the unit of work, for dicts whose rows are a store's own counters. */
import { UnsupportedError } from '../errors.js'
import { newCommitId } from '../ids.js'
import { storeOf } from './bulk-load.js'
import type { DictState } from './dict-state.js'

/** One call of the backend and no more: nobody could tell a copy that was sent again from another add. */
export async function increment(state: DictState, row: object, counter: string, change: number | bigint): Promise<void> {
  const { binding, schema } = state
  const column = schema.counterIndex(counter)
  const [key, by] = [schema.keyCells(row as Record<string, unknown>, state.refs), schema.counterChange(column, change)]
  if (schema.spec.writes !== 'counters') throw refused("is for dicts with writes: 'counters'; others have add()")
  const [store, { id }] = storeOf(state)
  if (binding?.isInTransaction?.())
    throw refused(
      'counts at once, so that a task or transaction that fails, or runs again, would have counted: call it outside, or use add()',
    )
  const atMicros = BigInt(Date.now()) * 1000n
  await store.backend.commit({ commit: newCommitId(), atMicros, ops: [{ do: 'add', table: id, key, column, by }] })
  await store.reached()
}

const refused = (why: string): UnsupportedError => new UnsupportedError(`increment() ${why}`, { code: 'ERR_COUNTERS_ONLY' })
