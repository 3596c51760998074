import type { Receipt } from '../backend.js'
import { failPoint } from '../fail-point.js'
import { commitAcross } from './commit-across.js'
import { commitAgain, commitAlone, withMark } from './commit-alone.js'
import { type CommitOptions, toolsOf } from './commit-options.js'
import { soleDomain } from './plan-groups.js'
import { planUnit } from './plan-unit.js'
import type { Unit, UnitPart } from './unit.js'

/**
 * Commits a unit of work: all of it or nothing, whatever domains and backends it touches, and once, however often it is sent.
 * Resolves when every later read through `readResolved` and `findResolved` sees it, its rows included. `applied` is false when another
 * attempt of the task (see `unit.mark`) had committed: nothing of this one was, and `mark` is the one that stands.
 * Errors: ConflictError and AliasTakenError (nothing applied; make a new unit), UnavailableError (nothing applied), UnknownOutcomeError
 * (send the same unit again).
 */
export function commitUnit(unit: Unit, options: CommitOptions): Promise<Receipt> {
  const { mark } = unit
  if (mark && mark.attempt !== unit.commit) throw new TypeError("a unit's mark carries the commit id of the unit as its attempt")
  const part = solePart(unit)
  return part ? commitSole(unit, part, options) : commitPlanned(unit, options)
}

/** The hot path: one part of one domain, the mark included, is exactly one call of the backend. */
async function commitSole(unit: Unit, { backend, ops }: UnitPart, options: CommitOptions): Promise<Receipt> {
  const { commit, atMicros, mark, home } = unit
  try {
    const receipt = await backend.commit({ commit, atMicros, ops: mark ? withMark(home!.ref, mark, ops) : ops })
    failPoint('alone-done')
    return receipt
  } catch (error) {
    return commitAgain(planUnit(unit), error, toolsOf(options))
  }
}

function solePart({ parts, mark, home }: Unit): UnitPart | undefined {
  const part = parts.length === 1 ? parts[0] : undefined
  const domain = part && soleDomain(part.backend, part.ops)
  if (!part || domain === undefined) return undefined
  if (!mark) return part
  if (!home) throw new TypeError('a unit of work with a mark needs a home')
  return home.backend === part.backend && home.backend.domain({ do: 'mark', home: home.ref, mark }) === domain ? part : undefined
}

function commitPlanned(unit: Unit, options: CommitOptions): Promise<Receipt> {
  const plan = planUnit(unit)
  const tools = toolsOf(options)
  return plan.held.length === 0 && plan.later.length === 0 ? commitAlone(plan, tools) : commitAcross(plan, tools)
}
