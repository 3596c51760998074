/** A worker that is started before anybody needs it: while the program opens its store, its first worker loads; later it stands in for a lost one. */
import type { Isolation } from '../runtime-config.js'
import type { WarmMessage } from './messages.js'
import { newWorker, type WorkerLink } from './worker-link.js'

let spare: { readonly link: WorkerLink; readonly isolation: Isolation } | undefined

/** Starts a worker for whoever takes one next. It keeps no process alive. */
export function prepareWorker(isolation: Isolation, warm?: Omit<WarmMessage, 'do'>): void {
  if (spare?.isolation === isolation) return
  void spare?.link.kill()
  const link = newWorker(isolation)
  const made = { link, isolation }
  // One that fails to load is no spare; who starts the next one hears why.
  const forget = (): void => {
    if (spare === made) spare = undefined
  }
  link.hear({ onMessage: () => {}, onEnd: forget })
  spare = made
  if (warm) link.post({ do: 'warm', ...warm })
}

/** Lets the worker that waits load what will be needed. */
export function warmSpare(warm: Omit<WarmMessage, 'do'>): void {
  spare?.link.post({ do: 'warm', ...warm })
}

/** The worker that was prepared, else a new one. */
export function takeWorker(isolation: Isolation): WorkerLink {
  if (spare?.isolation !== isolation) return newWorker(isolation)
  const { link } = spare
  spare = undefined
  return link
}

/** Ends the worker that waits; whoever ended the run needs none. */
export async function dropSpare(): Promise<void> {
  const left = spare
  spare = undefined
  await left?.link.kill()
}
