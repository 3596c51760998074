/** A worker, in a thread or a process: takes tasks in order, runs each as a unit of work, reports in batches. User code runs here and nowhere else. */
import type { Backend, Op } from '../../src/backend.js'
import { registerExported } from '../../src/classes/class-registry.js'
import { UnavailableError } from '../../src/errors.js'
import type { ClassId, Host } from '../../src/ids.js'
import { Store } from '../../src/store.js'
import { setDefaultOpener } from '../../src/unit/context.js'
import { keepSecrets } from '../../src/url-secrets.js'
import { runsInWorker } from '../current-runtime.js'
import { decodeAnyError, remoteBackend } from '../data/backend-port.js'
import type { Port } from '../data/port.js'
import { besideAgent } from '../hosts/beside-agent.js'
import { domainOf, HOSTS_LEASE_MS, placesOf } from '../hosts/host-places.js'
import { fileUrl } from '../hosts/hosts-folder.js'
import { importModule } from '../import-module.js'
import { makeBackend } from '../open-backend.js'
import { isPromiseLike } from '../settled.js'
import { learnOffers } from '../tasks/needs.js'
import { Others } from './elsewhere.js'
import { FILE_IN_WORKER, FileSlots } from './file-slots.js'
import { type LaneSlots, ThreadSlots } from './lane-slots.js'
import {
  type FnPlace,
  type FromWorker,
  type RecallMessage,
  ROW,
  type TasksMessage,
  type ToWorker,
  WAIT,
  type WarmMessage,
} from './messages.js'
import { Queued } from './queued.js'
import { ReportBox } from './report-box.js'
import { TaskLane } from './task-lane.js'
import { closeUnused } from './unused-stores.js'

export interface StoreMessage {
  readonly do: 'store'
  readonly n: number
  readonly url: string
  /** What its url lacks: see src/url-secrets.ts. */
  readonly secrets?: string | undefined
  /** The module that makes it, where it is not one of ours. */
  readonly module: string | undefined
  readonly ack: string
  readonly capabilities: Backend['capabilities']
  /** The way to whoever commits for it: a MessagePort, or the number of a port between processes. */
  readonly port: unknown
  /** Hosts of a store on the network that this worker is near. */
  readonly nearTo?: readonly Host[]
  /** Of a store of several hosts: where this worker is. */
  readonly hosts?: { readonly store: number; readonly folder: string; readonly host: number; readonly count: number } | undefined
}

let parent: Port
let portOf: (port: unknown) => Port
let runId = ''
const stores = new Map<number, Store | Promise<Store>>()
const places = new Map<number, FnPlace>()
const classModules = new Map<string, string>()
const imported = new Map<string, Promise<object>>()
const box = new ReportBox((report, moved) => parent.postMessage(report, moved))
const others = new Others(
  (message) => parent.postMessage(message),
  ({ error }) => decodeAnyError(error!),
)
const lane = new TaskLane(box, (message) => parent.postMessage(message), others)

function hear(message: ToWorker | StoreMessage): void {
  switch (message.do) {
    case 'store':
      return takeStore(message)
    case 'forget':
      return forgetStore(message.n)
    case 'run':
      runId = message.runId
      others.count = message.others
      learnOffers(() => message.offers)
      if (message.lanes !== undefined) lane.share(slotsOf(message.lanes))
      return
    case 'answer':
      return others.answer(message)
    case 'warm':
      return warm(message)
    case 'drain':
      return drain()
    case 'fns':
      for (const place of message.fns) places.set(place.index, place)
      return
    case 'classes':
      for (const { id, url } of message.classes) classModules.set(id, url)
      return
    case 'tasks':
      return takeTasks(message)
    case 'recall':
      return recall(message)
  }
}

const slotsOf = (shared: SharedArrayBuffer | number): LaneSlots =>
  typeof shared === 'number' ? new FileSlots(FILE_IN_WORKER, shared) : new ThreadSlots(shared)

/** What a thread prints goes through the process's own thread, a piece at a time: each is confirmed before the next one leaves. */
function drain(): void {
  process.stdout.write('', () => process.stderr.write('', () => parent.postMessage({ do: 'drained' } satisfies FromWorker)))
}

/** Loads what will be needed; the store itself comes with the first task, and so does word of what fails to load. */
function warm({ url, modules = [] }: WarmMessage): void {
  if (url !== undefined) void makeBackend(url).catch(() => {})
  for (const module of modules) void importModule(module).catch(() => {})
}

function takeStore(message: StoreMessage): void {
  const opening = openStore(message)
  stores.set(message.n, opening)
  opening.then(
    (store) => stores.set(message.n, store),
    () => {}, // the tasks that need it tell
  )
}

/** The program has closed it. */
function forgetStore(n: number): void {
  const store = stores.get(n)
  stores.delete(n)
  if (store) void closeUnused(store, lane).finally(() => parent.postMessage({ do: 'forgot', n } satisfies FromWorker))
}

async function openStore({ url, secrets, module, ack, capabilities, port, hosts, nearTo = [] }: StoreMessage): Promise<Store> {
  if (secrets !== undefined) keepSecrets(url, secrets)
  if (hosts) return openOnHost(hosts, url, capabilities, ack, portOf(port))
  const made = await makeBackend(url, module)
  const isHere = capabilities.reach !== 'instance'
  if (isHere) await made.open()
  made.replicas?.near?.(nearTo)
  // Which domain an op lies in is the same everywhere, also where the data are not.
  const about = { url, capabilities, domain: (op: Op) => made.domain(op), ...(made.places && { places: made.places }) }
  const far = remoteBackend(portOf(port), about, isHere ? made : undefined)
  return new Store(far, { ack: ack as 'committed', ...(isHere && made.capabilities.flushesOthers && { direct: made }) })
}

/** The file of this worker's own host is read here; the agent does the rest. */
async function openOnHost(
  { folder, host, count }: NonNullable<StoreMessage['hosts']>,
  url: string,
  capabilities: Backend['capabilities'],
  ack: string,
  port: Port,
): Promise<Store> {
  const file = await makeBackend(fileUrl(folder, host, count))
  await file.open()
  const agent = remoteBackend(port, {
    url,
    capabilities,
    domain: (op) => domainOf(op, count),
    places: placesOf(count, host, { haveAgents: true }),
  })
  return new Store(besideAgent(agent, file, host, count), { ack: ack as 'committed', leaseMs: HOSTS_LEASE_MS })
}

function takeTasks({ rows, args, waits = [], classes, keys, again }: TasksMessage): void {
  const ready = bothOf(classes && knowClasses(classes), storesToCome())
  let from = 0
  let wait = 0
  for (let at = 0; at < rows.length; at += ROW) {
    const count = rows[at + 4]!
    const task = rows[at]!
    const key = keys === undefined ? runId : { key: keys[at / ROW]! }
    const place = places.get(rows[at + 2]!)!
    const store = stores.get(rows[at + 3]!)!
    const own = count === 1 ? [args[from]] : args.slice(from, from + count)
    const isTimed = rows[at + 5] === 1
    const queued = new Queued(task, rows[at + 1]!, place, store, own, key, again?.[at / ROW], isTimed, ready, rows[at + 6], rows[at + 7])
    for (; waits[wait] === at / ROW; wait += WAIT) {
      queued.waits ??= []
      queued.waits.push(waits[wait + 1]!, waits[wait + 2]!, waits[wait + 3]!)
    }
    lane.push(queued)
    from += count
  }
  lane.pump()
}

/** A body may follow a reference into any store of the program: none is still being opened when it begins. */
function storesToCome(): Promise<unknown> | undefined {
  const opening: Promise<unknown>[] = []
  // One that cannot be opened is told of by the tasks that need it.
  if (stores.size > 1) for (const store of stores.values()) if (isPromiseLike(store)) opening.push(Promise.resolve(store).catch(() => {}))
  return opening.length === 0 ? undefined : Promise.all(opening)
}

const bothOf = (a: Promise<unknown> | undefined, b: Promise<unknown> | undefined): Promise<unknown> | undefined =>
  a && b ? Promise.all([a, b]) : (a ?? b)

/** Imports the modules of the argument classes, from the program's own list. */
function knowClasses(ids: readonly string[]): Promise<unknown> | undefined {
  const waits: Promise<unknown>[] = []
  for (const id of ids) {
    const url = classModules.get(id)
    if (url === undefined || url === KNOWN) continue
    const loading = imported.get(url) ?? importModule(url)
    imported.set(url, loading)
    waits.push(
      loading.then((module) => {
        registerExported(id as ClassId, module, url)
        classModules.set(id, KNOWN)
      }),
    )
  }
  if (waits.length === 0) return undefined
  const all = Promise.all(waits)
  all.catch(() => {}) // the tasks that need them tell
  return all
}
const KNOWN = ''

function recall({ tasks, attempts, abort, isLate }: RecallMessage): void {
  tasks.forEach((task, i) => {
    if (lane.take(task, attempts[i]!)) box.returned(task, attempts[i]!)
    else if (abort) lane.abort(task, attempts[i]!, isLate)
  })
  box.send()
}

/** A rejection that a body forgot to await must not take the other tasks of this worker with it; the body's own result stands. */
function tellUnhandled(reason: unknown): void {
  process.emitWarning(
    `a promise that a task did not await was rejected: ${reason instanceof Error ? reason.stack : String(reason)}`,
    'InsituWarning',
  )
}

/** Begins to take tasks from `way`. `toPort` gives the port that a message names. */
export function startWorker(way: Port, toPort: (port: unknown) => Port): void {
  parent = way
  portOf = toPort
  runsInWorker()
  setDefaultOpener(() =>
    Promise.reject(new UnavailableError('objects are reached inside tasks: this code of a worker runs outside of one')),
  )
  process.on('unhandledRejection', tellUnhandled)
  parent.on('message', hear)
  parent.postMessage({ do: 'ready' } satisfies FromWorker)
}
