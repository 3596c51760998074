/**
 * How a mark keeps the outcome of its task, so that whoever finds the mark can tell it. A small one stands in the mark. A larger one stands in chunks
 * beside it, as large cells do, which only the mark lists: they are new objects of the group that commits the mark, so that they are there with it
 * or not at all. Only those that are too large for that are stored before it. They go once the program has the outcome.
 */
import type { Mark, Op, Ref } from '../src/backend.js'
import { planGroups } from '../src/commit/index.js'
import { failPoint } from '../src/fail-point.js'
import { type Id, newId } from '../src/ids.js'
import { type LargeOutcome, largeOutcome, opBytes, removalOf, wholeOutcome } from '../src/large-cells.js'
import { CHUNK_BYTES, OUTCOME_BYTES_MAX } from '../src/limits.js'
import { storeNotOpen } from '../src/open-stores.js'
import type { Store } from '../src/store.js'
import type { Collected, Transaction } from '../src/unit/transaction.js'

/** What a mark is to keep of an outcome, and what has to be stored for it. */
export interface KeptOutcome {
  /** Of the mark. */
  readonly bytes: Uint8Array
  readonly chunks: readonly Id[]
  /** What goes with the mark, into the same group. */
  readonly beside?: readonly Op[]
  /** What has to be stored before it. */
  readonly first?: LargeOutcome
}

const NO_CHUNKS: readonly Id[] = []

/** `encoded`: the outcome of a task that has changed something. */
export function keptOf(unit: Transaction, home: Ref, collected: Collected, encoded: Uint8Array): KeptOutcome {
  if (encoded.length <= OUTCOME_BYTES_MAX) return { bytes: encoded, chunks: NO_CHUNKS }
  const { places } = keeperOf(unit.store, home).backend
  const large = largeOutcome(encoded, () => (places?.idBeside(home.id) as Id | undefined) ?? newId())
  const kept = { bytes: large.list, chunks: large.chunks }
  return fits(unit, home, collected, encoded.length) ? { ...kept, beside: large.puts } : { ...kept, first: large }
}

/** Whether it may stand in one group with what the task has changed. */
function fits(unit: Transaction, home: Ref, { ops, parts }: Collected, bytes: number): boolean {
  if (bytes > CHUNK_BYTES || home.store !== undefined || !parts.some(({ part }) => part === unit)) return false
  let all = bytes
  for (const op of ops) all += opBytes(op)
  // Half: whatever the task was allowed to change without it, it is with it.
  return all <= unit.store.backend.capabilities.groupBytesMax / 2
}

/** Each chunk a group of its own: no group, and no store's memory, ever holds more than one. */
export async function storeFirst(store: Store, home: Ref, { puts }: LargeOutcome): Promise<void> {
  const keeper = keeperOf(store, home)
  for (const put of puts) {
    await keeper.commit([put])
    failPoint('outcome-stored')
  }
}

/** What a mark keeps, whole; `undefined` when it is no longer kept. */
export const keptOutcome = (store: Store, home: Ref, { outcome }: Mark): Promise<Uint8Array | undefined> =>
  wholeOutcome(keeperOf(store, home), outcome)

/** Removes chunks that nobody will ask for, of the store at a url where that is not this one. What cannot be removed is left to `gc`. */
export async function dropChunks(store: Store, url: string | null | undefined, chunks: readonly string[]): Promise<void> {
  const keeper = url == null ? store : store.peer(url)
  if (!keeper) return
  const ops = chunks.map((id) => removalOf(id as Id))
  for (const group of planGroups([{ backend: keeper.backend, ops }])) await keeper.commit(group.ops).catch(() => {})
}

function keeperOf(store: Store, home: Ref): Store {
  const keeper = home.store === undefined ? store : store.peer(home.store)
  if (!keeper) throw storeNotOpen(home)
  return keeper
}
