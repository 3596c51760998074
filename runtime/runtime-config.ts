/** Settings of the runtime that come from the environment. */
import { availableParallelism, totalmem } from 'node:os'

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

/** Memory that tasks may say they need of this host, in megabytes: `INSITU_MEMORY_MB`, else what the machine has. */
export function hostMemoryMb(): number {
  const asked = Number(process.env['INSITU_MEMORY_MB'])
  return asked > 0 ? asked : Math.floor(totalmem() / 2 ** 20)
}

/** What tasks may ask this host for: `INSITU_LABELS`, separated by commas. */
export function hostLabels(): readonly string[] {
  return (process.env['INSITU_LABELS'] ?? '').split(',').filter((label) => label !== '')
}

/** Calls that `submitReady` lets be pending: `INSITU_PENDING_MAX`. */
export function pendingMax(): number {
  const asked = Number(process.env['INSITU_PENDING_MAX'])
  return asked > 0 ? asked : 100_000
}
