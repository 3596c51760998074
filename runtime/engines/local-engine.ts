/** Worker threads of this process. Moves tasks and reports; decides nothing. */
import { MessageChannel, Worker } from 'node:worker_threads'
import { classOf, findConstructor } from '../../src/classes/class-registry.js'
import type { ClassId } from '../../src/ids.js'
import type { Store } from '../../src/store.js'
import { serveBackend } from '../data/backend-port.js'
import type { TaskDefinition } from '../tasks/task.js'
import type { Carried, ClassPlace, FnPlace, FromWorker, Report, TaskMessage, ToWorker } from './messages.js'
import type { StoreMessage } from './worker-main.js'

export interface EngineEvents {
  onReady(worker: number): void
  onReport(worker: number, report: Report): void
  onNamed(fn: number, name: string): void
  onLost(worker: number): void
}

interface Lane {
  readonly thread: Worker
  readonly stores: Set<number>
  readonly fns: Set<number>
  readonly classes: Set<string>
}

export class LocalEngine {
  readonly #lanes = new Map<number, Lane>()
  readonly #stores: Store[] = []

  constructor(readonly events: EngineEvents) {}

  /** Starts the thread of a worker index. */
  start(worker: number): void {
    const thread = new Worker(new URL('./worker-main.js', import.meta.url), { execArgv: [], stdout: false, stderr: false })
    this.#lanes.set(worker, { thread, stores: new Set(), fns: new Set(), classes: new Set() })
    thread.on('message', (message: FromWorker) => {
      if (message.do === 'report') this.events.onReport(worker, message)
      else if (message.do === 'ready') this.events.onReady(worker)
      else this.events.onNamed(message.fn, message.name)
    })
    thread.on('error', () => {}) // followed by 'exit'
    thread.on('exit', () => {
      if (this.#lanes.get(worker)?.thread !== thread) return
      this.#lanes.delete(worker)
      this.events.onLost(worker)
    })
    thread.unref()
  }

  /** Keeps the process alive while tasks are pending, and no longer. */
  hold(pending: boolean): void {
    for (const { thread } of this.#lanes.values()) {
      if (pending) thread.ref()
      else thread.unref()
    }
  }

  storeIndex(store: Store): number {
    const at = this.#stores.indexOf(store)
    return at >= 0 ? at : this.#stores.push(store) - 1
  }

  send(worker: number, tasks: readonly TaskMessage[], definitions: (fn: number) => TaskDefinition): void {
    const lane = this.#lanes.get(worker)
    if (!lane) return
    for (const task of tasks) {
      if (!lane.stores.has(task.store)) this.#sendStore(lane, task.store)
      if (!lane.fns.has(task.fn)) this.#sendFn(lane, definitions(task.fn))
      for (const id of task.classes ?? []) if (!lane.classes.has(id)) this.#sendClass(lane, id)
    }
    lane.thread.postMessage({ do: 'tasks', tasks } satisfies ToWorker)
  }

  recall(worker: number, tasks: readonly number[], attempts: readonly number[], abort: boolean): void {
    this.#lanes.get(worker)?.thread.postMessage({ do: 'recall', tasks, attempts, abort } satisfies ToWorker)
  }

  /** Ends a worker's thread whatever it does; `onLost` follows. */
  kill(worker: number): void {
    void this.#lanes.get(worker)?.thread.terminate()
  }

  async close(): Promise<void> {
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    await Promise.all(lanes.map(({ thread }) => thread.terminate()))
  }

  #sendStore(lane: Lane, n: number): void {
    const { backend, ack } = this.#stores[n]!
    const { port1, port2 } = new MessageChannel()
    serveBackend(backend, port1)
    const { acks, groupBytesMax, cellBytesMax, orderedScan, receiptsKeptMs, reach } = backend.capabilities
    const capabilities = { acks: [...acks], groupBytesMax, cellBytesMax, orderedScan, receiptsKeptMs, reach }
    lane.thread.postMessage({ do: 'store', n, url: backend.url, ack, capabilities, port: port2 } satisfies StoreMessage, [port2])
    lane.stores.add(n)
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

/** Classes of persistent objects among arguments: workers import their modules first. */
export function classesIn(args: readonly Carried[], into = new Set<string>()): Set<string> {
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null) continue
    if (arg.k === 'o') into.add(arg.c)
    else if (arg.k === 'a') classesIn(arg.e, into)
  }
  return into
}
