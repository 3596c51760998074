import { type Backend, type Key, type Op, Ref, type RowTarget, type Stamp, type Target } from '../backend.js'
import type { CommitId, Domain, Id } from '../ids.js'
import { DomainGroups, type DomainOps } from './plan-groups.js'
import { isPushing } from './pushing.js'
import type { Home, Unit } from './unit.js'

/** A unit of work, sorted by what the protocol does with each op. */
export interface Plan {
  readonly unit: Unit
  /** Stored before anything else: nobody can reach them before the end. */
  readonly fresh: readonly DomainOps[]
  /** The domain of the one group that decides; none for new objects only. */
  readonly place: { readonly backend: Backend; readonly domain: Domain } | undefined
  /** Where that group puts marks; needed unless all that exists lies in one domain. */
  readonly home: Home | undefined
  /** What that group commits besides: in its domain neither intents nor redo are needed. */
  readonly homeOps: readonly Op[]
  /** Objects of the home's domain that need only stay until rows elsewhere are applied: that group leaves shared intents on them. */
  readonly relied: readonly Ref[]
  /** Other objects and aliases that exist, of other domains (of the home's too, when there are rows elsewhere): reserved, later settled. */
  readonly held: readonly Holding[]
  /** Rows, adds and the like of other domains: staged at the home with the decision, applied after it. */
  readonly later: readonly DomainOps[]
  /** Rows of other domains that were only read, where they take no intents: looked at under those on their owners. */
  readonly seen: readonly DomainOps[]
  /** The time of the unit's rows. */
  readonly atMicros: bigint
}

export interface Holding {
  readonly backend: Backend
  readonly items: readonly Held[]
}

export type Held = HeldThing | HeldRow

interface HeldThing {
  readonly target: Target
  readonly expect: Stamp | Ref | 'present' | 'absent' | null
  readonly redo: readonly Op[]
  /** It needs only stay. */
  readonly isShared: boolean
}

/** A row that excludes other writers. What it becomes is staged with the others; one that was only read is given up in the end. */
interface HeldRow {
  readonly row: RowTarget
  readonly expect: bigint | null | undefined
  readonly isOnlyRead: boolean
}

/**
 * Rows of other domains than their owner's need intents of their own: there the owner's would not stop who writes nothing but a row. Also
 * those of which nothing is expected: once decided, a row must not meet another round's intent. And those that were only read, or what they
 * were read for might be written while they change. A row that is removed and written anew comes as two ops with one key, of which the
 * first says what is expected.
 */
function heldRows(ops: readonly Op[]): readonly HeldRow[] {
  const held = new Map<Key, HeldRow>()
  for (const op of ops) {
    if ((op.do !== 'row' || !op.isCas) && op.do !== 'checkRow') continue
    if (held.has(op.key)) continue
    const { table, key, expect } = op
    held.set(key, { row: { table, key }, expect, isOnlyRead: op.do === 'checkRow' })
  }
  return [...held.values()]
}

type HeldOp = Extract<Op, { do: 'put' | 'remove' | 'check' | 'name' }>

export const isFresh = (op: Op): boolean => op.do === 'put' && op.expect === 'absent'

const isHeld = (op: Op): op is HeldOp => op.do === 'put' || op.do === 'remove' || op.do === 'check' || op.do === 'name'
/** Whether it changes something, and by no intent. */
const isLater = (op: Op): boolean => !isHeld(op) && op.do !== 'checkRow'

export function planUnit(unit: Unit): Plan {
  const fresh = new DomainGroups()
  const rest = new DomainGroups()
  for (const { backend, ops } of unit.parts) {
    const named = backend.declared ? namedThere(backend, ops) : NONE
    for (const op of ops) (isFresh(checked(op)) && !named.has(targetId(op)) ? fresh : rest).add(backend, op)
  }
  const home = homeOf(unit)
  const place = placeOf(unit, home, rest)
  const near = place ? rest.take(place.backend, place.domain) : []
  const later = only(isLater, rest.list)
  const seen = only(
    (op) => op.do === 'checkRow',
    rest.list.filter(({ backend }) => !backend.capabilities.reservesRows),
  )
  const mayShare = holdsNoRows(unit)
  const held = rest.list.map((part) => holding(part, mayShare))
  // Rows elsewhere need intents on their owner, wherever it lies: to lead to them until they are applied, or to keep others from them.
  const isNearHeld = later.length + seen.length > 0 || isPushing(unit)
  const nearHeld = place && isNearHeld ? things({ ...place, ops: near }, mayShare) : NOTHING
  if (place) held.push({ backend: place.backend, items: nearHeld.filter(({ isShared }) => !isShared) })
  const relied = nearHeld.flatMap(({ isShared, target }) => (isShared && 'ref' in target ? [target.ref] : []))
  const nearOps = isNearHeld ? near.filter((op) => !isHeld(op)) : near
  const homeOps = place ? [...fresh.take(place.backend, place.domain), ...nearOps] : []
  return { unit, fresh: fresh.list, place, home, homeOps, relied, held: held.filter(hasItems), later, seen, atMicros: timeOf(unit) }
}

/** New objects whose names lie in their own domains: whoever looks for such a name finds the object as soon as it stands. */
function namedThere(backend: Backend, ops: readonly Op[]): ReadonlySet<string> {
  const domains = new Map(ops.flatMap((op) => (isFresh(op) ? [[targetId(op), backend.domain(op)]] : [])))
  return new Set(ops.flatMap((op) => (op.do === 'name' && op.to && domains.get(op.to.id) === backend.domain(op) ? [op.to.id] : [])))
}

const NONE: ReadonlySet<string> = new Set()
const targetId = (op: Op): string => (op.do === 'put' ? op.ref.id : '')

const hasItems = ({ items }: Holding): boolean => items.length > 0

const PROTOCOLS_OWN: ReadonlySet<Op['do']> = new Set(['mark', 'reserve', 'settle', 'reserveRow', 'settleRow', 'stage'])

function checked(op: Op): Op {
  if (PROTOCOLS_OWN.has(op.do)) throw new TypeError(`a unit of work has no op ${op.do}: the protocol adds it`)
  return op
}

/**
 * Where the unit decides. Without a mark to put, a unit whose existing data lie in one domain decides there, with no
 * protocol at all: new objects elsewhere cannot be reached before it.
 */
function placeOf(unit: Unit, home: Home | undefined, rest: DomainGroups): Plan['place'] {
  if (rest.list.length <= 1 && !unit.mark) return rest.list[0]
  if (!home) throw new TypeError('a unit of work over several domains, or with a mark, needs a home')
  return { backend: home.backend, domain: home.backend.domain(markAt(home.ref)) }
}

const markAt = (home: Ref): Op => ({ do: 'forget', home, keys: [], what: 'mark' })

/** Intents in other stores say in which one they are decided: a home that names none is one of the store where the intent stands. */
function homeOf(unit: Unit): Home | undefined {
  const home = unit.home ?? firstWritten(unit)
  if (!home || home.ref.store !== undefined || unit.parts.every(({ backend }) => backend === home.backend)) return home
  const { id, classId } = home.ref
  return { backend: home.backend, ref: new Ref(id, classId, home.backend.url) }
}

function firstWritten(unit: Unit): Home | undefined {
  let found: Home | undefined
  let unnamed: Home | undefined
  for (const { backend, ops } of unit.parts)
    for (const op of ops) {
      if (op.do === 'name' && op.expect) unnamed ??= { backend, ref: op.expect }
      if (op.do !== 'put' && op.do !== 'remove' && op.do !== 'check') continue
      if (!isFresh(op)) return { backend, ref: op.ref }
      found ??= { backend, ref: op.ref }
    }
  // A unit that only takes names away is decided at an object that had one.
  return found ?? unnamed
}

interface Part {
  readonly backend: Backend
  readonly ops: readonly Op[]
}

const NOTHING: readonly HeldThing[] = []

/** Whether no row of the unit is kept from others by the intent on its owner: then nobody else is kept from the owner either. */
const holdsNoRows = ({ parts }: Unit): boolean =>
  parts.every(
    ({ backend, ops }) => backend.capabilities.reservesRows || !ops.some((op) => op.do === 'checkRow' || (op.do === 'row' && op.isCas)),
  )

function things({ backend, ops }: Part, mayShare: boolean): readonly HeldThing[] {
  const shares = mayShare && (backend.capabilities.sharesIntents ?? false)
  const items = ops.filter(isHeld).map((op) => heldOf(op, shares))
  const targets = new Set(items.map(({ target }) => ('alias' in target ? `alias ${target.alias}` : target.ref.id)))
  // The second intent would replace the first, and its redo.
  if (targets.size < items.length) throw new TypeError('a unit of work has several ops on one object or alias')
  return items
}

function holding(part: Part, mayShare: boolean): Holding {
  const { backend } = part
  const rows = backend.capabilities.reservesRows ? heldRows(part.ops) : []
  return { backend, items: [...things(part, mayShare), ...rows] }
}

const only = (isMeant: (op: Op) => boolean, groups: readonly DomainOps[]): DomainOps[] =>
  groups.map(({ ops, ...where }) => ({ ...where, ops: ops.filter(isMeant) })).filter(({ ops }) => ops.length > 0)

const heldOf = (op: HeldOp, shares: boolean): HeldThing => ({
  target: op.do === 'name' ? { alias: op.alias } : { ref: op.ref },
  expect: op.expect,
  redo: op.do === 'check' ? [] : [op],
  isShared: shares && op.do === 'check' && op.expect === 'present',
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
  for (const { items } of plan.held) for (const item of items) if ('redo' in item) putStamps(item.redo, round, stamps)
  return stamps
}

function putStamps(ops: readonly Op[], commit: CommitId, into: Map<Id, Stamp>): void {
  for (const op of ops) if (op.do === 'put') into.set(op.ref.id, { revision: op.expect === 'absent' ? 1 : op.expect.revision + 1, commit })
}
