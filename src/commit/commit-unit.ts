import type { Receipt } from '../backend.js'
import { UnknownOutcomeError } from '../errors.js'
import { failPoint } from '../fail-point.js'
import { commitAcross } from './commit-across.js'
import { barAlone, commitAgain, commitAlone, withMark } from './commit-alone.js'
import { type CommitOptions, type Tools, toolsOf } from './commit-options.js'
import { soleDomain } from './plan-groups.js'
import { type Plan, planUnit, timeOf } from './plan-unit.js'
import { isPushing } from './pushing.js'
import { staleOwner } from './stale-owner.js'
import { dropFresh } from './store-fresh.js'
import type { Unit, UnitPart } from './unit.js'
import { failureOf } from './unsure.js'

/**
 * Commits a unit of work: all of it or nothing, whatever domains and backends it touches, and once, however often it is sent.
 * Resolves when every later read through `readResolved` and `findResolved` sees it, its rows included. `applied` is false when another
 * attempt of the task (see `unit.mark`) had committed: nothing of this one was, and `mark` is the one that stands.
 * Errors: ConflictError and AliasTakenError (nothing applied; make a new unit), UnavailableError (nothing applied), UnknownOutcomeError
 * (send the same unit again).
 */
export async function commitUnit(unit: Unit, options: CommitOptions): Promise<Receipt> {
  const part = isPushing(unit) ? undefined : solePart(unit)
  if (!part) return commitPlanned(unit, options)
  // The hot path: one part of one domain, the mark included, is exactly one call of the backend.
  const { commit, mark, home } = unit
  failPoint('alone-sent')
  try {
    const receipt = await part.backend.commit({
      commit,
      atMicros: timeOf(unit),
      ops: mark ? withMark(home!.ref, mark, part.ops) : part.ops,
    })
    failPoint('alone-done')
    return receipt
  } catch (error) {
    const plan = planUnit(unit)
    const tools = toolsOf(options)
    // New objects alone have no place where anything is decided: they are stored, or not.
    const again = plan.place || !(error instanceof UnknownOutcomeError) ? commitAgain(plan, error, tools) : commitAlone(plan, tools)
    return told(plan, tools, again)
  }
}

function commitPlanned(unit: Unit, options: CommitOptions): Promise<Receipt> {
  const plan = planUnit(unit)
  const tools = toolsOf(options)
  return told(plan, tools, isAlone(plan) ? commitAlone(plan, tools) : commitAcross(plan, tools))
}

const isAlone = ({ held, later, seen }: Plan): boolean => held.length + later.length + seen.length === 0

async function told(plan: Plan, tools: Tools, committing: Promise<Receipt>): Promise<Receipt> {
  try {
    const receipt = await committing
    if (!receipt.applied) await dropFresh(plan, tools)
    return receipt
  } catch (error) {
    const failure = failureOf(plan.unit, error)
    if (!(failure instanceof UnknownOutcomeError)) return failed(plan, tools, failure)
    // It has failed; only copies that still travel make it unknown.
    const ending = failure === error || !isAlone(plan) ? 'unknown' : await barAlone(plan)
    if (ending === 'unknown') throw failure
    return ending === 'barred' ? failed(plan, tools, error) : ending
  }
}

async function failed(plan: Plan, tools: Tools, error: unknown): Promise<never> {
  await dropFresh(plan, tools)
  throw (await staleOwner(plan.unit, error).catch(() => undefined)) ?? error
}

/** The part of a unit that lies in one domain, mark and all. */
function solePart({ parts, mark, home, commit }: Unit): UnitPart | undefined {
  const part = parts.length === 1 ? parts[0] : undefined
  const domain = part && soleDomain(part.backend, part.ops)
  if (mark && !home) throw new TypeError('a unit of work with a mark needs a home')
  if (mark && mark.attempt !== commit) throw new TypeError("a unit's mark has the unit's commit id as its attempt")
  if (!part || domain === undefined || !mark) return domain === undefined ? undefined : part
  return home!.backend === part.backend && part.backend.domain({ do: 'mark', home: home!.ref, mark }) === domain ? part : undefined
}
