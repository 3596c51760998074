import type { Backend, Ref, Stored } from '../backend.js'
import { edgesOf, type StreamIds, streamsIn } from '../gc/edges.js'
import type { Id } from '../ids.js'
import { CHUNK_CLASS } from '../large-cells.js'
import { stateOf } from '../objects/storage-object.js'
import type { UnitOfWork } from './unit-of-work.js'
import { ORIGIN_CLASS, versionOf } from './versions.js'

/** What an object refers to in its own store: in its fields, in the rows of its collections, in a stream's items. */
export async function edgesFrom(backend: Backend, stored: Stored, streams?: StreamIds): Promise<readonly Ref[]> {
  const edges = new Map<Id, Ref>()
  await edgesOf(backend, stored, streams ?? (await streamsIn(backend)), (ref) => {
    if (ref.store === undefined && ref.id !== stored.ref.id) edges.set(ref.id, ref)
  })
  return [...edges.values()]
}

/**
 * Deletes what only an object reached that is gone: all that `reached` leads to, but for what has an alias, what any other object of the
 * store refers to, and what those lead to. Looks at every object of the store, with its rows: slow, and said so in the docs.
 */
export async function deleteReached(unit: UnitOfWork, reached: readonly Ref[]): Promise<void> {
  const { backend } = unit.store
  const streams = await streamsIn(backend)
  const found = await closure(backend, reached, streams)
  const kept = new Set<Id>()
  const keep = (first: Id): void => {
    for (const ids = [first]; ids.length > 0; ) {
      const id = ids.pop()!
      const one = found.get(id)
      if (!one || kept.has(id)) continue
      kept.add(id)
      for (const ref of one.edges) ids.push(ref.id)
    }
  }
  await inBatches([...found.values()], async ({ ref }) => {
    if ((await unit.store.aliasesOf(ref)).length > 0) keep(ref.id)
  })
  for await (const page of backend.objects({})) {
    const others = await withoutOldOrigins(
      backend,
      page.filter(({ id, classId }) => !found.has(id) && classId !== CHUNK_CLASS),
    )
    for (const stored of await backend.read(others)) if (stored) for (const ref of await edgesFrom(backend, stored, streams)) keep(ref.id)
  }
  const gone = [...found.values()].filter(({ ref }) => !kept.has(ref.id))
  await inBatches(gone, ({ ref }) => unit.deletePersistent(stateOf(unit.instanceOf(ref)), false))
}

/** Where a version came from counts for as long as the version stands. */
async function withoutOldOrigins(backend: Backend, refs: readonly Ref[]): Promise<readonly Ref[]> {
  const origins = refs.filter(({ classId }) => classId === ORIGIN_CLASS)
  if (origins.length === 0) return refs
  const versions = await backend.find(origins.map(versionOf))
  const old = new Set(origins.filter((_, i) => !versions[i]?.ref).map(({ id }) => id))
  return refs.filter(({ id }) => !old.has(id))
}

/** What is asked for together waits for the store together. */
const BATCH = 64

async function inBatches<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += BATCH) {
    const ended = await Promise.allSettled(all.slice(at, at + BATCH).map(work))
    const failed = ended.find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
  }
}

interface Reached {
  readonly ref: Ref
  readonly edges: readonly Ref[]
}

async function closure(backend: Backend, from: readonly Ref[], streams: StreamIds): Promise<ReadonlyMap<Id, Reached>> {
  const found = new Map<Id, Reached>()
  for (let next = from; next.length > 0; ) {
    const edges: Ref[] = []
    const stored = await backend.read(next.filter(({ id }) => !found.has(id)))
    for (const one of stored) {
      if (!one) continue
      const reached = { ref: one.ref, edges: await edgesFrom(backend, one, streams) }
      found.set(one.ref.id, reached)
      edges.push(...reached.edges)
    }
    next = [...new Map(edges.map((ref) => [ref.id, ref])).values()].filter(({ id }) => !found.has(id))
  }
  return found
}
