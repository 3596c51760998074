/** Marks that outlast whoever sets them: threads and processes, which tests end. */
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** True for the first that asks. By a file, since those who ask may run in different threads and processes, and end with them. */
export function isFirst(marker: string): boolean {
  try {
    closeSync(openSync(marker, 'wx'))
    return true
  } catch {
    return false
  }
}

/** A marker that nobody has asked for. */
export async function withMarker<T>(body: (marker: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'insitu-conformance-'))
  try {
    return await body(join(folder, 'first'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
