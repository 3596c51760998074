import type { Backend, Group, Op, Receipt } from '../backend.js'
import { UnknownOutcomeError } from '../errors.js'
import { pause } from './back-off.js'
import { type CommitOptions, type Tools, toolsOf } from './commit-options.js'
import { isFinal } from './obstacle.js'

/**
 * Commits a group, sending it again while its outcome is unknown: the backend knows it by its id.
 * Errors as `Backend.commit`. After an unknown outcome an earlier copy may still be under way, and would apply once what
 * stood in its way is gone: then only a failure that no later copy can escape is reported as one, any other as UnknownOutcomeError.
 */
export async function send(backend: Pick<Backend, 'commit'>, group: Group, tools: Tools): Promise<Receipt> {
  try {
    return await backend.commit(group)
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError)) throw error
    return sendAgain(backend, group, tools, error)
  }
}

async function sendAgain(backend: Pick<Backend, 'commit'>, group: Group, tools: Tools, first: unknown): Promise<Receipt> {
  let cause = first
  for (let nth = 0; nth < tools.resends; nth++) {
    await pause(tools.clock, nth + 2)
    try {
      return await backend.commit(group)
    } catch (error) {
      if (isFinal(error)) throw error
      cause = error
    }
  }
  throw new UnknownOutcomeError('it is not known whether the group was committed; send the same unit of work again', {
    retryable: true,
    commit: group.commit,
    cause,
  })
}

/** Rows of any domains, for stores that take them so; none of them expects anything, so that sending them again is harmless. */
export const loadRows = (backend: Backend, group: Group, options: CommitOptions): Promise<Receipt> => send(backend, group, toolsOf(options))

/** For ops that may be applied any number of times: under a new id, so that no two contents share one in a domain. */
export const sendIdempotent = (backend: Backend, ops: readonly Op[], tools: Tools): Promise<Receipt> =>
  send(backend, { commit: tools.newCommitId(), atMicros: 0n, ops }, tools)
