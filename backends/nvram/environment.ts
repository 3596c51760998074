import { accessSync, chmodSync, closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { CorruptError, UnavailableError } from '../../src/errors.js'
import { makeFolders } from '../../src/make-folders.js'
import { unstopped } from '../../src/thread-gate.js'
import { orRefusal } from './access.js'
import { DATABASES, type DatabaseName } from './databases.js'
import { requireRoomForNew } from './disk-room.js'
import { openLocked, Transactions } from './lock-file.js'
import { type Lmdb, RecordFile, type Records } from './records.js'

/** Its CommonJS build, which is one file and loads in a quarter of the time of the other. */
const { open } = unstopped(() => createRequire(import.meta.url)('lmdb') as typeof import('lmdb'))

/** The file and its databases. All that is written goes through `transactions`. */
export type Environment = { readonly file: RecordFile; readonly transactions: Transactions } & {
  readonly [name in keyof typeof DATABASES]: Records
}

/** Ours and lmdb's two, with room for those of a later format. */
const DATABASES_MAX = 24
/** Threads, of all processes, that have the store open at once: 64 bytes each in the lock file. lmdb-js's own limit is 126. */
const READERS_MAX = 1022

/**
 * How a transaction is written. `transactionSync` takes lmdb-js's own flags (1: may be aborted, 2: commits before it returns) and in
 * bits 16–19 LMDB's; 0x40000 is MDB_NOMETASYNC: the data pages are written and flushed (fdatasync), then the meta page that makes
 * them the current state is written, without a second flush. So when it returns
 * - every process sees the commit, and it survives SIGKILL: the meta page is in the page cache;
 * - after power loss the file is whole, at this commit or an earlier one: the pages that a meta page names are on the disk before it
 *   is written, and a transaction reuses only pages that neither of the two last meta pages names.
 * `RecordFile.sync` (fdatasync, in a thread) flushes the meta page; that is what `flush('durable')` waits for.
 *
 * Why not without any flush in `commit`: of LMDB's ways the one (MDB_NOSYNC) can leave an unusable file after power loss, and the
 * other, lmdb-js's overlapping sync, flushes before `transactionSync` returns all the same (the end of `mdb_txn_commit` in its mdb.c;
 * only callers of its write thread go on earlier, and what that thread was given is not rolled back when something throws).
 * Measured on ext4, one 100-byte put in a transaction: 0.47 ms with both flushes, 0.47–0.50 ms with overlapping sync, 0.26 ms so.
 */
const COMMITTED = 0x40000 | 2 | 1
/** With that second flush in the commit itself, for who waits for it anyway. */
const DURABLE = 2 | 1

/** Opens the file, or makes it. Errors: CorruptError, UnavailableError. */
export async function openEnvironment(folder: string): Promise<Environment> {
  try {
    return await openIn(folder)
  } catch (error) {
    throw orRefusal(folder, error)
  }
}

async function openIn(folder: string): Promise<Environment> {
  makeFolder(folder)
  requireSound(join(folder, 'data.mdb'))
  const file = await openFile(folder)
  const transactions = new Transactions(file, folder, { committed: COMMITTED, durable: DURABLE })
  const databases: Record<string, Records> = {}
  transactions.write(() => {
    for (const [name, stored] of Object.entries(DATABASES)) databases[name] = file.database(stored)
  })
  return { file, transactions, ...(databases as Record<DatabaseName, Records>) }
}

async function openFile(folder: string): Promise<RecordFile> {
  // noSubdir is said, since lmdb-js takes a folder with a dot in its name for a file.
  const options = { noSubdir: false, overlappingSync: false, maxDbs: DATABASES_MAX, maxReaders: READERS_MAX }
  try {
    return await openLocked(() => RecordFile.open((binary) => open<Uint8Array, Uint8Array>(folder, { ...options, ...binary }) as Lmdb))
  } catch (cause) {
    const message = messageOf(cause)
    if (/MDB_(?:INVALID|CORRUPTED|PAGE_NOTFOUND|PANIC)/.test(message)) throw corruptFile(folder, message, cause)
    throw new UnavailableError(`The store in ${folder} cannot be opened: ${message}.`, { folder, cause })
  }
}

/**
 * The files are made before lmdb does, which would let the group read them. One that is there is not opened: when a process closes
 * a file, it loses all the locks it has on it, those of its other threads as well.
 */
function makeFolder(folder: string): void {
  try {
    makeFolders(folder)
    for (const name of ['data.mdb', 'lock.mdb']) {
      const path = join(folder, name)
      if (!existsSync(path)) makeFile(path)
      // lmdb-js ends the process, some time later, where it was refused one of them.
      accessSync(path, constants.R_OK | constants.W_OK)
    }
  } catch (cause) {
    throw new UnavailableError(`The folder ${folder} cannot be used: ${messageOf(cause)}.`, { folder, cause })
  }
}

function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600))
    chmodSync(path, 0o600)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Where LMDB keeps, in each of its first two pages, what a file must have to be opened at all. */
const META = { bytes: 160, magicAt: 24, pageBytesAt: 48, rootsAt: [88, 136], txnAt: 152 } as const
const MAGIC = 0xbeefc0de
const NO_PAGE = 0xffff_ffff_ffff_ffffn

/** Looked at first, because lmdb ends the whole process over a file that is cut short. An empty file is a new one. */
function requireSound(path: string): void {
  if (!statSync(path).isFile()) throw corruptFile(path, 'it is no LMDB file')
  const file = openSync(path, 'r')
  try {
    if (fstatSync(file).size === 0) return requireRoomForNew(dirname(path))
    const first = readMeta(file, 0)
    const pageBytes = first?.readUInt32LE(META.pageBytesAt) ?? 0
    if (!first || pageBytes < 512 || first.readUInt32LE(META.magicAt) !== MAGIC) throw corruptFile(path, 'it is no LMDB file')
    const second = readMeta(file, pageBytes)
    if (!second || second.readUInt32LE(META.magicAt) !== MAGIC) throw corruptFile(path, 'its second page is damaged')
    const newest = first.readBigUInt64LE(META.txnAt) >= second.readBigUInt64LE(META.txnAt) ? first : second
    // Asked after the pages were read, which others may write just now: they make the file longer before they say so.
    const { size } = fstatSync(file)
    for (const at of META.rootsAt) {
      const page = newest.readBigUInt64LE(at)
      if (page !== NO_PAGE && (page + 1n) * BigInt(pageBytes) > BigInt(size)) throw corruptFile(path, 'it was cut short')
    }
  } finally {
    closeSync(file)
  }
}

function readMeta(file: number, at: number): Buffer | undefined {
  const bytes = Buffer.alloc(META.bytes)
  return readSync(file, bytes, 0, META.bytes, at) === META.bytes ? bytes : undefined
}

const corruptFile = (where: string, how: string, cause?: unknown): CorruptError =>
  new CorruptError(`The store in ${where} is damaged: ${how}. Restore it from a backup.`, { where, cause })

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
