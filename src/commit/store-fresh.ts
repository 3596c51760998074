import type { Backend, Op } from '../backend.js'
import { UnavailableError, UnknownOutcomeError } from '../errors.js'
import { failPoint } from '../fail-point.js'
import type { Tools } from './commit-options.js'
import { foundStamp } from './obstacle.js'
import type { DomainOps } from './plan-groups.js'
import type { Plan } from './plan-unit.js'
import { send, sendIdempotent } from './send.js'

/**
 * Stores the new objects of other domains, under the unit's own id, so that a unit that is sent again finds them stored. They go before
 * the reservations, not beside them: they may be large, and what is reserved keeps others waiting. After a failure they are
 * orphans until `dropFresh`: a copy of the deciding group may still be on its way.
 */
export async function storeFresh({ unit, fresh }: Plan, tools: Tools): Promise<void> {
  if (fresh.length === 0) return
  const store = async ({ backend, ops }: DomainOps): Promise<void> => {
    try {
      await send(backend, { commit: unit.commit, atMicros: unit.atMicros, ops }, tools)
    } catch (error) {
      if (foundStamp(error)?.commit !== unit.commit) throw asUnavailable(error)
    }
  }
  await Promise.all(fresh.map(store))
  failPoint('commit-new-stored')
}

/** Removes the new objects of a unit that has failed for good, so that another unit may store them under the same ids. */
export async function dropFresh({ unit, fresh }: Plan, tools: Tools): Promise<void> {
  const expect = { revision: 1, commit: unit.commit }
  const drop = (backend: Backend, op: Op): Promise<unknown> =>
    op.do === 'put' ? sendIdempotent(backend, [{ do: 'remove', ref: op.ref, expect }], tools) : Promise.resolve()
  const drops = fresh.flatMap(({ backend, ops }) => ops.map((op) => drop(backend, op)))
  await Promise.allSettled(drops) // what is not there, or cannot be reached, is no worse than the orphan
}

/** Before the decision an unknown outcome is a known one for the unit: not committed. */
export const asUnavailable = (error: unknown): unknown =>
  error instanceof UnknownOutcomeError
    ? new UnavailableError('the store did not answer; nothing was committed', { retryable: true, cause: error })
    : error
