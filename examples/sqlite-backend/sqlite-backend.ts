import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  type Ack,
  type Backend,
  type Capabilities,
  type Cells,
  type ClassId,
  type CommitId,
  type Domain,
  decodeWire,
  encodeKey,
  encodeWire,
  type Found,
  type Group,
  type Host,
  type Id,
  joinColumns,
  type Key,
  type Location,
  type Mark,
  NotFoundError,
  type Op,
  type Piece,
  prefixBounds,
  type Range,
  type Receipt,
  Ref,
  type Stored,
  type StoredRow,
  type Table,
  type TableId,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from 'insitu'
import { commitGroup } from './commit-group.js'
import { Database, type Sql } from './database.js'
import { aliasAt, markAt, objectAt, type SqlRow, storedRow, tableAt, textKey } from './records.js'
import { makeSchema, sweep } from './schema.js'

const MIB = 1024 * 1024
const RECEIPTS_KEPT_MS = 3_600_000
/** What one turn of the event loop reads. */
const PAGE = 500
const VISIBLE = '(vals IS NOT NULL OR sums IS NOT NULL)'

/** A SQLite file. Every statement is done in one go, so each read is of one moment and sees all that was committed before it. */
export class SqliteBackend implements Backend {
  readonly url: string
  readonly capabilities: Capabilities = {
    // COMMIT returns when the log is on the disk: there is no lower level to offer.
    acks: ['committed', 'durable'],
    groupBytesMax: 64 * MIB,
    cellBytesMax: 64 * MIB,
    orderedScan: true,
    readsByIdAlone: true,
    receiptsKeptMs: RECEIPTS_KEPT_MS,
    // SQLite's log is shared memory: processes of this machine, and no network file system.
    reach: 'machine',
  }
  readonly #path: string
  #database: Database | undefined

  constructor(url: string) {
    const path = /^sqlite:(.+)$/s.exec(url)?.[1]
    if (!path) throw new ValidationError(`${url} names no file, as in sqlite:./data.db`, { code: 'ERR_STORE_URL' })
    // Absolute, since whoever opens it again may stand in another folder.
    this.#path = resolve(path)
    this.url = `sqlite:${this.#path}`
  }

  async open(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (this.#database) return
    const database = new Database(this.#path, this.url)
    try {
      makeSchema(database, this.url)
      sweep(database, Date.now() - RECEIPTS_KEPT_MS)
    } catch (error) {
      database.close()
      throw error
    }
    this.#database = database
  }

  async close(): Promise<void> {
    this.#database?.close()
    this.#database = undefined
  }

  /** One file, one transaction: everything commits together. */
  domain(_op: Op): Domain {
    return 'file' as Domain
  }

  async commit(group: Group): Promise<Receipt> {
    return commitGroup(this.#db, group)
  }

  async flush(ack: Ack): Promise<void> {
    void this.#db
    if (!this.capabilities.acks.includes(ack))
      throw new UnsupportedError(`${this.url} cannot give acknowledgement level ${ack}.`, { code: 'ERR_ACK_LEVEL', ack })
  }

  // ---- objects

  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const db = this.#db
    return refs.map(({ id }) => {
      const found = objectAt(db, id)
      if (!found?.stamp) return undefined
      const { ref, stamp, cells, intent } = found
      return { ref, stamp, bytes: cells.length, cells: decodeWire(cells) as Cells, ...(intent && { intent }) }
    })
  }

  async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    const db = this.#db
    return what.map((one) => {
      if (typeof one === 'string') {
        const found = objectAt(db, one)
        return found?.stamp ? foundAt(found.ref, found.intent) : undefined
      }
      // One that is only reserved is told: the core must see the intent to know whether the alias is there.
      const found = aliasAt(db, one.alias)
      return found && foundAt(found.to, found.intent)
    })
  }

  async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    const db = this.#db
    return keys.map((key) => markAt(db, home.id, key))
  }

  async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    const found = this.#db.one<[Uint8Array]>('SELECT redo FROM staged WHERE home = ? AND commit_id = ?', home.id, commit)
    return found && (decodeWire(found[0]) as readonly Op[])
  }

  /** Each page begins behind the last key: nothing is held open while the caller works, and what stands throughout is in one of them. */
  async *objects({ classId }: { readonly classId?: ClassId }): AsyncGenerator<readonly Ref[], void, void> {
    const sql = `SELECT id, class FROM objects WHERE id > ? ${classId ? 'AND class = ?' : ''} AND revision IS NOT NULL ORDER BY id LIMIT ${PAGE}`
    for (let last = ''; ; await nextTurn()) {
      const page = this.#db.all<[Id, ClassId]>(sql, last, ...(classId ? [classId] : []))
      if (page.length === 0) return
      yield page.map(([id, name]) => new Ref(id, name))
      last = page.at(-1)![0]
    }
  }

  async *aliases(
    of: { readonly prefix?: string } | { readonly ref: Ref },
  ): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    const [where, values]: [string, Sql[]] = 'ref' in of ? ['AND object = ?', [of.ref.id]] : ['', []]
    const sql = `SELECT alias, ref FROM aliases WHERE alias >= ? AND alias < ? ${where} AND ref IS NOT NULL ORDER BY alias LIMIT ${PAGE}`
    const prefix = textKey('ref' in of ? '' : (of.prefix ?? ''))
    // No text in UTF-8 has a byte ff.
    const end = Buffer.concat([prefix, Uint8Array.of(0xff)])
    for (let from = prefix; ; await nextTurn()) {
      const page = this.#db.all<[Buffer, Uint8Array]>(sql, from, end, ...values)
      if (page.length === 0) return
      yield page.map(([alias, ref]) => [alias.toString(), decodeWire(ref) as Ref])
      from = successor(page.at(-1)![0])
    }
  }

  // ---- tables and rows

  async define(table: Table): Promise<void> {
    const db = this.#db
    db.transaction(() => {
      const standing = tableAt(db, table.id)
      const joined = standing ? joinColumns(standing, table) : table
      if (joined !== standing) db.run('INSERT OR REPLACE INTO tables VALUES (?, ?)', table.id, encodeWire(joined))
    })
  }

  async table(id: TableId): Promise<Table | undefined> {
    return tableAt(this.#db, id)
  }

  async drop(id: TableId): Promise<void> {
    const db = this.#db
    db.transaction(() => {
      db.run('DELETE FROM tables WHERE id = ?', id)
      db.run('DELETE FROM rows WHERE tbl = ?', id)
    })
  }

  async rows(id: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    const db = this.#db
    const table = this.#table(id)
    return keys.map((key) => {
      const sql = `SELECT key, at_micros, vals, sums FROM rows WHERE tbl = ? AND key = ? AND ${VISIBLE}`
      const found = db.one<SqlRow>(sql, id, encodeKey(table, key))
      return found && storedRow(table, found)
    })
  }

  /** The order of the encoded keys is the order of the rows: a prefix, a range and a piece are all one range of bytes. */
  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    const id = tableOf(range.in)
    let { from, to } = prefixBounds(this.#table(id), range)
    const order = range.reverse ? 'DESC' : 'ASC'
    const sql = `SELECT key, at_micros, vals, sums FROM rows WHERE tbl = ? AND key >= ? AND key < ? AND ${VISIBLE} ORDER BY key ${order} LIMIT ?`
    for (let left = range.limit ?? Number.POSITIVE_INFINITY; left > 0; await nextTurn()) {
      signal?.throwIfAborted()
      // Asked again for each page: a table that is dropped on the way must not look like one that ended.
      const table = this.#table(id)
      const page = this.#db.all<SqlRow>(sql, id, from, to, Math.min(left, PAGE))
      if (page.length === 0) return
      yield page.map((row) => storedRow(table, row))
      left -= page.length
      if (range.reverse) to = page.at(-1)![0]
      else from = successor(page.at(-1)![0])
    }
  }

  /** Cut at equal numbers of rows; the outer bounds stay those of the whole, so that rows which come later are covered too. */
  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const db = this.#db
    const id = tableOf(of)
    const { from, to } = prefixBounds(this.#table(id), { in: of })
    const where = `FROM rows WHERE tbl = ? AND key >= ? AND key < ? AND ${VISIBLE}`
    const count = Number(db.one<[bigint]>(`SELECT count(*) ${where}`, id, from, to)![0])
    const pieces = Math.max(1, Math.min(atLeast, count))
    const cuts = Array.from({ length: pieces - 1 }, (_, i) => {
      const at = Math.floor(((i + 1) * count) / pieces)
      return db.one<[Uint8Array]>(`SELECT key ${where} ORDER BY key LIMIT 1 OFFSET ?`, id, from, to, at)![0]
    })
    const edges = [from, ...cuts, to]
    // Made of the cuts: the same keys give the same pieces.
    const epoch = createHash('sha256').update(encodeWire(edges)).digest('hex').slice(0, 16)
    return edges.slice(1).map((edge, i) => ({ table: id, from: edges[i]!, to: edge, epoch }))
  }

  async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    const host = hostname() as Host
    return what.map((one) => {
      const bytes = one instanceof Ref ? this.#bytesOfObject(one) : this.#bytesOfPiece(one)
      return bytes === null ? [] : [{ host, bytes: Number(bytes), role: 'primary' }]
    })
  }

  #bytesOfObject({ id }: Ref): bigint | null {
    return this.#db.one<[bigint]>('SELECT length(cells) FROM objects WHERE id = ? AND revision IS NOT NULL', id)?.[0] ?? null
  }

  #bytesOfPiece({ table, from, to }: Piece): bigint | null {
    if (!tableAt(this.#db, table)) return null
    const sql = 'SELECT coalesce(sum(length(key) + coalesce(length(vals), 0)), 0) FROM rows WHERE tbl = ? AND key >= ? AND key < ?'
    return this.#db.one<[bigint]>(sql, table, from, to)![0]
  }

  #table(id: TableId): Table {
    const table = tableAt(this.#db, id)
    if (!table) throw new NotFoundError(`There is no table ${id}.`, { table: id })
    return table
  }

  get #db(): Database {
    if (!this.#database) throw new UnavailableError(`${this.url} is closed.`, { code: 'ERR_CLOSED' })
    return this.#database
  }
}

const foundAt = (ref: Ref | null, intent: Found['intent']): Found => (intent ? { ref, intent } : { ref })

const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

/** The smallest key above `key`. */
const successor = (key: Uint8Array): Uint8Array<ArrayBuffer> => Buffer.concat([key, Uint8Array.of(0)])
