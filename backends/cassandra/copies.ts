/**
 * A compare-and-set that was not answered and is found to have happened stands on a quorum, whatever was asked for: servers agree on it
 * first, and copy it then as often as the consistency says, or fail to. Where more was asked for, it is not told before they have it.
 */
import { UnavailableError } from '../../src/errors.js'
import type { ConsistencyName } from './cassandra-config.js'
import type { CassandraLink } from './cassandra-link.js'

/** Which may be more than a quorum. */
const ABOVE_QUORUM: readonly ConsistencyName[] = ['two', 'three', 'eachQuorum', 'all']

/**
 * `read` is of what was found, at the consistency asked for: servers mend copies that differ before they answer it.
 * @throws UnknownOutcomeError when that many do not answer: the group stands, not as safely as was asked for, and may be sent again
 */
export async function ensureCopies(link: CassandraLink, read: () => Promise<unknown>): Promise<void> {
  if (!ABOVE_QUORUM.includes(link.config.consistency)) return
  try {
    await read()
  } catch (error) {
    throw error instanceof UnavailableError ? link.unknownOutcome(error) : error
  }
}
