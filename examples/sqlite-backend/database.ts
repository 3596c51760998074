import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { CorruptError, UnavailableError } from 'insitu'
import Libsql from 'libsql'

export type Sql = null | number | bigint | string | Uint8Array

type Statement = ReturnType<Libsql.Database['prepare']>

/** How long a writer waits for those of other processes. It blocks its thread meanwhile, so this is short of the core's own patience. */
const BUSY_MS = 5000

/**
 * The little of the driver that we use, with its habits kept in one place: rows come as tuples, 64-bit integers whole, and statements
 * are prepared once. Parameters go in as one array, because libsql takes a lone object for named ones.
 */
export class Database {
  readonly #db: Libsql.Database
  readonly #prepared = new Map<string, Statement>()

  constructor(
    path: string,
    readonly url: string,
  ) {
    this.#db = this.#guarded(() => {
      makeFile(path)
      return new Libsql(path)
    })
    // A log of its own: readers never wait for the writer, nor it for them. FULL: it is on the disk when COMMIT returns.
    for (const pragma of [`busy_timeout = ${BUSY_MS}`, 'journal_mode = WAL', 'synchronous = FULL']) this.one(`PRAGMA ${pragma}`)
  }

  one<Row extends readonly Sql[]>(sql: string, ...values: Sql[]): Row | undefined {
    return this.#guarded(() => this.#statement(sql).get(values) as Row | undefined)
  }

  all<Row extends readonly Sql[]>(sql: string, ...values: Sql[]): readonly Row[] {
    return this.#guarded(() => this.#statement(sql).all(values) as Row[])
  }

  run(sql: string, ...values: Sql[]): void {
    this.#guarded(() => this.#statement(sql).run(values))
  }

  exec(sql: string): void {
    this.#guarded(() => this.#db.exec(sql))
  }

  /**
   * All of `body` or nothing. IMMEDIATE takes the write lock before the first read: a transaction that begins by reading and then wants
   * to write would fail when another one wrote in between. `body` is synchronous, so that nothing of this thread comes in between.
   */
  transaction<R>(body: () => R): R {
    this.exec('BEGIN IMMEDIATE')
    try {
      const result = body()
      this.exec('COMMIT')
      return result
    } catch (error) {
      // A full disk may have ended it already.
      if (this.#db.inTransaction) this.exec('ROLLBACK')
      throw error
    }
  }

  close(): void {
    this.#prepared.clear()
    this.#db.close()
  }

  #statement(sql: string): Statement {
    const known = this.#prepared.get(sql)
    if (known) return known
    const statement = this.#db.prepare(sql)
    if (statement.reader) statement.raw().safeIntegers()
    this.#prepared.set(sql, statement)
    return statement
  }

  /** The driver's errors as the contract's: callers branch on classes and codes, never on a driver's words. */
  #guarded<R>(work: () => R): R {
    try {
      return work()
    } catch (cause) {
      const { code = '', message } = cause as NodeJS.ErrnoException
      if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) throw new CorruptError(`${this.url} is damaged: ${message}`, { cause })
      throw new UnavailableError(`${this.url} cannot be used: ${message}`, { cause })
    }
  }
}

/**
 * For its owner only; SQLite gives its log the same rights. Only when there is none yet: closing any handle on a file gives up all
 * locks that this process has on it, those of other connections too.
 */
function makeFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true })
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
}
