import { ValidationError } from '../../src/errors.js'
import { checkedTimeout } from '../../src/wait-limit.js'
import { neededBy } from './needs.js'
import type { CallOptions, FailurePolicy } from './task.js'

const POLICIES: readonly FailurePolicy[] = ['RETRY', 'IGNORE', 'CANCEL_SUCCESSORS', 'FAIL']

export const CALL_OPTIONS: readonly (keyof CallOptions)[] = ['priority', 'timeoutMs', 'signal', 'needs']

const isSignal = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value

/**
 * Options as they are kept: `timeoutMs: Infinity` is none.
 * @throws ValidationError that names the option and what it takes
 */
export function checkedOptions<O extends CallOptions>({ timeoutMs, ...rest }: O): Omit<O, 'timeoutMs'> & { timeoutMs?: number } {
  const { priority, signal, needs } = rest
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= -16 && priority <= 15))
    throw wrong('priority', 'a whole number from -16 to 15', priority)
  if (signal !== undefined && !isSignal(signal)) throw wrong('signal', 'an AbortSignal', signal)
  if (needs !== undefined) neededBy(needs)
  const limit = checkedTimeout(timeoutMs)
  return limit === undefined ? rest : { ...rest, timeoutMs: limit }
}

export function checkedPolicy(policy: unknown): FailurePolicy {
  if (POLICIES.includes(policy as FailurePolicy)) return policy as FailurePolicy
  throw wrong('onFailure', `one of ${POLICIES.join(', ')}`, policy)
}

/** @throws ValidationError for what is no number of calls */
export function checkedLimit(limit: unknown): number {
  if (typeof limit === 'number' && limit >= 1) return limit
  throw wrong('limit', 'a number from 1', limit)
}

function wrong(option: string, what: string, given: unknown): ValidationError {
  return new ValidationError(`${option} is ${what}, not ${typeof given === 'string' ? `'${given}'` : String(given)}`, {
    code: 'ERR_CALL_OPTION',
    option,
  })
}
