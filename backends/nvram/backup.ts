import { chmodSync, closeSync, fdatasyncSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { UnavailableError, ValidationError } from '../../src/errors.js'
import { makeFolders } from '../../src/make-folders.js'
import { storeFull } from './disk-room.js'
import { type Environment, openEnvironment } from './environment.js'
import type { NvramConfig } from './nvram-config.js'
import { disown } from './owner.js'

/**
 * A copy of the whole file as of one moment. LMDB reads it under one read transaction, in a thread of its own: writers go on, and only
 * the two pages that say where everything lies are copied under their lock. What LMDB leaves to do:
 *
 * - it makes the file readable for everybody, does not flush it, and leaves half of it when the disk is full: so it is made in a folder
 *   beside, closed to others, which gets its name only when it is whole and on the disk;
 * - pages that writers free meanwhile are not used again before it is done: the store may grow by as much as is written;
 * - the copy says that it belongs where it came from, and would be refused as the copy it is: it is made nobody's.
 */
export async function backUp({ file }: Environment, config: NvramConfig, to: string): Promise<void> {
  const folder = resolve(to)
  requireFree(folder)
  const half = `${folder}.half`
  try {
    rmSync(half, { recursive: true, force: true })
    makeFolders(half)
    requireRoom(file.bytes(), half)
    await file.backup(half)
    await finish(half, config)
    renameSync(half, folder)
    flushFolder(dirname(folder))
  } catch (error) {
    rmSync(half, { recursive: true, force: true })
    throw error instanceof UnavailableError ? error : failed(folder, error)
  }
}

/** Never over anything: a backup that was mistyped must not cost another. */
function requireFree(folder: string): void {
  try {
    if (readdirSync(folder).length === 0) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw failed(folder, error)
  }
  throw new ValidationError(`A backup needs a new folder, and ${folder} holds something already.`, {
    code: 'ERR_BACKUP_FOLDER',
    folder,
  })
}

function requireRoom(bytes: number, folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bytes > bavail * bsize) throw storeFull(folder)
}

async function finish(folder: string, config: NvramConfig): Promise<void> {
  chmodSync(join(folder, 'data.mdb'), 0o600)
  const copy = await openEnvironment(folder)
  try {
    disown(copy, config)
  } finally {
    await copy.file.close()
  }
  // Who opens it makes a new one; this one knows only of us.
  rmSync(join(folder, 'lock.mdb'), { force: true })
  const file = openSync(join(folder, 'data.mdb'), 'r+')
  fdatasyncSync(file)
  closeSync(file)
  flushFolder(folder)
}

/** So that the name survives power loss as well; not every file system lets a folder be flushed. */
function flushFolder(folder: string): void {
  const at = openSync(folder, 'r')
  try {
    fsyncSync(at)
  } catch {
    // then its names are flushed with its files
  } finally {
    closeSync(at)
  }
}

const failed = (folder: string, cause: unknown): UnavailableError =>
  new UnavailableError(`The backup into ${folder} failed: ${cause instanceof Error ? cause.message : String(cause)}.`, { folder, cause })
