/** Settings of the runtime that come from the environment. */
import { availableParallelism } from 'node:os'

/** `INSITU_RUNTIME=off`: task calls run in place, in order. */
export const runtimeIsOff = (): boolean => process.env['INSITU_RUNTIME'] === 'off'

/** Worker threads: `INSITU_WORKERS`, else one per core. */
export function workersWanted(): number {
  const asked = Number(process.env['INSITU_WORKERS'])
  return Number.isInteger(asked) && asked > 0 ? asked : Math.max(1, availableParallelism())
}

/** Heap of one worker thread in megabytes: `INSITU_WORKER_HEAP_MB`, else Node's own limit. A task that needs more fails, and no other. */
export function workerHeapMb(): number | undefined {
  const asked = Number(process.env['INSITU_WORKER_HEAP_MB'])
  return asked > 0 ? asked : undefined
}

/** Calls that `submitReady` lets be pending: `INSITU_PENDING_MAX`. */
export function pendingMax(): number {
  const asked = Number(process.env['INSITU_PENDING_MAX'])
  return asked > 0 ? asked : 100_000
}
