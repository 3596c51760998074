import { CommanderError } from 'commander'
import { CorruptError, isInsituError, NotOwnerError, UnavailableError, UnknownOutcomeError, UnsupportedError } from '../../src/errors.js'

/** Exit codes are API: scripts branch on them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const

/** A wrong command line that commander cannot see. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What the store itself is to blame for: it cannot be opened, reached or read. */
const UNREACHABLE = [UnavailableError, NotOwnerError, CorruptError, UnknownOutcomeError, UnsupportedError]

/** What the caller wrote is to blame, whatever kind of error it is. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'ERR_STORE_URL',
  'ERR_ALIAS_INVALID',
  'ERR_NO_TYPESCRIPT',
  'ERR_BACKUP_FOLDER',
  'ERR_RUN_ID',
])

export function exitCodeOf(error: unknown): number {
  // commander throws for --help and --version as well, with exit code 0
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof UsageError) return EXIT.usage
  if (!isInsituError(error)) return EXIT.failed
  if (USAGE_CODES.has(error.code)) return EXIT.usage
  return UNREACHABLE.some((kind) => error instanceof kind) ? EXIT.unreachable : EXIT.failed
}
