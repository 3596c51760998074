/** A worker thread that is started before anybody needs it: while the program opens its store, its first worker loads. */
import { Worker } from 'node:worker_threads'
import { workerHeapMb } from '../runtime-config.js'
import type { FromWorker, ToWorker } from './messages.js'

export interface StartedWorker {
  readonly thread: Worker
  /** Whether it said that it is ready before it was taken. */
  readonly isReady: boolean
}

let spare: { thread: Worker; isReady: boolean } | undefined

/** Starts a thread for whoever takes one next. It keeps no process alive. */
export function prepareWorker(): void {
  if (spare) return
  const made = { thread: newThread(), isReady: false }
  made.thread.on('message', (message: FromWorker) => {
    if (message.do === 'ready') made.isReady = true
  })
  // One that fails to load is no spare; who starts the next one hears why.
  made.thread.on('error', forget)
  made.thread.on('exit', forget)
  spare = made
  made.thread.unref() // last: to listen to a thread keeps the process alive for it
  function forget(): void {
    if (spare === made) spare = undefined
  }
}

/** Lets the thread that waits load what a store of this url needs. */
export function warmWorker(url: string): void {
  spare?.thread.postMessage({ do: 'warm', url } satisfies ToWorker)
}

/** The thread that was prepared, else a new one. */
export function takeWorker(): StartedWorker {
  if (!spare) return { thread: newThread(), isReady: false }
  const { thread, isReady } = spare
  spare = undefined
  for (const event of ['message', 'error', 'exit']) thread.removeAllListeners(event)
  return { thread, isReady }
}

function newThread(): Worker {
  const heap = workerHeapMb()
  return new Worker(new URL('./worker-main.js', import.meta.url), {
    execArgv: [],
    stdout: false,
    stderr: false,
    ...(heap !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heap } }),
  })
}
