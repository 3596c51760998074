/** Calls of statements: repeated while that is harmless and there is patience, never more at once than the driver takes. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Client, Host, QueryOptions, types } from 'cassandra-driver'
import { AwakeTime } from '../../src/awake-time.js'
import { InsituError, UnavailableError, UnknownOutcomeError, UnsupportedError } from '../../src/errors.js'
import type { CassandraConfig } from './cassandra-config.js'
import { type DriverModule, loadDriver, makeClient } from './cassandra-driver-loader.js'
import { bare, failureOf, isReadFailure, isUnknownTable, namedError, tooManyTombstones } from './cassandra-errors.js'
import { quoted } from './identifiers.js'
import { metTooManyTombstones } from './tombstone-trouble.js'
import { Turnstile } from './turnstile.js'

export type Row = types.Row
export type Param = unknown

export interface Statement {
  readonly query: string
  readonly params: readonly Param[]
}

export interface ReadOptions {
  /** Pages of a scan: where the page before ended. */
  readonly pageState?: string | undefined
  readonly fetchSize?: number
  readonly consistency?: 'serial' | 'one'
  /** Over a part of the ring, which takes longer while a node is dying. */
  readonly isScan?: boolean
  /** The node that is to answer; another one does if it cannot. */
  readonly host?: Host | undefined
  /** A partition that a statement is about, where the driver cannot tell. */
  readonly routingKey?: Buffer
  readonly signal?: AbortSignal | undefined
}

export interface Page {
  readonly rows: readonly Row[]
  readonly next: string | undefined
}

/** The driver takes 2048 for each node, and fails the next at once. */
const IN_FLIGHT_MAX = 512
/** Rows a page when all are read. */
const PAGE_ROWS = 1000
/** To drop a keyspace with a hundred tables takes seconds. */
const SCHEMA_MS = 60_000
/** A process that lost so much time while it connected tries again. */
const STILL_MS = 500
const REDRAWS_MS = [0, 1000, 5000]
const PAUSE_MS_MIN = 10
const PAUSE_MS_MAX = 300
/** A node that has not answered is not asked before others again for so long: the servers have noticed by then what it is. */
const SHUNNED_MS = 30_000

interface Patience {
  readonly isWrite?: boolean
  readonly isScan?: boolean
  readonly signal?: AbortSignal | undefined
  readonly query?: string
}

interface Opened {
  readonly driver: DriverModule
  readonly client: Client
  readonly dataCentre: string
}

/** A client that did not connect takes no `shutdown`: what it has learnt the ring by stays open, and the program would not end. */
async function abandoned(client: Client): Promise<void> {
  const { controlConnection } = client as Client & { readonly controlConnection?: ControlConnection }
  controlConnection?.shutdown()
  await controlConnection?.connection?.close()
}

/** The driver's own. */
interface ControlConnection {
  readonly connection?: { close(): Promise<void> } | null
  shutdown(): void
}

export class CassandraLink {
  readonly #turnstile = new Turnstile(IN_FLIGHT_MAX)
  /** Until when, by address. */
  readonly #shunned = new Map<string, number>()
  #opened: Opened | undefined

  constructor(readonly config: CassandraConfig) {}

  get #now(): Opened {
    if (!this.#opened) throw new UnavailableError(`${this.config.url} is closed.`, { code: 'ERR_CLOSED' })
    return this.#opened
  }

  get client(): Client {
    return this.#now.client
  }

  get driver(): DriverModule {
    return this.#now.driver
  }

  /** Next to this program. */
  get dataCentre(): string {
    return this.#now.dataCentre
  }

  /** The table's full name, as CQL takes it. */
  table(name: string): string {
    return `${quoted(this.config.keyspace)}.${quoted(name)}`
  }

  async open(): Promise<void> {
    if (this.#opened) return
    const driver = await loadDriver()
    const dataCentre = this.config.dataCentre ?? (await this.#unlessStill(() => this.#askDataCentre(driver)))
    const client = await this.#unlessStill(() => this.#connected(driver, dataCentre))
    this.#opened = { driver, client, dataCentre }
    for (const event of ['hostAdd', 'hostRemove', 'hostUp']) client.on(event, () => this.#redraw(client))
  }

  async #connected(driver: DriverModule, dataCentre: string): Promise<Client> {
    const client = makeClient(driver, this.config, dataCentre)
    try {
      await client.connect()
      return client
    } catch (error) {
      await abandoned(client)
      throw (await this.#wrongDataCentre(driver, dataCentre, error)) ?? namedError(this.config.url, error)
    }
  }

  /** Once more if it fails and this process stood still meanwhile: then the driver has given the nodes none of the time that it gives them. */
  async #unlessStill<T>(work: () => Promise<T>): Promise<T> {
    const time = new AwakeTime()
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof UnavailableError) || time.lostMs < STILL_MS) throw error
      return work()
    } finally {
      time.stop()
    }
  }

  /** The driver's ring is as it was when it connected. A node's tokens may be known a little later than the node. */
  #redraw(client: Client): void {
    const metadata = client.metadata as Client['metadata'] & { buildTokens(hosts: unknown): void }
    for (const ms of REDRAWS_MS)
      setTimeout(() => {
        if (this.#opened?.client !== client) return
        metadata.buildTokens(client.hosts)
        metadata.refreshKeyspaces().catch(() => {}) // the next one does it
      }, ms).unref()
  }

  /** The first node that answers says where it stands. */
  async #askDataCentre(driver: DriverModule): Promise<string> {
    const [local] = await this.#askOnce(driver, 'SELECT data_center FROM system.local')
    return String(local?.data_center)
  }

  async #askOnce(driver: DriverModule, query: string): Promise<readonly Row[]> {
    const client = makeClient(driver, this.config, undefined)
    try {
      return (await client.execute(query, [], { prepare: false, consistency: driver.types.consistencies.one })).rows
    } catch (error) {
      throw namedError(this.config.url, error)
    } finally {
      await client.shutdown().catch(() => {})
    }
  }

  /** The driver says only that no host was found. */
  async #wrongDataCentre(driver: DriverModule, wanted: string, error: unknown): Promise<Error | undefined> {
    if (!/localDataCenter/.test((error as Error).message)) return undefined
    const peers = await this.#askOnce(driver, 'SELECT data_center FROM system.local')
    const found = [...new Set(peers.map((row) => String(row.data_center)))]
    return new UnsupportedError(`${this.config.url}: there is no data centre ${wanted}; write ?dc=${found.join(' or ?dc=')}`, {
      code: 'ERR_DATA_CENTRE',
      found,
      cause: bare(error),
    })
  }

  async close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await opened?.client.shutdown()
  }

  /** One page of a read; repeated until it is answered or patience is over. */
  async read(query: string, params: readonly Param[], options: ReadOptions = {}): Promise<Page> {
    const { types } = this.driver
    const { pageState, fetchSize, consistency, routingKey, signal, isScan = false } = options
    const sent: QueryOptions = {
      prepare: true,
      isIdempotent: true,
      ...(pageState !== undefined && { pageState }),
      ...(fetchSize !== undefined && { fetchSize }),
      ...(routingKey && { routingKey }),
      ...(consistency !== undefined && {
        consistency: consistency === 'one' ? types.consistencies.one : types.consistencies[this.config.serial],
      }),
    }
    const host = this.#isShunned(options.host) ? undefined : options.host
    const result = await this.#patiently(
      (nth) => (nth === 0 && host ? this.#executeAt(host, query, params, sent) : this.#execute(query, params, sent)),
      { signal, query, isScan },
    )
    return { rows: result.rows, next: result.pageState ?? undefined }
  }

  /** All rows of a read, page by page. */
  async *pages(query: string): AsyncGenerator<readonly Row[], void, void> {
    let next: string | undefined
    do {
      const page: Page = await this.read(query, [], { pageState: next, fetchSize: PAGE_ROWS, isScan: true })
      if (page.rows.length > 0) yield page.rows
      next = page.next
    } while (next !== undefined)
  }

  /** Of tables that each node has of its own, as it has them: there is one copy, whatever consistency is asked for. */
  ofNode(query: string, params: readonly Param[] = []): Promise<readonly Row[]> {
    return this.all(query, params, { consistency: 'one' })
  }

  /** All rows of a read that has few. */
  async all(query: string, params: readonly Param[], options: ReadOptions = {}): Promise<readonly Row[]> {
    let page = await this.read(query, params, options)
    const rows = [...page.rows]
    while (page.next !== undefined) {
      page = await this.read(query, params, { ...options, pageState: page.next })
      rows.push(...page.rows)
    }
    return rows
  }

  /** Writes that may be done any number of times. */
  async write(query: string, params: readonly Param[]): Promise<void> {
    await this.#patiently(() => this.#execute(query, params, { prepare: true, isIdempotent: true }), { isWrite: true })
  }

  /** A write that must not be done twice: sent again only where no server took it. */
  async writeOnce({ query, params }: Statement): Promise<void> {
    const once = async (): Promise<void> => {
      try {
        await this.#execute(query, params, { prepare: true, isIdempotent: false })
      } catch (error) {
        if (failureOf(error) === 'unknown') throw this.unknownOutcome(error)
        throw error
      }
    }
    await this.#patiently(once, { isWrite: true })
  }

  /** Writes of one partition that may be done any number of times, all or nothing. */
  async writeAll(statements: readonly Statement[], fields: { readonly logged?: boolean } = {}): Promise<void> {
    if (statements.length === 1) return this.write(statements[0]!.query, statements[0]!.params)
    const queries = statements.map(({ query, params }) => ({ query, params: [...params] }))
    const options = { prepare: true, isIdempotent: true, logged: fields.logged ?? false }
    await this.#patiently(() => this.#turnstile.pass(() => this.client.batch(queries, options)), { isWrite: true })
  }

  /**
   * A compare-and-set of one partition, once: true when it was applied, false when a condition did not hold, `undefined` when nobody
   * knows. Whoever gets that reads at SERIAL, which ends a round that is under way, before saying anything.
   */
  async cas(statements: readonly Statement[]): Promise<boolean | undefined> {
    try {
      const result = await this.#turnstile.pass(() =>
        statements.length === 1
          ? this.client.execute(statements[0]!.query, [...statements[0]!.params], { prepare: true, isIdempotent: false })
          : this.client.batch(
              statements.map(({ query, params }) => ({ query, params: [...params] })),
              { prepare: true, isIdempotent: false },
            ),
      )
      return result.wasApplied()
    } catch (error) {
      if (failureOf(error) === 'final') throw namedError(this.config.url, error)
      return undefined
    }
  }

  /** A statement that changes the schema, at one node for all programs, since two creators through two nodes lose rows. */
  async define(statement: string): Promise<void> {
    await this.#patiently(
      () => this.client.execute(statement, [], { prepare: false, isIdempotent: true, host: this.definer(), readTimeout: SCHEMA_MS }),
      {},
    )
    await this.agreed()
  }

  /** The node that changes of the schema go through: the same for every program that sees the same nodes. */
  definer(): Host {
    const [first] = this.#hostsUp().sort((a, b) => (a.address < b.address ? -1 : 1))
    if (!first) throw new UnavailableError(`${this.config.url}: no node is up`, { retryable: true })
    return first
  }

  /** Resolves when every node that is up has the same schema: asked from each, since what they know of others is a second old. */
  async agreed(): Promise<void> {
    for (const endMs = Date.now() + this.config.patienceMs; ; await delay(PAUSE_MS_MIN)) {
      const versions = await Promise.all(this.#hostsUp().map((host) => this.#schemaOf(host)))
      if (new Set(versions.filter((version) => version !== undefined)).size <= 1) return
      if (Date.now() > endMs)
        throw new UnavailableError(`${this.config.url}: the nodes do not agree on the schema; look at nodetool describecluster`, {
          code: 'ERR_SCHEMA_AGREEMENT',
          retryable: true,
        })
    }
  }

  /** Whether the nodes take statements that name these columns: they may show a change of the schema, and refuse who uses it yet. */
  async knows(table: string, columns: readonly string[]): Promise<boolean> {
    const named = columns.length > 0 ? columns.map(quoted).join(', ') : '*'
    const query = `SELECT ${named} FROM ${this.table(table)} LIMIT 1`
    return (await Promise.all(this.#hostsUp().map((host) => this.#takes(host, query)))).every(Boolean)
  }

  /** A node that cannot answer counts as one that takes it. */
  async #takes(host: Host, query: string): Promise<boolean> {
    try {
      await this.client.execute(query, [], { host, prepare: false, consistency: this.driver.types.consistencies.one })
      return true
    } catch (error) {
      return !isUnknownTable(error)
    }
  }

  #hostsUp(): Host[] {
    return this.client.hosts.values().filter((host) => host.isUp())
  }

  /** `undefined` for a node that cannot be reached: it learns the schema before it serves anybody. */
  async #schemaOf(host: Host): Promise<string | undefined> {
    try {
      const options = { host, prepare: false, consistency: this.driver.types.consistencies.one }
      const { rows } = await this.client.execute('SELECT schema_version FROM system.local', [], options)
      return String(rows[0]?.schema_version)
    } catch {
      return undefined
    }
  }

  #execute(query: string, params: readonly Param[], options: QueryOptions): Promise<types.ResultSet> {
    return this.#turnstile.pass(() => this.client.execute(query, [...params], options))
  }

  async #executeAt(host: Host, query: string, params: readonly Param[], options: QueryOptions): Promise<types.ResultSet> {
    try {
      return await this.#execute(query, params, { ...options, host })
    } catch (error) {
      if (failureOf(error) !== 'final') this.#shunned.set(host.address, Date.now() + SHUNNED_MS)
      throw error
    }
  }

  #isShunned(host: Host | undefined): boolean {
    return host !== undefined && (this.#shunned.get(host.address) ?? 0) > Date.now()
  }

  async #patiently<T>(send: (nth: number) => Promise<T>, { isWrite = false, isScan = false, signal, query }: Patience): Promise<T> {
    const endMs = Date.now() + (isScan ? this.config.scanPatienceMs : this.config.patienceMs)
    let isUnknown = false
    for (let nth = 0; ; nth++) {
      signal?.throwIfAborted()
      try {
        return await send(nth)
      } catch (error) {
        const failure = failureOf(error)
        if (failure === 'final') throw namedError(this.config.url, error)
        isUnknown ||= failure === 'unknown'
        // Asked again it would fail again, and cost the servers as much.
        if (query !== undefined && nth === 0 && isReadFailure(error) && (await metTooManyTombstones(this, query)))
          throw tooManyTombstones(this.config.url, error)
        if (Date.now() > endMs) throw this.#givenUp(error, isUnknown && isWrite)
      }
      await delay(Math.min(PAUSE_MS_MIN * 2 ** nth, PAUSE_MS_MAX), undefined, { signal }).catch(() => {})
    }
  }

  #givenUp(error: unknown, isUnknown: boolean): Error {
    return isUnknown ? this.unknownOutcome(error) : namedError(this.config.url, error)
  }

  unknownOutcome(cause?: unknown): UnknownOutcomeError {
    const { url, patienceMs } = this.config
    const why = cause === undefined ? '' : ` (${namedError(url, cause).message})`
    return new UnknownOutcomeError(`${url} did not answer within ${patienceMs} ms; it is not known whether the group was committed${why}`, {
      retryable: true,
      // What stood in the way of the last copy is looked at by whoever sends the next.
      ...(cause !== undefined && { cause: cause instanceof InsituError ? cause : bare(cause) }),
    })
  }
}
