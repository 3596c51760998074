import type { Intent, Mark, Op, Ref, RowTarget, Target } from '../backend.js'
import type { CommitId } from '../ids.js'
import type { Home } from './unit.js'

/**
 * One try to commit a unit over several domains. Each has an id of its own, which intents and new stamps carry: what a
 * round left behind, or what of it still travels, can then never be taken for a later one.
 */
export interface Round {
  readonly commit: CommitId
  readonly leaseUntilMs: number
}

export const intentOf = (round: Round, home: Home, redo: readonly Op[], how: Pick<Intent, 'isShared' | 'passesShared'> = {}): Intent => ({
  commit: round.commit,
  home: home.ref,
  redo,
  leaseUntilMs: round.leaseUntilMs,
  ...how,
})

/** Left by the deciding group on an object of its domain: it leads to the rows, and keeps the object until they are applied. */
export const relyOp = (ref: Ref, round: Round, home: Home): Op => ({
  do: 'reserve',
  target: { ref },
  expect: 'present',
  intent: intentOf(round, home, [], { isShared: true }),
})

/** Ends an intent of a round. That on a row is only given up: the row itself ends it when it is taken. */
export const settleOp = (target: Target | RowTarget, commit: CommitId, take: boolean): Op =>
  'key' in target ? { do: 'settleRow', ...target, commit } : { do: 'settle', target, commit, take }

const text = { encode: new TextEncoder(), decode: new TextDecoder() }

/** The mark that decides a round. Its outcome keeps the time of the staged rows: whoever applies them later must use the same. */
export const roundMark = (round: Round, atMicros: bigint): Mark => ({
  key: round.commit,
  attempt: round.commit,
  state: 'committed',
  outcome: text.encode.encode(String(atMicros)),
})

export const timeOfMark = (mark: Mark): bigint => BigInt(mark.outcome ? text.decode.decode(mark.outcome) : 0)

/** The mark that lets a unit be sent again: it says which round committed it. */
export const unitMark = (unit: CommitId, round: Round): Mark => ({ key: unit, attempt: round.commit, state: 'committed', outcome: null })

/** What forbids a round, or a task, to commit. Its attempt is another than theirs, so that it stands in their way. */
export const abortMark = (key: string, by: CommitId): Mark => ({ key, attempt: by, state: 'aborted', outcome: null })

/**
 * Groups of a round that lie in one domain need ids of their own, or the backend takes the second for the first sent again. The
 * deciding group has the round's id, which its stamps then carry.
 */
export const reserveCommit = (round: CommitId): CommitId => relative(round, 2)

/** The same whoever applies the rows, so that counters are added to once. */
export const rowsCommit = (round: CommitId): CommitId => relative(round, 1)

const relative = (round: CommitId, nth: number): CommitId =>
  (round.slice(0, -1) + (Number.parseInt(round.slice(-1), 16) ^ nth).toString(16)) as CommitId
