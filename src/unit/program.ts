/** Long because what the main program has stored, what it buffers and what is on its way are one state with one owner. */
import { checkAlias } from '../alias.js'
import type { Op, Receipt, Ref, Stamp, Table } from '../backend.js'
import { AliasTakenError, ConflictError, NotFoundError, UnavailableError, UnknownOutcomeError } from '../errors.js'
import type { Id } from '../ids.js'
import { constructorOfInstance, mergesFields } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'
import { type StorageObject, stateOf } from '../objects/storage-object.js'
import { assertSameClass } from './assert-class.js'
import { backOff, TRIES_MAX } from './back-off.js'
import { dropBelongings, removeWithNames } from './belongings.js'
import { deleteReached, edgesFrom } from './delete-reached.js'
import { Departures } from './departures.js'
import { giveName, takeName } from './give-name.js'
import { Orphans } from './orphans.js'
import { withOwnerChecks } from './owner-checks.js'
import { type ObjectPlan, type Plan, planOf, withoutKept } from './persist-plan.js'
import { PlanDeparture, type Sender } from './plan-departure.js'
import { rebase } from './rebase.js'
import { forgetName, nameFirst, refFrom } from './references.js'
import { type Committed, type Held, refresh } from './refresh.js'
import { bindComingTable, bindTable, tableOf, unbindOwned, unbindTable } from './table-binding.js'
import { forgetReached, type TableRows } from './table-rows.js'
import { type LentRows, lendRows, NO_ROWS, type TakenRows, takeRows } from './taken-rows.js'
import { nameOf, notFound } from './unit-errors.js'
import { UnitOfWork } from './unit-of-work.js'
import { Versions } from './versions.js'

/** Rows that the main program buffers per table before they are sent by themselves. */
const BUFFERED_ROWS_MAX = 4096
/** The same in bytes, and how much of them goes as one group. */
const BUFFERED_BYTES_MAX = 16 * 1024 * 1024
const NO_OPS: readonly Op[] = []
const NOTHING_MORE = (): readonly Op[] => NO_OPS

/** A store that does not answer would be asked in vain for every collection. */
function requireAnswer(error: unknown): unknown {
  if (error instanceof UnavailableError || error instanceof UnknownOutcomeError) throw error
  return error
}

/** The main program's unit of work: every save is a group of its own. */
export class Program extends UnitOfWork {
  readonly isTransaction = false
  readonly #departures = new Departures(this.store)
  readonly #versions = new Versions({
    store: this.store,
    instances: this.instances,
    detached: (stored) => this.detached(stored),
    isDirty: (state) => this.isDirty(state),
    take: (state, stored) => this.take(state, stored),
    commitStates: (roots, extra, first) => this.#commitLater(roots, extra, undefined, first),
    unit: this,
  })
  /** Of its own, and of transactions. */
  readonly orphans = new Orphans(this.store)
  #flushing: Promise<void> = Promise.resolve()
  #flushes = 0
  #flushError: unknown

  makePersistent(state: ObjectState, alias: string | undefined, ifExists: 'error' | 'open' | 'replace'): Promise<StorageObject> {
    const isPlain = alias === undefined && !state.ref && !this.#departures.areUnsure
    return isPlain ? this.#commitStates([state], NOTHING_MORE, state.instance) : this.#makePersistentAs(state, alias, ifExists)
  }

  async #makePersistentAs(state: ObjectState, alias: string | undefined, ifExists: 'error' | 'open' | 'replace'): Promise<StorageObject> {
    if (alias !== undefined) checkAlias(alias)
    if (this.#departures.areUnsure) await this.#departures.settle()
    if (state.ref) return this.#persistAgain(state, alias, ifExists)
    this.store.declare(constructorOfInstance(state.instance))
    for (let attempt = 0; ; attempt++) {
      const expect = alias === undefined ? null : await this.#aliasTarget(state, alias, ifExists)
      while (state.busy) await state.busy.catch(() => {})
      if (state.ref) return this.#persistAgain(state, alias, ifExists) // by another call, meanwhile
      const opened = expect && ifExists === 'open' ? await this.#become(state, alias!, expect) : undefined
      if (opened) return this.#withRowsStored(opened)
      if (alias !== undefined) nameFirst(state, alias, this.store)
      try {
        return await this.#commitStates(
          [state],
          (ref) => (alias === undefined ? [] : [{ do: 'name', alias, expect, to: ref }]),
          state.instance,
        )
      } catch (error) {
        forgetName(state, alias, this.store)
        // Somebody took the name between looking and claiming: look again.
        if (!(error instanceof AliasTakenError) || attempt >= TRIES_MAX) throw error
        await backOff(attempt)
      }
    }
  }

  /** What stands under an alias that may be taken over; `null` when it is free. */
  async #aliasTarget(state: ObjectState, alias: string, ifExists: 'error' | 'open' | 'replace'): Promise<Ref | null> {
    const ref = await this.resolveAlias(alias)
    if (!ref || ifExists === 'replace') return ref ?? null
    const [stored] = await this.store.read([ref])
    // A name whose object is gone is free, and another call may have given it to this one.
    if (!stored || ifExists === 'open' || ref.id === (state.ref ?? state.provisional)?.id) return ref
    throw new AliasTakenError(`alias ${alias} belongs to object ${ref.id}: choose another, or { ifExists: 'open' | 'replace' }`, {
      alias,
      by: ref.id,
    })
  }

  /** What was opened has the rows that the own instance held, and they are stored as those of a new object are. */
  async #withRowsStored(opened: StorageObject): Promise<StorageObject> {
    for (const { table } of this.bufferedOf(stateOf(opened))) await this.saveRows(table)
    return opened
  }

  /** `undefined` when the object is gone: its name is free. */
  async #become(state: ObjectState, alias: string, ref: Ref): Promise<StorageObject | undefined> {
    const inMemory = this.instances.get(ref.id)
    if (inMemory) {
      const [stands] = await this.fetch([ref], {}, (found) => assertSameClass(state, alias, found))
      return stands && this.asItsClass(state, alias, inMemory)
    }
    const [stored] = await this.store.read([ref])
    return stored && this.become(state, alias, stored)
  }

  async #persistAgain(state: ObjectState, alias: string | undefined, ifExists: 'error' | 'open' | 'replace'): Promise<StorageObject> {
    // Before anything is stored: with a name that is another's nothing is.
    if (alias !== undefined && ifExists !== 'replace') await this.#aliasTarget(state, alias, 'error')
    await this.save(state)
    if (alias !== undefined) await this.#name(this.persistentRef(state, 'makePersistent'), alias, ifExists === 'replace')
    return state.instance
  }

  save(state: ObjectState): Promise<void> {
    const isReady = state.ref && state.loaded && !this.#isUnsettled && (this.buffered.size === 0 || this.#overfull(state).length === 0)
    const isPlain = isReady && !mergesFields(constructorOfInstance(state.instance))
    return isPlain ? this.#commitStates([state], NOTHING_MORE, undefined) : this.#saveMerged(state)
  }

  async #saveMerged(state: ObjectState): Promise<void> {
    if (this.#isUnsettled) await this.#settled()
    this.persistentRef(state, 'save')
    if (!state.loaded) return
    for (const rows of this.#overfull(state)) await this.#sendRows(rows)
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#commitStates([state], NOTHING_MORE, undefined)
      } catch (error) {
        if (!(error instanceof ConflictError) || attempt >= TRIES_MAX || !mergesFields(constructorOfInstance(state.instance))) throw error
        const [stored] = await this.store.read([state.ref!])
        // Of an object that is as it was expected, something else was in the way: a row, or what it reaches.
        if (!stored || stored.stamp.commit === state.stamp?.commit || !rebase(state, stored, this)) throw error
        if (attempt > 0) await backOff(attempt)
      }
    }
  }

  async deletePersistent(state: ObjectState, deep: boolean): Promise<void> {
    while (state.busy) await state.busy.catch(() => {})
    await this.#departures.settle()
    const ref = state.ref
    if (!ref) return
    const [stored] = await this.store.read([ref])
    const reached = deep && stored ? await edgesFrom(this.store.backend, stored) : []
    if (stored) {
      await removeWithNames(this.store, ref)
      await dropBelongings(this.store.backend, stored)
    }
    await this.store.reached()
    if (stored) this.keepContents(state, stored)
    // A handle of what was gone already stays one: without contents it is nothing that could be stored again.
    if (state.loaded) this.#forget(state, ref)
    if (reached.length > 0) await deleteReached(this, reached)
  }

  #forget(state: ObjectState, ref: Ref): void {
    unbindOwned(state, ref.id)
    for (const rows of this.bufferedOf(state)) this.buffered.delete(rows.table.id)
    this.instances.delete(ref.id)
    state.becomeVolatile()
  }

  async addAlias(state: ObjectState, alias: string): Promise<void> {
    checkAlias(alias)
    await this.#name(this.persistentRef(state, 'addAlias'), alias, false)
  }

  /** Somebody may give or take the name between looking and claiming: then it is looked for again. */
  async #name(ref: Ref, alias: string, replaces: boolean): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const held = await this.resolveAlias(alias)
      const [stands] = held && (held.id === ref.id || !replaces) ? await this.store.read([held]) : []
      if (held?.id === ref.id && stands) return
      if (held?.id === ref.id) throw notFound(ref.id, this.store.url) // a name that was settled late, and is left of what is gone
      if (stands || attempt >= TRIES_MAX)
        throw new AliasTakenError(`alias ${alias} belongs to object ${held?.id}: choose another`, { alias, by: held?.id })
      if (await giveName(this.store, alias, held ?? null, ref)) return
      await backOff(attempt)
    }
  }

  async removeAlias(state: ObjectState, alias: string): Promise<void> {
    checkAlias(alias)
    const ref = this.persistentRef(state, 'removeAlias')
    const held = await this.resolveAlias(alias)
    if (held?.id !== ref.id || !(await takeName(this.store, alias, ref)))
      throw new NotFoundError(`${nameOf(state)} has no alias ${alias}`, { alias, id: ref.id })
  }

  override newVersion(state: ObjectState): Promise<StorageObject> {
    return this.#versions.make(this.persistentRef(state, 'newVersion'))
  }

  override consolidateVersion(state: ObjectState): Promise<void> {
    this.persistentRef(state, 'consolidateVersion')
    return this.#versions.consolidate(state)
  }

  /** Takes over an instance that a transaction made or loaded. Gives the one that the program has. */
  inherit(state: ObjectState): StorageObject {
    const ref = state.ref!
    const own = this.instances.get(ref.id)
    if (!own) this.adopt(state, ref)
    this.serve(state)
    return own ?? state.instance
  }

  /** A transaction has saved an instance that is left of one that failed: references lead to it, where they lead to no other. */
  know({ ref, instance }: ObjectState): void {
    if (ref && !this.instances.get(ref.id)) this.instances.set(ref.id, instance)
  }

  /** A transaction has deleted an object by this instance: it is no longer what references to that lead to. */
  lose(id: Id, { instance }: ObjectState): void {
    if (this.instances.get(id) === instance) this.instances.delete(id)
  }

  /** Acts on an instance of a unit that is over, for who holds it. No one else meets it, nor what a unit that failed has left in it. */
  serve(state: ObjectState): void {
    state.base = withoutKept(state.base)
    state.unit = this
    for (const dict of state.dicts.values()) {
      const table = tableOf(dict)
      if (table) bindTable(dict, table, this)
    }
  }

  /** Volatile objects to which buffered rows refer by the ids that they will have. */
  foreseen(): ReadonlySet<ObjectState> {
    return new Set([...this.buffered.values()].flatMap(({ reached }) => [...reached]))
  }

  override lendRows(state: ObjectState): readonly LentRows[] {
    return this.bufferedOf(state)
      .filter(({ overlay }) => overlay.count > 0)
      .map(lendRows)
  }

  // ---- units on their way

  /** Stores objects with what they newly reach and their buffered rows, as one unit; `extra` ops ride along. Gives `result` at the end. */
  #commitStates<T>(roots: readonly ObjectState[], extra: (ref: Ref) => readonly Op[], result: T): Promise<T> {
    try {
      const plan = this.#planOf(roots)
      return this.#isReady(plan) ? this.#leave(plan, extra, result) : this.#commitLater(roots, extra, result)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** As `#commitStates`, once nothing is on its way that it builds on, and after `first`. */
  async #commitLater<T>(
    roots: readonly ObjectState[],
    extra: (ref: Ref) => readonly Op[],
    result: T,
    first?: (plan: Plan) => Promise<void>,
  ): Promise<T> {
    let plan = this.#planOf(roots)
    while (!this.#isReady(plan)) {
      await this.#getReady(plan)
      plan = this.#planOf(roots)
    }
    if (first) await first(plan)
    return this.#leave(plan, extra, result)
  }

  #leave<T>(plan: Plan, extra: (ref: Ref) => readonly Op[], result: T): Promise<T> {
    // From now on their rows are buffered here, so that none written meanwhile is lost.
    for (const planned of plan.tables) bindComingTable(planned, this)
    const rows = this.buffered.size === 0 ? NO_ROWS : this.#takeRowsOf(plan)
    const ops = plan.ops()
    for (const op of extra(plan.objects[0]!.ref)) ops.push(op)
    for (const op of rows.ops) ops.push(op)
    if (ops.length === 0) return this.store.isOwed ? Promise.resolve(this.store.reached()).then(() => result) : Promise.resolve(result)
    const departure = new PlanDeparture(this.#sender, plan, rows, withOwnerChecks(this.store.backend, ops, rows.tables))
    const joint = this.#departures.join(departure)
    if (!joint) return this.#leaveAlone(departure, result)
    departure.begin(joint.sent)
    return joint.reached.then((isStored) => (isStored ? result : this.#leaveAlone(departure, result)))
  }

  async #leaveAlone<T>(departure: PlanDeparture, result: T): Promise<T> {
    const work = this.#departures.depart(departure)
    departure.begin(work)
    try {
      await work
    } finally {
      departure.ended()
    }
    await this.store.reached()
    return result
  }

  readonly #sender: Sender = {
    stored: (object, receipt) => this.#stored(object, receipt),
    orphaned: ({ state }, commit) => this.orphans.note(state, commit),
    notMade: ({ dict, table }) => {
      unbindTable(dict)
      this.buffered.delete(table.id)
    },
  }

  #takeRowsOf(plan: Plan): TakenRows {
    const owners = new Set(plan.objects.map((o) => o.ref.id))
    return takeRows(
      [...owners].flatMap((owner) => [...this.buffered.ofOwner(owner)]),
      this.#refOf,
    )
  }

  #planOf(roots: readonly ObjectState[]): Plan {
    return planOf(this.buffered.size === 0 ? roots : this.#withReached(roots), this.store)
  }

  /** Whether nothing that a plan builds on is still on its way. Nothing may be waited for between this and the departure. */
  #isReady(plan: Plan): boolean {
    return plan.waits.length === 0 && !(this.orphans.mayBe && plan.objects.some(({ state }) => this.orphans.has(state)))
  }

  async #getReady(plan: Plan): Promise<void> {
    await Promise.allSettled(plan.waits)
    for (const { state, ref } of plan.objects) await this.orphans.remove(state, ref)
  }

  #withReached(roots: readonly ObjectState[]): ObjectState[] {
    return [...roots, ...roots.flatMap((r) => this.bufferedOf(r).flatMap((b) => b.reached.volatile()))]
  }

  #stored(object: ObjectPlan, receipt: Receipt): void {
    const { state, ref, prints } = object
    const stamp: Stamp | undefined = receipt.stamps.get(ref.id)
    if (!stamp) return
    if (!state.ref) this.adopt(state, ref)
    state.stamp = stamp
    state.base = prints
  }

  rowsChanged(rows: TableRows): void {
    const { count, bytes } = rows.overlay
    if ((count < BUFFERED_ROWS_MAX && bytes < this.#bytesMax) || this.#sending.has(rows)) return
    this.#sending.add(rows)
    // In order, as groups: each waits for the one before. The error of one is thrown by the next save.
    this.#flushes++
    this.#flushing = this.#flushing
      .then(() => this.#sendRows(rows))
      .catch((e: unknown) => void (this.#flushError ??= e))
      .finally(() => this.#flushes--)
  }

  readonly #sending = new Set<TableRows>()

  async #sendRows(rows: TableRows): Promise<void> {
    this.#sending.delete(rows)
    for (let isLast = false; !isLast && rows.overlay.count > 0; ) {
      const reached = rows.reached.volatile()
      if (reached.length > 0) await this.#commitStates(reached, NOTHING_MORE, undefined)
      else {
        // Nothing was waited for since: all objects that the rows refer to are stored.
        isLast = rows.overlay.bytes <= this.#bytesMax || rows.overlay.count === 1
        await this.#sendTaken(takeRows([rows], this.#refOf, isLast ? undefined : this.#bytesMax))
      }
    }
    forgetReached(rows, this.store)
  }

  readonly #refOf = (state: ObjectState): Ref => refFrom(this.store, state)

  async #sendTaken(taken: TakenRows): Promise<void> {
    await this.#departures.depart({
      tables: [],
      ops: withOwnerChecks(this.store.backend, taken.ops, taken.tables),
      landed: (_, atMicros) => taken.landed(atMicros),
      failed: taken.failed,
      ended: () => {},
    })
  }

  /** Rows that a send has given back, of more than one group. */
  #overfull(state: ObjectState): readonly TableRows[] {
    return this.bufferedOf(state).filter(({ overlay }) => overlay.bytes > this.#bytesMax)
  }

  get #bytesMax(): number {
    return Math.min(BUFFERED_BYTES_MAX, this.store.backend.capabilities.groupBytesMax / 4)
  }

  /** How many rows of which objects are written and not yet sent. */
  unsavedRows(): readonly { readonly owner: Ref; readonly rows: number }[] {
    const all = [...this.buffered.values()].map(({ table, overlay }) => ({ owner: table.owner, rows: overlay.count }))
    return all.filter(({ rows }) => rows > 0)
  }

  /** What one collection cannot store does not keep the others from storing theirs. Throws the first of the errors. */
  async saveRows(only?: Table): Promise<void> {
    const errors: unknown[] = []
    await this.#settled().catch((error: unknown) => errors.push(requireAnswer(error)))
    const owner = only && this.instances.get(only.owner.id)
    if (owner) await stateOf(owner).busy // its tables are made together with it
    const asked = only ? [this.buffered.get(only.id)].filter((rows) => rows !== undefined) : [...this.buffered.values()]
    const waiting = asked.filter(({ overlay }) => overlay.count > 0)
    for (const rows of waiting) await this.#sendRows(rows).catch((error: unknown) => errors.push(requireAnswer(error)))
    if (waiting.length > 0) await this.store.reached()
    if (errors.length > 0) throw errors[0]
  }

  get #isUnsettled(): boolean {
    return this.#flushes > 0 || this.#flushError !== undefined || this.#departures.areUnsure
  }

  /** Waits for what is on its way. Throws what an earlier send of rows had thrown, which nobody could be told. */
  async #settled(): Promise<void> {
    await this.#flushing
    await this.#departures.settle()
    this.#throwFlushError()
  }

  #throwFlushError(): void {
    const error = this.#flushError
    this.#flushError = undefined
    if (error !== undefined) throw error
  }

  readonly #held: Held = {
    store: this.store,
    stateOf: (id) => {
      const instance = this.instances.get(id)
      return instance && stateOf(instance)
    },
    isDirty: (state) => this.isDirty(state),
    take: (state, stored) => this.take(state, stored),
  }

  /** Brings clean loaded instances up to date with what a transaction committed. The others stay as they are. */
  async refresh(ids: ReadonlySet<string>, receipt: Receipt, known: Committed): Promise<void> {
    await refresh(this.#held, ids, receipt, known)
  }

  /** The same with what tasks committed. Errors: ConflictError for an instance with unsaved changes, once all others are up to date. */
  async refreshClean(ids: ReadonlySet<string>): Promise<void> {
    const [conflict] = await refresh(this.#held, ids)
    if (conflict) throw conflict
  }
}
