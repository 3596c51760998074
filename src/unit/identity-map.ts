import type { Id } from '../ids.js'
import type { StorageObject } from '../objects/storage-object.js'

/**
 * One instance per id. Weak, so that a long-running program keeps no more than it uses; whoever has unsaved rows or
 * changes under way is held by the unit of work itself.
 */
export class IdentityMap {
  #refs = new Map<Id, WeakRef<StorageObject>>()
  readonly #gone = new FinalizationRegistry<Id>((id) => this.#forget(id))

  get(id: Id): StorageObject | undefined {
    return this.#refs.get(id)?.deref()
  }

  set(id: Id, instance: StorageObject): void {
    this.#refs.set(id, new WeakRef(instance))
    this.#gone.register(instance, id)
  }

  delete(id: Id): void {
    this.#refs.delete(id)
  }

  /** Unless another instance has taken its place meanwhile. */
  #forget(id: Id): void {
    if (this.get(id) === undefined) this.#refs.delete(id)
  }
}
