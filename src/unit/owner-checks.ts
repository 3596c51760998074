import type { Backend, Op, Table } from '../backend.js'
import { soleDomain } from '../commit/index.js'

/**
 * Rows in several domains are applied after the unit's decision: a check of each table's owner leads whoever opens the owner to them,
 * should their writer die on the way (docs/commit-protocol.md). In one domain they are part of the one group, and need none.
 */
export function withOwnerChecks(backend: Backend, ops: readonly Op[], tables: readonly Table[]): readonly Op[] {
  if (tables.length === 0) return ops
  const owners = new Map(tables.map(({ owner }) => [owner.id, owner]))
  if (owners.size === 0 || soleDomain(backend, ops) !== undefined) return ops
  for (const op of ops) if (op.do === 'put' || op.do === 'remove' || op.do === 'check') owners.delete(op.ref.id)
  return [...ops, ...[...owners.values()].map((ref): Op => ({ do: 'check', ref, expect: 'present' }))]
}
