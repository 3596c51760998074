import type { Group, Mark, Op, Receipt } from '../backend.js'
import { ConflictError, UnavailableError, UnknownOutcomeError } from '../errors.js'
import { failPoint } from '../fail-point.js'
import { Patience } from './back-off.js'
import type { Tools } from './commit-options.js'
import { endShared } from './end-shared.js'
import { metIntent, type Obstacle } from './obstacle.js'
import { type Plan, planUnit, stampsOf } from './plan-unit.js'
import { notePushing } from './pushing.js'
import { checkRows, releaseAll, reserveAll, settle } from './reserve.js'
import { abortRound, resolveMet } from './resolve-intent.js'
import { type Round, relyOp, roundMark, settleOp, unitMark } from './round.js'
import { send, sendIdempotent } from './send.js'
import { applyRows, dropStaged, finish, unstaged } from './staged.js'
import { asUnavailable, storeFresh } from './store-fresh.js'
import { unknownOutcome } from './unsure.js'

/** A round ends with a receipt, or with what stood in its way and nothing held. */
type Ending = { readonly receipt: Receipt } | { readonly obstacles: readonly Obstacle[] }

/** A unit over several domains: docs/commit-protocol.md. */
export async function commitAcross(first: Plan, tools: Tools): Promise<Receipt> {
  let plan = first
  await storeFresh(plan, tools)
  const patience = new Patience(tools.clock, tools.patienceMs)
  for (;;) {
    tools.signal?.throwIfAborted()
    const round: Round = { commit: tools.newCommitId(), leaseUntilMs: tools.clock.nowMs() + tools.leaseMs }
    const ending = await tryRound(plan, round, tools)
    const receipt = 'receipt' in ending ? ending.receipt : await standBack(plan, ending.obstacles, patience, tools)
    if (receipt) return receipt
    if ('obstacles' in ending && ending.obstacles.some(({ error }) => notePushing(plan.unit, error))) plan = planUnit(plan.unit)
  }
}

async function tryRound(plan: Plan, round: Round, tools: Tools): Promise<Ending> {
  const refused = await reserveAll(plan, plan.home!, round, tools)
  if (refused.length > 0) return release(plan, round, refused, tools)
  failPoint('commit-reserved')
  try {
    await Promise.all([checkRows(plan), endShared(plan, round, tools)])
  } catch (error) {
    return release(plan, round, [{ backend: plan.home!.backend, error }], tools)
  }
  return decide(plan, round, tools)
}

async function release(plan: Plan, round: Round, obstacles: readonly Obstacle[], tools: Tools): Promise<Ending> {
  await releaseAll(plan, round, tools)
  failPoint('commit-released')
  return { obstacles }
}

// The decision -----------------------------------------------------------------------------------------------------------------

async function decide(plan: Plan, round: Round, tools: Tools): Promise<Ending> {
  let receipt: Receipt
  try {
    receipt = await send(plan.home!.backend, decision(plan, round), tools)
  } catch (error) {
    return fence(plan, round, error, tools)
  }
  return receipt.applied ? { receipt: await finishRound(plan, round, tools) } : overruled(plan, round, tools)
}

/**
 * One group at the home is the commit: the marks, what lies in the home's own domain, and the redo of rows elsewhere. Staged
 * here and not before, redo exists for committed rounds only, and no dead writer leaves any that nobody is led to.
 */
function decision({ unit, home, homeOps, relied, later, atMicros }: Plan, round: Round): Group {
  const at = home!.ref
  const marks = [roundMark(round, atMicros), unitMark(unit.commit, round), ...(unit.mark ? [unit.mark] : [])]
  const ops: Op[] = [...marks.map((mark): Op => ({ do: 'mark', home: at, mark })), ...homeOps]
  for (const ref of relied) ops.push(relyOp(ref, round, home!))
  if (later.length > 0) ops.push({ do: 'stage', home: at, commit: round.commit, redo: later.flatMap((group) => group.ops) })
  return { commit: round.commit, atMicros, ops }
}

/**
 * The decision failed, or its outcome is unknown. A copy of it may still travel, and would find nothing in its way once a
 * conflict is over: so the round is barred by its own mark before anything is released.
 */
async function fence(plan: Plan, round: Round, error: unknown, tools: Tools): Promise<Ending> {
  const mark = await abortRound(plan.home!, round.commit, tools).catch((cause: unknown) => {
    // A home that takes neither, as one whose memory is full: no copy of the decision travels, or its outcome would be unknown.
    if (error instanceof UnavailableError && cause instanceof UnavailableError) return undefined
    throw unknownOutcome(plan.unit, 'it is not known whether the unit of work was committed', cause)
  })
  failPoint('commit-fenced')
  if (mark?.state === 'committed') return { receipt: await finishRound(plan, round, tools) }
  return release(plan, round, [{ backend: plan.home!.backend, error }], tools)
}

/** A mark stood in the way: of this unit's earlier round, of the task's other attempt, or one that aborted this round. */
async function overruled(plan: Plan, round: Round, tools: Tools): Promise<Ending> {
  await releaseAll(plan, round, tools)
  const receipt = await committedBefore(plan, tools)
  return receipt ? { receipt } : { obstacles: [{ backend: plan.home!.backend, error: overtaken(round) }] }
}

const overtaken = (round: Round): ConflictError =>
  new ConflictError('the commit took longer than its lease, and another writer went first', { overtaken: round.commit })

const isOvertaken = (error: unknown): boolean => error instanceof ConflictError && 'overtaken' in error

/** The receipt that a unit has from an earlier round, or that its task has from another attempt; their rows are finished first. */
async function committedBefore(plan: Plan, tools: Tools): Promise<Receipt | undefined> {
  const { unit, home } = plan
  const [own, task] = await home!.backend.marks(home!.ref, unit.mark ? [unit.commit, unit.mark.key] : [unit.commit])
  if (own) {
    await finish(home!, own.attempt, tools)
    return receiptOf(plan, own.attempt)
  }
  if (!task) return undefined
  await finishAttempt(plan, task, tools)
  return { applied: false, stamps: new Map(), mark: task }
}

async function finishAttempt({ home }: Plan, task: Mark, tools: Tools): Promise<void> {
  const [other] = await home!.backend.marks(home!.ref, [task.attempt])
  if (other) await finish(home!, other.attempt, tools)
}

const receiptOf = (plan: Plan, round: Round['commit']): Receipt => ({
  applied: true,
  stamps: stampsOf(plan, round),
  ...(plan.unit.mark && { mark: plan.unit.mark }),
})

// After the decision -----------------------------------------------------------------------------------------------------------

async function finishRound(plan: Plan, round: Round, tools: Tools): Promise<Receipt> {
  failPoint('commit-decided')
  if (plan.later.length > 0) await untilApplied(plan, round, tools)
  tools.onMark(plan.home!.ref, plan.unit.commit)
  tools.background(settleRound(plan, round, tools).catch(() => {})) // who meets an intent settles it
  return receiptOf(plan, round.commit)
}

/** The caller goes on when its rows can be read; they are the only part of a unit that no intent stands in for. */
async function untilApplied(plan: Plan, round: Round, tools: Tools): Promise<void> {
  for (const patience = new Patience(tools.clock, tools.patienceMs); ; await patience.wait()) {
    try {
      await applyRows(plan.later, round.commit, plan.atMicros, tools)
      return failPoint('commit-rows-applied')
    } catch (cause) {
      if (patience.over) throw unknownOutcome(plan.unit, 'the unit of work is committed, but its rows cannot be reached', cause)
    }
  }
}

/** Redo goes before the intents that lead to it, and the mark after the last of them: while an intent stands its mark does. */
async function settleRound(plan: Plan, round: Round, tools: Tools): Promise<void> {
  const home = plan.home!
  const last: Op[] = plan.relied.map((ref) => settleOp({ ref }, round.commit, true))
  last.push({ do: 'forget', home: home.ref, keys: [round.commit], what: 'mark' })
  // Where no other intent leads to the redo it goes together with those of the home's domain.
  if (plan.held.length === 0) last.unshift(unstaged(home, round.commit))
  else if (plan.later.length > 0) await dropStaged(home, round.commit, tools)
  failPoint('commit-redo-dropped')
  await Promise.all(plan.held.map((holding) => settle(holding, round, true, tools)))
  failPoint('commit-settled')
  await sendIdempotent(home.backend, last, tools)
  failPoint('commit-mark-forgotten')
}

// Between rounds ---------------------------------------------------------------------------------------------------------------

/** Clears what stood in the way and gives nothing: try again. Gives a receipt, or throws, when another round is of no use. */
async function standBack(plan: Plan, obstacles: readonly Obstacle[], patience: Patience, tools: Tools): Promise<Receipt | undefined> {
  const lasting = obstacles.find(({ error }) => !isPassing(error))
  if (lasting || patience.over) return giveUp(plan, (lasting ?? obstacles[0]!).error, tools)
  await Promise.all(obstacles.map((obstacle) => clear(obstacle, tools)))
  // Also when the way is free: two writers, each of whom has just given up what the other needs, would meet again for ever.
  await patience.wait()
  return undefined
}

const isPassing = (error: unknown): boolean => metIntent(error) !== undefined || isOvertaken(error) || error instanceof UnknownOutcomeError

async function clear({ backend, error }: Obstacle, tools: Tools): Promise<void> {
  const met = metIntent(error)
  if (met) await resolveMet({ backend, ...met }, tools)
}

async function giveUp(plan: Plan, error: unknown, tools: Tools): Promise<Receipt> {
  const receipt = await committedBefore(plan, tools)
  if (receipt) return receipt
  throw asUnavailable(error)
}
