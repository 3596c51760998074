import { UnknownOutcomeError } from '../errors.js'
import { isFinal } from './obstacle.js'
import type { Unit } from './unit.js'

/**
 * Units that were sent with unknown outcome. A copy of such a unit may still be under way, and gets through as soon as an alias is free
 * again or a reservation is given up: a later try that meets those, or no store at all, has not failed for good.
 */
const sent = new WeakSet<Unit>()

/** Remembers that a copy of the deciding group may still be under way. */
export function noteUnsure(unit: Unit, error: unknown): void {
  if (error instanceof UnknownOutcomeError) sent.add(unit)
}

export const isUnsure = (unit: Unit): boolean => sent.has(unit)

export const unknownOutcome = (unit: Unit, what: string, cause: unknown): UnknownOutcomeError =>
  new UnknownOutcomeError(`${what}; send the same unit of work again`, { retryable: true, commit: unit.commit, cause })

/** What to tell the caller: the failure itself, if no copy of the unit can get past it. */
export function failureOf(unit: Unit, error: unknown): unknown {
  noteUnsure(unit, error)
  if (!sent.has(unit) || isFinal(error) || error instanceof UnknownOutcomeError) return error
  return unknownOutcome(unit, 'it is not known whether the unit of work was committed', error)
}
