/** One worker and the way to it, whatever it runs in: a thread of this process, or a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Backend } from '../../src/backend.js'
import { mayStop, newGate, type ThreadGate, waitToStop } from '../../src/thread-gate.js'
import { Frames } from '../data/frames.js'
import type { Port } from '../data/port.js'
import { childEnv, type Isolation, workerHeapMb } from '../runtime-config.js'
import { onChildEnd } from './child-end.js'
import { slotFile } from './file-slots.js'
import type { FromWorker, ToWorker } from './messages.js'
import type { StoreMessage } from './worker.js'

export interface LinkEvents {
  onMessage(message: FromWorker): void
  /** It is gone. `thrown`: the error that it died of, as it told it itself. */
  onEnd(why: Error, thrown?: Uint8Array): void
}

/** A further way to a worker: the near end, and what names the far end in a message. */
export interface Opened {
  readonly near: Port
  readonly far: unknown
  readonly moved: readonly MessagePort[]
}

export abstract class WorkerLink {
  /** Whether it has said that it is ready. */
  isReady = false
  protected events: LinkEvents | undefined
  #onDrained: (() => void) | undefined

  abstract post(message: ToWorker | StoreMessage, moved?: readonly MessagePort[]): void
  abstract open(): Opened
  /** Ends it, whatever it does; resolves when it is gone. */
  abstract kill(): Promise<void>
  /** Resolves when what its tasks have printed is out; for one that computes without a pause nobody waits long. */
  async drained(): Promise<void> {
    if (!this.isReady) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, DRAIN_MS_MAX)
      this.#onDrained = () => {
        clearTimeout(timer)
        resolve()
      }
      this.post({ do: 'drain' })
    })
  }

  /** Whether it keeps this process alive. */
  abstract ref(): void
  abstract unref(): void

  /** Where the worker reaches a store without this process. */
  reaches(_backend: Backend): StoreMessage['hosts'] {
    return undefined
  }

  /** From now on somebody wants to know. */
  hear(events: LinkEvents): void {
    this.events = events
    if (this.isReady) setImmediate(() => events.onMessage({ do: 'ready' }))
  }

  protected heard(message: FromWorker): void {
    if (message.do === 'drained') return this.#onDrained?.()
    if (message.do === 'ready') this.isReady = true
    this.events?.onMessage(message)
  }
}

/** What a long text takes to a slow terminal. */
const DRAIN_MS_MAX = 250

export const newWorker = (isolation: Isolation): WorkerLink => (isolation === 'process' ? new ProcessLink() : new ThreadLink())

class ThreadLink extends WorkerLink {
  readonly #thread: Worker
  readonly #gate = newGate()

  constructor() {
    super()
    const heap = workerHeapMb()
    this.#thread = new Worker(new URL('./worker-main.js', import.meta.url), {
      execArgv: [],
      stdout: false,
      stderr: false,
      workerData: this.#gate,
      ...(heap !== undefined && { resourceLimits: { maxOldGenerationSizeMb: heap } }),
    })
    let why: Error | undefined
    this.#thread.on('message', (message: FromWorker) => this.heard(message))
    this.#thread.on('messageerror', (error) => (why = error))
    this.#thread.on('error', (error: unknown) => (why = error instanceof Error ? error : new Error(String(error))))
    threads.add(this.#gate)
    watchExit()
    this.#thread.on('exit', (code) => {
      threads.delete(this.#gate)
      this.events?.onEnd(why ?? new Error(`the worker's thread ended with code ${code}`))
    })
    this.#thread.unref() // last: to listen to a thread keeps the process alive for it
  }

  post(message: ToWorker | StoreMessage, moved?: readonly MessagePort[]): void {
    this.#thread.postMessage(message, moved)
  }

  open(): Opened {
    const { port1, port2 } = new MessageChannel()
    return { near: port1, far: port2, moved: [port2] }
  }

  async kill(): Promise<void> {
    for (const end = performance.now() + STOP_MS_MAX; !mayStop(this.#gate) && performance.now() < end; ) await sleep(1)
    await this.#thread.terminate()
  }

  ref(): void {
    this.#thread.ref()
  }

  unref(): void {
    this.#thread.unref()
  }
}

class ProcessLink extends WorkerLink {
  readonly #child: ChildProcess
  readonly #frames: Frames
  readonly #main: Port
  readonly #ended: Promise<void>
  #ports = 1
  #thrown: Uint8Array | undefined

  constructor() {
    super()
    const child = spawnWorker()
    this.#child = child
    const words = new LastWords()
    child.stderr!.on('data', (chunk: Buffer) => words.hear(chunk))
    this.#frames = new Frames(child.stdio[3] as Socket)
    this.#frames.stream.on('error', () => {}) // it is gone; its exit says so
    this.#main = this.#frames.port(0)
    this.#main.on('message', (message: FromWorker) => {
      if (message.do === 'dying') this.#thrown = message.error
      else this.heard(message)
    })
    this.#ended = new Promise((resolve) => {
      const end = (why: Error): void => {
        resolve()
        this.events?.onEnd(why, this.#thrown)
      }
      // What it said last is read before its end is told.
      onChildEnd(child, (how) => end(words.tellOfMemory() ? outOfMemory() : endedWith(how)))
      child.on('error', end)
    })
    this.unref()
  }

  post(message: ToWorker | StoreMessage): void {
    this.#main.postMessage(message)
  }

  open(): Opened {
    const number = this.#ports++
    return { near: this.#frames.port(number), far: number, moved: [] }
  }

  /** It prints by itself. */
  override async drained(): Promise<void> {}

  async kill(): Promise<void> {
    this.#child.ref() // whoever waits for its end is not to end before
    this.#child.kill('SIGKILL') // not a request: a stopped or looping process obeys it too
    await this.#ended
  }

  ref(): void {
    this.#child.ref()
    this.#main.ref()
  }

  unref(): void {
    this.#child.unref()
    this.#main.unref()
    this.#frames.stream.unref?.()
    ;(this.#child.stderr as Socket).unref()
  }
}

/** What V8 says when its heap is full; nothing else tells this end from other crashes. */
const DUMP_BEGINS = '<--- Last few GCs --->'
const HEAP_IS_FULL = 'JavaScript heap out of memory'

/** Hands on what a process writes to stderr, but for V8's dump of a full heap: that becomes an error. */
class LastWords {
  #dump: string | undefined

  hear(chunk: Buffer): void {
    const text = chunk.toString('latin1')
    const begins = this.#dump === undefined ? text.indexOf(DUMP_BEGINS) : 0
    if (begins < 0) return void process.stderr.write(chunk)
    if (begins > 0) process.stderr.write(chunk.subarray(0, begins))
    this.#dump = (this.#dump ?? '') + text.slice(begins)
  }

  /** At the end: whether the heap was full. */
  tellOfMemory(): boolean {
    const dump = this.#dump ?? ''
    if (dump.includes(HEAP_IS_FULL)) return true
    if (dump) process.stderr.write(Buffer.from(dump, 'latin1'))
    return false
  }
}

const endedWith = (how: string): Error => new Error(`the worker's process ended with ${how}`)

const outOfMemory = (): Error =>
  Object.assign(new Error("the worker's process ended: its heap was full"), { code: 'ERR_WORKER_OUT_OF_MEMORY' })

/** Longer than any transaction of a thread takes, which waits for those of others. */
const STOP_MS_MAX = 5000

/** Worker processes that would outlive this one if it ended now. */
const living = new Set<ChildProcess>()
/** Threads that are stopped when it ends. */
const threads = new Set<ThreadGate>()
let isWatched = false

function spawnWorker(): ChildProcess {
  const heap = workerHeapMb()
  const child = spawn(
    process.execPath,
    [...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]), fileURLToPath(new URL('./process-main.js', import.meta.url))],
    { env: childEnv(), stdio: ['ignore', 'inherit', 'pipe', 'pipe', slotFile() ?? 'ignore'] },
  )
  endWithProgram(child)
  return child
}

/** Ends a process when this one ends. */
export function endWithProgram(child: ChildProcess): void {
  living.add(child)
  child.once('exit', () => living.delete(child))
  watchExit()
}

function watchExit(): void {
  if (!isWatched) process.on('exit', endAll)
  isWatched = true
}

function endAll(): void {
  for (const child of living) child.kill('SIGKILL')
  for (const gate of threads) waitToStop(gate, STOP_MS_MAX)
}
