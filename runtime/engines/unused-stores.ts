import { setTimeout as delay } from 'node:timers/promises'
import type { Store } from '../../src/store.js'
import type { TaskLane } from './task-lane.js'

const LOOK_MS = 50

/**
 * Closes a worker's own store once the program has closed its, and nothing here can need it: no task of it waits, and all that ran when there
 * was none has ended, since a task of another store may have followed a reference into this one.
 */
export async function closeUnused(kept: Store | Promise<Store>, lane: TaskLane): Promise<void> {
  const store = await Promise.resolve(kept).catch(() => undefined)
  if (!store) return // it could not be opened
  while (lane.hasTasksOf(store) || lane.hasTasksOf(kept)) await pause()
  const last = lane.runningNow()
  while (last.some((task) => lane.isRunning(task))) await pause()
  await lane.committed()
  await store.close()
}

const pause = (): Promise<void> => delay(LOOK_MS, undefined, { ref: false })
