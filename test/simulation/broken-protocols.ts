import type { Backend, Group, Op, Receipt, Ref, Stored } from '../../src/backend.js'
import { toolsOf } from '../../src/commit/commit-options.js'
import type { CommitOptions, Unit } from '../../src/commit/index.js'
import { planGroups, resolveIntent } from '../../src/commit/index.js'
import { planUnit, stampsOf } from '../../src/commit/plan-unit.js'
import { releaseAll, reserveAll, settle } from '../../src/commit/reserve.js'
import { roundMark, unitMark } from '../../src/commit/round.js'
import { sendIdempotent } from '../../src/commit/send.js'
import { applyRows } from '../../src/commit/staged.js'
import { ConflictError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import { type Protocol, realProtocol } from './protocol.js'

/** Protocols with one thing wrong each. A model that lets one of them through proves nothing about the real one. */
export const brokenProtocols: Readonly<Record<string, Protocol>> = {
  /** Writes what it will do, then compares and sets each object: a writer in between tears the group. */
  'journal, then compare-and-set': { ...realProtocol, commitUnit: journalThenSet },
  /** Settles what it has reserved, then decides. */
  'mark after settle': {
    ...realProtocol,
    commitUnit: (unit, options) => (isSole(unit) ? realProtocol.commitUnit(unit, options) : markLast(unit, options)),
  },
  /** Takes a lease that is over for an abort, without making it one. */
  'lease as safety': { ...realProtocol, connection: (backend) => withCommit(backend, pretendAborts) },
  /** Releases after a decision that failed, without barring the copies of it that still travel. */
  'no fence': { ...realProtocol, connection: noFence },
  /** Takes the lack of a mark for "undecided" at once, though marks of settled rounds are forgotten. */
  'missing mark is trusted': { ...realProtocol, readResolved: trustingRead },
  /** Settles under the round's id, as if all who settle sent the same group. */
  'one id for all settles': { ...realProtocol, connection: (backend) => withCommit(backend, settleAsRound) },
  /** Says that a group of unknown outcome is barred, while copies of it still travel. */
  'a bar that bars nothing': {
    ...realProtocol,
    connection: (backend) => new Proxy(backend, { get: (of, name) => (name === 'bar' ? async () => undefined : bound(of, name)) }),
  },
  /** Holds nothing on objects that need only stay. */
  'who relies holds nothing': { ...realProtocol, connection: (backend) => withCommit(backend, withoutShared) },
  /** Decides a removal, having left its intent beside those of units that rely on the object, and does not end these. */
  'a removal looks at nobody': {
    ...realProtocol,
    connection: (backend) =>
      new Proxy(backend, { get: (of, name) => (name === 'read' ? (refs: readonly Ref[]) => blindRead(of, refs) : bound(of, name)) }),
  },
  /** Relies on the intent of their owner for rows that others write without a look at it. */
  'rows are not reserved': {
    ...realProtocol,
    connection: (backend) => withCommit(backend, withoutRowIntents),
  },
  /** Looks at no row that a unit does not write. */
  'rows that were only read are not checked': {
    ...realProtocol,
    commitUnit: (unit, options) => realProtocol.commitUnit(withoutRowChecks(unit), options),
  },
  /** A store that does not know a commit that it has seen. */
  'no receipts': { ...realProtocol, receipts: false },
}

const isSole = (unit: Unit): boolean => planUnit(unit).held.length === 0 && planUnit(unit).later.length === 0

const quietly = (work: Promise<unknown>): Promise<unknown> => work.catch(() => {})

async function journalThenSet(unit: Unit, options: CommitOptions): Promise<Receipt> {
  const plan = planUnit(unit)
  if (isSole(unit)) return realProtocol.commitUnit(unit, options)
  const tools = toolsOf(options)
  const marks = [unitMark(unit.commit, { commit: unit.commit, leaseUntilMs: 0 }), ...(unit.mark ? [unit.mark] : [])]
  const journal = marks.map((mark): Op => ({ do: 'mark', home: plan.home!.ref, mark }))
  const receipt = await sendIdempotent(plan.home!.backend, journal, tools)
  if (!receipt.applied) return receipt
  for (const { backend, ops } of planGroups(unit.parts))
    await quietly(backend.commit({ commit: tools.newCommitId(), atMicros: unit.atMicros, ops }))
  return { applied: true, stamps: new Map() }
}

async function markLast(unit: Unit, options: CommitOptions): Promise<Receipt> {
  const plan = planUnit(unit)
  const home = plan.home!
  const tools = toolsOf(options)
  const round = { commit: tools.newCommitId(), leaseUntilMs: tools.clock.nowMs() + tools.leaseMs }
  for (const { backend, ops } of plan.fresh) await backend.commit({ commit: unit.commit, atMicros: 0n, ops })
  const refused = await reserveAll(plan, home, round, tools)
  if (refused.length > 0) {
    await releaseAll(plan, round, tools)
    throw new ConflictError('reserved by others')
  }
  await Promise.all(plan.held.map((holding) => settle(holding, round, true, tools)))
  await applyRows(plan.later, round.commit, plan.atMicros, tools)
  const marks = [roundMark(round, plan.atMicros), unitMark(unit.commit, round), ...(unit.mark ? [unit.mark] : [])]
  const ops = [...marks.map((mark): Op => ({ do: 'mark', home: home.ref, mark })), ...plan.homeOps]
  const receipt = await home.backend.commit({ commit: round.commit, atMicros: plan.atMicros, ops })
  return { ...receipt, stamps: stampsOf(plan, round.commit) }
}

type Commit = (group: Group, send: (group: Group) => Promise<Receipt>) => Promise<Receipt>

/** A connection with another `commit`. */
function withCommit(backend: Backend, commit: Commit): Backend {
  const send = (group: Group): Promise<Receipt> => backend.commit(group)
  return new Proxy(backend, { get: (of, name) => (name === 'commit' ? (group: Group) => commit(group, send) : bound(of, name)) })
}

function bound(of: Backend, name: string | symbol): unknown {
  const member: unknown = Reflect.get(of, name)
  return typeof member === 'function' ? member.bind(of) : member
}

const abortIn = ({ ops }: Group) => ops.find((op) => op.do === 'mark' && op.mark.state === 'aborted')

const withoutShared: Commit = (group, send) => {
  const ops = group.ops.filter((op) => op.do !== 'reserve' || !op.intent.isShared)
  return ops.length > 0 ? send({ ...group, ops }) : Promise.resolve({ applied: true, stamps: new Map() })
}

async function blindRead(backend: Backend, refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
  const found = await backend.read(refs)
  return found.map((stored) => {
    if (!stored?.intent) return stored
    const { intent, ...rest } = stored
    const { beside: _, ...first } = intent
    return first.isShared ? rest : { ...rest, intent: first }
  })
}

const withoutRowIntents: Commit = (group, send) => {
  const ops = group.ops.filter((op) => op.do !== 'reserveRow' && op.do !== 'settleRow')
  return ops.length > 0 ? send({ ...group, ops }) : Promise.resolve({ applied: true, stamps: new Map() })
}

const unchecked = new WeakMap<Unit, Unit>()

/** The same for one that is sent again. */
function withoutRowChecks(unit: Unit): Unit {
  const known = unchecked.get(unit)
  if (known) return known
  const parts = unit.parts.map(({ backend, ops }) => ({ backend, ops: ops.filter((op) => op.do !== 'checkRow') }))
  const without = { ...unit, parts: parts.filter(({ ops }) => ops.length > 0) }
  unchecked.set(unit, without)
  return without
}

const pretendAborts: Commit = (group, send) => (abortIn(group) ? Promise.resolve({ applied: true, stamps: new Map() }) : send(group))

const settleAsRound: Commit = (group, send) => {
  const [first] = group.ops
  return send(first?.do === 'settle' ? { ...group, commit: first.commit } : group)
}

function noFence(backend: Backend): Backend {
  const own = new Set<CommitId>()
  return withCommit(backend, (group, send) => {
    const abort = abortIn(group)
    if (abort?.do === 'mark' && own.has(abort.mark.key as CommitId)) return Promise.resolve({ applied: true, stamps: new Map() })
    if (group.ops.some((op) => op.do === 'mark' && op.mark.key === group.commit)) own.add(group.commit)
    return send(group)
  })
}

async function trustingRead(backend: Backend, refs: readonly Ref[], options: CommitOptions): Promise<readonly (Stored | undefined)[]> {
  const read = async (ref: Ref): Promise<Stored | undefined> => {
    for (;;) {
      const [stored] = await backend.read([ref])
      if (!stored?.intent) return stored
      const verdict = await resolveIntent({ backend, target: { ref }, intent: stored.intent }, options)
      if (verdict === 'undecided') return stored
    }
  }
  return Promise.all(refs.map(read))
}
