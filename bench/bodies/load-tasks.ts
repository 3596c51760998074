/** Tasks of a load that is not the machine's but the clock's: each takes so long and counts once. */
import { setTimeout as delay } from 'node:timers/promises'
import { INOUT, StorageObject, task } from 'insitu'

export class Counter extends StorageObject {
  n = 0
  /** Heavy enough that tasks stay with it. */
  weight = new Uint8Array(0)
}

export const whoRuns = task((_counter: Counter) => process.pid)

export const countAfter = task(
  async (counter: Counter, ms: number) => {
    await delay(ms)
    counter.n += 1
    return counter.n
  },
  { args: [INOUT] },
)
