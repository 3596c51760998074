/**
 * LMDB keeps beside the data a file (`lock.mdb`) with what its processes share: the write lock, the readers, and the number of the
 * newest transaction, from which readers and writers know the state they start from. The LMDB in lmdb-js lets every process that opens
 * the store write that number, without the lock, as it read it a moment before. If another commits in that moment, the number goes
 * back: readers miss the last commits, and the next writer starts from an old state and overwrites them, although they were
 * acknowledged (LMDB ITS#9496; at best it notices and says `mdb_page_touch error`).
 *
 * So whoever begins to read or to write compares that number with the data's own, and sets it right under the write lock.
 */
import { type BigIntStats, closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { UnavailableError } from '../../src/errors.js'
import type { RecordFile } from './records.js'

/** What of an open file is needed for that. */
export type Lockable = Pick<RecordFile, 'transaction' | 'writing' | 'readAnew' | 'reading' | 'newest'>

/** Where the number stands in the lock file, after LMDB's mark and the format; 64 bits in the machine's order. */
const NEWEST_AT = 8
const NEWEST_BYTES = 8
/** A commit that another process is in the middle of looks like a number that went back, for as long as it takes to write it. */
const LOOKS = 3

/** Those of `transactionSync`: what is over when it returns. */
export interface WriteFlags {
  readonly committed: number
  readonly durable: number
}

/** The transactions of one open store, each of which starts from the newest state. */
export class Transactions {
  readonly #file: Lockable
  readonly #flags: WriteFlags
  readonly #path: string
  readonly #newest = new BigUint64Array(1)
  #lockFile: number | undefined
  /** The state that is read from, at least, and during which reading that is so. */
  #state = -1
  #reading = -1

  constructor(file: Lockable, folder: string, flags: WriteFlags) {
    this.#file = file
    this.#flags = flags
    this.#path = join(folder, 'lock.mdb')
    this.#lockFile = this.#find()
  }

  /** Runs `change` in a write transaction, which is rolled back when it throws; with `flushes` it is on the disk when this returns. */
  write(change: () => void, flushes = false): void {
    const flags = flushes ? this.#flags.durable : this.#flags.committed
    for (let isCurrent = false; !isCurrent; ) {
      this.#file.transaction(() => {
        isCurrent = this.#isCurrent()
        if (isCurrent) change()
      }, flags)
    }
  }

  /**
   * Reads from now on see the last commit of any process. Asked before and after the reading has begun: in between the number may go
   * back, or be set right; not both, since an opener needs longer.
   */
  refresh(): void {
    // Most often nothing was committed since, and to begin anew costs ten times as much as to see that.
    if (this.#file.reading() === this.#reading && this.#file.newest() === this.#state) return
    let newest: number
    do {
      if (!this.#knowsNewest()) this.write(() => {})
      newest = this.#file.newest()
      this.#file.readAnew()
    } while (!this.#knowsNewest())
    this.#state = newest
    this.#reading = this.#file.reading()
  }

  /** Asked under the write lock, when nobody is between writing a state and saying so. Writes nothing but what is wrong. */
  #isCurrent(): boolean {
    const newest = this.#file.newest()
    if (this.#file.writing() === newest + 1) return true
    this.#mend(newest)
    return false
  }

  #knowsNewest(): boolean {
    // Without a look at the number there is nothing to go by; who writes finds out all the same.
    if (this.#lockFile === undefined) return true
    for (let look = 0; look < LOOKS; look++) {
      readSync(this.#lockFile, this.#newest, 0, NEWEST_BYTES, NEWEST_AT)
      if (Number(this.#newest[0]) >= this.#file.newest()) return true
    }
    return false
  }

  #mend(newest: number): void {
    this.#newest[0] = BigInt(newest)
    if (process.platform === 'win32') return this.#mendByName()
    this.#lockFile = this.#isOurs(this.#lockFile) ? this.#lockFile : this.#find()
    if (this.#lockFile === undefined)
      throw new UnavailableError(`The lock file ${this.#path} is not the one that this process opened: restart it.`, { path: this.#path })
    writeSync(this.#lockFile, this.#newest, 0, NEWEST_BYTES, NEWEST_AT)
  }

  /** Where locks belong to a descriptor, not to the process, and descriptors of libraries are not to be had. */
  #mendByName(): void {
    const file = openSync(this.#path, 'r+')
    writeSync(file, this.#newest, 0, NEWEST_BYTES, NEWEST_AT)
    closeSync(file)
  }

  /**
   * The descriptor under which LMDB itself has the lock file open. Not one of our own: in POSIX a process that closes any descriptor of
   * a file loses all its locks on it, and another process would then take the store for one that nobody uses.
   */
  #find(): number | undefined {
    const folder = ['/proc/self/fd', '/dev/fd'].find((one) => existsSync(one))
    return folder === undefined
      ? undefined
      : readdirSync(folder)
          .map(Number)
          .find((file) => this.#isOurs(file))
  }

  #isOurs(file: number | undefined): file is number {
    if (file === undefined) return false
    try {
      const [found, wanted] = [fstatSync(file, { bigint: true }), statSync(this.#path, { bigint: true })]
      return isSame(found, wanted)
    } catch {
      return false
    }
  }
}

const isSame = (a: BigIntStats, b: BigIntStats): boolean => a.ino === b.ino && a.dev === b.dev

/** How long processes that come and go at the same time keep each other from opening. */
const TRIES_MS = 5000
const PAUSE_MS_MAX = 20

/** Opens, again when another process was just making the lock file or taking it away; throws what the last try threw. */
export async function openLocked<File>(open: () => Promise<File>): Promise<File> {
  const endMs = performance.now() + TRIES_MS
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if (!isHalfMade(error) || performance.now() > endMs) throw error
      await sleep(1 + Math.random() * PAUSE_MS_MAX)
    }
  }
}

const EINVAL = 22

/** What lmdb says about a lock file without its mark, or with locks that were never made or were just taken away. */
function isHalfMade(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return /setup locks|MDB_LOCK_FAILURE/i.test(error.message) || ('code' in error && error.code === EINVAL)
}
