import type { Ref, Stored } from '../backend.js'
import type { Id, TableId } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import type { TablePlan } from './persist-plan.js'
import type { LentRows } from './taken-rows.js'

/** What a transaction does beside changing fields. */
export interface Own {
  readonly created: Set<ObjectState>
  /** Collections made inside, of objects that were made inside or before: their tables are defined before the group that refers to them. */
  readonly tables: Map<TableId, TablePlan>
  readonly removed: Map<Id, ObjectState>
  /** What was removed: what belongs to it goes after the commit. */
  readonly dropped: Stored[]
  readonly names: Map<string, { readonly expect: Ref | null; readonly to: Ref | null }>
  /** Instances of the main program that were saved inside. */
  readonly enlisted: Set<ObjectState>
  /** Rows that the main program had not saved of those. */
  readonly lent: LentRows[]
}

export const newOwn = (): Own => ({
  created: new Set(),
  tables: new Map(),
  removed: new Map(),
  dropped: [],
  names: new Map(),
  enlisted: new Set(),
  lent: [],
})

/** To be changed in the place of `own`, which stays as it is. */
export const copyOfOwn = (own: Own): Own => ({
  created: new Set(own.created),
  tables: new Map(own.tables),
  removed: new Map(own.removed),
  dropped: [...own.dropped],
  names: new Map(own.names),
  enlisted: new Set(own.enlisted),
  lent: [...own.lent],
})

/** Of all that have done nothing: nobody adds to it. */
export const NOTHING_OWN: Own = newOwn()
