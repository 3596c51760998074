/**
 * Calls of `update` on one instance take turns: their bodies change the same fields, and one of them may wait in the middle. The body of one
 * may call others. One on an instance that it holds is part of it. One on another instance waits for its turn, unless whoever has that waits
 * for this one: two that each hold what the other wants would wait for ever, so that one gives way, and begins again after the other.
 */
import { ConflictError } from '../errors.js'
import type { Id } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import { belonging, runBelonging } from './context.js'
import { nameOf } from './unit-errors.js'
import type { UnitOfWork } from './unit-of-work.js'

/** Turns that somebody waits for. */
const waiting = new Set<Turn>()
const holders = new WeakMap<ObjectState, Turn>()

export class Turn {
  readonly #outermost: Turn
  #givesWay = false
  #isOver = false

  constructor(
    readonly state: ObjectState,
    readonly within: Turn | undefined,
  ) {
    this.#outermost = within ? within.#outermost : this
  }

  /** Whether the body runs again only after it has let go of all that it holds. */
  get givesWay(): boolean {
    return this.#outermost.#givesWay
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isOutermost(): boolean {
    return this.#outermost === this
  }

  holds(state: ObjectState): boolean {
    return this.state === state || (this.within?.holds(state) ?? false)
  }

  holdsId(id: Id): boolean {
    return this.state.ref?.id === id || (this.within?.holdsId(id) ?? false)
  }

  /** Runs `work` when all who came earlier are done. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const { state } = this
    if (this.within && this.#isAwaitedBy(holders.get(state), new Set())) return Promise.reject(this.#giveWay())
    waiting.add(this)
    const turn = (state.turn ?? Promise.resolve()).then(async () => {
      waiting.delete(this)
      holders.set(state, this)
      try {
        return await work()
      } finally {
        holders.delete(state)
        this.#isOver = true
      }
    })
    state.turn = turn.catch(() => {})
    return turn
  }

  /** Runs the body of an update, which knows by this whose it is. */
  run<T>(unit: UnitOfWork, body: () => T): T {
    return runBelonging({ unit, attempt: belonging()?.attempt, turn: this }, body, undefined)
  }

  /** Whether a holder, or an update inside it, waits for one that this is inside of. */
  #isAwaitedBy(holder: Turn | undefined, seen: Set<Turn>): boolean {
    if (!holder || seen.has(holder)) return false
    seen.add(holder)
    for (const one of waiting) {
      if (!one.#isInside(holder)) continue
      const next = holders.get(one.state)
      if (next && (this.#isInside(next) || this.#isAwaitedBy(next, seen))) return true
    }
    return false
  }

  #isInside(other: Turn): boolean {
    for (let one: Turn | undefined = this.within; one; one = one.within) if (one === other) return true
    return false
  }

  #giveWay(): Error {
    this.#outermost.#givesWay = true
    return new ConflictError(
      `update() of ${nameOf(this.state)}: whoever has its turn waits for the update() around this one, which runs again after that`,
      {
        ref: this.state.ref,
      },
    )
  }
}

/** The innermost `update` that the caller is part of. One that is over is not: a body may have begun what goes on after it. */
export function currentTurn(): Turn | undefined {
  let turn = belonging()?.turn as Turn | undefined
  while (turn?.isOver) turn = turn.within
  return turn
}
