/** What a ring and its driver say, as errors of insitu; those that a real server can be brought to are in test/cassandra too. */

import driver from 'cassandra-driver'
import { assert } from 'chai'
import { failureOf, namedError } from '../../backends/cassandra/cassandra-errors.js'
import { InsituError, UnavailableError } from '../../src/errors.js'

const { AuthenticationError, BusyConnectionError, NoHostAvailableError, OperationTimedOutError, ResponseError } = driver.errors
const URL = 'cassandra://10.0.0.1:9042/shop'

const of = (code: number, message = 'what the server says'): Error => new ResponseError(code, message)
const fromAll = (...errors: readonly Error[]): Error =>
  new NoHostAvailableError(Object.fromEntries(errors.map((error, i) => [`10.0.0.${i}:9042`, error])))

/** The error, its code, what may be done about the call, and what the message must say. */
const NAMES: readonly (readonly [what: string, error: Error, code: string, failure: string, says: RegExp])[] = [
  [
    'no node answers',
    fromAll(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })),
    'ERR_UNAVAILABLE',
    'again',
    /is it running there/,
  ],
  ['a wrong password', fromAll(new AuthenticationError('bad credentials')), 'ERR_STORE_ACCESS', 'final', /INSITU_CASSANDRA_PASSWORD/],
  ['credentials at the protocol', of(0x0100), 'ERR_STORE_ACCESS', 'final', /INSITU_CASSANDRA_USERNAME/],
  ['what the user may not do', of(0x2100), 'ERR_STORE_ACCESS', 'final', /lists its permissions/],
  ['too few copies alive', of(0x1000), 'ERR_NO_QUORUM', 'again', /nodetool status/],
  ['an overloaded server', of(0x1001), 'ERR_STORE_OVERLOADED', 'again', /send less at once/],
  [
    'a driver with too much under way',
    fromAll(new BusyConnectionError('10.0.0.1', 2048, 1)),
    'ERR_STORE_OVERLOADED',
    'again',
    /send less at once/,
  ],
  ['a write not done in time', of(0x1100), 'ERR_STORE_TIMEOUT', 'unknown', /write_request_timeout/],
  ['a compare-and-set of unknown end', of(0x1700), 'ERR_STORE_TIMEOUT', 'unknown', /cas_contention_timeout/],
  ['a read not done in time', of(0x1200), 'ERR_STORE_TIMEOUT', 'unknown', /read_request_timeout/],
  [
    'a node that hangs',
    new OperationTimedOutError('no response in 6000 ms', '10.0.0.1'),
    'ERR_STORE_TIMEOUT',
    'unknown',
    /did not answer in time/,
  ],
  [
    'removed rows without end',
    of(0x1300, 'Scanned over 100001 tombstones during query'),
    'ERR_TOO_MANY_TOMBSTONES',
    'final',
    /gc_grace_seconds/,
  ],
  ['a request that is too large', new RangeError('Request is too big, received 17000000 bytes'), 'ERR_CELL_TOO_LARGE', 'final', /split it/],
  ['a table that somebody dropped', of(0x2200, 'table shop.rows_1 does not exist'), 'ERR_UNAVAILABLE', 'final', /dropped it/],
  ['a statement about such a table', of(0x2500, 'Prepared query with ID 1 not found'), 'ERR_UNAVAILABLE', 'final', /dropped it/],
  ['a keyspace that somebody dropped', of(0x2200, "Keyspace 'shop' does not exist"), 'ERR_NO_KEYSPACE', 'final', /dropped it/],
  [
    'a column that somebody dropped',
    of(0x2200, 'Undefined column name "n" in table shop.rows_1'),
    'ERR_SCHEMA_MISMATCH',
    'final',
    /ALTER TABLE/,
  ],
  [
    'a mutation that is too large',
    of(0x2200, 'Mutation of 20MiB is too large for the maximum size'),
    'ERR_CELL_TOO_LARGE',
    'final',
    /split it/,
  ],
]

describe('cassandra: errors', () => {
  for (const [what, thrown, code, failure, says] of NAMES)
    it(`${what}: ${code}, with the url and what to do`, () => {
      const error = namedError(URL, thrown)
      assert.instanceOf(error, InsituError)
      assert.equal(error.code, code)
      assert.match(error.message, says)
      assert.include(error.message, URL)
      assert.equal(failureOf(thrown), failure)
      if (error instanceof UnavailableError) assert.equal(error.retryable, failure !== 'final')
    })

  it('of several nodes the one that says most is told', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    assert.equal(namedError(URL, fromAll(refused, new AuthenticationError('no'))).code, 'ERR_STORE_ACCESS')
  })
})
