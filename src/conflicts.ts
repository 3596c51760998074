/** What a program is told of an object or a row that is not as it was read, in the same words by every backend. */
import { type Key, Ref, type Stamp } from './backend.js'
import { ConflictError } from './errors.js'
import type { TableId } from './ids.js'

const AGAIN = 'update(o, fn) and transact(fn) try again by themselves; else reload() and repeat'

/** `expected`: as in an op's `expect`; `found`: what stands instead. */
export function staleObject(ref: Ref, expected: unknown, found: Stamp | null): ConflictError {
  return new ConflictError(`object ${ref.id} (${ref.classId}) ${whatCameBetween(expected, found)}`, { ref, expected, found })
}

function whatCameBetween(expected: unknown, found: Stamp | null): string {
  if (!found) return 'was deleted, or never stored: get it anew, or store another'
  if (expected === 'absent' || expected === null) return `is stored already, at revision ${found.revision}`
  const read = revisionOf(expected)
  return `was changed since it was read${read === undefined ? '' : ` at revision ${read}`} (stored: revision ${found.revision}): ${AGAIN}`
}

const revisionOf = (expected: unknown): number | undefined =>
  typeof expected === 'object' && expected !== null && !(expected instanceof Ref) ? (expected as Stamp).revision : undefined

/** `expected`, `found`: the row's clock, `null` for no row. */
export function staleRow(table: TableId, key: Key, expected: bigint | null | undefined, found: bigint | null): ConflictError {
  return new ConflictError(`a row of table ${table} was changed since it was read: ${AGAIN}`, { table, key, expected, found })
}
