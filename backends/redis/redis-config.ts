import { UnsupportedError, ValidationError } from '../../src/errors.js'
import { hasRawPassword, RAW_PASSWORD, type Secrets, secretsFor, withoutSecrets } from '../../src/url-secrets.js'
import { PARTS_MAX } from './spread.js'

export interface RedisConfig {
  /** Without secrets. */
  readonly url: string
  readonly kind: 'single' | 'cluster'
  /** One for a single server; for a Cluster any of its nodes, as many as there are to try. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly tls: RedisTls | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number
  readonly namespace: string
  /** How long a server that does not answer is waited for. */
  readonly patienceMs: number
  /** What large fields that were read may take of memory; 0: they are fetched each time. */
  readonly cacheBytes: number
  /** Of a Cluster: how many parts a new dict has; 0: as many as its masters call for. */
  readonly dictParts: number
}

export interface RedisTls {
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly servername: string | undefined
}

const NAMESPACE_BY_DEFAULT = 'insitu'
const PATIENCE_MS = 10_000
const CACHE_MB = 64
const PORT_MAX = 65_535
const TLS_OPTIONS = ['caFile', 'certFile', 'keyFile', 'servername']
const OPTIONS = ['namespace', 'patienceMs', 'cacheMb', 'dictParts', ...TLS_OPTIONS]
const URL_FORM = /^(rediss?)(\+cluster)?:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s

/**
 * `redis://[user:password@]host[:port][/db][?namespace=NAME]`, `rediss://` with TLS, `redis+cluster://host:port,host:port` and
 * `rediss+cluster://`. Environment: INSITU_REDIS_USERNAME and INSITU_REDIS_PASSWORD where the url has none.
 */
export function configOf(url: string): RedisConfig {
  const [, scheme, cluster, secrets = '', hosts = '', path = '', query = ''] = URL_FORM.exec(url) ?? refuse(url, 'it is no redis url')
  const options = new URLSearchParams(query)
  for (const key of options.keys()) {
    if (!OPTIONS.includes(key)) refuse(url, `it knows no option ${key}; there are ${OPTIONS.join(', ')}`)
    if (options.getAll(key).length > 1) refuse(url, `it says ${key} twice`)
  }
  const forTls = TLS_OPTIONS.filter((name) => options.has(name))
  if (scheme !== 'rediss' && forTls.length > 0) refuse(url, `${forTls.join(', ')} mean TLS: write rediss in place of redis`)
  const kind = cluster ? 'cluster' : 'single'
  const nodes = hosts.split(',').map((host) => nodeOf(url, host))
  if (kind === 'single' && nodes.length > 1) refuse(url, 'several hosts are a Cluster: redis+cluster://')
  if (kind === 'cluster' && path !== '' && path !== '0') refuse(url, 'a Cluster has no numbered databases')
  const clean = url.replace(/\/\/[^@/?]*@/, '//')
  return {
    url: clean,
    kind,
    nodes,
    tls: scheme === 'rediss' ? tlsOf(options) : undefined,
    ...secretsOf(url, clean, secrets),
    db: numberOf(url, 'db', path || '0'),
    namespace: namespaceOf(url, options.get('namespace') ?? NAMESPACE_BY_DEFAULT),
    patienceMs: patienceOf(url, options.get('patienceMs')),
    cacheBytes: numberOf(url, 'cacheMb', options.get('cacheMb') ?? String(CACHE_MB)) * 2 ** 20,
    dictParts: dictPartsOf(url, options.get('dictParts')),
  }
}

/** The environment of a redis-cli: a password on its command line would stand in every list of processes. */
export const environmentOf = ({ password }: RedisConfig): NodeJS.ProcessEnv => ({
  ...process.env,
  ...(password !== undefined && { REDISCLI_AUTH: password }),
})

function dictPartsOf(url: string, text: string | null): number {
  if (text === null) return 0
  const parts = numberOf(url, 'dictParts', text)
  if (parts >= 1 && parts <= PARTS_MAX && Number.isInteger(Math.log2(parts))) return parts
  return refuse(url, `dictParts is a power of two from 1 to ${PARTS_MAX}, not ${text}`)
}

function nodeOf(url: string, text: string): { host: string; port: number } {
  const [, v6, host, port = '6379'] =
    /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? refuse(url, 'hosts are written HOST or HOST:PORT')
  if (Number(port) < 1 || Number(port) > PORT_MAX) refuse(url, `a port is a number from 1 to ${PORT_MAX}, not ${port}`)
  return { host: v6 ?? (host || '127.0.0.1'), port: Number(port) }
}

function tlsOf(options: URLSearchParams): RedisTls {
  const of = (name: string): string | undefined => options.get(name) ?? undefined
  return { caFile: of('caFile'), certFile: of('certFile'), keyFile: of('keyFile'), servername: of('servername') }
}

/** What the url lacks may stand in the environment. */
function secretsOf(url: string, clean: string, text: string): Secrets {
  const [name = '', ...rest] = text.split(':')
  const { INSITU_REDIS_USERNAME, INSITU_REDIS_PASSWORD } = process.env
  return secretsFor(
    clean,
    { username: decoded(url, name) || undefined, password: rest.length > 0 ? decoded(url, rest.join(':')) : undefined },
    { username: INSITU_REDIS_USERNAME, password: INSITU_REDIS_PASSWORD },
  )
}

function decoded(url: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return refuse(url, RAW_PASSWORD)
  }
}

function namespaceOf(url: string, name: string): string {
  if (/^[\w.-]{1,64}$/.test(name)) return name
  return refuse(url, 'a namespace is 1 to 64 letters, digits, dots, dashes or underscores')
}

/** Receipts are kept for twice as long: a group that is sent again without one would be applied twice. */
const PATIENCE_MS_MAX = 300_000

function patienceOf(url: string, text: string | null): number {
  const ms = text === null ? PATIENCE_MS : numberOf(url, 'patienceMs', text)
  return ms <= PATIENCE_MS_MAX ? ms : refuse(url, `patienceMs is at most ${PATIENCE_MS_MAX}, not ${ms}`)
}

function numberOf(url: string, what: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  return refuse(url, `${what} is a number, not ${text}`)
}

function refuse(url: string, why: string): never {
  const shown = withoutSecrets(url)
  const details = { url: shown }
  // What is wrong with the url may then be said of a piece of the password.
  const message = `The redis backend cannot open ${shown}: ${hasRawPassword(url) ? RAW_PASSWORD : why}.`
  if (URL_FORM.test(url)) throw new UnsupportedError(message, details)
  throw new ValidationError(message, { code: 'ERR_STORE_URL', ...details })
}
