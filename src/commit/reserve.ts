import type { Backend, Op } from '../backend.js'
import { staleRow } from '../conflicts.js'
import type { TableId } from '../ids.js'
import type { Tools } from './commit-options.js'
import { isMissing, type Obstacle } from './obstacle.js'
import type { Held, Holding, Plan } from './plan-unit.js'
import { isPushing } from './pushing.js'
import { intentOf, type Round, reserveCommit, settleOp } from './round.js'
import { send, sendIdempotent } from './send.js'
import type { Home } from './unit.js'

/** Reserves all at once, so that nobody waits while holding. Gives what went wrong; nothing means that all is held. */
export async function reserveAll(plan: Plan, home: Home, round: Round, tools: Tools): Promise<Obstacle[]> {
  const reserve = async ({ backend, items }: Holding): Promise<Obstacle | undefined> => {
    const ops = items.map((item) => reserveOp(item, home, round, isPushing(plan.unit)))
    try {
      await send(backend, { commit: reserveCommit(round.commit), atMicros: plan.atMicros, ops }, tools)
      return undefined
    } catch (error) {
      return { backend, error }
    }
  }
  return (await Promise.all(plan.held.map(reserve))).filter((obstacle) => obstacle !== undefined)
}

function reserveOp(held: Held, home: Home, round: Round, passesShared: boolean): Op {
  if ('row' in held) {
    const expect = held.expect === undefined ? undefined : { expect: held.expect }
    return { do: 'reserveRow', ...held.row, ...expect, intent: intentOf(round, home, []) }
  }
  const how = { ...(held.isShared && { isShared: true }), ...(passesShared && { passesShared: true }) }
  return { do: 'reserve', target: held.target, expect: held.expect, intent: intentOf(round, home, held.redo, how) }
}

/**
 * Gives a round's intents up. Only for a round that can no longer be decided. What cannot be released, or arrives only now, is
 * dropped by whoever meets it, when its lease is over.
 */
export async function releaseAll(plan: Plan, round: Round, tools: Tools): Promise<void> {
  await Promise.allSettled(plan.held.map((holding) => settle(holding, round, false, tools)))
}

/** Ends the intents of a round in one domain. Those on rows that it has written have ended with the rows. */
export async function settle({ backend, items }: Holding, round: Round, take: boolean, tools: Tools): Promise<void> {
  const ops = items.flatMap((held) => {
    if ('row' in held) return take && !held.isOnlyRead ? [] : [settleOp(held.row, round.commit, take)]
    return [settleOp(held.target, round.commit, take)]
  })
  if (ops.length > 0) await settleAll(backend, ops, tools)
}

/** A table that is gone took its rows with it, and the intents on them. */
async function settleAll(backend: Backend, ops: readonly Op[], tools: Tools): Promise<void> {
  try {
    await sendIdempotent(backend, ops, tools)
  } catch (error) {
    if (!isMissing(error)) throw error
    if (ops.length > 1) for (const op of ops) await settleAll(backend, [op], tools)
  }
}

/**
 * Rows that expect a state, in other domains than the home, of stores where they take no intents: the intent on their owner keeps other
 * writers away (all writers of such a table check its owner), so that reading them under it is as good as a compare-and-set.
 */
export async function checkRows({ later, seen }: Plan): Promise<void> {
  const unreserved = [...later, ...seen].filter(({ backend }) => !backend.capabilities.reservesRows)
  await Promise.all(unreserved.map(({ backend, ops }) => checkRowsOf(backend, ops)))
}

type Expecting = Extract<Op, { do: 'row' | 'checkRow' }>

async function checkRowsOf(backend: Backend, ops: readonly Op[]): Promise<void> {
  const byTable = new Map<TableId, Expecting[]>()
  for (const op of ops) {
    if ((op.do !== 'row' && op.do !== 'checkRow') || op.expect === undefined) continue
    const some = byTable.get(op.table)
    if (some) some.push(op)
    else byTable.set(op.table, [op])
  }
  await Promise.all(Array.from(byTable, ([table, some]) => checkRowsIn(backend, table, some)))
}

async function checkRowsIn(backend: Backend, table: TableId, ops: readonly Expecting[]): Promise<void> {
  const rows = await backend.rows(
    table,
    ops.map(({ key }) => key),
  )
  ops.forEach(({ key, expect }, i) => {
    const found = rows[i]?.atMicros ?? null
    if (found !== expect) throw staleRow(table, key, expect, found)
  })
}
