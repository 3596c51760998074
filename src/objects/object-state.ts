import type { Ref, Stamp } from '../backend.js'
import type { Fingerprint, Kept } from '../codec/values.js'
import type { StorageDict } from '../dict/storage-dict.js'
import type { Host, TableId } from '../ids.js'
import type { UnitOfWork } from '../unit/unit-of-work.js'
import type { StorageObject } from './storage-object.js'

/** What a stored cell was: in short, or in a unit of work that ends soon the cell itself. Two are the same exactly when they are `===`. */
export type Print = Fingerprint | Kept

/** What insitu knows of one instance. The unit of work that holds the instance is the only writer. */
export class ObjectState {
  /** `undefined` while volatile. */
  ref: Ref | undefined
  /** The identity that it will have once stored: others may already refer to it. */
  provisional: Ref | undefined
  /** Whether a group was made that stores it for the first time: it may stand in the store, whatever became of that group. */
  mayStand = false
  unit: UnitOfWork | undefined
  /** Where it was asked to be stored, in a store of several hosts. */
  host: Host | undefined
  /** The stored state that the instance's fields come from; `undefined` while volatile or new in its unit of work. */
  stamp: Stamp | undefined
  /** Prints of the stored cells: what changed is found by comparing with them. */
  base: ReadonlyMap<string, Print> = NOTHING
  /** False for a handle: right class and id, no fields. */
  loaded = true
  /** Set while a group that holds this object is under way: planning waits for it. */
  busy: Promise<unknown> | undefined
  /** The last of the `update` calls on this instance, which take turns. */
  turn: Promise<unknown> | undefined

  /** The collections with a table that its fields hold, however deep: as they came from the store, or went there. */
  dicts: ReadonlyMap<TableId, StorageDict<any, any>> = NO_DICTS

  constructor(readonly instance: StorageObject) {}

  holds(table: TableId, dict: StorageDict<any, any>): void {
    this.dicts = new Map(this.dicts).set(table, dict)
  }

  becomeVolatile(): void {
    this.ref = undefined
    this.provisional = undefined
    this.mayStand = false
    this.unit = undefined
    this.host = undefined
    this.stamp = undefined
    this.base = NOTHING
    this.dicts = NO_DICTS
  }
}

const NOTHING: ReadonlyMap<string, Print> = new Map()
/** Of all that hold none. */
export const NO_DICTS = new Map<TableId, StorageDict<any, any>>()
