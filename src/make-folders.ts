import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder, for its user alone, and those above it; gives the first that was not there. Not mkdir's own `recursive`: where none can
 * be made though the one above is there, as in /proc, Node 20 tries for ever.
 */
export function makeFolders(folder: string): string | undefined {
  if (existsSync(folder)) return undefined
  const parent = dirname(folder)
  const first = parent === folder ? undefined : makeFolders(parent)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return first
    throw error
  }
  return first ?? folder
}
