/** What a group must hold so that some objects, and all that they newly reach, are stored as they are now. Pure: no I/O, changes no state. */
import { type Cell, type Cells, type ColumnSpec, type Op, Packed, type Ref, type Stamp, type Stored, type Table } from '../backend.js'
import { type NestedClasses, nestedClassesOf } from '../codec/nested-classes.js'
import {
  areNative,
  type CollectionCell,
  collectionsIn,
  type EncodeContext,
  encodeFields,
  type Fingerprint,
  fingerprint,
  isItsPrint,
  isKeptAs,
  type Kept,
  type KeptCell,
  KeptText,
  type NestedClass,
} from '../codec/values.js'
import { dictSchemaOf, isDict, type StorageDict, volatileRowOps } from '../dict/storage-dict.js'
import { ConflictError, ValidationError } from '../errors.js'
import { type Id, newTableId, type TableId } from '../ids.js'
import { assertRebuildable, constructorOfInstance, defaultFieldsOf, storedFields } from '../objects/fields.js'
import type { ObjectState, Print } from '../objects/object-state.js'
import { presentName, storedName } from '../objects/schema-drift.js'
import { isStorageObject, type StorageObject, stateOf } from '../objects/storage-object.js'
import type { Store } from '../store.js'
import { refFrom, refOf } from './references.js'
import { tableOf, unitOfDict } from './table-binding.js'

/** A field that was deleted although the class's constructor makes it. */
const DELETED = new Packed(new Uint8Array(0))
export const isDeleted = (cell: Cell): boolean => cell instanceof Packed && cell.bytes.length === 0

export type Prints = ReadonlyMap<string, Print>

export interface ObjectPlan {
  readonly state: ObjectState
  readonly ref: Ref
  /** All cells once stored, of which the store has all but `set`. */
  readonly cells: Cells
  readonly set: ReadonlyMap<string, Cell>
  readonly unset: readonly string[]
  readonly expect: Stamp | 'absent'
  /** Of all cells once stored. */
  readonly prints: Prints
}

/** A collection that gets a table of its own, and the object that holds it. */
export interface TablePlan {
  readonly holder: ObjectState
  readonly dict: StorageDict<any, any>
  readonly table: Table
}

export class Plan {
  readonly objects: ObjectPlan[]
  readonly tables: TablePlan[] = []
  /** Groups under way that this plan builds on: plan again once they have settled. */
  readonly waits: Promise<unknown>[] = []
  readonly #queue: ObjectState[]
  #seen: Set<ObjectState> | undefined

  /** `elsewhere`: volatile objects that another store of the same unit of work gets. */
  constructor(
    readonly store: Store,
    roots: readonly ObjectState[],
    readonly elsewhere: ReadonlyMap<ObjectState, Store> = NONE_ELSEWHERE,
  ) {
    this.#queue = roots.length < 2 ? [...roots] : [...new Set(roots)]
    const asked = this.#queue.length
    // Most plans are of one object, whose list then takes a tenth of what a list takes that grows.
    this.objects = asked > 0 ? [planObject(this, this.#queue[0]!)] : []
    for (let i = 1; i < this.#queue.length; i++)
      this.objects.push(i < asked ? planObject(this, this.#queue[i]!) : planReached(this, this.#queue[i]!))
  }

  /** How what is planned refers to an object; a volatile one is planned as well. */
  refTo(state: ObjectState): Ref {
    const home = this.elsewhere.get(state)
    if (!state.ref && !home) this.#reach(state)
    return refFrom(this.store, state, home)
  }

  #reach(state: ObjectState): void {
    this.#seen ??= new Set(this.#queue)
    if (this.#seen.has(state)) return
    this.#seen.add(state)
    this.#queue.push(state)
  }

  get changed(): readonly ObjectPlan[] {
    return this.objects.filter(isChanged)
  }

  ops(): Op[] {
    if (this.objects.length === 1) return isChanged(this.objects[0]!) ? [putOf(this.objects[0]!)] : []
    return this.changed.map(putOf)
  }
}

function putOf({ state, ref, set, unset, expect }: ObjectPlan): Op {
  if (expect !== 'absent' || state.mayStand) return { do: 'put', ref, set, unset, expect }
  state.mayStand = true
  return { do: 'put', ref, set, unset, expect, isNew: true }
}

/** What a cell is to become, in short; `undefined`: it is to go. */
export type Change = Fingerprint | undefined

/** What of an object is to be stored, cell by cell. */
export function changesOf({ set, unset }: ObjectPlan): ReadonlyMap<string, Change> {
  const changes = new Map<string, Change>()
  for (const [name, cell] of set) changes.set(name, fingerprint(cell))
  for (const name of unset) changes.set(name, undefined)
  return changes
}

const isChanged = ({ expect, set, unset }: ObjectPlan): boolean => expect === 'absent' || set.size > 0 || unset.length > 0

const NONE_ELSEWHERE: ReadonlyMap<ObjectState, Store> = new Map()

/** Plans `roots` and every volatile object that they reach. */
export const planOf = (roots: readonly ObjectState[], store: Store, elsewhere?: ReadonlyMap<ObjectState, Store>): Plan =>
  new Plan(store, roots, elsewhere)

/** What is wrong with an object that nobody asked to store is told together with its class: the path begins there. */
function planReached(plan: Plan, state: ObjectState): ObjectPlan {
  try {
    return planObject(plan, state)
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error
    const className = constructorOfInstance(state.instance).name
    throw new ValidationError(`in a ${className} that is stored along: ${error.message}`, { className, ...error, cause: error })
  }
}

function planObject(plan: Plan, state: ObjectState): ObjectPlan {
  if (state.busy) plan.waits.push(state.busy)
  const { instance } = state
  const ctor = constructorOfInstance(instance)
  assertRebuildable(ctor)
  plan.store.declare(ctor)
  const ref = refOf(state, plan.store)
  const fields = storedFields(instance)
  const cells = areNative(fields) ? fields : encodeFields(fields, new Holder(plan, state, ref, nestedClassesOf(ctor)))
  for (const name of state.stamp ? state.base.keys() : defaultFieldsOf(ctor)) if (!cells.has(name)) noteDeleted(cells, state, name)
  return objectPlan(state, ref, cells)
}

/** `name`: of a field that there is no cell of, in the store, or of a new object in its class. */
function noteDeleted(cells: Map<string, Cell>, { instance, stamp }: ObjectState, name: string): void {
  const [stored, present] = stamp ? [name, presentName(instance, name)] : [storedName(instance, name), name]
  if (!cells.has(stored) && !Object.hasOwn(instance, present)) cells.set(stored, DELETED)
}

/** Fingerprints of cells: the cells themselves, when none is larger than its fingerprint, and those that are kept. */
export function printsOf(cells: Cells, kept: (cell: Cell, name: string) => Kept | undefined = noneIsKept): Prints {
  if (areTheirPrints(cells)) return cells
  const prints = new Map<string, Print>()
  for (const [name, cell] of cells) prints.set(name, kept(cell, name) ?? fingerprint(cell))
  return prints
}

const noneIsKept = (): undefined => undefined

/** Prints of cells of which those that are kept in `base` are unchanged. */
function printsOver(base: Prints, cells: Cells): Prints {
  return printsOf(cells, (cell, name) => {
    const print = base.get(name)
    return isKeptAs(cell, print) ? print : undefined
  })
}

/** Prints that hold on to no cell, for an instance that goes on living. */
export function withoutKept(prints: Prints): Prints {
  if (![...prints.values()].some(isKept)) return prints
  return new Map(Array.from(prints, ([name, print]) => [name, isKept(print) ? fingerprintOf(print) : print]))
}

const isKept = (print: Print | undefined): print is Kept => typeof print === 'object' && print !== null
const fingerprintOf = (kept: Kept): Fingerprint => fingerprint(kept instanceof KeptText ? kept.text : kept)

function areTheirPrints(cells: ReadonlyMap<string, Cell>): cells is ReadonlyMap<string, Cell & Fingerprint> {
  foundOther = false
  cells.forEach(lookForOther)
  return !foundOther
}

let foundOther = false
const lookForOther = (cell: Cell): void => {
  foundOther ||= !isItsPrint(cell)
}

/** Where a nested class has gained a field: its values as they came back, with the new defaults, count as what is stored. */
export function printsAsTaken(state: ObjectState, store: Store): Prints {
  const nested = nestedClassesOf(constructorOfInstance(state.instance))
  const holder = new Holder(planOf([], store), state, refOf(state, store), nested)
  const now = printsOver(state.base, encodeFields(storedFields(state.instance), holder))
  return new Map([...state.base].map(([name, print]) => [name, now.get(name) ?? print]))
}

/** The object whose fields are encoded. */
class Holder implements EncodeContext {
  readonly #plan: Plan
  readonly #state: ObjectState
  readonly #ref: Ref
  readonly #nested: NestedClasses

  constructor(plan: Plan, state: ObjectState, ref: Ref, nested: NestedClasses) {
    this.#plan = plan
    this.#state = state
    this.#ref = ref
    this.#nested = nested
  }

  refOf(value: object): Ref | undefined {
    if (!isStorageObject(value)) return undefined
    const other = stateOf(value)
    if (!other.ref) other.host ??= this.#state.host // what is stored together lies together
    return this.#plan.refTo(other)
  }

  collectionOf(value: object, path: () => string): CollectionCell | undefined {
    if (!isDict(value)) return undefined
    const lies = unitOfDict(value)?.store.url
    if (lies !== undefined && lies !== this.#plan.store.url) throw liesElsewhere(path(), lies)
    return dictCell(this.#plan, value, this.#state, this.#ref)
  }

  classOf(value: object): NestedClass | undefined {
    return this.#nested.classOf(value)
  }

  kept(field: string): KeptCell | undefined {
    const print = this.#state.base.get(field)
    return isKept(print) && !(print instanceof KeptText) ? print : undefined
  }
}

const NO_NAMES: readonly string[] = []

/** What of an object's cells the store does not have yet. */
function objectPlan(state: ObjectState, ref: Ref, cells: Cells): ObjectPlan {
  const { base, stamp } = state
  const prints = printsOver(base, cells)
  if (base.size === 0) return { state, ref, cells, set: cells, unset: NO_NAMES, expect: stamp ?? 'absent', prints }
  const set = changedCells(cells, prints, base)
  let unset: string[] | undefined
  for (const name of base.keys()) if (!prints.has(name)) (unset ??= []).push(name)
  return { state, ref, cells, set, unset: unset ?? NO_NAMES, expect: stamp ?? 'absent', prints }
}

function changedCells(cells: Cells, prints: Prints, base: Prints): Cells {
  let changes = 0
  for (const [name, print] of prints) if (base.get(name) !== print) changes++
  if (changes === 0) return NO_CELLS
  if (changes === cells.size) return cells
  const set = new Map<string, Cell>()
  for (const [name, print] of prints) if (base.get(name) !== print) set.set(name, cells.get(name)!)
  return set
}

const NO_CELLS: Cells = new Map()

const liesElsewhere = (path: string, url: string): Error =>
  new ValidationError(
    `${path} holds a collection of an object in ${url}, which can be reached by that object only: refer to the object, or copy the rows`,
    { path },
  )

/** How a collection stands in a field: its table, its owner (the object whose field first held it), its columns. */
export interface DictCell {
  readonly kind: 'dict'
  readonly table: string
  readonly owner: Ref
  readonly keys: readonly ColumnSpec[]
  readonly partition: number
  readonly values: readonly ColumnSpec[]
  readonly writes: Table['writes']
}

/** The tables of the collections that a stored object owns. */
export function ownTables({ ref, cells }: Stored): TableId[] {
  const listed = collectionsIn(cells) as unknown as DictCell[]
  return listed.filter((cell) => cell.owner.id === ref.id).map((cell) => cell.table as TableId)
}

function dictCell(
  plan: Plan,
  dict: StorageDict<any, any>,
  holder: ObjectState,
  its: Ref,
): DictCell & { readonly [property: string]: unknown } {
  const table = tableOf(dict) ?? plannedTable(plan, dict, holder, its)
  const { id, owner, keys, partition, values, writes } = table
  return { kind: 'dict', table: id, owner, keys, partition, values, writes }
}

function plannedTable(plan: Plan, dict: StorageDict<any, any>, holder: ObjectState, owner: Ref): Table {
  const planned = plan.tables.find((t) => t.dict === dict)
  if (planned) return planned.table
  const { places } = plan.store.backend
  const schema = dictSchemaOf(dict)
  // Rows that exclude each other stay where their owner keeps others away, unless they can do so by themselves.
  const maySpread = schema.writes !== 'cas' || plan.store.backend.capabilities.reservesRows
  const beside = (maySpread && places?.tableBeside?.(owner.id, schema.partition)) || places?.idBeside(owner.id)
  const table: Table = { id: (beside as TableId | undefined) ?? newTableId(), owner, ...schema }
  plan.tables.push({ holder, dict, table })
  // Objects that its rows refer to are stored with it.
  volatileRowOps(dict, table, {
    refOf: (value) => plan.refTo(stateOf(value as StorageObject)),
    resolve: () => undefined,
  })
  return table
}

/** That what was only read has not changed. An object that is written too, by another instance of it or as one that goes, is checked by that. */
export function checksOf(plan: Plan, removed: ReadonlyMap<Id, ObjectState>): Op[] {
  const expected = new Map<Id, Stamp | undefined>([...removed].map(([id, { stamp }]) => [id, stamp]))
  for (const { ref, state } of plan.changed) expected.set(ref.id, state.stamp)
  const checks: Op[] = []
  for (const { state, ref } of plan.objects) {
    const { stamp } = state
    if (!stamp) continue
    const other = expected.get(ref.id)
    if (other && other.commit !== stamp.commit)
      throw new ConflictError(`two instances of ${ref.id} were read at different times`, { ref, expected: stamp, found: other })
    if (!expected.has(ref.id)) checks.push({ do: 'check', ref, expect: stamp })
    expected.set(ref.id, stamp)
  }
  return checks
}
