import type { Ref, Stored } from '../backend.js'
import type { Id } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'

/** What a transaction does beside changing fields. */
export interface Own {
  readonly created: Set<ObjectState>
  readonly removed: Map<Id, ObjectState>
  /** What was removed: what belongs to it goes after the commit. */
  readonly dropped: Stored[]
  readonly names: Map<string, { readonly expect: Ref | null; readonly to: Ref | null }>
  /** Instances of the main program that were saved inside. */
  readonly enlisted: Set<ObjectState>
}

export const newOwn = (): Own => ({ created: new Set(), removed: new Map(), dropped: [], names: new Map(), enlisted: new Set() })

/** Of all that have done nothing: nobody adds to it. */
export const NOTHING_OWN: Own = newOwn()
