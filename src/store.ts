// For those who compile against our declarations: `Symbol.asyncDispose` is in no library of TypeScript that is there by default.
/// <reference lib="esnext.disposable" preserve="true" />
import { type Ack, type Backend, type Mark, type Op, type Receipt, Ref, type Stored, type Table } from './backend.js'
import type { Constructor } from './classes/class-locator.js'
import { classOf } from './classes/class-registry.js'
import {
  type CommitOptions,
  commitTogether,
  commitUnit,
  findResolved,
  giveUp,
  type Home,
  loadRows,
  type Member,
  markOf,
  readResolved,
  type Unit,
  type UnitPart,
} from './commit/index.js'
import { UnavailableError, UnsupportedError, ValidationError } from './errors.js'
import { requireGroupSize } from './group-size.js'
import { type ClassId, type CommitId, type Id, newCommitId, newId, type TableId } from './ids.js'
import { LargeCells } from './large-cells.js'
import { declaredFields } from './objects/declared-columns.js'
import { noteClosed, noteOpen, openStoreAt, openStores, storeNotOpen } from './open-stores.js'
import { nowMicros } from './row-clock.js'
import { runIn, unitIfOpen } from './unit/context.js'
import { Program } from './unit/program.js'

export interface StoreOptions {
  /** The level that `save`, `makePersistent` and `barrier` wait for. Default: `durable` where the backend gives it, else `committed`. */
  readonly ack?: Ack
  /** How long a commit whose store does not answer, or that stands behind others, is tried: at most half of what receipts are kept. Default: 15 s. */
  readonly patienceMs?: number
  /** How long others wait for a unit of ours over several domains before they may end it, should we have died. Default: 5 s. */
  readonly leaseMs?: number
  /** What commits groups of several tasks, where that need not be the backend. */
  readonly direct?: Pick<Backend, 'commit'>
}

export interface UnitOptions {
  readonly commit?: CommitId
  /** Where a unit with a mark is decided. */
  readonly home?: Ref
  readonly mark?: Mark
}

/** One open backend, as one program sees it: with an identity map of its own. */
export class Store {
  /** What the main program reads and changes through this store. */
  readonly program: Program = new Program(this)
  readonly #ack: Ack
  readonly #direct: Pick<Backend, 'commit'>
  /** What goes on after the commits that began it. */
  readonly #settling = new Set<Promise<unknown>>()
  readonly #protocol: CommitOptions
  readonly #large = new LargeCells({
    newId: (beside) => (this.backend.places?.idBeside(beside) as Id | undefined) ?? newId(),
    read: (refs) => readResolved(this.backend, refs, this.#protocol),
    commit: (ops) => commitUnit({ commit: newCommitId(), atMicros: nowMicros(), parts: [{ backend: this.backend, ops }] }, this.#protocol),
  })
  readonly #whenSent = new WeakMap<Unit, () => void>()

  constructor(
    readonly backend: Backend,
    options: StoreOptions = {},
  ) {
    const { acks } = backend.capabilities
    assertWaits(backend, options)
    this.#direct = options.direct ?? backend
    this.#ack = options.ack ?? (acks.includes('durable') ? 'durable' : 'committed')
    if (!acks.includes(this.#ack))
      throw new UnsupportedError(`${backend.url} cannot give acknowledgement level ${this.#ack}; it gives ${acks.join(', ')}`, {
        code: 'ERR_ACK_LEVEL',
        ack: this.#ack,
      })
    this.#protocol = {
      backendOf: (of) => (typeof of === 'string' ? this.#backendOfTable(of) : this.#backendOfRef(of)),
      background: (work) => this.#keep(work),
      // Its receipt has come: it will not be sent again.
      onMark: (home, key) => this.#keep(this.commit([{ do: 'forget', home, keys: [key], what: 'mark' }])),
      ...(options.leaseMs !== undefined && { leaseMs: options.leaseMs }),
      ...(options.patienceMs !== undefined && { patienceMs: options.patienceMs }),
    }
    noteOpen(this)
  }

  /** The url without secrets. */
  get url(): string {
    return this.backend.url
  }

  /** Runs `body` with this store as the current one. Inside a transaction it takes part in that, with this store's objects. */
  run<T>(body: () => T): T {
    const unit = unitIfOpen()
    // Another opening of the transaction's own store is another program.
    const joins = unit?.isTransaction && (unit.store === this || unit.store.url !== this.url)
    return runIn(joins ? unit.unitOn(this) : this.program, body)
  }

  readonly #told = new Set<Constructor>()

  /** Tells a store that asks for it what types the fields of a class have. Errors: UnsupportedError, SchemaMismatchError. */
  declare(ctor: Constructor): void {
    const { declared } = this.backend
    if (!declared || this.#told.has(ctor)) return
    const fields = declaredFields(ctor)
    if (fields) declared.declare(classOf(ctor).id, fields)
    this.#told.add(ctor)
  }

  /** Whether nothing must be stored before these ops. */
  isReady(ops: readonly Op[]): boolean {
    return !this.#large.isConcerned(ops)
  }

  /** Ops as one unit of work, ready to be sent, if nothing must be stored before. @throws GroupTooLargeError */
  unitNow(ops: readonly Op[], options?: UnitOptions): Unit | undefined {
    return this.isReady(ops) ? this.#unit(ops, options) : undefined
  }

  /** Ops as one unit of work, ready to be sent. @throws GroupTooLargeError */
  async unitOf(ops: readonly Op[], options?: UnitOptions): Promise<Unit> {
    if (!this.#large.isConcerned(ops)) return this.#unit(ops, options)
    const large = await this.#large.deflate(ops)
    const unit = this.#unit(large.ops, options)
    this.#whenSent.set(unit, large.done)
    return unit
  }

  #unit(ops: readonly Op[], { commit = newCommitId(), home, mark }: UnitOptions = {}): Unit {
    requireGroupSize(ops, this.backend)
    return {
      commit,
      atMicros: nowMicros(),
      parts: [{ backend: this.backend, ops }],
      ...(home && { home: this.#homeAt(home) }),
      ...(mark && { mark }),
    }
  }

  /**
   * Commits a unit of work, whatever domains it touches; visible when it resolves, see `reached` for the level asked for. The same
   * unit again is harmless. Errors: as `commitUnit`.
   */
  send(unit: Unit): Promise<Receipt> {
    const done = this.#whenSent.get(unit)
    return done ? this.#sendThen(unit, done) : commitUnit(unit, this.#protocol)
  }

  /**
   * Commits what several tasks have changed in one domain, each with its mark, as one group: all of them or none. `undefined` when that is
   * refused: then nothing of it is stored, and each has to go by itself. Errors: UnknownOutcomeError.
   */
  sendTogether(members: readonly Member[]): Promise<Receipt | undefined> {
    return commitTogether(this.#direct, members, nowMicros(), this.#protocol)
  }

  async #sendThen(unit: Unit, done: () => void): Promise<Receipt> {
    const receipt = await commitUnit(unit, this.#protocol)
    if (receipt.applied) done()
    return receipt
  }

  /** Commits ops as one unit of work. */
  async commit(ops: readonly Op[], options?: UnitOptions): Promise<Receipt> {
    return this.send(await this.unitOf(ops, options))
  }

  /** Rows that need not commit together, as one call; to a store that says that it takes them so. */
  load(ops: readonly Op[]): Promise<Receipt> {
    return loadRows(this.backend, { commit: newCommitId(), atMicros: nowMicros(), ops }, this.#protocol)
  }

  /** The mark of a task, if it has one. */
  async markOf(home: Ref, key: string): Promise<Mark | undefined> {
    return markOf(this.#homeAt(home), key, this.#protocol)
  }

  /**
   * Bars the mark of a task: no attempt of it commits from now on. Gives the mark that stands, which may be that of an attempt that has
   * committed. Errors: UnavailableError, UnknownOutcomeError
   */
  async giveUp(home: Ref, key: string): Promise<Mark> {
    return giveUp(this.#homeAt(home), key, this.#protocol)
  }

  /** Objects as the last unit of work left them, in the order asked. */
  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return this.#large.inflate(await readResolved(this.backend, refs, this.#protocol))
  }

  /** Resolves ids and aliases, in the order asked. */
  find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Ref | undefined)[]> {
    return findResolved(this.backend, what, this.#protocol)
  }

  /**
   * The names of an object. Settling that goes on after commits of this program ends first; a name that another program gave a moment ago
   * may be missing.
   */
  async aliasesOf(ref: Ref): Promise<string[]> {
    await Promise.all(this.#settling)
    const names: string[] = []
    for await (const page of this.backend.aliases({ ref })) for (const [alias] of page) names.push(alias)
    return names
  }

  /** Tables whose further columns this program has told the store. */
  readonly #gained = new Set<TableId>()

  /** Whether the store has the columns of a table although its owner's field lists fewer. */
  knowsColumns({ id }: Table): boolean {
    return this.#gained.has(id)
  }

  /** Tells the store of columns that the class of a collection has gained. Errors: SchemaMismatchError when others have gained other ones. */
  async gainColumns(table: Table): Promise<void> {
    await this.backend.define(table)
    this.#gained.add(table.id)
  }

  /** Resolves when everything committed so far has the level that this store waits for; `undefined` when it has. */
  reached(ack: Ack = this.#ack): Promise<void> | undefined {
    const settled = this.backend.declared && this.#settling.size > 0 ? this.#settled() : undefined
    if (ack === 'committed') return settled
    const flushed = settled ? settled.then(() => this.backend.flush(ack)) : this.backend.flush(ack)
    flushed.then(
      () => (this.isOwed = false),
      () => (this.isOwed = true),
    )
    return flushed
  }

  /** Whether the last wait for the level has failed: what is stored may not have it. */
  isOwed = false

  /** Other programs read what lies in a form of their own, and know nothing of intents: so nothing is left to be settled. */
  async #settled(): Promise<void> {
    await Promise.all(this.#settling)
  }

  /** The same of other stores too, as far as the program has them open. */
  reachedWith(urls: readonly string[] | undefined): Promise<unknown> | undefined {
    const own = this.reached()
    if (!urls || urls.length === 0) return own
    const others = urls.map((url) => this.peer(url)).filter((peer) => peer && !peer.closed)
    return Promise.all([own, ...others.map((peer) => peer!.reached())])
  }

  /** The level that this store waits for. */
  get ack(): Ack {
    return this.#ack
  }

  // ---- several stores

  readonly #peers = new Map<string, Store>()

  /** Remembers another store of the same program, so that references to its objects are resolved there. */
  meet(other: Store): void {
    if (other === this || this.#peers.get(other.url) === other) return
    this.#peers.set(other.url, other)
    other.meet(this)
  }

  /** The program's store of a url, if it is open. */
  peer(url: string): Store | undefined {
    return url === this.url ? this : openStoreAt(url, this.#peers)
  }

  /** Units of several stores as one, decided at the first; `this` sends it. */
  joined(units: readonly Unit[]): Unit {
    const [first, ...rest] = units as readonly [Unit, ...Unit[]]
    if (rest.length === 0) return first
    const parts = units.flatMap((unit) => unit.parts)
    const unit: Unit = { ...first, parts, home: first.home ?? homeIn(parts) }
    this.#whenSent.set(unit, () => {
      for (const one of units) this.#whenSent.get(one)?.()
    })
    return unit
  }

  #homeAt(ref: Ref): Home {
    return { backend: this.#backendOfRef(ref), ref: ref.store === undefined ? ref : new Ref(ref.id, ref.classId) }
  }

  #backendOfRef(ref: Ref): Backend {
    const peer = ref.store === undefined ? this : this.peer(ref.store)
    if (!peer) throw storeNotOpen(ref)
    return peer.backend
  }

  /** Staged rows name no store: the one that has their table. */
  async #backendOfTable(id: TableId): Promise<Backend> {
    if (await this.backend.table(id)) return this.backend
    let trouble: unknown
    for (const { backend, closed } of openStores()) {
      // One that is away is not in the way of the one that has the table.
      const table = await (closed ? undefined : backend.table(id).catch((error: unknown) => void (trouble ??= error)))
      if (table) return backend
    }
    throw (
      trouble ??
      new UnavailableError(`table ${id} has rows to be finished, and lies in no store that this program has open: connect() to it first`, {
        code: 'ERR_STORE_NOT_OPEN',
        table: id,
      })
    )
  }

  #closed = false

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /** Saves buffered rows, waits for what is under way, and closes the backend. */
  async close(): Promise<void> {
    this.#closed = true
    noteClosed(this)
    try {
      await this.program.saveRows()
    } finally {
      while (this.#settling.size > 0) await Promise.all(this.#settling)
      await this.backend.close()
    }
  }

  #keep(work: Promise<unknown>): void {
    const kept = work.catch(() => {}).finally(() => this.#settling.delete(kept))
    this.#settling.add(kept)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The first object that a unit writes; new ones only when there is no other, since what exists is written with it. */
function homeIn(parts: readonly UnitPart[]): Home {
  let found: Home | undefined
  for (const { backend, ops } of parts)
    for (const op of ops) {
      if (op.do !== 'put' && op.do !== 'remove' && op.do !== 'check') continue
      if (op.do !== 'put' || op.expect !== 'absent') return { backend, ref: op.ref }
      found ??= { backend, ref: op.ref }
    }
  return found ?? { backend: parts[0]!.backend, ref: new Ref(newId(), 'insitu#unit' as ClassId) }
}

/** A group that is sent again after its receipt is gone would be applied twice. */
function assertWaits({ url, capabilities: { receiptsKeptMs } }: Backend, options: StoreOptions): void {
  for (const name of ['patienceMs', 'leaseMs'] as const) {
    const ms = options[name]
    if (ms === undefined || (ms >= 0 && ms <= receiptsKeptMs / 2)) continue
    throw new ValidationError(`${name} is from 0 to ${receiptsKeptMs / 2} ms for ${url}, which keeps receipts twice as long, not ${ms}`, {
      [name]: ms,
    })
  }
}
