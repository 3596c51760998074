import { ServerUrl, TLS_OPTIONS, type TlsFiles } from '../../src/server-url.js'
import { type Secrets, secretsFor } from '../../src/url-secrets.js'

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
  readonly tls: TlsFiles | undefined
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
const OPTIONS = ['dc', 'consistency', 'serial', 'ownTables', 'layout', 'patienceMs', 'tls', ...TLS_OPTIONS]
const URL_FORM = /^cassandra:\/\/(?:([^@/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s

/**
 * `cassandra://[user:password@]host[:port][,host…]/keyspace[?dc=…]`; one port for all hosts. Environment: INSITU_CASSANDRA_USERNAME and
 * INSITU_CASSANDRA_PASSWORD where the url has none.
 */
export function configOf(text: string): CassandraConfig {
  const url = new ServerUrl(text, 'cassandra', URL_FORM)
  const [, secrets = '', hosts = '', keyspace = '', query = ''] = url.parts
  const options = url.options(query, OPTIONS)
  return {
    url: url.clean,
    ...nodesOf(url, hosts),
    keyspace: keyspaceOf(url, keyspace),
    dataCentre: options.get('dc') ?? undefined,
    ...secretsOf(url, secrets),
    tls: isTls(url, options) ? url.tlsFiles(options) : undefined,
    consistency: oneOf(url, 'consistency', options.get('consistency') ?? 'quorum', CONSISTENCIES),
    serial: oneOf(url, 'serial', options.get('serial') ?? 'serial', SERIALS),
    ownTables: url.number('ownTables', options.get('ownTables') ?? String(OWN_TABLES)),
    layout: oneOf(url, 'layout', options.get('layout') ?? 'insitu', LAYOUTS),
    patienceMs: url.patienceMs(options, PATIENCE_MS),
    scanPatienceMs: url.patienceMs(options, SCAN_PATIENCE_MS),
  }
}

function nodesOf(url: ServerUrl, hosts: string): Pick<CassandraConfig, 'contactPoints' | 'port'> {
  const nodes = hosts.split(',').map((host) => nodeOf(url, host))
  const ports = new Set(nodes.flatMap(({ port }) => port ?? []))
  if (ports.size > 1) url.refuse('all nodes of a ring listen on one port: write it once')
  const [port = PORT] = ports
  if (port < 1 || port > PORT_MAX) url.refuse(`a port is a number from 1 to ${PORT_MAX}, not ${port}`)
  return { contactPoints: nodes.map(({ host }) => host), port }
}

function nodeOf(url: ServerUrl, text: string): { host: string; port: number | undefined } {
  const [, v6, host, port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? url.refuse('hosts are written HOST or HOST:PORT')
  return { host: v6 ?? (host || '127.0.0.1'), port: port === undefined ? undefined : Number(port) }
}

/** Names of tables are quoted, those of keyspaces too: `Shop` and `shop` are two. */
function keyspaceOf(url: ServerUrl, text: string): string {
  const name = url.decoded(text, 'after a percent sign come two hexadecimal digits; the sign itself is %25')
  if (/^\w{1,48}$/.test(name)) return name
  return url.refuse('it names a keyspace, of 1 to 48 letters, digits or underscores: cassandra://HOST/KEYSPACE')
}

/** Of a word that is neither on nor off nobody can tell whether the line was to be safe. */
function isTls(url: ServerUrl, options: URLSearchParams): boolean {
  const isFiles = TLS_OPTIONS.some((name) => options.has(name))
  const said = oneOf(url, 'tls', options.get('tls') ?? String(isFiles), SWITCH)
  if (said === 'false' && isFiles) url.refuse(`tls is false, and ${TLS_OPTIONS.filter((name) => options.has(name)).join(', ')} given`)
  return said === 'true'
}

/** What the url lacks may stand in the environment. */
function secretsOf(url: ServerUrl, text: string): Secrets {
  const [name = '', ...rest] = text.split(':')
  const { INSITU_CASSANDRA_USERNAME, INSITU_CASSANDRA_PASSWORD } = process.env
  return secretsFor(
    url.clean,
    { username: url.decoded(name) || undefined, password: url.decoded(rest.join(':')) || undefined },
    { username: INSITU_CASSANDRA_USERNAME, password: INSITU_CASSANDRA_PASSWORD },
  )
}

function oneOf<Name extends string>(url: ServerUrl, what: string, text: string, names: readonly Name[]): Name {
  const camel = text.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  const found = names.find((name) => name.toLowerCase() === camel.toLowerCase())
  return found ?? url.refuse(`${what} is one of ${names.join(', ')}, not ${text}`)
}
