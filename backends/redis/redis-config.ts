import { ServerUrl, TLS_OPTIONS, type TlsFiles } from '../../src/server-url.js'
import { type Secrets, secretsFor } from '../../src/url-secrets.js'
import { PARTS_MAX } from './spread.js'

export interface RedisConfig {
  /** Without secrets. */
  readonly url: string
  readonly kind: 'single' | 'cluster'
  /** One for a single server; for a Cluster any of its nodes, as many as there are to try. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly tls: TlsFiles | undefined
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

const NAMESPACE_BY_DEFAULT = 'insitu'
const PATIENCE_MS = 10_000
const CACHE_MB = 64
const PORT_MAX = 65_535
const OPTIONS = ['namespace', 'patienceMs', 'cacheMb', 'dictParts', ...TLS_OPTIONS]
const URL_FORM = /^(rediss?)(\+cluster)?:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s

/**
 * `redis://[user:password@]host[:port][/db][?namespace=NAME]`, `rediss://` with TLS, `redis+cluster://host:port,host:port` and
 * `rediss+cluster://`. Environment: INSITU_REDIS_USERNAME and INSITU_REDIS_PASSWORD where the url has none.
 */
export function configOf(text: string): RedisConfig {
  const url = new ServerUrl(text, 'redis', URL_FORM)
  const [, scheme, cluster, secrets = '', hosts = '', path = '', query = ''] = url.parts
  const options = url.options(query, OPTIONS)
  const forTls = TLS_OPTIONS.filter((name) => options.has(name))
  if (scheme !== 'rediss' && forTls.length > 0) url.refuse(`${forTls.join(', ')} mean TLS: write rediss in place of redis`)
  const kind = cluster ? 'cluster' : 'single'
  const nodes = hosts.split(',').map((host) => nodeOf(url, host))
  if (kind === 'single' && nodes.length > 1) url.refuse('several hosts are a Cluster: redis+cluster://')
  if (kind === 'cluster' && path !== '' && path !== '0') url.refuse('a Cluster has no numbered databases')
  return {
    url: url.clean,
    kind,
    nodes,
    tls: scheme === 'rediss' ? url.tlsFiles(options) : undefined,
    ...secretsOf(url, secrets),
    db: url.number('db', path || '0'),
    namespace: namespaceOf(url, options.get('namespace') ?? NAMESPACE_BY_DEFAULT),
    patienceMs: url.patienceMs(options, PATIENCE_MS),
    cacheBytes: url.number('cacheMb', options.get('cacheMb') ?? String(CACHE_MB)) * 2 ** 20,
    dictParts: dictPartsOf(url, options.get('dictParts')),
  }
}

/** The environment of a redis-cli: a password on its command line would stand in every list of processes. */
export const environmentOf = ({ password }: RedisConfig): NodeJS.ProcessEnv => ({
  ...process.env,
  ...(password !== undefined && { REDISCLI_AUTH: password }),
})

function dictPartsOf(url: ServerUrl, text: string | null): number {
  if (text === null) return 0
  const parts = url.number('dictParts', text)
  if (parts >= 1 && parts <= PARTS_MAX && Number.isInteger(Math.log2(parts))) return parts
  return url.refuse(`dictParts is a power of two from 1 to ${PARTS_MAX}, not ${text}`)
}

function nodeOf(url: ServerUrl, text: string): { host: string; port: number } {
  const [, v6, host, port = '6379'] =
    /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? url.refuse('hosts are written HOST or HOST:PORT')
  if (Number(port) < 1 || Number(port) > PORT_MAX) url.refuse(`a port is a number from 1 to ${PORT_MAX}, not ${port}`)
  return { host: v6 ?? (host || '127.0.0.1'), port: Number(port) }
}

/** What the url lacks may stand in the environment. */
function secretsOf(url: ServerUrl, text: string): Secrets {
  const [name = '', ...rest] = text.split(':')
  const { INSITU_REDIS_USERNAME, INSITU_REDIS_PASSWORD } = process.env
  return secretsFor(
    url.clean,
    { username: url.decoded(name) || undefined, password: rest.length > 0 ? url.decoded(rest.join(':')) : undefined },
    { username: INSITU_REDIS_USERNAME, password: INSITU_REDIS_PASSWORD },
  )
}

function namespaceOf(url: ServerUrl, name: string): string {
  if (/^[\w.-]{1,64}$/.test(name)) return name
  return url.refuse('a namespace is 1 to 64 letters, digits, dots, dashes or underscores')
}
