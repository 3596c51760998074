import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { InsituError, UnavailableError, ValidationError } from './errors.js'
import { makeFolders } from './make-folders.js'

/**
 * Makes a folder that gets its name only when it is whole and on the disk. `fill` puts files into one beside it, closed to others, and has
 * flushed each before it returns; where it fails nothing is left.
 * @throws ValidationError (ERR_BACKUP_FOLDER): it holds something; what `fill` throws, as UnavailableError unless it is an InsituError
 */
export async function fillNewFolder(to: string, fill: (half: string) => Promise<void>): Promise<void> {
  const folder = resolve(to)
  requireFree(folder)
  const half = `${folder}.half`
  try {
    rmSync(half, { recursive: true, force: true })
    makeFolders(half)
    await fill(half)
    flushFolder(half)
    renameSync(half, folder)
    flushFolder(dirname(folder))
  } catch (error) {
    rmSync(half, { recursive: true, force: true })
    throw error instanceof InsituError ? error : failed(folder, error)
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
