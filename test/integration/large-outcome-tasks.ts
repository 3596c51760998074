/** Tasks whose outcomes are too large for their marks, and whose workers end at the worst moment. A module of its own, for the workers. */
import { closeSync, existsSync, openSync } from 'node:fs'
import { IN, INOUT, StorageObject, task } from '../../runtime/index.js'

export class Box extends StorageObject {
  n = 0
}

export type End = 'exit' | 'kill'

function isFirst(marker: string): boolean {
  try {
    closeSync(openSync(marker, 'wx'))
    return true
  } catch {
    return false
  }
}

function end(how: End): never {
  if (how === 'kill') process.kill(process.pid, 'SIGKILL')
  process.exit(1)
}

/** The commit leaves in the second round of the event loop after the body; nothing that comes back is read before this thread has ended. */
async function endWhenCommitted(marker: string, how: End): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve() // behind whatever follows the body at once
  setImmediate(() =>
    setImmediate(() => {
      while (!existsSync(`${marker}.committed`)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      end(how)
    }),
  )
}

const filled = (bytes: number, by: number): Uint8Array => new Uint8Array(bytes).fill(by)

export const nothing = task(() => undefined)

export const add = task((box: Box, bytes: number) => filled(bytes, ++box.n), { args: [INOUT] })

/** As `add`; the first time its worker, or the process of that, ends when it has committed and before it has told so. */
export const addAndEndOnce = task(
  (box: Box, bytes: number, marker: string, how: End) => {
    if (isFirst(marker)) void endWhenCommitted(marker, how)
    return filled(bytes, ++box.n)
  },
  { args: [INOUT] },
)

/** Calls `add` and has what that made; then its worker ends, the first time. */
export const callAndEndOnce = task(
  async (box: Box, bytes: number, marker: string) => {
    const made = await add(box, bytes)
    if (isFirst(marker)) end('exit')
    return [made.length, made[0], made.at(-1)]
  },
  { args: [IN] },
)

/** What it makes of a value that it is given is large as well. */
export const addInto = task(
  (box: Box, into: Uint8Array[], bytes: number) => {
    into.push(filled(bytes, ++box.n))
    return box.n
  },
  { args: [INOUT, INOUT] },
)
