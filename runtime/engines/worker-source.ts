/** Where an engine's workers come from. */
import type { Backend } from '../../src/backend.js'
import type { Isolation } from '../runtime-config.js'
import type { WarmMessage } from './messages.js'
import { dropSpare, prepareWorker, takeWorker } from './spare-worker.js'
import type { WorkerLink } from './worker-link.js'

export interface WorkerSource {
  /** A worker on a host. */
  take(host: number): WorkerLink
  /** A store as it is served to workers that do not reach it themselves. */
  serves?(backend: Backend): Backend
  /** Has one ready to stand in for one that is lost. */
  prepare(warm: Omit<WarmMessage, 'do'>): void
  /** Whether what the workers need beside them keeps the program alive. */
  hold(held: boolean): void
  close(): Promise<void>
}

/** Threads of this process, or processes beside it. */
export const localWorkers = (isolation: Isolation): WorkerSource => ({
  take: () => takeWorker(isolation),
  prepare: (warm) => prepareWorker(isolation, warm),
  hold: () => {},
  close: dropSpare,
})
