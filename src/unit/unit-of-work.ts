/**
 * What a task, a transaction, or the main program between two saves, has read and changed of one store. One file, since all of it keeps the
 * one instance that each id has here.
 */
import { checkAlias } from '../alias.js'
import { type Cells, type Location, Ref, type Stored, type Table } from '../backend.js'
import type { Constructor } from '../classes/class-locator.js'
import { constructorOf, findConstructor } from '../classes/class-registry.js'
import { gainsSoFar } from '../codec/nested-classes.js'
import { refsIn } from '../codec/values.js'
import { dictLike, dictSchemaOf, giveRows, isDict, isUntouched, type StorageDict } from '../dict/storage-dict.js'
import { dictFromSchema } from '../dict/stored-dict.js'
import { compareColumns } from '../dict/table-columns.js'
import { NotFoundError, UnsavedChangesError, ValidationError } from '../errors.js'
import type { ClassId, Host, Id, TableId } from '../ids.js'
import { constructEmpty, constructHandle, constructorOfInstance, fill, guardAgain, type StoredFields } from '../objects/fields.js'
import { NO_DICTS, type ObjectState } from '../objects/object-state.js'
import { type GetOptions, newHandle, type PersistOptions, StorageObject, stateOf } from '../objects/storage-object.js'
import { storeNotOpen } from '../open-stores.js'
import type { Store } from '../store.js'
import { Appends } from './appends.js'
import { assertClass, assertSameClass } from './assert-class.js'
import { BufferedRows } from './buffered-rows.js'
import { copyTo } from './copy-to.js'
import { decodeStored, plainStored } from './decode-stored.js'
import { GainedColumns } from './gained-columns.js'
import { IdentityMap } from './identity-map.js'
import { type DictCell, type Prints, planOf, printsAsTaken, printsOf } from './persist-plan.js'
import { bindTable, madeDict, tableOf } from './table-binding.js'
import { discardRows, noRowsYet, type TableRows } from './table-rows.js'
import type { LentRows } from './taken-rows.js'
import type { UndoLog } from './undo-log.js'
import { asId, assertGetOptions, gainsColumns, nameOf, noCopyYet, notFound, noVersionsHere } from './unit-errors.js'

/** A copy of a stored object, and the tables that its collections are copies of. */
export interface Detached {
  readonly state: ObjectState
  readonly sources: ReadonlyMap<StorageDict<any, any>, Table>
}

export abstract class UnitOfWork {
  abstract readonly isTransaction: boolean
  #gainedColumns: GainedColumns | undefined
  /** Whether the object being filled has a collection with other columns than its field says: as it is, it counts as unchanged. */
  #hasOtherColumns = false
  protected readonly instances = new IdentityMap()
  protected get buffered(): BufferedRows {
    return this.#buffered ?? NO_ROWS
  }
  #buffered: BufferedRows | undefined

  constructor(readonly store: Store) {}

  protected get gainedColumns(): GainedColumns {
    return (this.#gainedColumns ??= new GainedColumns(this.store))
  }

  get #areColumnsUntold(): boolean {
    return this.#gainedColumns?.areUntold ?? false
  }

  /** Whether it has looked at what no stamp of an object tells: rows, names, streams, or that something is missing. */
  looksBeyond = false

  /** How to take back a part of what is done here, where parts may fail by themselves. */
  protected get undoLog(): UndoLog | undefined {
    return undefined
  }

  #fetchedBytes = 0
  /** What was fetched so far, as stored. */
  get fetchedBytes(): number {
    return this.#fetchedBytes
  }

  /** Under this name streams know what it appends, if a name outlives it. */
  producer: string | undefined
  #appends?: Appends
  get appends(): Appends {
    return (this.#appends ??= new Appends(this.producer))
  }

  /** Whether an object comes into being only when this unit commits. */
  isNew(_object: StorageObject): boolean {
    return false
  }

  abstract makePersistent(
    state: ObjectState,
    alias: string | undefined,
    ifExists: NonNullable<PersistOptions['ifExists']>,
  ): Promise<StorageObject>
  abstract save(state: ObjectState): Promise<void>
  abstract deletePersistent(state: ObjectState, deep: boolean): Promise<void>
  abstract addAlias(state: ObjectState, alias: string): Promise<void>
  abstract removeAlias(state: ObjectState, alias: string): Promise<void>
  /** Buffered rows alone, of all tables or of one; `rowsChanged` is called after each. */
  abstract saveRows(only?: Table): Promise<void>
  abstract rowsChanged(rows: TableRows): void

  /** The unit that acts on an object: the running transaction, else the one that holds it. */
  unitFor(state: ObjectState): UnitOfWork {
    return this.isTransaction ? this.unitOn(state.unit?.store ?? this.store) : (state.unit ?? this)
  }

  /** The same unit of work on another store. */
  unitOn(store: Store): UnitOfWork {
    return store === this.store ? this : store.program
  }

  // ---- reading

  async getByAlias(ctor: Constructor, alias: string, options: GetOptions = {}): Promise<StorageObject> {
    checkAlias(alias)
    assertGetOptions(options, 'getByAlias()')
    this.store.declare(ctor)
    const ref = await this.resolveAlias(alias)
    if (!ref) throw new NotFoundError(`no object has the alias ${alias} in ${this.store.url}`, { alias })
    // Of a name that is left of a deleted object the class does not count: what the store has says which.
    const [instance] = await this.fetch([ref], options, (found) => assertClass(ctor, found, `alias ${alias}`))
    if (!instance) throw new NotFoundError(`the object of alias ${alias} was deleted from ${this.store.url}`, { alias, id: ref.id })
    return instance
  }

  async getById(ctor: Constructor, asked: Id, options: GetOptions = {}): Promise<StorageObject> {
    const id = asId(asked)
    assertGetOptions(options, 'getByID()')
    this.store.declare(ctor)
    const [ref] = await this.#refsToRead([id])
    if (!ref) throw notFound(id, this.store.url)
    if (ref.classId !== CLASS_UNKNOWN) assertClass(ctor, ref, `id ${id}`)
    const [instance] = await this.fetch([ref], options, (found) => assertClass(ctor, found, `id ${id}`))
    if (!instance) throw notFound(id, this.store.url)
    return instance
  }

  /** References for ids: with their classes where the store needs them to read. */
  async #refsToRead(ids: readonly Id[]): Promise<readonly (Ref | undefined)[]> {
    if (this.store.backend.capabilities.readsByIdAlone) return ids.map((id) => new Ref(id, CLASS_UNKNOWN))
    const known = ids.map((id) => {
      const instance = this.instances.get(id)
      return instance && stateOf(instance).ref
    })
    return known.includes(undefined) ? this.findRefs(ids) : known
  }

  /** Objects of any known class, in the order asked, in at most two round trips. */
  async getByIds(asked: readonly Id[]): Promise<StorageObject[]> {
    const ids = asked.map(asId)
    const refs = await this.#refsToRead(ids)
    const missing = refs.indexOf(undefined)
    if (missing >= 0) throw notFound(ids[missing]!, this.store.url)
    const found = await this.fetch(refs as Ref[], {})
    return found.map((instance, i) => {
      if (!instance) throw notFound(ids[i]!, this.store.url)
      return instance
    })
  }

  /** Loads handles in one round trip. */
  async loadAll(states: readonly ObjectState[]): Promise<void> {
    const wanted = states.filter((s) => !s.loaded && s.ref && this.#isHere(s))
    await this.#loadElsewhere(states.filter((s) => !s.loaded && s.ref && !this.#isHere(s)))
    if (wanted.length === 0) return
    const stored = await this.store.read(wanted.map((s) => s.ref!))
    stored.forEach((found, i) => {
      if (!found) throw notFound(wanted[i]!.ref!.id, this.store.url)
      if (!wanted[i]!.loaded) this.take(wanted[i]!, found) // another call may have loaded it meanwhile, and the program changed it
    })
    if (this.#areColumnsUntold) await this.gainedColumns.tell()
  }

  #isHere({ ref, unit }: ObjectState): boolean {
    return ref?.store === undefined && (!unit || unit.store === this.store || unit.store.url === this.store.url)
  }

  async #loadElsewhere(states: readonly ObjectState[]): Promise<void> {
    const byUnit = new Map<UnitOfWork, ObjectState[]>()
    for (const state of states) {
      if (state.ref!.store !== undefined) this.#bringHome(state)
      const unit = this.unitOn(state.unit!.store)
      byUnit.set(unit, [...(byUnit.get(unit) ?? []), state])
    }
    for (const [unit, of] of byUnit) await unit.loadAll(of)
  }

  /** A handle of a store that was not open when it was made. */
  #bringHome(state: ObjectState): void {
    const { id, classId, store } = state.ref!
    const peer = this.store.peer(store!)
    if (!peer) throw storeNotOpen(state.ref!)
    const unit = this.unitOn(peer)
    state.ref = new Ref(id, classId)
    state.unit = unit
    if (!unit.instances.get(id)) unit.instances.set(id, state.instance)
  }

  async reload(state: ObjectState, discard: boolean): Promise<void> {
    const ref = this.persistentRef(state, 'reload')
    this.looksBeyond = true
    if (!discard) this.#assertClean(state, ref)
    const [stored] = await this.store.read([ref])
    if (!stored) throw notFound(ref.id, this.store.url)
    if (!discard) this.#assertClean(state, ref) // the program may have changed it while it was read
    if (discard) for (const rows of this.bufferedOf(state)) discardRows(rows)
    this.take(state, stored)
    if (this.#areColumnsUntold) await this.gainedColumns.tell()
  }

  #assertClean(state: ObjectState, { id }: Ref): void {
    if (this.isDirty(state))
      throw new UnsavedChangesError(`${nameOf(state)} has unsaved changes: save() them, or reload({ discard: true })`, { id })
  }

  async aliasesOf(state: ObjectState): Promise<string[]> {
    const ref = this.persistentRef(state, 'aliases')
    this.looksBeyond = true
    return (await this.store.aliasesOf(ref)).sort()
  }

  async locationsOf(state: ObjectState): Promise<readonly Location[]> {
    this.looksBeyond = true
    const ref = this.persistentRef(state, 'getLocations')
    const [locations = []] = await this.store.backend.locate([ref])
    if (locations.length === 0 && !(await this.findRefs([ref.id]))[0]) throw notFound(ref.id, this.store.url)
    return locations
  }

  newVersion(_state: ObjectState): Promise<StorageObject> {
    return Promise.reject(noVersionsHere())
  }

  consolidateVersion(_state: ObjectState): Promise<void> {
    return Promise.reject(noVersionsHere())
  }

  async newReplica(state: ObjectState, host: string | undefined): Promise<void> {
    const ref = this.persistentRef(state, 'newReplica')
    if (this.isNew(state.instance)) throw noCopyYet(state)
    await copyTo(this.store.backend, ref, host as Host | undefined)
  }

  /** Resolves ids, newest knowledge first. */
  protected async findRefs(ids: readonly Id[]): Promise<(Ref | undefined)[]> {
    const found = [...(await this.store.find(ids))]
    if (found.includes(undefined)) this.looksBeyond = true
    return found
  }

  async resolveAlias(alias: string): Promise<Ref | undefined> {
    this.looksBeyond = true
    const [ref] = await this.store.find([{ alias }])
    return ref
  }

  /** Loads objects, or brings those in memory up to date; `undefined` for deleted ones. */
  async fetch(
    refs: readonly Ref[],
    { depth = 0 }: GetOptions,
    assertClass?: (found: Ref) => void,
    met: Set<Id> = new Set(),
  ): Promise<(StorageObject | undefined)[]> {
    const stored = await this.store.read(refs)
    if (assertClass) for (const found of stored) if (found) assertClass(found.ref)
    const instances = this.takeIn(stored)
    if (this.#areColumnsUntold) await this.gainedColumns.tell()
    if (depth > 0) {
      for (const { id } of refs) met.add(id)
      await this.#fetchDeeper(
        stored.flatMap((found) => (found ? refsIn(found.cells) : [])),
        depth - 1,
        met,
      )
    }
    return instances
  }

  /** Objects as they were read; the store may still have to be told of columns that their collections have gained. */
  takeIn(stored: readonly (Stored | undefined)[]): (StorageObject | undefined)[] {
    const instances: (StorageObject | undefined)[] = []
    for (const found of stored) {
      if (found) this.#fetchedBytes += found.bytes
      else this.looksBeyond = true
      instances.push(found && this.arrive(found))
    }
    return instances
  }

  /** Tells the store of columns that what was taken in has gained; `undefined` when there are none. */
  toldOfColumns(): Promise<void> | undefined {
    return this.#areColumnsUntold ? this.gainedColumns.tell() : undefined
  }

  /** As `fetch`, of objects in several stores. */
  async fetchAnywhere(refs: readonly Ref[]): Promise<readonly (StorageObject | undefined)[]> {
    if (refs.every(({ store }) => store === undefined)) return this.fetch(refs, {})
    const found = new Map<Id, StorageObject>()
    const byStore = new Map<string, Ref[]>()
    for (const ref of refs) {
      const url = ref.store ?? this.store.url
      byStore.set(url, [...(byStore.get(url) ?? []), ref])
    }
    const fetching = Array.from(byStore, async ([url, of]) => {
      const store = this.store.peer(url)
      if (!store) throw storeNotOpen(of[0]!)
      const unit = this.unitOn(store)
      const instances = await unit.fetch(
        of.map(({ id, classId }) => new Ref(id, classId)),
        {},
      )
      for (const [i, instance] of instances.entries()) if (instance) found.set(of[i]!.id, instance)
    })
    await Promise.all(fetching)
    return refs.map(({ id }) => found.get(id))
  }

  /** Each object once, also those in memory: what is behind them may not be there. */
  async #fetchDeeper(refs: readonly Ref[], depth: number, met: Set<Id>): Promise<void> {
    const byStore = new Map<Store, Ref[]>()
    for (const ref of refs) {
      if (met.has(ref.id)) continue
      met.add(ref.id)
      const peer = ref.store === undefined ? this.store : this.store.peer(ref.store)
      if (peer) byStore.set(peer, [...(byStore.get(peer) ?? []), new Ref(ref.id, ref.classId)])
    }
    for (const [store, of] of byStore) await this.unitOn(store).fetch(of, { depth }, undefined, met)
  }

  /** An object as the store has it now meets what is in memory: unsaved changes win, else the store. */
  protected arrive(stored: Stored): StorageObject {
    const instance = this.instances.get(stored.ref.id) ?? this.#make(stored) ?? this.instanceOf(stored.ref)
    const state = stateOf(instance)
    const fresh = state.loaded && state.stamp?.commit === stored.stamp.commit && state.stamp.revision === stored.stamp.revision
    // One of the program that a transaction has saved stays the program's.
    if (!fresh && !(state.loaded && (state.busy || this.isDirty(state)))) (state.unit ?? this).take(state, stored)
    return instance
  }

  /** A new instance with its fields at once, which costs less than a handle that is filled; `undefined` when only that will do. */
  #make(stored: Stored): StorageObject | undefined {
    const ctor = stored.ref.store === undefined ? findConstructor(stored.ref.classId) : undefined
    const instance = ctor && constructEmpty(ctor)
    if (!instance) return undefined
    const state = stateOf(instance)
    this.adopt(state, stored.ref)
    try {
      this.#fill(state, ctor, stored)
    } catch (error) {
      guardAgain(instance, ctor)
      state.loaded = false
      throw error
    }
    return instance
  }

  /** The one instance of an id in this unit of work; a handle when it is new here. */
  instanceOf(ref: Ref): StorageObject {
    const peer = ref.store === undefined ? this.store : this.store.peer(ref.store)
    if (peer && peer.url !== this.store.url) return this.unitOn(peer).instanceOf(new Ref(ref.id, ref.classId))
    const known = this.instances.get(ref.id)
    if (known) return known
    const instance = newHandle(findConstructor(ref.classId) ?? StorageObject)
    const state = stateOf(instance)
    state.ref = peer ? new Ref(ref.id, ref.classId) : ref
    state.unit = this
    this.instances.set(ref.id, instance)
    this.onMet(state)
    return instance
  }

  /** Fills an instance with a stored state. */
  take(state: ObjectState, stored: Stored): void {
    if (state.loaded) return this.#fill(state, constructorOfInstance(state.instance), stored, true)
    const ctor = constructorOf(stored.ref.classId)
    constructHandle(state.instance, ctor)
    try {
      this.#fill(state, ctor, stored)
    } catch (error) {
      guardAgain(state.instance, ctor)
      throw error
    }
  }

  #fill(state: ObjectState, ctor: Constructor, stored: Stored, isUsed = false): void {
    const gains = gainsSoFar()
    this.#hasOtherColumns = false
    const plain = plainStored(stored)
    const given: Given = plain ? NO_DICTS : new Map()
    fill(state.instance, ctor, plain ?? this.#decoded(state, ctor, stored, given), isUsed)
    state.loaded = true
    state.dicts = given.size > 0 ? given : NO_DICTS
    state.stamp = stored.stamp
    state.base = this.printsTaken(stored.cells)
    if (gainsSoFar() !== gains || this.#hasOtherColumns) state.base = printsAsTaken(state, this.store)
    this.onTaken(state)
  }

  #decoded(state: ObjectState, ctor: Constructor, stored: Stored, given: Given): StoredFields {
    return decodeStored(
      ctor,
      stored,
      (ref) => this.instanceOf(ref),
      (cell, path) => this.#collection(state, cell, path, given),
      (field) => madeDict(state.instance, field) !== undefined,
    )
  }

  /** A handle that is deleted gets what it was of, if this program can read it: as a volatile object it has to have its fields. */
  protected keepContents(state: ObjectState, stored: Stored): void {
    if (state.loaded) return
    try {
      this.take(state, stored)
    } catch {
      // Of a class that is not loaded here, or that has changed: it stays a handle.
    }
  }

  protected onTaken(_state: ObjectState): void {}

  /** A handle was made. */
  protected onMet(_state: ObjectState): void {}

  /** What is remembered of cells as they were read. */
  protected printsTaken(cells: Cells): Prints {
    return printsOf(cells)
  }

  /** A volatile instance with the contents of a stored object: its own collections are new ones, without rows. */
  protected detached(stored: Stored): Detached {
    const ctor = constructorOf(stored.ref.classId)
    const instance = newHandle(ctor)
    constructHandle(instance, ctor)
    const state = stateOf(instance)
    const sources = new Map<StorageDict<any, any>, Table>()
    const copies: Given = new Map()
    const collection = (cell: DictCell, path: string): StorageDict<any, any> => {
      const { kind: _, table: id, ...schema } = cell
      const copy = copies.get(id as TableId)
      if (copy) return copy
      if (cell.owner.id !== stored.ref.id) return this.#collection(state, cell, path, copies)
      const dict = madeDict(instance, path) ?? dictFromSchema(schema)
      copies.set(id as TableId, dict)
      sources.set(dict, { id: id as TableId, ...schema })
      return dict
    }
    fill(
      instance,
      ctor,
      decodeStored(
        ctor,
        stored,
        (ref) => this.instanceOf(ref),
        collection,
        (field) => madeDict(instance, field) !== undefined,
      ),
    )
    state.loaded = true
    return { state, sources }
  }

  /** One dict for each table: where it stands twice, and when its object is loaded again. */
  #collection(state: ObjectState, { kind: _, table: id, ...rest }: DictCell, path: string, given: Given): StorageDict<any, any> {
    const table: Table = { id: id as TableId, ...rest }
    let dict = given.get(table.id)
    if (dict) return dict
    dict = this.#heldOf(state, table) ?? this.#newlyBound(state, table, path, given)
    given.set(table.id, dict)
    return dict
  }

  #heldOf(state: ObjectState, table: Table): StorageDict<any, any> | undefined {
    const held = state.dicts.get(table.id)
    const bound = held && tableOf(held)
    if (bound?.id !== table.id) return undefined
    this.#hasOtherColumns ||= compareColumns(bound, table) !== 'same'
    return held
  }

  /** The dict of a field: the one the constructor made, or one made from the stored columns. */
  #newlyBound(state: ObjectState, table: Table, path: string, given: Given): StorageDict<any, any> {
    const made = dictToBind(state, table, path, given)
    if (!made) {
      const dict = dictFromSchema(table)
      bindTable(dict, table, this)
      return dict
    }
    const own = dictSchemaOf(made)
    const gains = gainsColumns(own, table, `${constructorOfInstance(state.instance).name}.${path}`)
    bindTable(made, gains ? { ...table, values: own.values } : table, this)
    if (gains) {
      this.#hasOtherColumns = true
      this.gainedColumns.note(state, made)
    }
    return made
  }

  // ---- what is common to all writers

  /** Buffered rows of a table; made at first use. */
  rowsOf(table: Table): TableRows {
    let rows = this.buffered.get(table.id)
    if (!rows) {
      rows = noRowsYet(table, this.isTransaction, this.undoLog)
      this.#buffered ??= new BufferedRows(!this.isTransaction)
      this.#buffered.add(rows)
    }
    return rows
  }

  isDirty(state: ObjectState): boolean {
    if (!state.loaded) return false
    return this.#hasChangedFields(state) || this.bufferedOf(state).some((r) => r.overlay.count > 0)
  }

  /** What cannot be stored is a change that only `save` refuses: whoever asks because of something else goes on. */
  #hasChangedFields(state: ObjectState): boolean {
    try {
      const own = planOf([state], this.store).objects[0]!
      return own.set.size > 0 || own.unset.length > 0
    } catch {
      return true
    }
  }

  /** A volatile object that buffered rows refer to: stored with them, and found under its coming id from now on. */
  foresee(state: ObjectState, table: Table): void {
    const { reached } = this.rowsOf(table)
    if (!reached.has(state)) this.undoLog?.push(() => reached.delete(state))
    reached.add(state)
    this.instances.set(state.provisional!.id, state.instance)
  }

  protected bufferedOf(state: ObjectState): TableRows[] {
    return state.ref ? [...this.buffered.ofOwner(state.ref.id)] : []
  }

  /** Buffered rows of an object that a transaction saves, which stores them or gives them back. What transactions buffer is their own. */
  lendRows(_state: ObjectState): readonly LentRows[] {
    return []
  }

  protected persistentRef(state: ObjectState, verb: string): Ref {
    if (state.ref) return state.ref
    throw new ValidationError(`${nameOf(state)} is volatile: await makePersistent() before ${verb}()`, { code: 'ERR_NOT_PERSISTENT' })
  }

  /** A volatile instance takes over the state and the identity of the object that stands under an alias. */
  protected async become(state: ObjectState, alias: string, stored: Stored): Promise<StorageObject> {
    assertSameClass(state, alias, stored.ref)
    this.adopt(state, stored.ref)
    try {
      this.take(state, stored)
      await this.gainedColumns.tell()
    } catch (error) {
      this.instances.delete(stored.ref.id)
      state.becomeVolatile()
      throw error
    }
    return state.instance
  }

  /** What is in memory of the object under an alias, in place of a volatile instance of the same class, and with the rows that this held. */
  protected asItsClass(state: ObjectState, alias: string, inMemory: StorageObject): StorageObject {
    assertSameClass(state, alias, stateOf(inMemory).ref!)
    const fields = new Map(Object.entries(inMemory))
    for (const [field, dict] of Object.entries(state.instance)) {
      const stored: unknown = fields.get(field)
      if (isDict(dict) && isDict(stored)) giveRows(dict, stored)
    }
    return inMemory
  }

  /** Takes over a stored object under its reference. */
  protected adopt(state: ObjectState, ref: Ref): void {
    state.ref = ref
    state.unit = this
    this.instances.set(ref.id, state.instance)
  }
}

/** Collections of one object by their tables, as they are put into its fields. */
type Given = Map<TableId, StorageDict<any, any>>

/**
 * What is tied to the table that is stored in a field: the dict that stands there, or one like it if that is another field's now, or has
 * rows of its own, which the program has put there and lets go. `undefined` if it says nothing about the columns.
 */
function dictToBind({ instance, stamp }: ObjectState, table: Table, path: string, given: Given): StorageDict<any, any> | undefined {
  const stands = madeDict(instance, path)
  if (!stands) return undefined
  const isLater = stamp !== undefined && tableOf(stands) === undefined
  if (isLater && compareColumns(dictSchemaOf(stands), table) === 'other') return undefined
  return (isLater && !isUntouched(stands)) || [...given.values()].includes(stands) ? dictLike(stands) : stands
}

/** Of all that have none: nobody adds to it. */
const NO_ROWS = new BufferedRows(false)

const CLASS_UNKNOWN = '' as ClassId
