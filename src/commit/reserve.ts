import type { Op } from '../backend.js'
import { ConflictError } from '../errors.js'
import type { Tools } from './commit-options.js'
import type { Obstacle } from './obstacle.js'
import type { DomainOps } from './plan-groups.js'
import type { Held, Holding, Plan } from './plan-unit.js'
import { intentOf, type Round, reserveCommit, settleOp } from './round.js'
import { send, sendIdempotent } from './send.js'
import type { Home } from './unit.js'

/** Reserves all at once, so that nobody waits while holding. Gives what went wrong; nothing means that all is held. */
export async function reserveAll(plan: Plan, home: Home, round: Round, tools: Tools): Promise<Obstacle[]> {
  const reserve = async ({ backend, items }: Holding): Promise<Obstacle | undefined> => {
    const ops = items.map((item) => reserveOp(item, home, round))
    try {
      await send(backend, { commit: reserveCommit(round.commit), atMicros: plan.atMicros, ops }, tools)
      return undefined
    } catch (error) {
      return { backend, error }
    }
  }
  return (await Promise.all(plan.held.map(reserve))).filter((obstacle) => obstacle !== undefined)
}

function reserveOp(held: Held, home: Home, round: Round): Op {
  if ('row' in held) {
    const expect = held.expect === undefined ? undefined : { expect: held.expect }
    return { do: 'reserveRow', ...held.row, ...expect, intent: intentOf(round, home, []) }
  }
  return { do: 'reserve', target: held.target, expect: held.expect, intent: intentOf(round, home, held.redo) }
}

/**
 * Gives a round's intents up. Only for a round that can no longer be decided. What cannot be released, or arrives only now, is
 * dropped by whoever meets it, when its lease is over.
 */
export async function releaseAll(plan: Plan, round: Round, tools: Tools): Promise<void> {
  await Promise.allSettled(plan.held.map((holding) => settle(holding, round, false, tools)))
}

/** Ends the intents of a round in one domain. Those on rows that it takes have ended with the rows. */
export async function settle({ backend, items }: Holding, round: Round, take: boolean, tools: Tools): Promise<void> {
  const ops = items.flatMap((held) => {
    if ('row' in held) return take ? [] : [settleOp(held.row, round.commit, take)]
    return [settleOp(held.target, round.commit, take)]
  })
  if (ops.length > 0) await sendIdempotent(backend, ops, tools)
}

/**
 * Rows that expect a state, in other domains than the home, of stores where they take no intents: the intent on their owner keeps other
 * writers away (all writers of such a table check its owner), so that reading them under it is as good as a compare-and-set.
 */
export async function checkRows(later: readonly DomainOps[]): Promise<void> {
  const unreserved = later.filter(({ backend }) => !backend.capabilities.reservesRows)
  await Promise.all(unreserved.map(({ backend, ops }) => Promise.all(ops.map((op) => checkRow(backend, op)))))
}

async function checkRow(backend: DomainOps['backend'], op: Op): Promise<void> {
  if (op.do !== 'row' || op.expect === undefined) return
  const [row] = await backend.rows(op.table, [op.key])
  const found = row?.atMicros ?? null
  if (found !== op.expect)
    throw new ConflictError('a row changed since it was read', { table: op.table, key: op.key, expected: op.expect, found })
}
