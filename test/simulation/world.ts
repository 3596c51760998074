import { type Backend, Ref } from '../../src/backend.js'
import type { CommitOptions } from '../../src/commit/index.js'
import type { ClassId, CommitId, Domain, Id, TableId } from '../../src/ids.js'
import { ModelBackend } from './model-backend.js'
import { ModelStore, rowKey } from './model-store.js'
import { Caller, Network } from './network.js'
import type { Protocol } from './protocol.js'
import { Random } from './random.js'
import { Truth } from './truth.js'

export const LEASE_MS = 1_000
const CLASS = 'model#Account' as ClassId
const STORES = 2

/** What all clients of a schedule share: two stores of several domains each, a network, and the truth. */
export class World {
  readonly random: Random
  readonly network: Network
  readonly truth: Truth
  readonly stores: readonly ModelStore[]
  readonly accounts: readonly Ref[]
  readonly names: readonly string[]
  /** Rows and counters; its owner is an object of its own. */
  readonly table: TableId
  readonly owner: Ref
  /** Others on which units with rows rely, and which are removed. */
  readonly mortals: readonly Ref[]
  readonly callers: Caller[] = []
  readonly bars: boolean
  readonly reservesRows: boolean
  readonly sharesIntents: boolean
  readonly #places = new Map<string, string>()
  readonly #storeOf = new Map<string, number>()
  #ids = 0

  constructor(
    seed: number,
    readonly protocol: Protocol,
    accounts?: number,
  ) {
    this.bars = seed % 2 === 0
    this.reservesRows = seed % 4 < 2
    this.sharesIntents = seed % 8 < 5
    this.random = new Random(seed)
    this.network = new Network(this.random, 2 * LEASE_MS)
    this.truth = new Truth(() => this.network.step)
    const domains = 1 + this.random.below(3)
    this.stores = Array.from({ length: STORES }, () => this.#newStore(domains, protocol.receipts ?? true))
    this.accounts = Array.from({ length: accounts ?? 2 + this.random.below(3) }, () => this.newRef())
    this.names = Array.from({ length: 2 }, (_, i) => this.#placed(`name${i}`))
    this.owner = this.newRef()
    this.mortals = [this.newRef(), this.newRef()]
    this.table = this.#placed(this.#newId()) as TableId
    for (const ref of [...this.accounts, this.owner, ...this.mortals]) this.#found(ref)
  }

  /** An object without content yet, in a store of its own choice. */
  newRef(): Ref {
    return new Ref(this.#placed(this.#newId()) as Id, CLASS)
  }

  /** Ids in the form of a uuid; the last digit is left to the protocol. */
  newCommitId(): CommitId {
    return this.#newId() as CommitId
  }

  storeIndex(of: Ref | string): number {
    return this.#storeOf.get(typeof of === 'string' ? of : of.id)!
  }

  storeOf(of: Ref | string): ModelStore {
    return this.stores[this.storeIndex(of)]!
  }

  rowKey(partition: string, order: string): string {
    return rowKey(this.table, [partition, order])
  }

  #newId(): string {
    this.#ids++
    return `00000000-0000-7000-8000-${(this.#ids * 16).toString(16).padStart(12, '0')}`
  }

  #placed<T extends string>(name: T): T {
    this.#storeOf.set(name, this.random.below(STORES))
    return name
  }

  #newStore(domains: number, receipts: boolean): ModelStore {
    const store = new ModelStore((place) => this.#domainOf(place, domains), receipts, this.bars, this.reservesRows, this.sharesIntents)
    store.onApplied = (group) => {
      this.truth.onApplied(group)
      for (const { id } of this.mortals) if (this.storeOf(id) === store && !store.things.has(id)) this.#judgeGone(id)
    }
    return store
  }

  /** Nobody is led to rows any more whose owner is gone. */
  #judgeGone(id: Id): void {
    const { rows } = this.storeOf(this.table)
    for (const key of this.truth.rowsRelyingOn(id)) if (!rows.has(key)) this.truth.fault(`${id} went before ${key}, which relies on it`)
  }

  #domainOf(place: string, domains: number): Domain {
    const known = this.#places.get(place) ?? `d${this.random.below(domains)}`
    this.#places.set(place, known)
    return known as Domain
  }

  #found(ref: Ref): void {
    const by = `initial ${ref.id}`
    const stamp = { revision: 1, commit: this.newCommitId() }
    this.storeOf(ref).things.set(ref.id, {
      ref,
      stamp,
      cells: new Map<string, string | number>([
        ['by', by],
        ['n', 100],
      ]),
    })
    this.truth.start(ref.id, { by, n: 100 })
  }
}

/** One program with connections of its own. */
export class Client {
  readonly backends: readonly Backend[]
  readonly options: CommitOptions
  readonly caller: Caller

  constructor(
    readonly world: World,
    name: string,
  ) {
    const { network, random, protocol } = world
    this.caller = new Caller(name)
    world.callers.push(this.caller)
    const connect = protocol.connection ?? ((backend: Backend) => backend)
    this.backends = world.stores.map((store, i) => connect(new ModelBackend(`model:${i}`, store, network, this.caller)))
    this.options = {
      backendOf: (of) => this.backendOf(of),
      clock: { nowMs: () => network.nowMs, random: () => random.next(), sleep: (ms) => network.sleep(this.caller, ms) },
      newCommitId: () => world.newCommitId(),
      leaseMs: LEASE_MS,
      resends: 2,
    }
  }

  backendOf(of: Ref | string): Backend {
    return this.backends[this.world.storeIndex(of)]!
  }
}
