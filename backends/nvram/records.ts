/**
 * lmdb-js as far as we use it, and as a thread may use it that others stop: a native call that is cut short by the end of its thread
 * ends the whole process (napi cannot throw any more), so that each is made `unstopped`.
 */
import type { Database, RangeOptions, RootDatabase } from 'lmdb'
import { canBeStopped, unstopped } from '../../src/thread-gate.js'

export type Key = Uint8Array
/** lmdb-js's own range of keys: start inclusive unless it is said otherwise, end exclusive. */
export type Range = RangeOptions

/** One database of the file. */
export class Records {
  readonly #records: Database<Uint8Array, Key>

  constructor(records: Database<Uint8Array, Key>) {
    this.#records = records
  }

  /** Valid until the next look at any record. Above 16 MiB lmdb-js gives a view of the mapped file, which is no Buffer. */
  look(key: Key): Buffer | undefined {
    const bytes = this.#bytes(key)
    return bytes === undefined || Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  #bytes(key: Key): Uint8Array | undefined {
    return canBeStopped() ? unstopped(() => this.#records.getBinaryFast(key)) : this.#records.getBinaryFast(key)
  }

  /** A copy. */
  get(key: Key): Buffer | undefined {
    return unstopped(() => this.#records.getBinary(key))
  }

  put(key: Key, value: Uint8Array): void {
    if (canBeStopped()) unstopped(() => this.#records.putSync(key, value))
    else this.#records.putSync(key, value)
  }

  /** As `put`, of a key that most likely comes after all others, which spares lmdb the search. */
  append(key: Key, value: Uint8Array): void {
    const put = (): unknown => this.#records.putSync(key, value, APPEND)
    if ((canBeStopped() ? unstopped(put) : put()) !== true) this.put(key, value)
  }

  remove(key: Key): void {
    unstopped(() => this.#records.removeSync(key))
  }

  keys(range: Range): Key[] {
    return unstopped(() => [...this.#records.getKeys(range)])
  }

  /** One after the other, as long as `visit` does not say `false`. A key is the caller's; a value is valid until any other record is looked at. */
  each(range: Range, visit: (key: Key, value: Uint8Array) => unknown): void {
    unstopped(() => {
      for (const { key, value } of this.#records.getRange(range)) if (visit(key, value) === false) break
    })
  }

  /** Counted inside lmdb, some ten million keys a second. */
  count(range: Range): number {
    return unstopped(() => this.#records.getKeysCount(range))
  }
}

/** lmdb writes it unless another key comes after it; `putSync` then gives `false`, which its types do not know. */
const APPEND = { append: true }

interface Begins {
  /** Not `on`, which lmdb-js has one of its own for, and which fails for this event. */
  addListener(event: 'begin-transaction', heard: () => void): unknown
}

/** What lmdb-js has and leaves out of its types. */
export type Lmdb = RootDatabase<Uint8Array, Key> &
  Begins & {
    /** Begins to read from the newest state, unless it has and has not ended that by itself, as it does once in every turn. */
    ensureReadTxn(): void
    /** fdatasync in a thread of the pool. */
    sync(done: (error?: Error) => void): void
    readonly env: { stat(): { readonly pageSize: number }; info(): { readonly lastPageNumber: number; readonly lastTxnId: number } }
  }

const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const
/** lmdb-js copies what a range gives unless a decoder is there to do so: a buffer for each row takes longer than to read the row. */
const UNCOPIED = {
  ...BINARY,
  encoder: { encode: (value: Uint8Array): Uint8Array => value, decode: (value: Uint8Array): Uint8Array => value },
}
/** No database has this name. */
const NO_KEY = Buffer.from('?')

/** The open file. */
export class RecordFile {
  readonly #lmdb: Lmdb
  #readings = 0

  /** Opens what `open` does, and takes its lock once: the first to take it is the first to hear that it is gone. */
  static async open(open: (options: typeof BINARY) => Lmdb): Promise<RecordFile> {
    let lmdb: Lmdb | undefined
    try {
      return unstopped(() => {
        lmdb = open(BINARY)
        lmdb.transactionSync(() => {})
        return new RecordFile(lmdb)
      })
    } catch (error) {
      await unstopped(() => lmdb?.close())
      throw error
    }
  }

  private constructor(lmdb: Lmdb) {
    this.#lmdb = lmdb
    this.#count(lmdb)
  }

  /** In a transaction. */
  database(name: string): Records {
    const database = unstopped(() => this.#lmdb.openDB<Uint8Array, Key>({ name, ...UNCOPIED }) as Database<Uint8Array, Key> & Begins)
    this.#count(database)
    return new Records(database)
  }

  /** lmdb-js says so to the database by whose use it begins, each time that it begins to read or to write. */
  #count(database: Begins): void {
    database.addListener('begin-transaction', () => this.#readings++)
  }

  /** As long as this is the same number, all that is read is read from one state. */
  reading(): number {
    unstopped(() => this.#lmdb.ensureReadTxn())
    return this.#readings
  }

  /** Runs `change` in a write transaction, which is rolled back when it throws. `flags`: those of `transactionSync`. */
  transaction(change: () => void, flags: number): void {
    unstopped(() => this.#lmdb.transactionSync(change, flags))
  }

  /** In a transaction: its number, which is that of the last one and one, if it began with the newest state. */
  writing(): number {
    return unstopped(() => this.#lmdb.getWriteTxnId())
  }

  /** lmdb-js would go on with the state that it met first in this turn. */
  readAnew(): void {
    unstopped(() => {
      this.#lmdb.resetReadTxn()
      this.#lmdb.getBinaryFast(NO_KEY) // begins to read, which lmdb-js puts off until somebody does
    })
  }

  /** The number of the last transaction. */
  newest(): number {
    return unstopped(() => this.#lmdb.env.info().lastTxnId)
  }

  pageBytes(): number {
    return unstopped(() => this.#lmdb.env.stat().pageSize)
  }

  /** Of the pages in use, without those behind them that the file has. */
  bytes(): number {
    return unstopped(() => this.#lmdb.env.info().lastPageNumber + 1) * this.pageBytes()
  }

  /** To the disk. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => unstopped(() => this.#lmdb.sync((error) => (error ? reject(error) : resolve()))))
  }

  /**
   * Lets go of what programs held that died while they read: LMDB uses no page again that a reader may need, so that the file would grow
   * with every commit for as long as nobody opens it anew.
   */
  forgetDeadReaders(): void {
    unstopped(() => this.#lmdb.readerCheck())
  }

  /** A copy of the file as of one moment in an empty folder. */
  backup(folder: string): Promise<void> {
    return unstopped(() => this.#lmdb.backup(folder, false))
  }

  close(): Promise<void> {
    return unstopped(() => this.#lmdb.close())
  }
}
