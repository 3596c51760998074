import { type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { UnavailableError } from '../../src/errors.js'

const REFUSALS: readonly unknown[] = ['EACCES', 'EPERM']

/** An error of opening a store; where the system refused this user, one that says whose it is. */
export function orRefusal(folder: string, error: unknown): unknown {
  const cause = error instanceof UnavailableError ? error.cause : error
  if (!(cause instanceof Error) || !REFUSALS.includes((cause as NodeJS.ErrnoException).code)) return error
  const { path, user, mode } = seenOf((cause as NodeJS.ErrnoException).path ?? folder)
  return new UnavailableError(
    `The store in ${folder} may not be used by this program, which runs as user ${process.getuid?.()}: ${path} belongs to user ${user}, mode ${mode} ` +
      `(${cause.message}). Run it as that user, or let them give access to the folder and its files.`,
    { code: 'ERR_STORE_ACCESS', folder, path, owner: user, cause },
  )
}

/** The file itself, or what of its path can be seen. */
function seenOf(path: string): { readonly path: string; readonly user: number; readonly mode: string } {
  let stats: Stats | undefined
  try {
    stats = statSync(path, { throwIfNoEntry: false })
  } catch {
    // It lies in a folder that hides it.
  }
  if (!stats) return seenOf(dirname(path))
  return { path, user: stats.uid, mode: (stats.mode & 0o777).toString(8) }
}
