import type { Group, Mark, Op, Receipt, Ref } from '../backend.js'
import { UnknownOutcomeError } from '../errors.js'
import { failPoint } from '../fail-point.js'
import { Patience } from './back-off.js'
import { commitAcross } from './commit-across.js'
import type { Tools } from './commit-options.js'
import { foundStamp, metIntent } from './obstacle.js'
import { type Plan, planUnit, stampsOf } from './plan-unit.js'
import { notePushing } from './pushing.js'
import { resolveMet } from './resolve-intent.js'
import { storeFresh } from './store-fresh.js'
import { isUnsure, noteUnsure } from './unsure.js'

/** A unit whose existing data lie in one domain: new objects elsewhere first, then one group. */
export async function commitAlone(plan: Plan, tools: Tools): Promise<Receipt> {
  await storeFresh(plan, tools)
  if (!plan.place) return applied(plan)
  failPoint('alone-sent')
  try {
    return withStamps(plan, await plan.place.backend.commit(aloneGroup(plan)))
  } catch (error) {
    return commitAgain(plan, error, tools)
  }
}

const aloneGroup = ({ unit, homeOps, home, atMicros }: Plan): Group => ({
  commit: unit.commit,
  atMicros,
  ops: unit.mark ? withMark(home!.ref, unit.mark, homeOps) : homeOps,
})

/** The mark goes first: a mark of another attempt is noticed before any conflict. */
export const withMark = (home: Ref, mark: Mark, ops: readonly Op[]): readonly Op[] => [{ do: 'mark', home, mark }, ...ops]

const withStamps = (plan: Plan, receipt: Receipt): Receipt => (receipt.applied && plan.fresh.length > 0 ? applied(plan) : receipt)

const applied = (plan: Plan): Receipt => ({
  applied: true,
  stamps: stampsOf(plan, plan.unit.commit),
  ...(plan.unit.mark && { mark: plan.unit.mark }),
})

/** Goes on after a failure: sends again what is unknown, resolves intents in the way, stands back for those that are running. */
export async function commitAgain(plan: Plan, first: unknown, tools: Tools): Promise<Receipt> {
  const patience = new Patience(tools.clock, tools.patienceMs)
  for (let error = first; ; ) {
    noteUnsure(plan.unit, error)
    // A copy of the group that still travels would be a second way to the same end.
    if (!isUnsure(plan.unit) && notePushing(plan.unit, error)) return commitAcross(planUnit(plan.unit), tools)
    if (!(await mayRetry(plan, error, patience, tools))) return giveUp(plan, error)
    try {
      return withStamps(plan, await plan.place!.backend.commit(aloneGroup(plan)))
    } catch (next) {
      error = next
    }
  }
}

async function mayRetry(plan: Plan, error: unknown, patience: Patience, tools: Tools): Promise<boolean> {
  const met = metIntent(error)
  if ((!met && !(error instanceof UnknownOutcomeError)) || patience.over) return false
  tools.signal?.throwIfAborted()
  const verdict = met && (await resolveMet({ backend: plan.place!.backend, ...met }, tools))
  if (!verdict || verdict === 'undecided') await patience.wait()
  return true
}

/**
 * What has become of a group that failed while a copy of it may yet get past what it failed by: its receipt, `'barred'` where the store
 * has seen to it that no copy applies, else `'unknown'`.
 */
export async function barAlone(plan: Plan): Promise<Receipt | 'barred' | 'unknown'> {
  const { place } = plan
  if (!place?.backend.bar) return 'unknown'
  try {
    const receipt = await place.backend.bar(aloneGroup(plan))
    return receipt ? withStamps(plan, receipt) : 'barred'
  } catch {
    return 'unknown' // it may be asked again: by who sends the unit again
  }
}

async function giveUp(plan: Plan, error: unknown): Promise<Receipt> {
  const receipt = await committedBefore(plan, error)
  if (receipt) return receipt
  throw error
}

/** What stood in the way may be this very unit, or the task's mark. */
async function committedBefore(plan: Plan, error: unknown): Promise<Receipt | undefined> {
  const { unit, home } = plan
  if (foundStamp(error)?.commit === unit.commit) return applied(plan)
  if (!unit.mark || error instanceof UnknownOutcomeError) return undefined
  const [mark] = await home!.backend.marks(home!.ref, [unit.mark.key])
  if (!mark) return undefined
  return mark.attempt === unit.commit ? applied(plan) : { applied: false, stamps: new Map(), mark }
}
