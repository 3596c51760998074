/** The mark of a task, for who looks at it from beside its attempts: what became of it, or that nothing shall become of it any more. */
import type { Mark } from '../backend.js'
import { UnavailableError, UnknownOutcomeError } from '../errors.js'
import { Patience } from './back-off.js'
import { type CommitOptions, type Tools, toolsOf } from './commit-options.js'
import { abortMark } from './round.js'
import { sendIdempotent } from './send.js'
import { finish } from './staged.js'
import type { Home } from './unit.js'

/**
 * Puts `aborted` under a task's key unless a mark stands there, and gives the one that stands. From then on no attempt of the task
 * commits; of one that has committed everything can be read. Errors: UnavailableError, UnknownOutcomeError, after all patience.
 */
export async function giveUp(home: Home, key: string, options: CommitOptions): Promise<Mark> {
  const tools = toolsOf(options)
  const mark = abortMark(key, tools.newCommitId())
  for (const patience = new Patience(tools.clock, tools.patienceMs); ; await patience.wait()) {
    try {
      const { applied } = await sendIdempotent(home.backend, [{ do: 'mark', home: home.ref, mark }], tools)
      const standing = applied ? mark : await standingMark(home, key, tools)
      if (standing) return standing
    } catch (error) {
      if (patience.over || !isPassing(error)) throw error
    }
  }
}

/** The mark that stands under a task's key; of an attempt that has committed everything can be read. */
export const markOf = (home: Home, key: string, options: CommitOptions): Promise<Mark | undefined> =>
  standingMark(home, key, toolsOf(options))

async function standingMark(home: Home, key: string, tools: Tools): Promise<Mark | undefined> {
  const [mark] = await home.backend.marks(home.ref, [key])
  if (mark?.state !== 'committed') return mark
  // A unit over several domains that died between its decision and its rows.
  const [unit] = await home.backend.marks(home.ref, [mark.attempt])
  if (unit) await finish(home, unit.attempt, tools)
  return mark
}

const isPassing = (error: unknown): boolean =>
  error instanceof UnknownOutcomeError || (error instanceof UnavailableError && error.code !== 'ERR_CLOSED')
