import { UnsupportedError, ValidationError } from '../../src/errors.js'
import { hasRawPassword, RAW_PASSWORD, type Secrets, secretsFor, withoutSecrets } from '../../src/url-secrets.js'

export interface CassandraConfig {
  /** Without secrets. */
  readonly url: string
  /** Any nodes of the ring, as many as there are to try; the others are learnt from them. */
  readonly contactPoints: readonly string[]
  readonly port: number
  readonly keyspace: string
  /** The data centre next to this program; asked from the first node that answers when left out. */
  readonly dataCentre: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: CassandraTls | undefined
  /** Of plain reads and writes. */
  readonly consistency: ConsistencyName
  /** Of the rounds in which a compare-and-set is agreed on. */
  readonly serial: SerialName
  /** How many dicts of one shape have a table each, before further ones share one. */
  readonly ownTables: number
  /** Whose tables dicts are: insitu's own, or such as Hecuba 2.1 has. */
  readonly layout: LayoutName
  /** How long a ring that does not answer is waited for. */
  readonly patienceMs: number
  /** The same of reads over parts of the ring. */
  readonly scanPatienceMs: number
}

export interface CassandraTls {
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly servername: string | undefined
}

const CONSISTENCIES = ['one', 'localOne', 'two', 'three', 'quorum', 'localQuorum', 'eachQuorum', 'all'] as const
const SERIALS = ['serial', 'localSerial'] as const
const LAYOUTS = ['insitu', 'hecuba'] as const
const SWITCH = ['true', 'false'] as const
export type LayoutName = (typeof LAYOUTS)[number]
export type ConsistencyName = (typeof CONSISTENCIES)[number]
export type SerialName = (typeof SERIALS)[number]

const PATIENCE_MS = 10_000
/**
 * Servers take some 18 s to notice that one of them has died. Of a partition they ask another one meanwhile, of a part of the ring they
 * do not; and what they were asked before they noticed, they do not answer.
 */
const SCAN_PATIENCE_MS = 40_000
const OWN_TABLES = 8
const PORT = 9042
const PORT_MAX = 65_535
const TLS_OPTIONS = ['caFile', 'certFile', 'keyFile', 'servername']
const OPTIONS = ['dc', 'consistency', 'serial', 'ownTables', 'layout', 'patienceMs', 'tls', ...TLS_OPTIONS]
const URL_FORM = /^cassandra:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s

/**
 * `cassandra://[user:password@]host[:port][,host…]/keyspace[?dc=…]`; one port for all hosts. Environment: INSITU_CASSANDRA_USERNAME and
 * INSITU_CASSANDRA_PASSWORD where the url has none.
 */
export function configOf(url: string): CassandraConfig {
  const [, secrets = '', hosts = '', keyspace = '', query = ''] = URL_FORM.exec(url) ?? refuse(url, 'it is no cassandra url')
  const options = new URLSearchParams(query)
  for (const key of options.keys()) if (!OPTIONS.includes(key)) refuse(url, `it knows no option ${key}; there are ${OPTIONS.join(', ')}`)
  const clean = url.replace(/\/\/[^@/?]*@/, '//')
  return {
    url: clean,
    ...nodesOf(url, hosts),
    keyspace: keyspaceOf(url, keyspace),
    dataCentre: options.get('dc') ?? undefined,
    ...secretsOf(url, clean, secrets),
    tls: isTls(url, options) ? tlsOf(options) : undefined,
    consistency: oneOf(url, 'consistency', options.get('consistency') ?? 'quorum', CONSISTENCIES),
    serial: oneOf(url, 'serial', options.get('serial') ?? 'serial', SERIALS),
    ownTables: numberOf(url, 'ownTables', options.get('ownTables') ?? String(OWN_TABLES)),
    layout: oneOf(url, 'layout', options.get('layout') ?? 'insitu', LAYOUTS),
    patienceMs: patienceOf(url, options.get('patienceMs'), PATIENCE_MS),
    scanPatienceMs: patienceOf(url, options.get('patienceMs'), SCAN_PATIENCE_MS),
  }
}

function nodesOf(url: string, hosts: string): Pick<CassandraConfig, 'contactPoints' | 'port'> {
  const nodes = hosts.split(',').map((host) => nodeOf(url, host))
  const ports = new Set(nodes.flatMap(({ port }) => port ?? []))
  if (ports.size > 1) refuse(url, 'all nodes of a ring listen on one port: write it once')
  const [port = PORT] = ports
  if (port < 1 || port > PORT_MAX) refuse(url, `a port is a number from 1 to ${PORT_MAX}, not ${port}`)
  return { contactPoints: nodes.map(({ host }) => host), port }
}

function nodeOf(url: string, text: string): { host: string; port: number | undefined } {
  const [, v6, host, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? refuse(url, 'hosts are written HOST or HOST:PORT')
  return { host: v6 ?? (host || '127.0.0.1'), port: port === undefined ? undefined : Number(port) }
}

/** Names of tables are quoted, those of keyspaces too: `Shop` and `shop` are two. */
function keyspaceOf(url: string, text: string): string {
  const name = decoded(url, text, 'after a percent sign come two hexadecimal digits; the sign itself is %25')
  if (/^\w{1,48}$/.test(name)) return name
  return refuse(url, 'it names a keyspace, of 1 to 48 letters, digits or underscores: cassandra://HOST/KEYSPACE')
}

/** Of a word that is neither on nor off nobody can tell whether the line was to be safe. */
function isTls(url: string, options: URLSearchParams): boolean {
  const isFiles = TLS_OPTIONS.some((name) => options.has(name))
  const said = oneOf(url, 'tls', options.get('tls') ?? String(isFiles), SWITCH)
  if (said === 'false' && isFiles) refuse(url, `tls is false, and ${TLS_OPTIONS.filter((name) => options.has(name)).join(', ')} given`)
  return said === 'true'
}

function tlsOf(options: URLSearchParams): CassandraTls {
  const of = (name: string): string | undefined => options.get(name) ?? undefined
  return { caFile: of('caFile'), certFile: of('certFile'), keyFile: of('keyFile'), servername: of('servername') }
}

/** What the url lacks may stand in the environment. */
function secretsOf(url: string, clean: string, text: string): Secrets {
  const [name = '', ...rest] = text.split(':')
  const { INSITU_CASSANDRA_USERNAME, INSITU_CASSANDRA_PASSWORD } = process.env
  return secretsFor(
    clean,
    { username: decoded(url, name) || undefined, password: decoded(url, rest.join(':')) || undefined },
    { username: INSITU_CASSANDRA_USERNAME, password: INSITU_CASSANDRA_PASSWORD },
  )
}

/** What stands in a url, percent signs taken apart. */
function decoded(url: string, text: string, why = RAW_PASSWORD): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return refuse(url, why)
  }
}

function oneOf<Name extends string>(url: string, what: string, text: string, names: readonly Name[]): Name {
  const camel = text.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  const found = names.find((name) => name.toLowerCase() === camel.toLowerCase())
  return found ?? refuse(url, `${what} is one of ${names.join(', ')}, not ${text}`)
}

/** Receipts are kept for twice as long: a group that is sent again without one would be applied twice. */
const PATIENCE_MS_MAX = 300_000

function patienceOf(url: string, text: string | null, unsaid: number): number {
  const ms = text === null ? unsaid : numberOf(url, 'patienceMs', text)
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
  const message = `The cassandra backend cannot open ${shown}: ${hasRawPassword(url) ? RAW_PASSWORD : why}.`
  if (URL_FORM.test(url)) throw new UnsupportedError(message, details)
  throw new ValidationError(message, { code: 'ERR_STORE_URL', ...details })
}
