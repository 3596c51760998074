import type { Id } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'

/**
 * Objects that buffered rows refer to and that were volatile when they came into these, each with the id by which the rows do. One that was
 * deleted since has another id by now, if any: the rows lead to what is gone, and it is no longer stored with them.
 */
export class Reached implements Iterable<ObjectState> {
  readonly #ids = new Map<ObjectState, Id>()

  /** Of an object whose id is known: that of its reference, or the one that it will have. */
  add(state: ObjectState): void {
    this.#ids.set(state, idOf(state)!)
  }

  has(state: ObjectState): boolean {
    const id = this.#ids.get(state)
    return id !== undefined && id === idOf(state)
  }

  delete(state: ObjectState): void {
    this.#ids.delete(state)
  }

  /** Lets go of all others, and of those that rows no longer lead to. */
  keep(isWanted: (state: ObjectState) => boolean): void {
    for (const state of this.#ids.keys()) if (!this.has(state) || !isWanted(state)) this.#ids.delete(state)
  }

  /** Gives what brings back all that was in it. */
  clear(): () => void {
    const before = [...this.#ids]
    this.#ids.clear()
    return () => {
      for (const [state, id] of before) this.#ids.set(state, id)
    }
  }

  /** Of those that rows still lead to, the ones that are not stored. */
  volatile(): ObjectState[] {
    return [...this].filter(({ ref }) => !ref)
  }

  *[Symbol.iterator](): Iterator<ObjectState> {
    for (const state of this.#ids.keys()) if (this.has(state)) yield state
  }
}

const idOf = ({ ref, provisional }: ObjectState): Id | undefined => (ref ?? provisional)?.id
