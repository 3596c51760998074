import type { Backend, Intent, Mark, Ref, RowTarget, Target } from '../backend.js'
import { failPoint } from '../fail-point.js'
import type { CommitId } from '../ids.js'
import { backendOfHome, type CommitOptions, type Tools, toolsOf } from './commit-options.js'
import { abortMark, settleOp } from './round.js'
import { sendIdempotent } from './send.js'
import { finish } from './staged.js'
import type { Home } from './unit.js'

/** What became of a round. `undecided`: its lease is running, and the old state is the right one. */
export type Verdict = 'committed' | 'aborted' | 'undecided'

/** Where an intent was met. */
export interface Met {
  readonly backend: Backend
  readonly target: Target | RowTarget
  readonly intent: Intent
}

/**
 * What whoever meets an intent does: its mark says whether the intent is taken or dropped. Without a mark, and with the lease
 * over, `aborted` is put if absent, and what then stands decides. After `committed` and `aborted` read the target again;
 * on `undecided` a reader keeps the old state (see `readResolved`) and a writer stands back.
 */
export async function resolveIntent(met: Met, options: CommitOptions): Promise<Verdict> {
  return resolveMet(met, toolsOf(options))
}

export async function resolveMet(met: Met, tools: Tools): Promise<Verdict> {
  const verdict = await verdictOf(met, tools)
  if (verdict !== 'undecided') await settleMet(met, verdict, tools)
  return verdict
}

/** Reads the mark; aborts a round whose lease is over. */
export async function verdictOf(met: Omit<Met, 'target'>, tools: Tools): Promise<Verdict> {
  const { commit, home, leaseUntilMs } = met.intent
  const backend = await backendOfHome(home, met.backend, tools)
  const [mark] = await backend.marks(home, [commit])
  if (mark) return mark.state
  if (tools.clock.nowMs() <= leaseUntilMs) return 'undecided'
  const standing = await abortRound({ backend, ref: home }, commit, tools)
  failPoint('resolve-aborted')
  return standing.state
}

/** Puts `aborted` unless the round is decided, and gives the mark that stands. From then on nothing can commit an aborted round. */
export async function abortRound({ backend, ref }: Home, round: CommitId, tools: Tools): Promise<Mark> {
  const mark = abortMark(round, tools.newCommitId())
  const receipt = await sendIdempotent(backend, [{ do: 'mark', home: ref, mark }], tools)
  return receipt.applied ? mark : await standingMark(backend, ref, round)
}

/** A mark that stood in the way and is gone was forgotten, which happens to settled rounds only. */
async function standingMark(backend: Backend, home: Ref, round: CommitId): Promise<Mark> {
  const [mark] = await backend.marks(home, [round])
  return mark ?? { key: round, attempt: round, state: 'committed', outcome: null }
}

/** Ends one intent. The rows of its round come first: the last intent must not go before them, or nobody would find them. */
export async function settleMet(met: Met, verdict: 'committed' | 'aborted', tools: Tools): Promise<void> {
  const { backend, target, intent } = met
  const take = verdict === 'committed'
  if (take) await finish({ backend: await backendOfHome(intent.home, backend, tools), ref: intent.home }, intent.commit, tools)
  await sendIdempotent(backend, [settleOp(target, intent.commit, take)], tools)
  failPoint('resolve-settled')
}
