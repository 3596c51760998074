/** Long because what a unit of work has made and changed, what it reads of that, and how it is committed are one state with one owner. */
import { checkAlias } from '../alias.js'
import { type Cells, type Mark, type Op, type Receipt, Ref, type Stamp, type Stored } from '../backend.js'
import { keptOf } from '../codec/values.js'
import { soleDomain, timeOf, type Unit } from '../commit/index.js'
import { staleObject } from '../conflicts.js'
import { AliasTakenError, ConflictError, NotFoundError, UnknownOutcomeError, UnsupportedError } from '../errors.js'
import type { CommitId, Id } from '../ids.js'
import { cellsBytes } from '../large-cells.js'
import { constructorOfInstance, mergesFields } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'
import { type GetOptions, type StorageObject, stateOf } from '../objects/storage-object.js'
import type { Store, UnitOptions } from '../store.js'
import { dropBelongings } from './belongings.js'
import type { BodyRuns } from './body-runs.js'
import { aliasOf } from './named-tables.js'
import { copyOfOwn, NOTHING_OWN, newOwn, type Own } from './own-changes.js'
import { withOwnerChecks } from './owner-checks.js'
import { changesOf, checksOf, type ObjectPlan, type Plan, type Prints, planOf, printsOf, type TablePlan } from './persist-plan.js'
import { rebase } from './rebase.js'
import { nameFirst, refFrom } from './references.js'
import type { Committed } from './refresh.js'
import { areRowsCurrent, checkedTables, rowChecksOf } from './row-checks.js'
import { bindComingTable, bindTable, tableMade, tableOf, unbindOwned, unbindTable } from './table-binding.js'
import { dropWrites, type TableRows } from './table-rows.js'
import { rowOpsOf } from './taken-rows.js'
import { Twins } from './twins.js'
import { type Savepoint, UndoLog } from './undo-log.js'
import { afterTheEnd, nameOf, notFound, type ReadOnly, twinsChanged, unsavedBefore, wrongDirection } from './unit-errors.js'
import { UnitOfWork } from './unit-of-work.js'

export interface CommitOptions extends UnitOptions {
  /** Also validate objects and rows that were only read: prevents write skew. */
  readonly check?: boolean
  /** Arguments that must not change, by their ids. */
  readonly readOnly?: ReadonlyMap<Id, ReadOnly>
  /** What `collect` gave, when nothing has changed since. */
  readonly collected?: Collected
  /** New objects that nothing leads to but the mark. */
  readonly beside?: readonly Op[] | undefined
}

/** What a transaction has changed, by store. */
export interface Collected {
  readonly parts: readonly { readonly part: Transaction; readonly plan: Plan; readonly ops: readonly Op[] }[]
  readonly ops: readonly Op[]
}

/** An object that a unit of work has read, and the stamp that it had. */
export type Seen = readonly [id: string, revision: number, commit: string]

/** How far a unit of work is. */
interface Phase {
  hasEnded: boolean
  isCommitted: boolean
  /** All that the body does is known. */
  isCollected?: boolean
  /** Its commit was refused, or nobody can say what became of it. */
  refused?: CommitId | 'unknown'
  undo: UndoLog | undefined
  /** Instances of the main program that `update` has begun to change inside, where these are given back after a failure. */
  borrowed?: Set<ObjectState> | undefined
  /** The runs of the body, where one that meets a conflict is followed by another. */
  runs?: BodyRuns | undefined
}

/** A unit of work that commits as one group at its end, or leaves no trace: a task, or the body of `transact`. */
export class Transaction extends UnitOfWork {
  readonly isTransaction = true
  /** Its parts by store: they commit together, sent by the one that began. Absent while it is the only one. */
  #family: Map<Store, Transaction> | undefined
  readonly #loaded = new Set<ObjectState>()
  readonly #handles = new Set<ObjectState>()
  #own: Own = NOTHING_OWN

  /** How far the whole family is. */
  readonly #phase: Phase

  constructor(store: Store, begun?: Transaction) {
    super(store)
    this.#phase = begun ? begun.#phase : { hasEnded: false, isCommitted: false, undo: undefined }
    if (!begun) return
    begun.#family ??= new Map([[begun.store, begun]])
    this.#family = begun.#family.set(store, this)
  }

  get isCommitted(): boolean {
    return this.#phase.isCommitted
  }

  /** What has to be waited for before it ends: what it has begun and not awaited. */
  beforeEnd: (() => Promise<void>) | undefined

  /** What comes later would neither be stored nor noticed: code that nobody waited for, mostly. */
  assertGoesOn(what: string): void {
    if (this.#phase.hasEnded) throw afterTheEnd(what)
  }

  get #parts(): Iterable<Transaction> {
    return this.#family?.values() ?? [this]
  }

  /** To be changed. Most tasks do nothing but change the fields of what they were given: what they do not need is not made. */
  get #making(): Own {
    const { undo } = this.#phase
    if (undo?.isOn && this.#ownIsOf !== undo.epoch) this.#copyOwn(undo)
    else if (this.#own === NOTHING_OWN) this.#own = newOwn()
    return this.#own
  }

  /** The savepoint since which `#own` is a copy. */
  #ownIsOf: number | undefined

  #copyOwn(undo: UndoLog): void {
    const before = this.#own
    this.#own = copyOfOwn(before)
    this.#ownIsOf = undo.epoch
    undo.push(() => {
      const { tables, created, lent } = this.#own
      this.#own = before
      this.#ownIsOf = undefined
      for (const [id, { dict }] of tables) if (!before.tables.has(id) && tableOf(dict)?.id === id) unbindTable(dict)
      for (const state of created) if (!before.created.has(state)) this.#forgetMade(state)
      for (const rows of lent) if (!before.lent.includes(rows)) rows.failed()
    })
  }

  #forgetMade(state: ObjectState): void {
    if (!state.ref) return
    this.instances.delete(state.ref.id)
    state.becomeVolatile()
  }

  protected override get undoLog(): UndoLog {
    return (this.#phase.undo ??= new UndoLog())
  }

  /**
   * From here on what is done can be taken back, while what was done before stays: rows, names, objects made and deleted, and the contents of
   * `values` and of what is fetched from now on.
   */
  savepoint(values: readonly unknown[]): Savepoint {
    const { undoLog } = this
    const point = undoLog.savepoint()
    for (const value of values) undoLog.keep(value)
    return point
  }

  override isNew(object: StorageObject): boolean {
    return this.#own.created.has(stateOf(object))
  }

  override unitOn(store: Store): Transaction {
    if (store.url === this.store.url) return this
    for (const part of this.#parts) if (part.store.url === store.url) return part
    this.store.meet(store)
    return new Transaction(store, this)
  }

  /** Large ones as they are: a transaction ends soon. */
  protected override printsTaken(cells: Cells): Prints {
    return printsOf(cells, keptOf)
  }

  protected override onTaken(state: ObjectState): void {
    this.#loaded.add(state)
    this.#phase.undo?.keep(state.instance)
  }

  protected override onMet(state: ObjectState): void {
    this.#handles.add(state)
  }

  /** The objects of the names that it has looked for, as they were at first; `undefined`: of nobody. */
  readonly #namesSeen = new Map<string, Id | undefined>()

  override async resolveAlias(alias: string): Promise<Ref | undefined> {
    const own = this.#own.names.get(alias)
    if (own) return own.to ?? undefined
    const found = await super.resolveAlias(alias)
    if (!this.#namesSeen.has(alias)) this.#namesSeen.set(alias, found?.id)
    return found
  }

  protected override async findRefs(ids: readonly Id[]): Promise<(Ref | undefined)[]> {
    const own = ids.map((id) => this.#createdRef(id))
    const missing = ids.filter((_, i) => !own[i])
    const found = missing.length > 0 ? await super.findRefs(missing) : []
    return own.map((ref) => ref ?? found.shift()).map((ref) => (ref && this.#own.removed.has(ref.id) ? undefined : ref))
  }

  override async fetch(
    refs: readonly Ref[],
    options: GetOptions,
    assertClass?: (found: Ref) => void,
    met?: Set<Id>,
  ): Promise<(StorageObject | undefined)[]> {
    const own = refs.map((ref) => (this.#createdRef(ref.id) ? this.instances.get(ref.id) : undefined))
    if (assertClass) for (const made of own) if (made) assertClass(stateOf(made).ref!)
    const stored = refs.filter((ref, i) => !own[i] && !this.#own.removed.has(ref.id))
    const fetched = stored.length > 0 ? await super.fetch(stored, options, assertClass, met) : []
    if (this.#phase.undo?.isOn) for (const instance of fetched) this.#phase.undo.keep(instance)
    return refs.map((ref, i) => own[i] ?? (this.#own.removed.has(ref.id) ? undefined : fetched.shift()))
  }

  #createdRef(id: Id): Ref | undefined {
    const instance = this.instances.get(id)
    return instance && this.#own.created.has(stateOf(instance)) ? stateOf(instance).ref : undefined
  }

  makePersistent(state: ObjectState, alias: string | undefined, ifExists: 'error' | 'open' | 'replace'): Promise<StorageObject> {
    if (alias !== undefined) return this.#makePersistentAs(state, alias, ifExists)
    try {
      this.assertGoesOn('makePersistent()')
      this.#assertStands(state)
      if (!state.ref) this.#create(planOf([state], this.store))
      return Promise.resolve(state.instance)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  async #makePersistentAs(state: ObjectState, alias: string, ifExists: 'error' | 'open' | 'replace'): Promise<StorageObject> {
    checkAlias(alias)
    this.assertGoesOn('makePersistent()')
    this.#assertStands(state)
    this.store.declare(constructorOfInstance(state.instance))
    const claim = this.#own.names.get(alias)
    const held = await this.resolveAlias(alias)
    if (held && held.id !== state.ref?.id) {
      const [stored] = ifExists === 'open' && !state.ref && !this.instances.get(held.id) ? await this.store.read([held]) : []
      if (stored) return this.become(state, alias, stored)
      const [stands] = await this.fetch([held], {})
      if (stands && ifExists === 'open' && !state.ref) return this.asItsClass(state, alias, stands)
      if (stands && ifExists !== 'replace') throw this.#isTaken(alias, held.id)
    }
    if (state.ref && held?.id !== state.ref.id && !this.#loaded.has(state)) await this.#assertStored(state.ref)
    this.assertGoesOn('makePersistent()')
    // Another call of the same body has claimed or freed the name meanwhile: what it means is looked up again.
    if (this.#own.names.get(alias) !== claim) return this.#makePersistentAs(state, alias, ifExists)
    nameFirst(state, alias, this.store)
    if (!state.ref) this.#create(planOf([state], this.store))
    if (held?.id !== state.ref!.id) this.#rename(alias, held ?? null, state.ref!)
    return state.instance
  }

  /** A body that found the name free, or another's, and acts on that runs again, unless it has given the name itself. */
  #isTaken(alias: string, by: Id): Error {
    if (!this.#own.names.has(alias) && this.#namesSeen.get(alias) !== by)
      return new ConflictError(`alias ${alias} was given to object ${by} after this unit of work had looked for it`, { alias, by })
    return new AliasTakenError(`alias ${alias} belongs to object ${by}: choose another, or { ifExists: 'open' | 'replace' }`, { alias, by })
  }

  #create(plan: Plan): void {
    for (const { state, ref } of plan.objects) {
      if (state.ref) continue
      this.adopt(state, ref)
      this.#making.created.add(state)
    }
    for (const planned of plan.tables) {
      if (this.#own.tables.has(planned.table.id)) continue
      this.#making.tables.set(planned.table.id, planned)
      bindComingTable(planned, this)
    }
  }

  #rename(alias: string, held: Ref | null, to: Ref | null): void {
    this.#making.names.set(alias, { expect: this.#own.names.has(alias) ? this.#own.names.get(alias)!.expect : held, to })
  }

  /** Checks at once what a save checks; commits with the rest. */
  async save(state: ObjectState): Promise<void> {
    this.assertGoesOn('save()')
    const ref = this.persistentRef(state, 'save')
    if (!state.loaded) return
    if (state.unit !== this) this.#enlist(state, ref)
    const plan = planOf([state], this.store)
    if (!state.stamp) return
    const [stored] = await this.store.read([ref])
    if (!stored) throw notFound(ref.id, this.store.url)
    if (stored.stamp.commit === state.stamp.commit || this.#merges(state, stored)) return
    this.#assertDoneOnce(plan)
    throw staleObject(ref, state.stamp, stored.stamp)
  }

  /** From now on who asks inside gets this instance, unless another was met before, and the rows that the program has not saved yet. */
  #enlist(state: ObjectState, { id }: Ref): void {
    this.#making.enlisted.add(state)
    if (!this.instances.get(id)) this.instances.set(id, state.instance)
    for (const lent of state.unit?.lendRows(state) ?? []) {
      const own = this.rowsOf(lent.table)
      own.overlay.putBack(lent.writes)
      for (const object of lent.reached)
        if (object.ref) own.reached.add(object)
        else this.foresee(object, lent.table)
      this.#making.lent.push(lent)
    }
  }

  /**
   * Before `update` changes an object: an instance of the main program is as stored then, whatever an earlier run of the body did to it.
   * @throws UnsavedChangesError if it has unsaved changes
   */
  async borrow(state: ObjectState): Promise<void> {
    const { unit, ref, instance } = state
    const { borrowed } = this.#phase
    if (!borrowed || !unit || unit.isTransaction || !ref || this.instances.get(ref.id) === instance) return void (await instance.load())
    if (unit.isDirty(state)) throw unsavedBefore('update()', ref.id)
    await unit.reload(state, false)
    borrowed.add(state)
  }

  /** Whoever calls this calls `giveBack` after a failure. */
  mayRunAgain(runs: BodyRuns): void {
    this.#phase.borrowed = new Set()
    this.#phase.runs = runs
  }

  /** After a failure: what the body had changed must not linger as unsaved changes, nor be changed once more when it runs again. */
  async giveBack(): Promise<void> {
    const { borrowed, runs, isCollected = false } = this.#phase
    for (const state of borrowed ?? []) await state.unit?.reload(state, true).catch(() => {})
    for (const part of this.#parts) runs?.failed(part.#savedOfProgram(), part.store, isCollected)
  }

  /** Instances of the main program that were saved inside. Those that `update` has changed begin anew in each run. */
  *#savedOfProgram(): Iterable<ObjectState> {
    for (const state of this.#own.enlisted) if (state.unit && !state.unit.isTransaction && !this.#phase.borrowed?.has(state)) yield state
  }

  /** One that was loaded inside meets its conflict at the end, and is loaded anew when the body runs again; the program's would be as stale. */
  #merges(state: ObjectState, stored: Stored): boolean {
    if (!mergesFields(constructorOfInstance(state.instance))) return false
    return state.unit === this || !state.unit || rebase(state, stored, state.unit)
  }

  async deletePersistent(state: ObjectState, deep: boolean): Promise<void> {
    this.assertGoesOn('deletePersistent()')
    if (state.ref && this.#own.removed.has(state.ref.id)) return
    const ref = this.persistentRef(state, 'deletePersistent')
    if (deep) {
      throw new UnsupportedError('deletePersistent({ deep }) is not possible inside a task or transaction: call it in the main program')
    }
    const isMade = this.#own.created.has(state)
    const names = isMade ? [] : await super.aliasesOf(state)
    const [stored] = isMade ? [] : await this.store.read([ref])
    // From here on in one go: a body that nobody lets wait for it has deleted the object with all that it has, or nothing.
    this.assertGoesOn('deletePersistent()')
    if (this.#own.removed.has(ref.id)) return
    for (const alias of names) if (!this.#own.names.has(alias)) this.#rename(alias, ref, null)
    for (const [alias, { to }] of this.#own.names) if (to?.id === ref.id) this.#rename(alias, null, null)
    for (const rows of this.bufferedOf(state)) this.#dropRows(rows)
    if (this.#making.created.delete(state)) this.#unmake(state, ref)
    else {
      if (stored) this.#making.dropped.push(stored)
      if (stored) this.keepContents(state, stored)
      if (!state.loaded) return // what was gone already
      this.#making.removed.set(ref.id, state)
    }
    if (this.#loaded.delete(state)) this.#phase.undo?.push(() => this.#loaded.add(state))
    this.#making.enlisted.delete(state)
  }

  #dropRows(rows: TableRows): void {
    const reachAgain = dropWrites(rows)
    this.#phase.undo?.push(reachAgain)
  }

  /** What was made and deleted inside was never stored. */
  #unmake(state: ObjectState, ref: Ref): void {
    const { id } = ref
    const { provisional, host } = state
    this.#phase.undo?.push(() => {
      this.adopt(state, ref)
      Object.assign(state, { provisional, host })
    })
    for (const planned of this.#own.tables.values()) if (planned.table.owner.id === id) this.#unmakeTable(planned)
    this.instances.delete(id)
    state.becomeVolatile()
  }

  #unmakeTable(planned: TablePlan): void {
    const { dict, table } = planned
    this.#making.tables.delete(table.id)
    if (tableOf(dict)?.id !== table.id) return
    unbindTable(dict)
    this.#phase.undo?.push(() => bindComingTable(planned, this))
  }

  protected override persistentRef(state: ObjectState, verb: string): Ref {
    this.#assertStands(state)
    return super.persistentRef(state, verb)
  }

  /** What was deleted inside keeps its id to the end, since others may refer to it, and is gone for whoever asks. */
  #assertStands({ ref }: ObjectState): void {
    if (ref && this.#own.removed.has(ref.id)) throw notFound(ref.id, this.store.url)
  }

  /** What others have deleted takes no name, however often the body runs. */
  async #assertStored({ id }: Ref): Promise<void> {
    const [stands] = await this.findRefs([id])
    if (!stands) throw notFound(id, this.store.url)
  }

  override async aliasesOf(state: ObjectState): Promise<string[]> {
    const names = new Set(await super.aliasesOf(state))
    for (const [alias, { to }] of this.#own.names) {
      if (to?.id === state.ref?.id) names.add(alias)
      else names.delete(alias)
    }
    return [...names].sort()
  }

  async addAlias(state: ObjectState, alias: string): Promise<void> {
    this.persistentRef(state, 'addAlias')
    await this.makePersistent(state, alias, 'error')
  }

  async removeAlias(state: ObjectState, alias: string): Promise<void> {
    checkAlias(alias)
    this.assertGoesOn('removeAlias()')
    const ref = this.persistentRef(state, 'removeAlias')
    const held = await this.resolveAlias(alias)
    this.assertGoesOn('removeAlias()')
    if (held?.id !== ref.id) throw new NotFoundError(`${nameOf(state)} has no alias ${alias}`, { alias, id: ref.id })
    this.#rename(alias, ref, null)
  }

  rowsChanged(_rows: TableRows): void {
    this.assertGoesOn('a row')
  }

  /** Rows go with the commit at the end. */
  async saveRows(): Promise<void> {}

  /** Whether an object is not as the store has it: made or changed in this unit of work. */
  hasChanged(state: ObjectState): boolean {
    for (const part of this.#parts)
      if (part.#own.created.has(state) || part.#own.removed.get(state.ref!.id) === state || (state.unit === part && part.isDirty(state)))
        return true
    return false
  }

  /** Loads again what was loaded here and has been changed by somebody else whom this unit waited for. What it changed itself stays. */
  async bringUpToDate(ids: readonly string[]): Promise<void> {
    for (const part of this.#parts) {
      const refs = ids.flatMap((id) => {
        const instance = part.instances.get(id as Id)
        return instance && stateOf(instance).loaded && !part.#own.created.has(stateOf(instance)) ? [stateOf(instance).ref!] : []
      })
      if (refs.length > 0) await part.fetch(refs, {})
    }
  }

  /**
   * All that it has read: who runs the same again and reads the same gets the same. `undefined` if it has looked at more than objects, or
   * has made or changed something.
   */
  seen(): readonly Seen[] | undefined {
    const changed = this.#own.created.size + this.#own.removed.size + this.#own.names.size + this.#own.enlisted.size + this.buffered.size
    if ((this.#family?.size ?? 1) > 1 || this.looksBeyond || changed > 0) return undefined
    const seen = Array.from(this.#loaded, ({ ref, stamp }): Seen => [ref!.id, stamp!.revision, stamp!.commit])
    return seen.sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Everything that changed in all stores, as ops; empty when nothing did. */
  collect(options: CommitOptions = {}): Collected {
    try {
      this.#phase.isCollected = true
      return this.#collectAll(options)
    } finally {
      this.#phase.hasEnded = true
    }
  }

  #collectAll(options: CommitOptions): Collected {
    const parts: { readonly part: Transaction; readonly plan: Plan; readonly ops: Op[] }[] = []
    // What is new lies in the first store in which something refers to it, and nowhere else.
    const elsewhere = new Map<ObjectState, Store>()
    for (const part of this.#parts) {
      if (part.#isUntouched) continue
      const { plan, ops } = part.#collect(options, elsewhere)
      part.#assertDoneOnce(plan)
      parts.push({ part, plan, ops })
      for (const { state } of plan.objects) if (!state.ref) elsewhere.set(state, part.store)
    }
    // What was only read is checked in all stores, as soon as anything is written to one of them.
    const isChange = parts.some(({ ops }) => ops.length > 0)
    if (options.check && isChange)
      for (const { part, plan, ops } of parts)
        ops.push(...checksOf(plan, part.#own.removed), ...part.#freeNames(), ...rowChecksOf(part.buffered.values()))
    for (const { part, ops } of parts) if (part.#own.names.size > 0) ops.push(...checksOfNamed(ops))
    if (parts.length === 1) return isChange ? { parts, ops: parts[0]!.ops } : UNCHANGED
    const changed = parts.filter(({ ops }) => ops.length > 0)
    return { parts: changed, ops: changed.flatMap(({ ops }) => ops) }
  }

  /**
   * Whether every object, row and name that was read is still as it was then. If so, all of them were so at one moment, after the last was read. What is
   * committed is checked by the commit; this is for what is not.
   */
  async isCurrent(): Promise<boolean> {
    for (const part of this.#parts) {
      const read = [...part.#loaded].filter(({ ref, stamp }) => ref && stamp)
      if (read.length === 0) continue
      const stored = await part.store.read(read.map(({ ref }) => ref!))
      if (stored.some((now, i) => now?.stamp.commit !== read[i]!.stamp!.commit || now.stamp.revision !== read[i]!.stamp!.revision))
        return false
    }
    for (const part of this.#parts) if (!(await areRowsCurrent(part.store, part.buffered.values()))) return false
    for (const part of this.#parts) if (!(await part.#areNamesCurrent())) return false
    return true
  }

  async #areNamesCurrent(): Promise<boolean> {
    if (this.#namesSeen.size === 0) return true
    const found = await this.store.find(Array.from(this.#namesSeen.keys(), (alias) => ({ alias })))
    return [...this.#namesSeen.values()].every((id, i) => found[i]?.id === id)
  }

  /** That names which were found free, and which it does not give itself, are free. */
  *#freeNames(): Iterable<Op> {
    for (const [alias, id] of this.#namesSeen)
      if (id === undefined && !this.#own.names.has(alias)) yield { do: 'name', alias, expect: null, to: null }
  }

  get #isUntouched(): boolean {
    const touched = this.#loaded.size + this.#own.created.size + this.#own.removed.size + this.#own.names.size + this.#own.enlisted.size
    return touched + this.buffered.size === 0
  }

  #collect({ readOnly }: CommitOptions, elsewhere: ReadonlyMap<ObjectState, Store>): { plan: Plan; ops: Op[] } {
    const roots = elsewhere.size === 0 ? this.#roots : this.#roots.filter((state) => !elsewhere.has(state))
    const plan = planOf(roots, this.store, elsewhere)
    const { changed } = plan
    if (this.#own.enlisted.size + this.#own.removed.size > 0) this.#refuseTwins(changed)
    for (const { ref, state } of changed) {
      const whose = readOnly?.get(ref.id)
      if (whose) throw wrongDirection(nameOf(state), ref.id, whose)
    }
    // Now, since the rows that new collections hold go into the buffer by it, and out of that into the group.
    if (plan.tables.length > 0) this.#create(plan)
    if (this.#hasOnlyLoaded) return { plan, ops: plan.ops() }
    const rows = [...this.buffered.values()].filter((r) => r.overlay.count > 0)
    for (const { table } of rows) {
      const whose = readOnly?.get(table.owner.id)
      if (whose) throw wrongDirection(`the collection of ${table.owner.id}`, table.owner.id, whose)
    }
    const ops: Op[] = [
      ...plan.ops(),
      ...this.#own.dropped.map(({ ref }): Op => ({ do: 'remove', ref, expect: this.#own.removed.get(ref.id)?.stamp ?? 'present' })),
      ...[...this.#own.names].filter(([, n]) => n.expect !== null || n.to !== null).map(([alias, n]): Op => ({ do: 'name', alias, ...n })),
      ...rows.flatMap((r) => rowOpsOf(r, r.overlay, (state) => refFrom(this.store, state, elsewhere.get(state)))),
    ]
    return { plan, ops }
  }

  #assertDoneOnce(plan: Plan): void {
    const { runs } = this.#phase
    if (!runs || this.#own.enlisted.size === 0) return
    const saved = new Set(this.#savedOfProgram())
    for (const object of plan.objects) if (saved.has(object.state)) runs.assertDoneOnce(object.state, changesOf(object))
  }

  /** An instance of the program that was saved inside stands beside the one that was loaded inside: one would take back what the other did. */
  #refuseTwins(changed: readonly ObjectPlan[]): void {
    const met = new Set<Id>(this.#own.removed.keys())
    for (const { ref, state } of changed) {
      if (met.has(ref.id)) throw twinsChanged(nameOf(state), ref.id)
      met.add(ref.id)
    }
  }

  /** Most tasks change nothing but their arguments. */
  get #hasOnlyLoaded(): boolean {
    return this.#own.created.size + this.#own.removed.size + this.#own.names.size + this.#own.enlisted.size + this.buffered.size === 0
  }

  get #roots(): readonly ObjectState[] {
    if (this.#hasOnlyLoaded) return [...this.#loaded]
    const reached = [...this.buffered.values()].flatMap((r) => r.reached.volatile())
    return [...this.#own.created, ...this.#loaded, ...this.#own.enlisted, ...reached]
  }

  /** Commits as one unit of work. `undefined` when there was nothing to commit. */
  async commit(options: CommitOptions = {}): Promise<Receipt | undefined> {
    const { parts } = options.collected ?? this.collect(options)
    if (parts.length === 0) return undefined
    const units: Unit[] = []
    const { home } = options
    // A home without a store is one of the store of the task, wherever it writes.
    const far = home && { ...options, beside: undefined, home: new Ref(home.id, home.classId, home.store ?? this.store.url) }
    const isPart = parts.length > 1
    for (const { part, plan, ops } of parts) units.push(await part.#unitOf(plan, ops, part === this || !far ? options : far, isPart))
    const receipt = await this.#send(this.store.joined(units))
    this.#phase.isCommitted = true
    if (!receipt.applied) {
      this.#returnLent()
      return receipt
    }
    this.landed({ parts }, receipt)
    for (const part of this.#parts) part.#keepLent(timeOf(units[0]!))
    for (const { part } of parts) for (const gone of part.#own.dropped) await dropBelongings(part.store.backend, gone)
    return receipt
  }

  async #send(unit: Unit): Promise<Receipt> {
    for (const part of this.#parts)
      if (part.store.program.orphans.mayBe)
        for (const state of part.#own.created) await part.store.program.orphans.remove(state, state.ref!)
    try {
      return await this.store.send(unit)
    } catch (error) {
      this.#phase.refused = error instanceof UnknownOutcomeError ? 'unknown' : unit.commit
      throw error
    }
  }

  /** What it has changed, if that may stand in one group beside what others have: objects of its own store, and nothing that is stored before them. */
  jointOps({ parts }: Collected): readonly Op[] | undefined {
    const [only] = parts
    const { tables, dropped } = this.#own
    if (parts.length !== 1 || only!.part !== this || this.buffered.size + tables.size + dropped.length > 0) return undefined
    const { plan, ops } = only!
    for (const op of ops) if (op.do !== 'put') return undefined
    if (!this.store.isReady(ops)) return undefined
    this.#create(plan)
    return ops
  }

  /** Its group has committed. */
  landed({ parts }: Pick<Collected, 'parts'>, receipt: Receipt): void {
    this.#phase.isCommitted = true
    for (const { part, plan } of parts) part.#committed(plan, receipt)
  }

  async #unitOf(plan: Plan, ops: readonly Op[], { commit, home, mark, beside }: CommitOptions, isPart: boolean): Promise<Unit> {
    this.#create(plan)
    const { backend } = this.store
    for (const { table } of this.#own.tables.values()) await backend.define(table, aliasOf(table, ops))
    const isElsewhere = (): boolean => isPart || (home !== undefined && mark !== undefined && !this.#isDecidedAt(home, mark, ops))
    const own = this.buffered.size === 0 ? ops : this.#withOwnerChecks(ops, isElsewhere())
    return this.store.unitOf(beside ? [...own, ...beside] : own, {
      ...(commit && { commit }),
      ...(home && { home }),
      ...(mark && { mark }),
    })
  }

  #withOwnerChecks(ops: readonly Op[], isPart: boolean): readonly Op[] {
    const rows = [...this.buffered.values()]
    const written = rows.filter((r) => r.overlay.count > 0).map((r) => r.table)
    return withOwnerChecks(this.store.backend, ops, written, checkedTables(ops, rows), isPart)
  }

  /** Whether a mark lies where all of these ops do. */
  #isDecidedAt(home: Ref, mark: Mark, ops: readonly Op[]): boolean {
    const { backend, url } = this.store
    return (home.store ?? url) === url && backend.domain({ do: 'mark', home, mark }) === soleDomain(backend, ops)
  }

  /** The stores that it wrote to, or read from. */
  get stores(): Iterable<Store> {
    return this.#family?.keys() ?? [this.store]
  }

  #committed(plan: Plan, receipt: Receipt): void {
    for (const { dict } of this.#own.tables.values()) tableMade(dict)
    // Not of all: beside what changed there may be another instance of it, which is as it was.
    for (const { state, ref, prints } of plan.changed) {
      const stamp = receipt.stamps.get(ref.id)
      if (!stamp) continue
      state.stamp = stamp
      state.base = prints
    }
    this.#letGo()
    this.buffered.clear()
  }

  #returnLent(): void {
    for (const part of this.#parts) for (const lent of part.#own.lent.splice(0)) lent.failed()
  }

  /** Rows of the program are stored now. */
  #keepLent(atMicros: bigint): void {
    for (const lent of this.#own.lent.splice(0)) lent.landed(atMicros)
  }

  /** What was deleted inside is volatile from the end on. */
  #letGo(): void {
    for (const [id, state] of this.#own.removed) {
      if (!state.ref) continue
      unbindOwned(state, id)
      this.store.program.lose(id, state)
      state.becomeVolatile()
    }
  }

  /** Makes what was made persistent inside volatile again, after a failure. */
  rollback(): void {
    this.#phase.hasEnded = true
    this.#returnLent()
    for (const part of this.#parts) {
      for (const planned of part.#own.tables.values()) part.#unmakeTable(planned)
      const foreseen = part.#own.created.size > 0 ? part.store.program.foreseen() : NONE_FORESEEN
      for (const state of part.#own.created) part.#unmade(state, foreseen.has(state))
    }
  }

  /** Rows that the program has buffered may refer to it by the id that it will have, which it keeps then. */
  #unmade(state: ObjectState, isForeseen: boolean): void {
    const { provisional, mayStand } = state
    const { refused } = this.#phase
    state.becomeVolatile()
    if (refused === 'unknown' || !isForeseen) return
    state.provisional = provisional
    state.mayStand = mayStand
    if (refused) this.store.program.orphans.note(state, refused)
  }

  /** After a failure: whoever still holds an instance that was met inside can load and save it. */
  release(): void {
    for (const part of this.#parts) for (const state of part.#met()) part.store.program.serve(state)
  }

  /**
   * Instances that go on living in the main program after the transaction, handles that loaded ones refer to among them. Gives those of
   * which the program has another.
   */
  handOver(): Twins {
    const twins = new Twins()
    for (const part of this.#parts) {
      part.#letGo() // also where there was nothing to commit, since all of it was gone already
      for (const state of part.#met()) {
        const own = part.store.program.inherit(state)
        if (own === state.instance) twins.addHolder(own)
        else twins.add(state.instance, own)
      }
      for (const state of part.#own.enlisted) {
        part.store.program.know(state)
        twins.addHolder(state.instance)
      }
      for (const { dict, table } of part.#own.tables.values()) bindTable(dict, table, part.store.program)
    }
    return twins
  }

  *#met(): Iterable<ObjectState> {
    for (const states of [this.#own.created, this.#own.removed.values(), this.#loaded, this.#handles])
      for (const state of states) if (state.ref && state.unit === this) yield state
  }

  /** What it has changed of objects that stood, once it is committed: for the instances of the main program. */
  committed({ parts }: Collected, { stamps }: Receipt): Committed {
    const known = new Map<Id, { readonly before: Stamp; readonly stored: Stored }>()
    for (const { plan } of parts)
      for (const { ref, expect, cells } of plan.changed) {
        const stamp = stamps.get(ref.id)
        if (stamp && expect !== 'absent') known.set(ref.id, { before: expect, stored: { ref, stamp, bytes: cellsBytes(cells), cells } })
      }
    return known
  }
}

const NONE_FORESEEN: ReadonlySet<ObjectState> = new Set()
const UNCHANGED: Collected = { parts: [], ops: [] }

/** What is given a name must stand: its object, of which the unit may say so already. */
function checksOfNamed(ops: readonly Op[]): Op[] {
  const named = new Map(ops.flatMap((op) => (op.do === 'name' && op.to ? [[op.to.id, op.to] as const] : [])))
  for (const op of ops) if (op.do === 'put' || op.do === 'remove' || op.do === 'check') named.delete(op.ref.id)
  return Array.from(named.values(), (ref): Op => ({ do: 'check', ref, expect: 'present' }))
}
