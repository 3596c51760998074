/** Ties a StorageDict to its stored table and to the unit of work that buffers its rows. */
import type { Key, Range, Ref, StoredRow, Table } from '../backend.js'
import type { DictBinding } from '../dict/dict-binding.js'
import type { Overlay } from '../dict/overlay.js'
import type { StorageDict } from '../dict/storage-dict.js'
import { bindDict, boundTable, isDict, unbindDict } from '../dict/storage-dict.js'
import { ValidationError } from '../errors.js'
import type { Id } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import { isStorageObject, type StorageObject, stateOf } from '../objects/storage-object.js'
import { unitIfOpen } from './context.js'
import type { TablePlan } from './persist-plan.js'
import { refFrom } from './references.js'
import type { UnitOfWork } from './unit-of-work.js'

const bindings = new WeakMap<object, TableBinding>()

/** The table of a dict, `undefined` while volatile. */
export const tableOf = (dict: object): Table | undefined => bindings.get(dict)?.stored ?? (isDict(dict) ? boundTable(dict) : undefined)

/** The unit of work that holds a bound dict. */
export const unitOfDict = (dict: object): UnitOfWork | undefined => bindings.get(dict)?.unit

/** Binds a dict to its table; rows that it held while volatile go into the unit's overlay. */
export function bindTable(dict: StorageDict<any, any>, table: Table, unit: UnitOfWork): void {
  bind(dict, new TableBinding(table, unit))
}

/** The same before the table exists: `tableMade` says when it does. */
export function bindComingTable({ holder, dict, table }: TablePlan, unit: UnitOfWork): void {
  const binding = new TableBinding(table, unit)
  binding.exists = false
  holder.holds(table.id, dict)
  bind(dict, binding)
}

export function tableMade(dict: object): void {
  const binding = bindings.get(dict)
  if (binding) binding.exists = true
}

function bind(dict: StorageDict<any, any>, binding: TableBinding): void {
  bindings.set(dict, binding)
  binding.unit.looksBeyond = true
  bindDict(dict, binding)
}

/** Makes a dict volatile again, with the rows that are buffered. */
export function unbindTable(dict: StorageDict<any, any>): void {
  unbindDict(dict)
  bindings.delete(dict)
}

/** Makes the collections of an object that is stored no more volatile again. */
export function unbindOwned({ dicts }: ObjectState, owner: Id): void {
  for (const dict of dicts.values()) if (tableOf(dict)?.owner.id === owner) unbindTable(dict)
}

class TableBinding implements DictBinding {
  constructor(
    readonly stored: Table,
    readonly unit: UnitOfWork,
  ) {}

  exists = true

  table(): Table | undefined {
    return this.exists ? this.stored : undefined
  }

  overlay(): Overlay {
    return this.#writer().rowsOf(this.stored).overlay
  }

  rows(keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    if (!this.exists) return Promise.resolve(keys.map(() => undefined))
    return this.unit.store.backend.rows(this.stored.id, keys)
  }

  scan(range: Range, signal?: AbortSignal): AsyncIterable<readonly StoredRow[]> {
    return this.unit.store.backend.scan(range, signal)
  }

  changed(): void {
    const writer = this.#writer()
    writer.rowsChanged(writer.rowsOf(this.stored))
  }

  save(): Promise<void> {
    return this.#writer().saveRows(this.stored)
  }

  isInTransaction(): boolean {
    return this.#writer().isTransaction
  }

  refOf(value: object): Ref {
    if (!isStorageObject(value)) throw new ValidationError('a reference column holds StorageObjects')
    const state = stateOf(value)
    const ref = refFrom(this.unit.store, state)
    if (!state.ref) this.#writer().foresee(state, this.stored)
    return ref
  }

  resolve(ref: Ref): unknown {
    return this.#writer().instanceOf(ref)
  }

  assertUsable(): void {}

  /** A task's or transaction's writes are its own until it commits, also on a dict that the main program loaded. */
  #writer(): UnitOfWork {
    const current = unitIfOpen()
    return current?.isTransaction ? current.unitOn(this.unit.store) : this.unit
  }
}

/** The dict that the constructor made in a field. */
export function madeDict(instance: StorageObject, path: string): StorageDict<any, any> | undefined {
  const made = Object.hasOwn(instance, path) ? (instance as unknown as Record<string, unknown>)[path] : undefined
  return isDict(made) ? made : undefined
}
