import { closeSync, openSync } from 'node:fs'

/** True for the first that asks. By a file, since those who ask may run in different threads and processes, and end with them. */
export function isFirst(marker: string): boolean {
  try {
    closeSync(openSync(marker, 'wx'))
    return true
  } catch {
    return false
  }
}
