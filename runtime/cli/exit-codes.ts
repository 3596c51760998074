import { CommanderError } from 'commander'
import {
  CorruptError,
  isInsituError,
  NotOwnerError,
  StateLostError,
  UnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
} from '../../src/errors.js'
import { isOfOpening } from '../open-backend.js'
import { AggregateTaskError } from '../tasks/failures.js'

/** Exit codes are API: scripts branch on them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const

/** A wrong command line that commander cannot see. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Somebody pressed Ctrl-C, and what was under way has been brought to an end. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** What the store itself is to blame for: it cannot be opened, reached or read. */
const UNREACHABLE = [UnavailableError, NotOwnerError, CorruptError, StateLostError, UnknownOutcomeError, UnsupportedError]

/** What an option or the environment says of how a program is to run cannot be. */
const SETTING_CODES = ['ERR_STORE_URL', 'ERR_RUN_ID', 'ERR_RUN_CHANGED', 'ERR_HOSTS', 'ERR_HOSTS_DIFFER', 'ERR_HOSTS_STORE', 'ERR_SETTING']

/** What the caller wrote is to blame, whatever kind of error it is. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  ...SETTING_CODES,
  'ERR_ALIAS_INVALID',
  'ERR_NO_TYPESCRIPT',
  'ERR_COMMONJS',
  'ERR_BACKUP_FOLDER',
])

/** What tells of a store as a whole, whatever a program asked of it. */
const GONE = [UnavailableError, NotOwnerError, CorruptError, StateLostError]

/** Codes of what is unavailable though no store is. */
const NO_STORE_CODES: ReadonlySet<string> = new Set(['ERR_NO_WORKERS', 'ERR_CLOSED', 'ERR_RUN_GOES_ON'])

/**
 * Of a program that `run` has started: what it failed with is its own affair, unless it could not run as it was told to, or its store is not
 * there. Failures of tasks that nobody awaited are told together: they count as one where they say the same.
 */
export function exitCodeOfProgram(error: unknown): number {
  if (error instanceof AggregateTaskError) {
    const codes = new Set(error.errors.map(exitCodeOfProgram))
    return codes.size === 1 ? [...codes][0]! : EXIT.failed
  }
  if (isOfOpening(error)) return exitCodeOf(error)
  if (!isInsituError(error) || NO_STORE_CODES.has(error.code)) return EXIT.failed
  if (SETTING_CODES.includes(error.code)) return EXIT.usage
  return GONE.some((kind) => error instanceof kind) ? EXIT.unreachable : EXIT.failed
}

export function exitCodeOf(error: unknown): number {
  // commander throws for --help and --version as well, with exit code 0
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof Interrupted) return EXIT.interrupted
  if (!isInsituError(error)) return EXIT.failed
  if (USAGE_CODES.has(error.code)) return EXIT.usage
  return UNREACHABLE.some((kind) => error instanceof kind) ? EXIT.unreachable : EXIT.failed
}
