import type { ChildProcess } from 'node:child_process'

/** How long a process that has ended is read from: one that it left behind may hold its pipes for ever. */
const PIPES_MS = 500

/**
 * Tells once that a process has ended, when all that it said was read. Whoever waits for that with nothing else to do does not end before:
 * pipes that keep nobody alive may be read a moment after the process is gone.
 */
export function onChildEnd(child: ChildProcess, tell: (how: string) => void): void {
  child.once('exit', (code, signal) => {
    const end = (): void => {
      clearTimeout(timer)
      child.off('close', end)
      tell(signal ?? `code ${code}`)
    }
    const timer = setTimeout(end, PIPES_MS)
    child.once('close', end)
  })
}
