import type { Backend, Op, Ref, Stamp, Target } from '../backend.js'
import type { CommitId, Domain, Id } from '../ids.js'
import { DomainGroups, type DomainOps } from './plan-groups.js'
import type { Home, Unit } from './unit.js'

/** A unit of work, sorted by what the protocol does with each op. */
export interface Plan {
  readonly unit: Unit
  /** Stored before anything else: nobody can reach them before the end. */
  readonly fresh: readonly DomainOps[]
  readonly home: (Home & { readonly domain: Domain }) | undefined
  /** Committed in the one group that decides: in the home's domain neither intents nor redo are needed. */
  readonly homeOps: readonly Op[]
  /** Existing objects and aliases of other domains (of the home's too, when there are rows elsewhere): reserved, and settled after the decision. */
  readonly held: readonly Holding[]
  /** Rows, adds and the like of other domains: staged at the home with the decision, applied after it. */
  readonly later: readonly DomainOps[]
  /** The time of the unit's rows. */
  readonly atMicros: bigint
}

export interface Holding {
  readonly backend: Backend
  readonly items: readonly Held[]
}

export interface Held {
  readonly target: Target
  readonly expect: Stamp | Ref | 'present' | 'absent' | null
  readonly redo: readonly Op[]
}

type HeldOp = Extract<Op, { do: 'put' | 'remove' | 'check' | 'name' }>

export const isFresh = (op: Op): boolean => op.do === 'put' && op.expect === 'absent'

const isHeld = (op: Op): op is HeldOp => op.do === 'put' || op.do === 'remove' || op.do === 'check' || op.do === 'name'

export function planUnit(unit: Unit): Plan {
  const fresh = new DomainGroups()
  const rest = new DomainGroups()
  for (const { backend, ops } of unit.parts) for (const op of ops) (isFresh(checked(op)) ? fresh : rest).add(backend, op)
  const home = homeOf(unit, rest)
  const near = home ? rest.take(home.backend, home.domain) : []
  const later = rest.list.map(withoutHeld).filter(({ ops }) => ops.length > 0)
  const held = rest.list.map(holding)
  // Rows elsewhere need intents that lead to them, on their owner wherever it lies, until they are applied.
  const pointers = later.length > 0 ? near.filter(isHeld) : []
  if (home && pointers.length > 0) held.push(holding({ ...home, ops: pointers }))
  const homeOps = home ? [...fresh.take(home.backend, home.domain), ...near.filter((op) => !pointers.some((held) => held === op))] : []
  return { unit, fresh: fresh.list, home, homeOps, held: held.filter(hasItems), later, atMicros: timeOf(unit) }
}

const hasItems = ({ items }: Holding): boolean => items.length > 0

function checked(op: Op): Op {
  if (op.do === 'mark' || op.do === 'reserve' || op.do === 'settle' || op.do === 'stage')
    throw new TypeError(`a unit of work has no op ${op.do}: the protocol adds it`)
  return op
}

/**
 * Where the unit decides. Without a mark to put, a unit whose existing data lie in one domain decides there, with no
 * protocol at all: new objects elsewhere cannot be reached before it.
 */
function homeOf(unit: Unit, rest: DomainGroups): Plan['home'] {
  const sole = rest.list.length === 1 ? rest.list[0] : undefined
  const chosen = unit.home ?? firstWritten(unit)
  if (sole && !unit.mark) return { backend: sole.backend, ref: chosen?.ref ?? NO_REF, domain: sole.domain }
  if (rest.list.length === 0 && !unit.mark) return undefined
  if (!chosen) throw new TypeError('a unit of work over several domains, or with a mark, needs a home')
  return { ...chosen, domain: chosen.backend.domain(markAt(chosen.ref)) }
}

/** Stands where no mark will be put. */
const NO_REF = undefined as unknown as Ref

const markAt = (home: Ref): Op => ({ do: 'forget', home, keys: [], what: 'mark' })

function firstWritten(unit: Unit): Home | undefined {
  let found: Home | undefined
  for (const { backend, ops } of unit.parts)
    for (const op of ops) {
      if (op.do !== 'put' && op.do !== 'remove' && op.do !== 'check') continue
      if (!isFresh(op)) return { backend, ref: op.ref }
      found ??= { backend, ref: op.ref }
    }
  return found
}

const holding = ({ backend, ops }: { readonly backend: Backend; readonly ops: readonly Op[] }): Holding => ({ backend, items: ops.filter(isHeld).map(heldOf) })

const withoutHeld = ({ backend, domain, ops }: DomainOps): DomainOps => ({ backend, domain, ops: ops.filter((op) => !isHeld(op)) })

const heldOf = (op: HeldOp): Held => ({
  target: op.do === 'name' ? { alias: op.alias } : { ref: op.ref },
  expect: op.expect,
  redo: op.do === 'check' ? [] : [op],
})

/**
 * The time of a unit's rows. What a row expects is the time of the one before, so that a row which expects one must be later, whatever
 * the clock of its writer says: or it would lose against what it replaces, or look like it.
 */
export function timeOf({ atMicros, parts }: Unit): bigint {
  let time = atMicros
  for (const { ops } of parts)
    for (const op of ops) if (op.do === 'row' && typeof op.expect === 'bigint' && op.expect >= time) time = op.expect + 1n
  return time
}

/** The stamps that a unit's objects have when it has committed: known beforehand, since every `put` says what it expects. */
export function stampsOf(plan: Plan, round: CommitId): Map<Id, Stamp> {
  const stamps = new Map<Id, Stamp>()
  for (const { ops } of plan.fresh) putStamps(ops, plan.unit.commit, stamps)
  putStamps(plan.homeOps, round, stamps)
  for (const { items } of plan.held) for (const { redo } of items) putStamps(redo, round, stamps)
  return stamps
}

function putStamps(ops: readonly Op[], commit: CommitId, into: Map<Id, Stamp>): void {
  for (const op of ops)
    if (op.do === 'put') into.set(op.ref.id, { revision: op.expect === 'absent' ? 1 : op.expect.revision + 1, commit })
}
