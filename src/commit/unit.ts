import type { Backend, Mark, Op, Ref } from '../backend.js'
import type { CommitId } from '../ids.js'

/** A unit of work as it commits. Refs of new objects (`put` with expect `absent`) must be fresh ids that nobody else knows yet. */
export interface Unit {
  /** Sending the same unit again is harmless; after a failure a new one has a new id. */
  readonly commit: CommitId
  /** The writer's clock; orders the rows of the unit among those of others. */
  readonly atMicros: bigint
  /**
   * Objects, aliases, checks, rows and adds; no more than one op on one object or alias. Whoever writes rows of several domains
   * adds a `check` on the owner of each table, so that a dead writer's rows are found and finished by the next to open it.
   */
  readonly parts: readonly UnitPart[]
  /** Where the decision stands. Needed with `mark`; else the first object written. */
  readonly home?: Home
  /** The task's mark; its `attempt` is the unit's commit id. */
  readonly mark?: Mark
}

export interface UnitPart {
  readonly backend: Backend
  readonly ops: readonly Op[]
}

export interface Home {
  readonly backend: Backend
  readonly ref: Ref
}
