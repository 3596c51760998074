import type { Id } from '../ids.js'
import type { StorageObject } from '../objects/storage-object.js'

/**
 * One instance per id. Weak, so that a long-running program keeps no more than it uses; whoever has unsaved rows or
 * changes under way is held by the unit of work itself.
 */
export class IdentityMap {
  #refs = new Map<Id, WeakRef<StorageObject>>()
  #sweepAt = SWEEP_MIN

  get(id: Id): StorageObject | undefined {
    return this.#refs.get(id)?.deref()
  }

  set(id: Id, instance: StorageObject): void {
    this.#refs.set(id, new WeakRef(instance))
    if (this.#refs.size >= this.#sweepAt) this.#sweep()
  }

  delete(id: Id): void {
    this.#refs.delete(id)
  }

  // Looking at all entries whenever their number doubles costs less than a finaliser per object.
  #sweep(): void {
    // Not a loop over entries, which makes a list for each.
    this.#refs.forEach((ref, id) => {
      if (!ref.deref()) this.#refs.delete(id)
    })
    this.#sweepAt = Math.max(SWEEP_MIN, this.#refs.size * 2)
  }
}

const SWEEP_MIN = 8192
