import { closeSync, fsyncSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { InsituError, UnavailableError, ValidationError } from './errors.js'
import { makeFolders } from './make-folders.js'

/**
 * Makes a folder that gets its name only when it is whole and on the disk. `fill` puts files into one beside it, closed to others, and has
 * flushed each before it returns; where it fails, or the process exits meanwhile, nothing is left.
 * @throws ValidationError (ERR_BACKUP_FOLDER): it holds something, or no folder is named; what `fill` throws, as UnavailableError unless it is
 * an InsituError
 */
export async function fillNewFolder(to: string, fill: (half: string) => Promise<void>): Promise<void> {
  requireName(to)
  const folder = resolve(to)
  requireFree(folder)
  try {
    await fillHalf(halfOf(folder), folder, fill)
    flushFolder(dirname(folder))
  } catch (error) {
    throw error instanceof InsituError ? error : failed(folder, error)
  }
}

async function fillHalf(half: string, folder: string, fill: (half: string) => Promise<void>): Promise<void> {
  const remove = (): void => rmSync(half, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    await fill(half)
    flushFolder(half)
    rename(half, folder)
  } catch (error) {
    remove()
    throw error
  } finally {
    process.off('exit', remove)
  }
}

/** A name of its own: what stands there already is somebody's, and two may be made at once. */
function halfOf(folder: string): string {
  makeFolders(dirname(folder))
  return mkdtempSync(`${folder}.half-`)
}

/** Another one may have got the name meanwhile. */
function rename(half: string, folder: string): void {
  try {
    renameSync(half, folder)
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw taken(folder)
    throw error
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
  throw taken(folder)
}

function requireName(to: string): void {
  if (to === '') throw new ValidationError('The name of a new folder is empty: name one.', { code: 'ERR_BACKUP_FOLDER' })
}

const taken = (folder: string): ValidationError =>
  new ValidationError(`A copy needs a new folder, and ${folder} holds something already: name another.`, {
    code: 'ERR_BACKUP_FOLDER',
    folder,
  })

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
  new UnavailableError(`The folder ${folder} cannot be filled: ${cause instanceof Error ? cause.message : String(cause)}.`, {
    folder,
    cause,
  })
