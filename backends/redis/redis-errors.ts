/** What Redis and ioredis say, as errors of insitu that name the fix. Nothing here repeats arguments of a command: they are data. */
import { CorruptError, InsituError, UnavailableError, UnsupportedError } from '../../src/errors.js'
import { cellTooLarge } from './argument-room.js'

/** What may be done about a failed call. */
export type Failure =
  /** It was not executed and may be by and by. */
  | 'again'
  /** It may have been executed. */
  | 'unknown'
  | 'no script'
  /** It was not executed, and may be as a script. */
  | 'no function'
  | 'final'

/**
 * Replies that say: not now. Nothing was executed; a script that has written cannot be killed, and only those that write nothing go to keys
 * that may have moved away.
 */
const NOT_NOW =
  /^(?:LOADING|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|BUSY|ASK|MOVED)\b|Script killed by user|access a non local key|max number of clients/
/** It is not loaded, the user may not call any, or the server is too old for them. */
const NO_FUNCTION = /^ERR Function not found|^(?:NOPERM|ERR unknown command)\b.*\bfcall_ro\b/is
/** What ioredis says of calls that it never sent, or that it was told to send elsewhere too often. */
const NEVER_SENT =
  /enableOfflineQueue|Too many Cluster redirections|Failed to refresh slots cache|None of startup nodes|Cluster isn't ready/

export function failureOf(error: unknown): Failure {
  const { message, name, code } = error as Error & { readonly code?: unknown }
  if (name === 'ReplyError') {
    if (message.startsWith('NOSCRIPT')) return 'no script'
    if (NO_FUNCTION.test(message)) return 'no function'
    return NOT_NOW.test(message) ? 'again' : 'final'
  }
  if (error instanceof InsituError) return 'final'
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || NEVER_SENT.test(message)) return 'again'
  return 'unknown'
}

interface Known {
  readonly pattern: RegExp
  readonly make: (url: string, cause: unknown) => InsituError
}

const unavailable =
  (code: string, text: string) =>
  (url: string, cause: unknown): InsituError =>
    new UnavailableError(`${url}: ${text}`, { code, cause: bare(cause) })

const unsupported =
  (text: string) =>
  (url: string, cause: unknown): InsituError =>
    new UnsupportedError(`${url}: ${text}`, { cause: bare(cause) })

/** At the beginning; before Redis 7 an error inside of a script stands behind where in it that was. */
const saying = (word: string): RegExp => new RegExp(`(?:^|: -)${word}\\b`)

const NOT_LET_IN = /(?:^|: )(?:WRONGPASS|NOAUTH)\b|invalid password|invalid username-password|without any password configured/

/** What a server's certificate is refused for here, and ours there. */
const OTHER_NAME = /certificate's altnames/
const NOT_TAKEN = /SSL alert number|alert (?:unknown ca|(?:bad )?certificate)/
const NOT_TRUSTED = /self-signed certificate|unable to (?:verify|get)\b.*certificate|certificate (?:has expired|is not yet valid)/

const GARBAGE = /Protocol error|unexpected byte|Unknown RESP type|wrong version number/i

const KNOWN: readonly Known[] = [
  {
    // Where the server does not say beforehand how much that is.
    pattern: /invalid bulk length/,
    make: (url) => cellTooLarge(`${url}: what was sent is more`),
  },
  {
    pattern: saying('OOM'),
    make: unavailable(
      'ERR_STORE_FULL',
      "the server's memory is full (maxmemory) and nothing was written; free some, or raise it: CONFIG SET maxmemory",
    ),
  },
  {
    pattern: saying('MISCONF'),
    make: unavailable('ERR_STORE_FLUSH', 'the server cannot write to its disk and takes no writes until it can; look at its log'),
  },
  {
    pattern: saying('READONLY'),
    make: unavailable('ERR_STORE_READ_ONLY', 'the server is a read-only replica; give the url of its master'),
  },
  {
    pattern: saying('NOREPLICAS'),
    make: unavailable('ERR_NOT_REPLICATED', 'fewer replicas are connected than min-replicas-to-write asks for'),
  },
  {
    pattern: NOT_LET_IN,
    make: unavailable(
      'ERR_STORE_ACCESS',
      'the server refuses the user or password; give them in the url or in INSITU_REDIS_USERNAME and INSITU_REDIS_PASSWORD',
    ),
  },
  {
    pattern: /^NOPERM\b|ACL failure in script|can't run this command/,
    make: (url, cause) => {
      const text = `the user may not ${forbiddenIn((cause as Error).message)}; docs/backends/redis.md lists the rules of its ACL`
      return unavailable('ERR_STORE_ACCESS', text)(url, cause)
    },
  },
  {
    pattern: /Script killed by user/,
    make: unavailable(
      'ERR_SCRIPT_KILLED',
      'somebody ends its scripts (SCRIPT KILL, FUNCTION KILL), and nothing was changed; they take milliseconds: look at what else the server does',
    ),
  },
  {
    pattern: /unknown (?:sub)?command/i,
    make: (url, cause) => {
      const [, name = 'of those that the backend needs'] = /command ['`]([\w|]+)/i.exec((cause as Error).message) ?? []
      const text = `the server has no command ${name} (was it renamed?); docs/backends/redis.md lists all that are needed`
      return unavailable('ERR_STORE_ACCESS', text)(url, new Error(`unknown command ${name}`)) // what the server says goes on with arguments
    },
  },
  {
    pattern: /max number of clients/,
    make: unavailable(
      'ERR_UNAVAILABLE',
      'the server has as many clients as it takes (maxclients); end some, or raise it: CONFIG SET maxclients',
    ),
  },
  {
    pattern: /^LOADING\b/,
    make: (url, cause) =>
      new UnavailableError(`${url}: the server has just been started and is still loading its data; try again when it has`, {
        retryable: true,
        cause: bare(cause),
      }),
  },
  {
    pattern: /Command timed out/,
    make: unavailable('ERR_UNAVAILABLE', 'the server takes connections and does not answer; is it stopped, or busy with something long?'),
  },
  { pattern: /^MOVED\b/, make: unsupported('this server belongs to a Cluster; write redis+cluster:// instead of redis://') },
  {
    pattern: /cluster support disabled/,
    make: unsupported('this server belongs to no Cluster; write redis:// instead of redis+cluster://'),
  },
  {
    pattern: /DB index is out of range/,
    make: unsupported('the server has no database of that number (its setting `databases`, 16 unless it says otherwise)'),
  },
  {
    pattern: saying('WRONGTYPE'),
    make: (url, cause) =>
      new CorruptError(`${url}: a key of the namespace holds something else; was it written by another program?`, { cause: bare(cause) }),
  },
  {
    pattern: OTHER_NAME,
    make: (url, cause) =>
      new UnavailableError(
        `${url}: the server's certificate is of another name than its address; if that is the right server, servername in the url says the name (${said(cause)})`,
        { cause: bare(cause) },
      ),
  },
  {
    pattern: NOT_TAKEN,
    make: unavailable(
      'ERR_STORE_ACCESS',
      'the server does not take the certificate that it was shown, or wants one; certFile and keyFile name one that its authority has signed',
    ),
  },
  {
    pattern: NOT_TRUSTED,
    make: (url, cause) =>
      new UnavailableError(
        `${url}: the server's certificate is not trusted (${said(cause)}); caFile names the authority that has signed it`,
        {
          cause: bare(cause),
        },
      ),
  },
  {
    pattern: GARBAGE,
    make: unavailable(
      'ERR_UNAVAILABLE',
      'what answers there does not speak the protocol of Redis; is the port right, and TLS (rediss://) on where it should be?',
    ),
  },
]

/** Of what an ACL says: a command, or a key that is not under the patterns of the user. */
function forbiddenIn(message: string): string {
  const [, name] = /run the '([\w|]+)' command/.exec(message) ?? []
  if (name !== undefined) return `run ${name.toUpperCase()}`
  return /\bkeys?\b/.test(message) ? 'use the keys of the namespace (~NAMESPACE:*)' : 'do what the backend needs'
}

/** Without what OpenSSL adds about itself. */
const said = (cause: unknown): string => (cause as Error).message.split('\n')[0]!.trim().replace(/\.$/, '')

/** Whoever tries again is refused again, as with a password. */
export const isOfCertificates = ({ message }: Error): boolean => [OTHER_NAME, NOT_TAKEN, NOT_TRUSTED].some((one) => one.test(message))
export const isRefused = ({ message }: Error): boolean => NOT_LET_IN.test(message)
export const isGarbage = (error: Error | undefined): boolean => error !== undefined && GARBAGE.test(error.message)
export const isKilled = (error: unknown): boolean => /Script killed by user/.test((error as Error).message)

/** What the driver says once a connection is gone, whatever ended it. */
const SAYS_NOTHING = /enableOfflineQueue|Connection is closed|ECONNRESET|EPIPE|^not connected/

export const saysNothing = ({ message }: Error): boolean => SAYS_NOTHING.test(message)

/** Of two errors the one that tells more, the later one if both do. */
export const tellsMore = (first: Error | undefined, second: Error): Error => (first !== undefined && saysNothing(second) ? first : second)

/** An error for the caller. */
export function namedError(url: string, cause: unknown): InsituError {
  if (cause instanceof InsituError) return cause
  const { message, name } = cause as Error
  const known = KNOWN.find(({ pattern }) => pattern.test(message))
  if (known) return known.make(url, cause)
  if (name === 'ReplyError')
    return new InsituError(`${url}: the server refused a script: ${message}`, { code: 'ERR_INTERNAL', cause: bare(cause) })
  return new UnavailableError(`${url}: the server cannot be reached (${message}); is it running there${hints(url, message)}?`, {
    cause: bare(cause),
  })
}

/** A server that is shown no certificate may close the connection before it says that it wants one, and so may one that has too many clients. */
function hints(url: string, message: string): string {
  if (/ECONNREFUSED|ENOTFOUND/.test(message)) return ''
  const certificate = /^rediss\b/.test(url) && !/[?&]certFile=/.test(url) ? ', does it ask for a certificate (certFile, keyFile)' : ''
  return `${certificate}, does it take further clients (maxclients), and is TLS (rediss://) on where it should be`
}

/** ioredis hangs the whole command, data and passwords included, on its errors. */
export function bare(cause: unknown): Error {
  const { message, name } = cause as Error
  const error = new Error(message)
  error.name = name
  return error
}
