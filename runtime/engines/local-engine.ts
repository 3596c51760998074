/** Workers of this machine: threads of this process, or processes. Moves tasks and reports; decides nothing. */
import { classOf, findConstructor } from '../../src/classes/class-registry.js'
import type { ClassId } from '../../src/ids.js'
import { otherStores, whenClosed } from '../../src/open-stores.js'
import type { Store } from '../../src/store.js'
import { keptSecrets } from '../../src/url-secrets.js'
import { copyCalls, type ServedBackend, serveBackend } from '../data/backend-port.js'
import { moduleFor } from '../open-backend.js'
import type { NamedOffer } from '../tasks/needs.js'
import { rankOf, type TaskDefinition } from '../tasks/task.js'
import {
  type AnswerMessage,
  type CallMessage,
  type Carried,
  type FnPlace,
  type FromWorker,
  type NamedSite,
  type Report,
  ROW,
  type TasksMessage,
} from './messages.js'
import type { WorkerLink } from './worker-link.js'
import type { WorkerSource } from './worker-source.js'

export interface EngineEvents {
  onReady(worker: number): void
  onReport(worker: number, report: Report): void
  onBegan(worker: number, task: number, attempt: number): void
  onNamed(fn: number, name: string, others: readonly NamedSite[]): void
  onSlots(worker: number, slots: number): void
  onCall(worker: number, message: CallMessage): void
  onCancel(worker: number, call: number): void
  /** `thrown`: what it died of in encoded form, if it could tell. */
  onLost(worker: number, why: Error, thrown?: Uint8Array): void
}

interface Lane {
  readonly host: number
  readonly link: WorkerLink
  readonly stores: Map<number, ServedBackend>
  /** Served until the worker has closed its own of them. */
  readonly leaving: { readonly n: number; readonly served: ServedBackend }[]
  readonly fns: Set<number>
  readonly classes: Set<string>
}

export class LocalEngine {
  readonly #lanes = new Map<number, Lane>()
  readonly #stores: Store[] = []
  /** Modules of classes that workers told of. */
  readonly #classes = new Map<string, string>()
  /** Modules of the tasks that were sent. */
  readonly #modules = new Set<string>()
  #held = false
  readonly #unheard = whenClosed((store) => this.#forget(store))

  constructor(
    readonly runId: string,
    readonly events: EngineEvents,
    readonly source: WorkerSource,
    readonly workers: number,
    readonly offers: readonly NamedOffer[],
    readonly hosts = 1,
    /** Memory that the workers share with the driver, if they can. */
    readonly lanes?: SharedArrayBuffer | number,
  ) {}

  /** Starts the worker of an index. */
  start(worker: number, host = 0): void {
    const link = this.source.take(host)
    const lane: Lane = { host, link, stores: new Map(), leaving: [], fns: new Set(), classes: new Set() }
    this.#lanes.set(worker, lane)
    link.hear({
      onMessage: (message) => this.#hear(worker, lane, message),
      onEnd: (why, thrown) => this.#end(worker, lane, why, thrown),
    })
    link.post({ do: 'run', runId: this.runId, others: this.workers - 1, offers: this.offers, lanes: this.lanes })
    if (this.#held) link.ref()
    else link.unref()
  }

  /** Has a worker ready to stand in for one that is lost. */
  prepareSpare(): void {
    this.source.prepare({ url: this.#stores.at(-1)?.url, modules: [...this.#modules] })
  }

  #hear(worker: number, lane: Lane, message: FromWorker): void {
    if (this.#lanes.get(worker) !== lane) return
    if (message.do === 'report') this.events.onReport(worker, message)
    else if (message.do === 'ready') this.events.onReady(worker)
    else if (message.do === 'began') this.events.onBegan(worker, message.task, message.attempt)
    else if (message.do === 'named') this.events.onNamed(message.fn, message.name, message.others)
    else if (message.do === 'slots') this.events.onSlots(worker, message.slots)
    else if (message.do === 'call') {
      for (const { id, url } of message.classes) this.#classes.set(id, url)
      this.events.onCall(worker, message)
    } else if (message.do === 'cancel') this.events.onCancel(worker, message.call)
    else if (message.do === 'forgot') this.#forgotten(lane, message.n)
  }

  #end(worker: number, lane: Lane, why: Error, thrown?: Uint8Array): void {
    for (const served of servedTo(lane)) served.close()
    if (this.#lanes.get(worker) !== lane) return
    this.#lanes.delete(worker)
    this.events.onLost(worker, why, thrown)
  }

  /** Keeps the process alive while tasks are pending, and no longer. */
  hold(pending: boolean): void {
    this.#held = pending
    this.source.hold(pending)
    for (const { link } of this.#lanes.values()) {
      if (pending) link.ref()
      else link.unref()
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
    if (rows.length > 0) this.#sendOthers(lane, this.#stores[rows[3]!]!)
    for (const id of classes ?? []) if (!lane.classes.has(id)) this.#sendClass(lane, id)
    lane.link.post(message)
    for (let at = 0; at < rows.length; at += ROW) if (this.#stores[rows[at + 3]!]!.closed) this.#forgetIn(lane, rows[at + 3]!)
  }

  /** Workers close a store that the program has closed, once their tasks of it are over. */
  #forget(store: Store): void {
    const n = this.#stores.indexOf(store)
    if (n >= 0) for (const lane of this.#lanes.values()) this.#forgetIn(lane, n)
  }

  #forgetIn(lane: Lane, n: number): void {
    const served = lane.stores.get(n)
    if (!served) return
    lane.stores.delete(n)
    lane.leaving.push({ n, served })
    lane.link.post({ do: 'forget', n })
  }

  #forgotten(lane: Lane, n: number): void {
    const at = lane.leaving.findIndex((one) => one.n === n)
    if (at >= 0) lane.leaving.splice(at, 1)[0]!.served.close()
  }

  answer(worker: number, message: AnswerMessage): void {
    this.#lanes.get(worker)?.link.post(message)
  }

  recall(worker: number, tasks: readonly number[], attempts: readonly number[], abort: boolean, isLate = false): void {
    this.#lanes.get(worker)?.link.post({ do: 'recall', tasks, attempts, abort, isLate })
  }

  /** Whether a group of this worker is on its way into a store. */
  isCommitting(worker: number): boolean {
    const lane = this.#lanes.get(worker)
    return lane !== undefined && servedTo(lane).some((served) => served.committing > 0)
  }

  /** Ends a worker whatever it does; `onLost` follows. What it has not yet committed never will be. */
  kill(worker: number): void {
    const lane = this.#lanes.get(worker)
    for (const served of lane ? servedTo(lane) : []) served.close()
    void lane?.link.kill()
  }

  async close(): Promise<void> {
    this.#unheard()
    const lanes = [...this.#lanes.values()]
    this.#lanes.clear()
    const ending = lanes.map(async ({ link }) => {
      await link.drained()
      await link.kill()
    })
    await Promise.all([...ending, this.source.close()])
  }

  #sendStore(lane: Lane, n: number): void {
    const { backend: opened, ack } = this.#stores[n]!
    const backend = this.source.serves?.(opened) ?? opened
    const { url } = backend
    // What other hosts have is asked for through this process, which counts what moves.
    const reach = backend.places?.haveAgents ? 'instance' : backend.capabilities.reach
    const capabilities = { ...backend.capabilities, reach, acks: [...backend.capabilities.acks] }
    const about = { do: 'store', n, url, secrets: keptSecrets(url), module: moduleFor(url), ack, capabilities } as const
    const hosts = lane.link.reaches(backend)
    if (hosts) {
      lane.stores.set(n, ELSEWHERE)
      return lane.link.post({ ...about, port: undefined, hosts })
    }
    const { near, far, moved } = lane.link.open()
    lane.stores.set(n, serveBackend(backend, near, copyCalls(backend)))
    // As the driver has it: the host of a number is near those of a store whose number it is, in turns.
    const nearTo = (this.hosts > 1 && backend.places?.hosts.filter((_, at) => at % this.hosts === lane.host)) || []
    lane.link.post({ ...about, port: far, nearTo }, moved)
  }

  /** What a task of one store refers to may lie in another one of the program's. */
  #sendOthers(lane: Lane, than: Store): void {
    for (const other of otherStores(than)) {
      if ([...lane.stores.keys()].some((n) => this.#stores[n]!.url === other.url)) continue
      this.#sendStore(lane, this.storeIndex(other))
    }
  }

  #sendFn(lane: Lane, definition: TaskDefinition): void {
    const { index, name, method, site, directions, target } = definition
    const { url, line = 0, column = 0, nth = 0 } = site ?? {}
    const place: FnPlace = { index, name, method, url, line, column, nth, rank: rankOf(definition), directions, target }
    lane.link.post({ do: 'fns', fns: [place] })
    lane.fns.add(index)
    if (site) this.#modules.add(site.url)
  }

  #sendClass(lane: Lane, id: string): void {
    lane.classes.add(id)
    const ctor = findConstructor(id as ClassId)
    const url = (ctor && classOf(ctor).url) ?? this.#classes.get(id)
    if (url) lane.link.post({ do: 'classes', classes: [{ id, url }] })
  }
}

const servedTo = ({ stores, leaving }: Lane): readonly ServedBackend[] => [...stores.values(), ...leaving.map(({ served }) => served)]

/** Served by an agent, not here. */
const ELSEWHERE: ServedBackend = { committing: 0, close: () => {} }

/** Classes of persistent objects that a value names: workers import their modules first. */
export function classesIn(value: Carried, into: Set<string>): void {
  if (typeof value !== 'object' || value === null) return
  if (value.k === 'o') into.add(value.c)
  else if (value.k !== 'r') for (const item of (value.k === 'a' ? value.e : value.f) ?? []) classesIn(item, into)
}
