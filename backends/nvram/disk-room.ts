import { closeSync, fstatSync, ftruncateSync, openSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { StateLostError, UnavailableError } from '../../src/errors.js'
import type { Environment } from './environment.js'

/** Pages that a transaction may take for one record besides the value itself: those on the way down its tree, copied and split. */
const PAGES_A_RECORD = 8
/**
 * Of them those that are new: a leaf and a branch that it splits, and the end of its value's last page. The rest are copies of pages that
 * stand, each of which is copied, and listed as free, once.
 */
const NEW_PAGES_A_RECORD = 3
/** For the free list, and for the trees of trees. */
const PAGES_A_TRANSACTION = 24
/** With so much left, whatever else writes to the disk does not fill it between our look and our write. */
const PLENTY_BYTES = 64 * 1024 * 1024
const ZEROS = Buffer.alloc(1024 * 1024)

/**
 * Sees to it that LMDB never meets a full disk. Where its write fails for want of room, lmdb-js 3.5.6 prints the reason into a buffer
 * that is too short for it (`last_error` in mdb_page_flush of its mdb.c): the heap is damaged, and the process dies sooner or later.
 * So room is looked for before a transaction is committed, and when the disk is nearly full it is taken beforehand, by making the
 * file longer with zeros: LMDB then writes over them.
 */
export class DiskRoom {
  readonly #env: Environment
  readonly #folder: string
  readonly #file: number
  readonly #pageBytes: number

  constructor(env: Environment, folder: string) {
    this.#env = env
    this.#folder = folder
    this.#file = openSync(join(folder, 'data.mdb'), 'r+')
    this.#pageBytes = env.file.pageBytes()
  }

  /**
   * Inside a write transaction, before its end. Errors: UnavailableError (`ERR_STORE_FULL` among others); StateLostError when somebody has
   * removed the file, which nobody else would ever read.
   */
  require(records: number, valueBytes: number): void {
    if (fstatSync(this.#file).nlink === 0) throw removed(this.#folder)
    const most = valueBytes + (records * PAGES_A_RECORD + PAGES_A_TRANSACTION) * this.#pageBytes
    if (freeBytes(this.#folder) - most > PLENTY_BYTES) return
    const used = this.#env.file.bytes()
    const copies = used + used / 256
    const bytes = Math.min(most, valueBytes + copies + (records * NEW_PAGES_A_RECORD + PAGES_A_TRANSACTION) * this.#pageBytes)
    const size = fstatSync(this.#file).size
    try {
      for (let at = size; at < used + bytes; ) at += writeSync(this.#file, ZEROS, 0, Math.min(ZEROS.length, used + bytes - at), at)
    } catch (cause) {
      ftruncateSync(this.#file, size)
      throw storeFull(this.#folder, cause)
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** A new file must have room for its databases. */
export function requireRoomForNew(folder: string): void {
  if (freeBytes(folder) < 2 * ZEROS.length) throw storeFull(folder)
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch (cause) {
    throw new UnavailableError(`The folder ${folder} cannot be looked at any more: ${(cause as Error).message}. Nothing was written.`, {
      cause,
    })
  }
}

const removed = (folder: string): Error =>
  new StateLostError(
    `The store in ${folder} was removed while this program had it open; what stood in it is gone, and nothing more is written to it. connect() again to begin a new one.`,
  )

export const storeFull = (where: string, cause?: unknown): UnavailableError =>
  new UnavailableError(`The disk of ${where} has no room left; nothing of the group was written. Free some space and commit again.`, {
    code: 'ERR_STORE_FULL',
    retryable: true,
    cause,
  })
