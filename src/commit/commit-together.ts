import type { Backend, Op, Receipt, Ref } from '../backend.js'
import { UnknownOutcomeError } from '../errors.js'
import { failPoint } from '../fail-point.js'
import { type CommitOptions, toolsOf } from './commit-options.js'
import { send } from './send.js'

/** What a task has changed, and the mark that says so. */
export interface Member {
  readonly ops: readonly Op[]
  readonly home: Ref
  /** Of the mark. */
  readonly key: string
  readonly outcome: Uint8Array | null
}

/**
 * Commits what several tasks have changed in one domain as one group, no two of them the same object. It is all there or nothing, hence
 * so is each of them with its mark: what one of them alone would be refused for refuses all, and gives `undefined`. Then each goes by
 * itself. Should the group be there all the same, by a copy that came late, each finds its own mark and is not applied again.
 * Errors: UnknownOutcomeError: the marks say what became of it.
 */
export async function commitTogether(
  backend: Pick<Backend, 'commit'>,
  members: readonly Member[],
  atMicros: bigint,
  options: CommitOptions,
): Promise<Receipt | undefined> {
  const tools = toolsOf(options)
  const commit = tools.newCommitId()
  const ops: Op[] = []
  // The marks go first: one of another attempt is noticed before any conflict.
  for (const { home, key, outcome } of members) ops.push({ do: 'mark', home, mark: { key, attempt: commit, state: 'committed', outcome } })
  for (const member of members) for (const op of member.ops) ops.push(op)
  failPoint('together-sent')
  try {
    const receipt = await send(backend, { commit, atMicros, ops }, tools)
    failPoint('together-done')
    return receipt.applied ? receipt : undefined
  } catch (error) {
    if (error instanceof UnknownOutcomeError) throw error
    return undefined
  }
}
