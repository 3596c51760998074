/** Worker threads of this process. Moves tasks and reports; decides nothing. */
import { MessageChannel, type Worker } from 'node:worker_threads'
import { classOf, findConstructor } from '../../src/classes/class-registry.js'
import type { ClassId } from '../../src/ids.js'
import type { Store } from '../../src/store.js'
import { type ServedBackend, serveBackend } from '../data/backend-port.js'
import { moduleFor } from '../open-backend.js'
import type { TaskDefinition } from '../tasks/task.js'
import {
  type Carried,
  type ClassPlace,
  type FnPlace,
  type FromWorker,
  type RecallMessage,
  type Report,
  ROW,
  type TasksMessage,
  type ToWorker,
} from './messages.js'
import { takeWorker } from './spare-worker.js'
import type { StoreMessage } from './worker-main.js'

export interface EngineEvents {
  onReady(worker: number): void
  onReport(worker: number, report: Report): void
  onBegan(worker: number, task: number, attempt: number): void
  onNamed(fn: number, name: string): void
  onLost(worker: number, why: Error): void
}

interface Lane {
  readonly thread: Worker
  readonly stores: Map<number, ServedBackend>
  readonly fns: Set<number>
  readonly classes: Set<string>
}

export class LocalEngine {
  readonly #lanes = new Map<number, Lane>()
  readonly #stores: Store[] = []
  #held = false

  constructor(
    readonly runId: string,
    readonly events: EngineEvents,
  ) {}

  /** Starts the thread of a worker index. */
  start(worker: number): void {
    const { thread, isReady } = takeWorker()
    const lane: Lane = { thread, stores: new Map(), fns: new Set(), classes: new Set() }
    this.#lanes.set(worker, lane)
    let why: Error | undefined
    thread.on('message', (message: FromWorker) => this.#hear(worker, lane, message))
    thread.on('messageerror', (error) => (why = error))
    thread.on('error', (error: unknown) => (why = error instanceof Error ? error : new Error(String(error))))
    thread.on('exit', (code) => this.#end(worker, lane, why ?? new Error(`the worker's thread ended with code ${code}`)))
    thread.postMessage({ do: 'run', runId: this.runId } satisfies ToWorker)
    if (isReady) setImmediate(() => this.#hear(worker, lane, { do: 'ready' }))
    if (this.#held) thread.ref()
    else thread.unref()
  }

  #hear(worker: number, lane: Lane, message: FromWorker): void {
    if (this.#lanes.get(worker) !== lane) return
    if (message.do === 'report') this.events.onReport(worker, message)
    else if (message.do === 'ready') this.events.onReady(worker)
    else if (message.do === 'began') this.events.onBegan(worker, message.task, message.attempt)
    else this.events.onNamed(message.fn, message.name)
  }

  #end(worker: number, lane: Lane, why: Error): void {
    for (const served of lane.stores.values()) served.close()
    if (this.#lanes.get(worker) !== lane) return
    this.#lanes.delete(worker)
    this.events.onLost(worker, why)
  }

  /** Keeps the process alive while tasks are pending, and no longer. */
  hold(pending: boolean): void {
    this.#held = pending
    for (const { thread } of this.#lanes.values()) {
      if (pending) thread.ref()
      else thread.unref()
    }
  }

  storeIndex(store: Store): number {
    const at = this.#stores.indexOf(store)
    return at >= 0 ? at : this.#stores.push(store) - 1
  }

  send(worker: number, message: TasksMessage, definitions: (fn: number) => TaskDefinition): void {
    const lane = this.#lanes.get(worker)
    if (!lane) return
    const { rows, classes } = message
    for (let at = 0; at < rows.length; at += ROW) {
      if (!lane.fns.has(rows[at + 2]!)) this.#sendFn(lane, definitions(rows[at + 2]!))
      if (!lane.stores.has(rows[at + 3]!)) this.#sendStore(lane, rows[at + 3]!)
    }
    for (const id of classes ?? []) if (!lane.classes.has(id)) this.#sendClass(lane, id)
    lane.thread.postMessage(message satisfies ToWorker)
  }

  recall(worker: number, tasks: readonly number[], attempts: readonly number[], abort: boolean): void {
    this.#lanes.get(worker)?.thread.postMessage({ do: 'recall', tasks, attempts, abort } satisfies RecallMessage)
  }

  /** Whether a group of this worker is on its way into a store. */
  isCommitting(worker: number): boolean {
    return [...(this.#lanes.get(worker)?.stores.values() ?? [])].some((served) => served.committing > 0)
  }

  /** Ends a worker's thread whatever it does; `onLost` follows. What it has not yet committed never will be. */
  kill(worker: number): void {
    const lane = this.#lanes.get(worker)
    for (const served of lane?.stores.values() ?? []) served.close()
    void lane?.thread.terminate()
  }

  async close(): Promise<void> {
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    await Promise.all(lanes.map(({ thread }) => thread.terminate()))
  }

  #sendStore(lane: Lane, n: number): void {
    const { backend, ack } = this.#stores[n]!
    const { port1, port2 } = new MessageChannel()
    lane.stores.set(n, serveBackend(backend, port1))
    const { url } = backend
    const capabilities = { ...backend.capabilities, acks: [...backend.capabilities.acks] }
    const message: StoreMessage = { do: 'store', n, url, module: moduleFor(url), ack, capabilities, port: port2 }
    lane.thread.postMessage(message, [port2])
  }

  #sendFn(lane: Lane, definition: TaskDefinition): void {
    const { index, name, method, site, directions, target } = definition
    const place: FnPlace = { index, name, method, url: site?.url, line: site?.line ?? 0, column: site?.column ?? 0, directions, target }
    lane.thread.postMessage({ do: 'fns', fns: [place] } satisfies ToWorker)
    lane.fns.add(index)
  }

  #sendClass(lane: Lane, id: string): void {
    lane.classes.add(id)
    const ctor = findConstructor(id as ClassId)
    const url = ctor && classOf(ctor).url
    if (url) lane.thread.postMessage({ do: 'classes', classes: [{ id, url } satisfies ClassPlace] } satisfies ToWorker)
  }
}

/** Classes of persistent objects that a value names: workers import their modules first. */
export function classesIn(value: Carried, into: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  if (value.k === 'o') into.add(value.c)
  else for (const item of (value.k === 'a' ? value.e : value.f) ?? []) classesIn(item, into)
}
