import type { Backend, Receipt, Ref, Stored } from '../../src/backend.js'
import { type CommitOptions, commitUnit, findResolved, readResolved, type Unit } from '../../src/commit/index.js'
import type { Id } from '../../src/ids.js'

/** What the clients of the model run: the real code, or a variant that must be caught. */
export interface Protocol {
  commitUnit(unit: Unit, options: CommitOptions): Promise<Receipt>
  readResolved(backend: Backend, refs: readonly Ref[], options: CommitOptions): Promise<readonly (Stored | undefined)[]>
  findResolved(
    backend: Backend,
    what: readonly (Id | { readonly alias: string })[],
    options: CommitOptions,
  ): Promise<readonly (Ref | undefined)[]>
  /** What a client's connection to a store is replaced by. */
  readonly connection?: (backend: Backend) => Backend
  /** False for stores that forget which commits they have seen. */
  readonly receipts?: boolean
}

export const realProtocol: Protocol = { commitUnit, readResolved, findResolved }
