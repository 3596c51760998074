import type { Backend, Op, Table } from '../backend.js'
import { soleDomain } from '../commit/index.js'
import { opBytes } from '../large-cells.js'

/**
 * Rows in several domains are applied after the unit's decision: a check of each table's owner leads whoever opens the owner to them,
 * should their writer die on the way (docs/commit-protocol.md). In one domain they are part of the one group, and need none; but rows
 * that exclude each other check an owner that lies there as well, since its intent is what a unit over several domains holds them by.
 * So do rows that were only `read` and are to be as they were. Where rows take intents of their own, they are held by those.
 * `isPart`: the unit is decided elsewhere, or has more than these ops. Rows that are too many for their domain to take in one go are
 * applied after a decision as well.
 */
export function withOwnerChecks(
  backend: Backend,
  ops: readonly Op[],
  written: readonly Table[],
  read: readonly Table[] = [],
  isPart = false,
): readonly Op[] {
  if (written.length + read.length === 0) return ops
  const domain = isPart || areTooMany(backend, ops) ? undefined : soleDomain(backend, ops)
  const checked = domain === undefined ? written : written.filter(({ writes }) => writes === 'cas')
  const needsHome = domain === undefined && written.length === 0 && !ops.some(isHome)
  const held = needsHome || !backend.capabilities.reservesRows ? [...checked, ...read] : checked
  const owners = new Map(held.map(({ owner }) => [owner.id, owner]))
  if (owners.size === 0) return ops
  for (const op of ops) if (op.do === 'put' || op.do === 'remove' || op.do === 'check') owners.delete(op.ref.id)
  const checks = [...owners.values()].map((ref): Op => ({ do: 'check', ref, expect: 'present' }))
  return [...ops, ...(domain === undefined ? checks : checks.filter((op) => backend.domain(op) === domain))]
}

function areTooMany({ capabilities: { rowsAtOnce } }: Backend, ops: readonly Op[]): boolean {
  if (!rowsAtOnce) return false
  if (ops.length > rowsAtOnce.ops) return true
  let bytes = 0
  for (const op of ops) bytes += opBytes(op)
  return bytes > rowsAtOnce.bytes
}

/** Whether a unit may be decided at what an op is about. */
const isHome = (op: Op): boolean => op.do === 'put' || op.do === 'remove' || op.do === 'check'
