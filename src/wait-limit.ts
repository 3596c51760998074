import { ValidationError } from './errors.js'

/** Timers of Node wait for 24 days at most, and a little is added to some. */
const TIMEOUT_MS_MAX = 2_000_000_000

/** `Infinity` is none. @throws ValidationError for what no timer can wait: Node would take it for a millisecond */
export function checkedTimeout(timeoutMs: unknown): number | undefined {
  if (timeoutMs === undefined || timeoutMs === Number.POSITIVE_INFINITY) return undefined
  if (typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX) return timeoutMs
  throw new ValidationError(`timeoutMs is a number from 0 to ${TIMEOUT_MS_MAX}, or Infinity, not ${String(timeoutMs)}`, {
    code: 'ERR_CALL_OPTION',
    option: 'timeoutMs',
  })
}

interface WaitOptions {
  readonly signal?: AbortSignal | undefined
  readonly timeoutMs?: number | undefined
}

/** What ends a wait before its time: the signal, or that it has taken too long. */
export function waitLimit({ signal, timeoutMs }: WaitOptions): AbortSignal | undefined {
  const limitMs = checkedTimeout(timeoutMs)
  if (limitMs === undefined) return signal
  const late = AbortSignal.timeout(limitMs)
  return signal ? AbortSignal.any([signal, late]) : late
}
