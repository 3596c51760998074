/** What Cassandra and its driver say, as errors of insitu that name the fix. Nothing here repeats parameters of a statement: they are data. */
import { InsituError, SchemaMismatchError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'

/** What may be done about a failed call. */
export type Failure =
  /** It was not executed and may be by and by. */
  | 'again'
  /** It may have been executed, or may be later. */
  | 'unknown'
  | 'final'

/** Of the protocol's ERROR message. */
const CODE = {
  credentials: 0x0100,
  unavailable: 0x1000,
  overloaded: 0x1001,
  bootstrapping: 0x1002,
  truncate: 0x1003,
  writeTimeout: 0x1100,
  readTimeout: 0x1200,
  readFailure: 0x1300,
  writeFailure: 0x1500,
  unauthorized: 0x2100,
  casUnknown: 0x1700,
  unprepared: 0x2500,
} as const

interface DriverError extends Error {
  readonly code?: number | string
  /** Where too few copies are alive: the consistency, as the protocol counts them, and how many copies it wants and has. */
  readonly consistencies?: number
  readonly required?: number
  readonly alive?: number
  readonly innerErrors?: Readonly<Record<string, Error>>
}

export function failureOf(thrown: unknown): Failure {
  const error = thrown as DriverError
  if (error instanceof InsituError) return 'final'
  switch (error.name) {
    case 'ResponseError':
      return failureOfResponse(error)
    case 'NoHostAvailableError':
      return failureOfAll(error)
    case 'AuthenticationError':
    case 'ArgumentError':
    case 'TypeError':
    case 'RangeError':
      return 'final'
    case 'BusyConnectionError':
      return 'again'
    default:
      return error.code === 'ECONNREFUSED' || error.message === 'No connection available' ? 'again' : 'unknown'
  }
}

function failureOfResponse({ code, message }: DriverError): Failure {
  switch (code) {
    case CODE.unavailable:
    case CODE.overloaded:
    case CODE.bootstrapping:
      return 'again'
    case CODE.writeTimeout:
    case CODE.readTimeout:
    case CODE.casUnknown:
      return 'unknown'
    case CODE.readFailure:
    case CODE.writeFailure:
      return /tombstone/i.test(message) ? 'final' : 'unknown'
    default:
      return 'final'
  }
}

/** No node took it: it is known not to be executed only if each says so. */
function failureOfAll({ innerErrors = {} }: DriverError): Failure {
  const failures = Object.values(innerErrors).map((error) => failureOf(error))
  if (failures.includes('unknown')) return 'unknown'
  return failures.includes('final') ? 'final' : 'again'
}

/** The most telling of several. */
function causeOf(thrown: unknown): DriverError {
  const error = thrown as DriverError
  const inner = Object.values(error.innerErrors ?? {})
  return (inner.find((one) => failureOf(one) === 'final') as DriverError | undefined) ?? (inner[0] as DriverError | undefined) ?? error
}

const UNKNOWN_TABLE = /unconfigured table|table .*does not exist/i

/** Whether an error for the caller says that a table is not there. */
export const isTableGone = (error: unknown): boolean => (error as { readonly isTableGone?: boolean }).isTableGone === true

interface Known {
  readonly fits: (error: DriverError) => boolean
  readonly make: (url: string, cause: DriverError) => InsituError
}

const says =
  (pattern: RegExp) =>
  ({ message }: DriverError): boolean =>
    pattern.test(message)

const unavailable =
  (code: string, text: string) =>
  (url: string, cause: DriverError): InsituError =>
    new UnavailableError(`${url}: ${text}`, { code, retryable: failureOf(cause) !== 'final', cause: bare(cause) })

export const tooManyTombstones = (url: string, cause: unknown): InsituError =>
  new UnavailableError(
    `${url}: a read met more removed rows than the server allows (tombstone_failure_threshold); compact the table or lower its gc_grace_seconds`,
    { code: 'ERR_TOO_MANY_TOMBSTONES', retryable: false, cause: bare(cause) },
  )

/** In the order of the protocol's numbers. */
const LEVELS = ['any', 'one', 'two', 'three', 'quorum', 'all', 'localQuorum', 'eachQuorum', 'serial', 'localSerial', 'localOne']

function tooFewCopies(url: string, cause: DriverError): InsituError {
  const { consistencies = -1, required, alive } = cause
  const level = LEVELS[consistencies] ?? 'consistency'
  const setting = /serial/i.test(level) ? 'serial' : 'consistency'
  const wanted = `${setting}=${level} wants ${required}, ${alive} alive`
  return new UnavailableError(
    `${url}: too few copies are alive (${wanted}); start the nodes that are down (nodetool status), or choose another ${setting} in the url`,
    { code: 'ERR_NO_QUORUM', retryable: true, setting, level, required, alive, cause: bare(cause) },
  )
}

/** A node could not do a read; why, it does not say. */
export const isReadFailure = (thrown: unknown): boolean => causeOf(thrown).code === CODE.readFailure

const KNOWN: readonly Known[] = [
  {
    fits: says(/keyspace .*does not exist/i),
    make: unavailable('ERR_NO_KEYSPACE', 'the keyspace is not there any more: somebody has dropped it; restore it from a backup'),
  },
  {
    // The driver prepares again by itself what a server has forgotten; what it cannot, is about a table that is gone.
    fits: (error) => error.code === CODE.unprepared || says(UNKNOWN_TABLE)(error),
    make: (url, cause) =>
      new UnavailableError(
        `${url}: a table of the store, or a column of one, is not there (${cause.message}): somebody has dropped it, or a node has not heard of it yet`,
        { retryable: false, isTableGone: true, cause: bare(cause) },
      ),
  },
  {
    fits: says(/Undefined column/),
    make: (url, cause) =>
      new SchemaMismatchError(
        `${url}: a table of the store has lost a column (${cause.message}): give it back by ALTER TABLE, or restore it`,
        {
          cause: bare(cause),
        },
      ),
  },
  {
    fits: (error) => error.name === 'AuthenticationError' || error.code === CODE.credentials,
    make: unavailable(
      'ERR_STORE_ACCESS',
      'the server refuses the user or password; give them in the url or in INSITU_CASSANDRA_USERNAME and INSITU_CASSANDRA_PASSWORD',
    ),
  },
  {
    fits: ({ code }) => code === CODE.unauthorized,
    make: unavailable('ERR_STORE_ACCESS', 'the user may not do what the backend needs; docs/backends/cassandra.md lists its permissions'),
  },
  {
    fits: says(/tombstone/i),
    make: (url, cause) => tooManyTombstones(url, cause),
  },
  {
    fits: ({ code }) => code === CODE.unavailable,
    make: tooFewCopies,
  },
  {
    fits: ({ code, name }) => code === CODE.overloaded || name === 'BusyConnectionError',
    make: unavailable('ERR_STORE_OVERLOADED', 'the server has more to do than it can; send less at once, or add nodes'),
  },
  {
    fits: ({ code }) => code === CODE.readTimeout || code === CODE.readFailure,
    make: unavailable(
      'ERR_STORE_TIMEOUT',
      'the nodes asked did not read in time (read_request_timeout); look at their load and logs, or ask for less at once',
    ),
  },
  {
    fits: ({ code, name }) =>
      code === CODE.writeTimeout || code === CODE.writeFailure || code === CODE.casUnknown || name === 'OperationTimedOutError',
    make: unavailable(
      'ERR_STORE_TIMEOUT',
      'the nodes asked did not answer in time (write_request_timeout, cas_contention_timeout); look at their load and logs, or send less at once',
    ),
  },
  {
    fits: says(/Request is too big|Mutation of .* is too large|exceeds the maximum|frame.* too large/i),
    make: (url, cause) =>
      new ValidationError(
        `${url}: a value is larger than the server takes at once (16 MiB); split it, or keep it as a field of an object`,
        {
          code: 'ERR_CELL_TOO_LARGE',
          cause: bare(cause),
        },
      ),
  },
  {
    fits: says(/ALLOW FILTERING/),
    make: (url, cause) =>
      new UnsupportedError(`${url}: no key or index serves this question`, { code: 'ERR_WHERE_SCANS', cause: bare(cause) }),
  },
]

/** An error for the caller. */
export function namedError(url: string, thrown: unknown): InsituError {
  if (thrown instanceof InsituError) return thrown
  const cause = causeOf(thrown)
  const known = KNOWN.find(({ fits }) => fits(cause))
  if (known) return known.make(url, cause)
  if (failureOf(thrown) === 'final')
    return new InsituError(`${url}: the server refused a statement: ${cause.message}`, { code: 'ERR_INTERNAL', cause: bare(cause) })
  return new UnavailableError(`${url}: the ring cannot be reached (${cause.message}); is it running there?`, {
    retryable: true,
    cause: bare(cause),
  })
}

/** The driver hangs statement and parameters on its errors. */
export function bare(cause: unknown): Error {
  const { message, name } = cause as Error
  const error = new Error(message)
  error.name = name
  return error
}

/** Whether a table or column that the statement names is not there (any more). */
export const isUnknownTable = (thrown: unknown): boolean =>
  /unconfigured table|table .*does not exist|Undefined column|Unknown identifier|No keyspace/i.test(causeOf(thrown).message)
