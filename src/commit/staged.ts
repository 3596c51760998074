import type { Backend, Group, Op } from '../backend.js'
import { failPoint } from '../fail-point.js'
import type { CommitId } from '../ids.js'
import { backendOfHome, type CommitOptions, type Tools, toolsOf } from './commit-options.js'
import { isMissing } from './obstacle.js'
import { DomainGroups, type DomainOps } from './plan-groups.js'
import { rowsCommit, timeOfMark } from './round.js'
import { send, sendIdempotent } from './send.js'
import type { Home } from './unit.js'

/** Applies the rows of a decided round, a group in each domain. Idempotent by the round. */
export async function applyRows(later: readonly DomainOps[], round: CommitId, atMicros: bigint, tools: Tools): Promise<void> {
  const commit = rowsCommit(round)
  await Promise.all(
    later.map(({ backend, ops }) => applyGroup(backend, { commit, atMicros, ops: ops.map((op) => asDecided(op, round)) }, tools)),
  )
}

/** What a row expected was checked before the decision, and is so still. */
function asDecided(op: Op, round: CommitId): Op {
  if (op.do !== 'row' || !op.isCas) return op
  const { expect: _, ...decided } = op
  return { ...decided, ends: round }
}

/** A table that is gone took its rows with it: its owner was deleted after them. */
async function applyGroup(backend: Backend, group: Group, tools: Tools): Promise<void> {
  try {
    await send(backend, group, tools)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

/** Drops the staged redo: only when all of it is applied, and before the last intent that leads to it. */
export async function dropStaged({ backend, ref }: Home, round: CommitId, tools: Tools): Promise<void> {
  await sendIdempotent(backend, [unstaged({ backend, ref }, round)], tools)
}

export const unstaged = ({ ref }: Home, round: CommitId): Op => ({ do: 'stage', home: ref, commit: round, redo: null })

/**
 * Applies what a dead writer staged. Redo is staged by the very group that decides, so that it stands only for a round that
 * committed. Idempotent; several may do it at once.
 */
export async function finishStaged(home: Home, round: CommitId, options: CommitOptions): Promise<void> {
  await finish(home, round, toolsOf(options))
}

export async function finish(home: Home, round: CommitId, tools: Tools): Promise<void> {
  const redo = await home.backend.staged(home.ref, round)
  if (!redo) return
  const [mark] = await home.backend.marks(home.ref, [round])
  if (!mark) return // forgotten, hence finished, since the redo was read
  const rows = await byDomain(redo, home.backend, tools).catch((error: unknown) => unlessFinished(home, round, error))
  if (!rows) return
  await applyRows(rows, round, timeOfMark(mark), tools)
  failPoint('resolve-rows-applied')
  await dropStaged(home, round, tools)
  failPoint('resolve-redo-dropped')
}

/** A table may be gone because its owner was deleted, which comes after its rows: others have finished them then. */
async function unlessFinished({ backend, ref }: Home, round: CommitId, error: unknown): Promise<undefined> {
  if (await backend.staged(ref, round)) throw error
}

async function byDomain(redo: readonly Op[], backend: Backend, tools: Tools): Promise<DomainOps[]> {
  const groups = new DomainGroups()
  for (const op of redo) groups.add(await backendOf(op, backend, tools), op)
  return groups.list
}

function backendOf(op: Op, backend: Backend, tools: Tools): Backend | Promise<Backend> {
  if (op.do === 'row' || op.do === 'add') return tools.backendOf(op.table)
  if (op.do === 'forget') return backendOfHome(op.home, backend, tools)
  throw new TypeError(`staged redo holds no op ${op.do}`)
}
