/**
 * Large values are made again if they are lost with their hosts, as long as what they were made of is as it was. So before a task begins
 * that is going to change that, they go to a second host.
 */
import { objectsIn } from '../data/carry.js'
import type { Carried } from '../engines/messages.js'
import { isWriting } from '../tasks/directions.js'
import { directionOf } from './capture.js'
import { type Holding, isKept, type KeptValues } from './kept-values.js'
import type { Lineage } from './lineage.js'
import { filled, type TaskRecord } from './task-record.js'

export class SecondPlaces {
  readonly #values: KeptValues
  /** Values by the objects that they were made of. */
  readonly #madeOf = new Map<string, Set<Holding>>()

  constructor(values: KeptValues) {
    this.#values = values
    values.onGone = (holding) => this.#forget(holding)
  }

  /** A task has left large values, which can be made again. */
  note(record: TaskRecord, { inputs }: Lineage): void {
    for (const value of [record.result, ...(record.written?.values() ?? [])]) {
      const holding = isKept(value) ? this.#values.holdingOf(value) : undefined
      if (!holding) continue
      holding.inputs = inputs
      for (const id of inputs) {
        const made = this.#madeOf.get(id)
        if (made) made.add(holding)
        else this.#madeOf.set(id, new Set([holding]))
      }
    }
  }

  #forget(holding: Holding): void {
    for (const id of holding.inputs) {
      const made = this.#madeOf.get(id)
      made?.delete(holding)
      if (made?.size === 0) this.#madeOf.delete(id)
    }
    holding.inputs = NO_INPUTS
  }

  /**
   * What must have a second place before a task begins. Not what the task itself takes, as a step of a computation in place does: nearly
   * always it is the last to do so, and each step would move the data that it works on.
   */
  before({ kind, args }: TaskRecord): readonly Holding[] {
    if (this.#madeOf.size === 0) return NONE
    const found = new Set<Holding>()
    const carried = args.map(filled)
    for (const [i, arg] of carried.entries()) {
      if (!isWriting(directionOf(kind, i))) continue
      for (const { id } of objectsIn(arg)) for (const holding of this.#madeOf.get(id) ?? NONE) if (isAlone(holding)) found.add(holding)
    }
    if (found.size > 0) for (const name of namesIn(carried)) for (const holding of found) if (holding.name === name) found.delete(holding)
    return [...found]
  }

  /** Resolves when they have one, or none can be had. */
  async give(holdings: readonly Holding[]): Promise<void> {
    await Promise.allSettled(holdings.map((holding) => this.#values.copy(holding)))
  }
}

const NONE: readonly never[] = []
const NO_INPUTS: readonly string[] = []

const isAlone = ({ isLost, isCopied, copies }: Holding): boolean => !isLost && !isCopied && copies.size === 0

function* namesIn(values: readonly Carried[]): Generator<string> {
  for (const value of values) {
    if (typeof value !== 'object' || value === null) continue
    if (value.k === 'r') yield value.n
    else if (value.k === 'a') yield* namesIn(value.e)
    else if (value.k === 'v' && value.f) yield* namesIn(value.f)
  }
}
