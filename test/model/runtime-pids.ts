/** Processes that run tasks, by files that they leave in a folder: so only those are killed that have begun to work, and that are ours. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const FOLDER = 'INSITU_RANDOM_PIDS'
let isNoted = false

/** This process runs tasks. */
export function noteWorker(): void {
  const folder = process.env[FOLDER]
  if (isNoted || folder === undefined) return
  isNoted = true
  writeFileSync(join(folder, String(process.pid)), '')
}

/** This process, or this thread of it, is going to end. */
export function noteEnd(): void {
  const folder = process.env[FOLDER]
  if (folder !== undefined) rmSync(join(folder, String(process.pid)), { force: true })
}

/** Kills one of those that work. */
export function killWorker(which: number): void {
  const folder = process.env[FOLDER]
  const pids = folder === undefined ? [] : readdirSync(folder).filter((pid) => pid !== String(process.pid))
  const pid = pids[which % pids.length]
  if (pid === undefined) return
  rmSync(join(folder!, pid))
  kill(Number(pid))
}

/** One that has just ended is not there any more. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
