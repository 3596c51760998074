/**
 * Tables are made at first use, by one creator that a compare-and-set chooses, and used once every node knows them. Several creators
 * through several nodes were seen to lose acknowledged rows: two tables stand for a moment, and one of them is thrown away.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { SchemaMismatchError, UnavailableError } from '../../src/errors.js'
import type { CassandraLink, Statement } from './cassandra-link.js'
import { quoted } from './identifiers.js'

/** How long a creator that died keeps others waiting; its turn is worth far more than any change of the schema takes. */
const TURN_S = 30
/** How long whoever changes the schema has, once the change can be seen, before the nodes are asked whether they use it. */
const SETTLE_MS = 2_000
const LOOK_AGAIN_MS = 20
const LOCKS = 'insitu_schema_turns'

export interface Wanted {
  readonly table: string
  /** Column definitions and the rest behind the table's name. */
  readonly create: string
  /** Columns that are added where they are missing: their definitions by name. */
  readonly columns?: ReadonlyMap<string, string>
  /** Columns that are found by their values, by the names of the indexes. */
  readonly indexes?: ReadonlyMap<string, string>
}

export class SchemaKeeper {
  /** Tables that this process has seen whole, with their columns. */
  readonly #seen = new Map<string, Set<string>>()
  readonly #underWay = new Map<string, Promise<void>>()
  readonly #giving = new Set<Promise<unknown>>()

  constructor(readonly link: CassandraLink) {}

  /** Tables that the store itself needs. Before they stand there is nobody to choose a creator: one node takes them from everybody. */
  async makeOwn(tables: Readonly<Record<string, string>>): Promise<void> {
    const all = { [LOCKS]: 'name text PRIMARY KEY, holder uuid', ...tables }
    const standing = await this.#standing()
    const missing = Object.entries(all).filter(([name]) => !standing.has(name))
    for (const [name, create] of missing) await this.link.define(`CREATE TABLE IF NOT EXISTS ${this.link.table(name)} (${create})`)
    if (missing.length === 0) await this.link.agreed()
  }

  async #standing(): Promise<ReadonlySet<string>> {
    const rows = await this.link.ofNode('SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?', [this.link.config.keyspace])
    return new Set(rows.map((row) => row.table_name as string))
  }

  forget(table: string): void {
    this.#seen.delete(table)
  }

  /** Resolves when the table stands with these columns on every node. */
  async ensure(wanted: Wanted): Promise<void> {
    const before = this.#underWay.get(wanted.table)
    if (before) await before.catch(() => {})
    if (this.#isSeen(wanted)) return
    const work = this.#ensure(wanted)
    this.#underWay.set(wanted.table, work)
    try {
      await work
    } finally {
      if (this.#underWay.get(wanted.table) === work) this.#underWay.delete(wanted.table)
    }
  }

  #isSeen(wanted: Wanted): boolean {
    const seen = this.#seen.get(wanted.table)
    return seen !== undefined && partsOf(wanted).every((name) => seen.has(name))
  }

  async #ensure(wanted: Wanted): Promise<void> {
    const endMs = Date.now() + TURN_S * 1000 + this.link.config.patienceMs
    let seenMs: number | undefined
    for (; ; await delay(LOOK_AGAIN_MS)) {
      if (await this.#look(wanted)) {
        // A server shows a change a moment before it uses it: so whoever makes it must have ended, or died and left it to the servers.
        seenMs ??= Date.now()
        if (await this.#isFree(wanted.table)) return this.#use(wanted)
        if (Date.now() - seenMs > SETTLE_MS && (await this.#isInUse(wanted))) return this.#use(wanted)
      } else if (await this.#inTurn(wanted.table, () => this.#make(wanted))) return
      if (Date.now() > endMs)
        throw new UnavailableError(`${this.link.config.url}: table ${wanted.table} is not made; somebody holds its turn in ${LOCKS}`, {
          code: 'ERR_SCHEMA_AGREEMENT',
          retryable: true,
        })
    }
  }

  /** Whether all is there, at one node. */
  async #look({ table, columns, indexes = NONE }: Wanted): Promise<boolean> {
    const found = await this.columns(table)
    if (found.size === 0 || ![...(columns?.keys() ?? [])].every((name) => found.has(name))) return false
    requireTypes(table, columns, found)
    const standing = indexes.size > 0 ? await this.#indexes(table) : NO_NAMES
    return [...indexes.keys()].every((name) => standing.has(name))
  }

  async #indexes(table: string): Promise<ReadonlySet<string>> {
    const query = 'SELECT index_name FROM system_schema.indexes WHERE keyspace_name = ? AND table_name = ?'
    const rows = await this.link.ofNode(query, [this.link.config.keyspace, table])
    return new Set(rows.map((row) => row.index_name as string))
  }

  async #use(wanted: Wanted): Promise<void> {
    await this.link.agreed()
    this.#take(wanted)
  }

  #take(wanted: Wanted): void {
    const seen = this.#seen.get(wanted.table) ?? new Set()
    for (const name of partsOf(wanted)) seen.add(name)
    this.#seen.set(wanted.table, seen)
  }

  /** No time that has gone by tells: a server may have stood still for all of it. */
  #isInUse({ table, columns = NONE }: Wanted): Promise<boolean> {
    return this.link.knows(table, [...columns.keys()])
  }

  async #isFree(name: string): Promise<boolean> {
    const query = `SELECT holder FROM ${this.link.table(LOCKS)} WHERE name = ?`
    return (await this.link.all(query, [name], { consistency: 'serial' })).length === 0
  }

  /** The columns of a table and their types; none when there is no such table. */
  async columns(table: string): Promise<ReadonlyMap<string, string>> {
    const query = 'SELECT column_name, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?'
    const rows = await this.link.ofNode(query, [this.link.config.keyspace, table])
    return new Map(rows.map((row) => [row.column_name as string, row.type as string]))
  }

  async #make(wanted: Wanted): Promise<void> {
    const { table, create, columns, indexes = NONE } = wanted
    const name = this.link.table(table)
    let found = await this.columns(table)
    const isMade = found.size === 0
    if (isMade) {
      await this.link.define(`CREATE TABLE IF NOT EXISTS ${name} (${create}`)
      found = await this.columns(table)
    }
    requireTypes(table, columns, found)
    const added = [...(columns ?? [])].filter(([column]) => !found.has(column)).map(([, definition]) => definition)
    if (added.length > 0) await this.link.define(`ALTER TABLE ${name} ADD IF NOT EXISTS (${added.join(', ')})`)
    for (const [index, column] of indexes)
      await this.link.define(`CREATE INDEX IF NOT EXISTS ${quoted(index)} ON ${name} (${quoted(column)}) USING 'sai'`)
    const isChanged = isMade || added.length > 0 || indexes.size > 0
    if (isChanged)
      this.#take(wanted) // and has waited until all agreed
    else await this.#use(wanted)
  }

  /** Does something while nobody else does; false when somebody else has the turn, or may have it. */
  async #inTurn(name: string, work: () => Promise<void>): Promise<boolean> {
    const holder = randomUUID()
    const table = this.link.table(LOCKS)
    const take = { query: `INSERT INTO ${table} (name, holder) VALUES (?, ?) IF NOT EXISTS USING TTL ${TURN_S}`, params: [name, holder] }
    const give = { query: `DELETE FROM ${table} WHERE name = ? IF holder = ?`, params: [name, holder] }
    if (!((await this.link.cas([take])) ?? (await this.#holds(name, holder)))) return false
    try {
      await work()
      return true
    } finally {
      this.#giveBack(give)
    }
  }

  /** Whoever had the turn need not wait for that; if it fails the turn ends by itself. */
  #giveBack(give: Statement): void {
    const work = this.link
      .cas([give])
      .catch(() => {})
      .finally(() => this.#giving.delete(work))
    this.#giving.add(work)
  }

  /** When all turns are given back. */
  async idle(): Promise<void> {
    await Promise.all(this.#giving)
  }

  /** After a compare-and-set of unknown outcome. */
  async #holds(name: string, holder: string): Promise<boolean> {
    const query = `SELECT holder FROM ${this.link.table(LOCKS)} WHERE name = ?`
    const [row] = await this.link.all(query, [name], { consistency: 'serial' })
    return String(row?.holder) === holder
  }
}

/** Columns of these names may be of another client. @throws SchemaMismatchError */
function requireTypes(table: string, columns: Wanted['columns'] = NONE, found: ReadonlyMap<string, string>): void {
  for (const [name, definition] of columns) {
    const stands = found.get(name)
    const wanted = definition.replace(`${quoted(name)} `, '').replace(/ static$/, '')
    if (stands !== undefined && !isSameType(stands, wanted))
      throw new SchemaMismatchError(
        `column ${name} of table ${table} is another client's: it stands as ${stands}, and is wanted as ${wanted}; choose another name`,
        { table, column: name, stored: stands, wanted },
      )
  }
}

/** Of columns; what is frozen by itself is told as such by servers alone. */
export const isSameType = (one: string, other: string): boolean => plainType(one) === plainType(other)
const plainType = (type: string): string => type.replace(/frozen|[<> ]/g, '')

const NONE: ReadonlyMap<string, string> = new Map()
const NO_NAMES: ReadonlySet<string> = new Set()

/** No column has a name that begins as those of indexes do here. */
const partsOf = ({ columns, indexes }: Wanted): readonly string[] => [
  ...(columns?.keys() ?? []),
  ...[...(indexes?.keys() ?? [])].map((name) => `# ${name}`),
]
