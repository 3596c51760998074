import type { Op } from '../backend.js'
import { soleDomain, timeOf, type Unit } from '../commit/index.js'
import { UnavailableError, UnknownOutcomeError } from '../errors.js'
import type { Domain, Id } from '../ids.js'
import { opBytes } from '../large-cells.js'
import type { Store } from '../store.js'
import type { Departure } from './departures.js'

/** Objects that leave together at most, where the store does not say what it likes best; it writes no faster with more. */
const OPS_MAX = 1024
const BYTES_MAX = 1024 * 1024

/**
 * Units of one domain that were asked for in the same turn, on their way as one: one group, one receipt, one wait for all. What is
 * all of it or nothing alone is so together; and when the store refuses them together, each goes alone, so that only the one at fault
 * fails.
 */
export class Joint {
  readonly #route: JointRoute
  readonly #members: Departure[] = []
  readonly #opsMax: number
  #ops: Op[] = []
  /** Objects that stood before. */
  readonly #written = new Set<Id>()
  #bytes = 0
  /** Whether all are stored; false when each must go alone. Rejects when the store does not answer. */
  readonly sent: Promise<boolean>
  /** As `sent`, with the level that the store waits for. */
  readonly reached: Promise<boolean>

  constructor(
    route: JointRoute,
    readonly domain: Domain,
  ) {
    this.#route = route
    this.#opsMax = route.store.backend.capabilities.groupOpsBest ?? OPS_MAX
    this.sent = Promise.resolve().then(() => this.#leave())
    this.reached = this.sent.then((isStored) => (isStored ? this.#reach() : false))
  }

  get isFull(): boolean {
    return this.#ops.length >= this.#opsMax || this.#bytes >= BYTES_MAX
  }

  /** Whether it writes an object that `departure` does: by another instance of it, whose save has to meet a conflict. */
  writes({ ops }: Departure): boolean {
    for (const op of ops) if (isChange(op) && this.#written.has(op.ref.id)) return true
    return false
  }

  add(departure: Departure): void {
    this.#members.push(departure)
    for (const op of departure.ops) {
      this.#ops.push(op)
      if (isChange(op)) this.#written.add(op.ref.id)
      this.#bytes += opBytes(op)
    }
  }

  async #leave(): Promise<boolean> {
    this.#route.left(this)
    let isRefused = false
    try {
      isRefused = !(await this.#depart())
      return !isRefused
    } finally {
      if (!isRefused) for (const one of this.#members) one.ended()
    }
  }

  async #depart(): Promise<boolean> {
    if (this.#members.length > 1) return this.#send()
    await this.#route.depart(this.#members[0]!)
    return true
  }

  async #reach(): Promise<true> {
    await this.#route.store.reached()
    return true
  }

  async #send(): Promise<boolean> {
    const { store } = this.#route
    let unit: Unit | undefined
    try {
      unit = store.unitNow(this.#ops) ?? (await store.unitOf(this.#ops))
      const receipt = await store.send(unit)
      const atMicros = timeOf(unit)
      for (const one of this.#members) one.landed(receipt, atMicros)
    } catch (error) {
      if (error instanceof UnknownOutcomeError && unit) for (const one of this.#members) this.#route.unsure(one, unit)
      else if (error instanceof UnavailableError) for (const one of this.#members) one.failed(unit?.commit)
      else return false
      throw error
    }
    return true
  }
}

/** What a joint needs of those who send. */
export interface JointRoute {
  readonly store: Store
  /** Nothing more may be added. */
  left(joint: Joint): void
  depart(departure: Departure): Promise<void>
  /** Nobody can say whether it was committed. */
  unsure(departure: Departure, unit: Unit): void
}

/** Where ops that may leave together lie: objects alone, all of one domain. */
export function jointDomain({ tables, ops }: Departure, store: Store): Domain | undefined {
  if (tables.length > 0) return undefined
  for (const op of ops) if (op.do !== 'put') return undefined
  return soleDomain(store.backend, ops)
}

/** Of an object that stood before: a new one has one instance. */
const isChange = (op: Op): op is Extract<Op, { do: 'put' }> => op.do === 'put' && op.expect !== 'absent'
