import type { Op, Receipt, Table } from '../backend.js'
import { timeOf, type Unit } from '../commit/index.js'
import { UnknownOutcomeError } from '../errors.js'
import type { CommitId, Domain } from '../ids.js'
import type { Store } from '../store.js'
import { Joint, type JointRoute, jointDomain } from './joint.js'
import { aliasOf } from './named-tables.js'

/** A unit on its way, and what follows from its end. */
export interface Departure {
  /** Defined first. */
  readonly tables: readonly Table[]
  readonly ops: readonly Op[]
  landed(receipt: Receipt, atMicros: bigint): void
  /** `commit`: of the unit, if it was sent. */
  failed(commit: CommitId | undefined): void
  /** It is on its way no more, whatever became of it. */
  ended(): void
}

/** Sends units, and keeps those of which nobody can say whether they were committed until somebody can. */
export class Departures {
  readonly #store: Store
  readonly #units = new Map<Departure, Unit>()

  readonly #joints = new Map<Domain, Joint>()
  readonly #route: JointRoute

  constructor(store: Store) {
    this.#store = store
    this.#route = {
      store,
      left: (joint) => {
        if (this.#joints.get(joint.domain) === joint) this.#joints.delete(joint.domain)
      },
      depart: (departure) => this.depart(departure),
      unsure: (departure, unit) => this.#units.set(departure, unit),
    }
  }

  /** Whether there is anything for `settle` to do. */
  get areUnsure(): boolean {
    return this.#units.size > 0
  }

  /** Lets a unit leave together with others of this turn, if it may; `undefined` when it must depart alone. */
  join(departure: Departure): Joint | undefined {
    const domain = jointDomain(departure, this.#store)
    if (domain === undefined) return undefined
    let joint = this.#joints.get(domain)
    if (!joint || joint.isFull || joint.writes(departure)) this.#joints.set(domain, (joint = new Joint(this.#route, domain)))
    joint.add(departure)
    return joint
  }

  /** Sends a unit and does what follows from its end. After an UnknownOutcomeError nothing has followed yet. */
  async depart(departure: Departure): Promise<void> {
    const { tables, ops } = departure
    let unit = this.#units.get(departure)
    try {
      for (const table of tables) await this.#store.backend.define(table, aliasOf(table, ops))
      unit ??= this.#store.unitNow(ops) ?? (await this.#store.unitOf(ops))
      departure.landed(await this.#store.send(unit), timeOf(unit))
      this.#units.delete(departure)
    } catch (error) {
      if (error instanceof UnknownOutcomeError && unit) this.#units.set(departure, unit)
      else {
        this.#units.delete(departure)
        departure.failed(unit?.commit)
      }
      throw error
    }
  }

  /**
   * Finds out what became of earlier units, by sending them again, so that nothing new is built on a guess.
   * @throws UnknownOutcomeError while nobody answers
   */
  async settle(): Promise<void> {
    for (const departure of [...this.#units.keys()])
      await this.depart(departure).catch((error: unknown) => {
        // That it failed is old news: its caller was told that it may have, and its changes are unsaved ones again.
        if (error instanceof UnknownOutcomeError) throw error
      })
  }
}
