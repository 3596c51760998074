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

export function exitCodeOf(error: unknown): number {
  // commander throws for --help and --version as well, with exit code 0
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  if (error instanceof UsageError) return EXIT.usage
  if (isInsituError(error) && UNREACHABLE.some((kind) => error instanceof kind)) return EXIT.unreachable
  return EXIT.failed
}
