import { ConflictError } from '../errors.js'
import type { Unit } from './unit.js'

/**
 * Units that remove an object on which others rely, one after the other, so that waiting for a moment without any might take for ever.
 * They leave their own intents first, beside those, after which no more come; then they end those that stand, and decide.
 */
const pushing = new WeakSet<Unit>()

export const isPushing = (unit: Unit): boolean => pushing.has(unit)

/** Notes a unit that has met a shared intent, which is in the way of removals only. False: it has not, or that was known. */
export function notePushing(unit: Unit, error: unknown): boolean {
  if (isPushing(unit) || !(error instanceof ConflictError)) return false
  const { intent } = error as ConflictError & { readonly intent?: { readonly isShared?: boolean } }
  if (!intent?.isShared) return false
  pushing.add(unit)
  return true
}
