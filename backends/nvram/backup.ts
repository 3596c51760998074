import { chmodSync, closeSync, fdatasyncSync, openSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { fillNewFolder } from '../../src/new-folder.js'
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
export function backUp({ file }: Environment, config: NvramConfig, to: string): Promise<void> {
  return fillNewFolder(to, async (half) => {
    requireRoom(file.bytes(), half)
    await file.backup(half)
    await finishCopy(half, config)
  })
}

function requireRoom(bytes: number, folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bytes > bavail * bsize) throw storeFull(folder)
}

/** Makes it nobody's, and flushes it. */
export async function finishCopy(folder: string, config: NvramConfig): Promise<void> {
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
}
