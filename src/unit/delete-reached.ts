import type { Ref } from '../backend.js'
import { refsIn } from '../codec/values.js'
import { stateOf } from '../objects/storage-object.js'
import type { UnitOfWork } from './unit-of-work.js'

/** Deletes those of `reached` that nothing else refers to and no alias names. Looks at every object of the store: slow, and said so in the docs. */
export async function deleteReached(unit: UnitOfWork, reached: readonly Ref[]): Promise<void> {
  const { store } = unit
  const held = new Set<string>()
  for await (const page of store.backend.objects({}))
    for (const stored of await store.read(page))
      for (const ref of stored ? refsIn(stored.cells) : []) if (ref.id !== stored!.ref.id) held.add(ref.id)
  for (const ref of reached) {
    if (held.has(ref.id)) continue
    if ((await store.aliasesOf(ref)).length === 0) await unit.deletePersistent(stateOf(unit.instanceOf(ref)), true)
  }
}
