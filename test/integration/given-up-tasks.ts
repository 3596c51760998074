/** Tasks whose attempts end in ways that nobody hears of. */
import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { IN, INOUT, StorageObject, task } from '../../runtime/index.js'

export class Tally extends StorageObject {
  n = 0
  bytes = new Uint8Array(0)
}

export const add = task(
  (tally: Tally) => {
    tally.n += 1
    return tally.n
  },
  { args: [INOUT] },
)

/** Changes its object, and neither ends nor listens to its signal. */
export const addAndLoop = task(
  (tally: Tally, begun: string) => {
    tally.n += 1
    writeFileSync(begun, '')
    for (;;);
  },
  { args: [INOUT] },
)

function isFirst(marker: string): boolean {
  if (existsSync(marker)) return false
  writeFileSync(marker, '')
  return true
}

/** Ends the worker when its group is committed and it has not heard of that: groups leave at the end of a turn. */
function exitOnceSent(): void {
  const exit = (): void => {
    const until = performance.now() + 60
    while (performance.now() < until);
    process.exit(1)
  }
  setImmediate(() => setImmediate(exit))
}

/** Removes its object and ends its worker after the commit is under way, the first time. */
export const removeAndExitOnce = task(
  async (tally: Tally, marker: string) => {
    await tally.deletePersistent()
    if (isFirst(marker)) exitOnceSent()
    return 'removed'
  },
  { args: [INOUT] },
)

/** Is done once only: a second attempt that sees what the first did throws. */
export const addOnceAndExitOnce = task(
  (tally: Tally, marker: string) => {
    if (tally.n > 0) throw new RangeError('it was added before')
    tally.n += 1
    if (isFirst(marker)) exitOnceSent()
    return tally.n
  },
  { args: [INOUT] },
)

/** Runs beside `here`, which is large, and changes `there`, once `go` is there. */
export const addFar = task(
  async (there: Tally, here: Tally, begun: string, go: string) => {
    there.n += 1
    writeFileSync(begun, '')
    while (!existsSync(go)) await delay(5)
    return here.bytes.length + there.n
  },
  { args: [INOUT, IN], timeoutMs: 1200 },
)
