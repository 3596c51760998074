import type { Ref } from '../backend.js'
import type { CommitId } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import type { Store } from '../store.js'

/** New objects whose unit failed, which may have left them in the store, out of everybody's reach. */
export class Orphans {
  readonly #store: Store
  readonly #commits = new WeakMap<ObjectState, CommitId>()
  /** Whether there was ever one. */
  mayBe = false

  constructor(store: Store) {
    this.#store = store
  }

  note(state: ObjectState, commit: CommitId): void {
    this.#commits.set(state, commit)
    this.mayBe = true
  }

  has(state: ObjectState): boolean {
    return this.#commits.has(state)
  }

  /** An object keeps its coming id from one try to the next, since rows may hold it: so what an earlier try left there goes first. */
  async remove(state: ObjectState, ref: Ref): Promise<void> {
    const commit = this.#commits.get(state)
    if (commit === undefined) return
    const [left] = await this.#store.read([ref])
    if (left?.stamp.commit === commit) await this.#store.commit([{ do: 'remove', ref, expect: left.stamp }])
    this.#commits.delete(state)
  }
}
