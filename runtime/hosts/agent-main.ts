/**
 * Where an agent begins: a host's process. It owns the host's file, serves it to the others, and has tasks run on threads of its own;
 * no code of the user's runs on this one, so that a body that computes for minutes keeps nobody from the data.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type Server, Socket } from 'node:net'
import { createBackend } from 'insitu/backends/nvram'
import type { Backend } from '../../src/backend.js'
import { copyCalls, remoteBackend, type ServedBackend, serveBackend } from '../data/backend-port.js'
import { encodeError } from '../data/carry.js'
import { Frames } from '../data/frames.js'
import type { Port } from '../data/port.js'
import { type AnswerMessage, type InputLost, type Report, ROW, type TasksMessage } from '../engines/messages.js'
import { prepareWorker, takeWorker, warmSpare } from '../engines/spare-worker.js'
import type { StoreMessage } from '../engines/worker.js'
import type { WorkerLink } from '../engines/worker-link.js'
import { type Isolation, isolationWanted } from '../runtime-config.js'
import { dropCopy } from './copies.js'
import { farFile, fileCalls } from './host-file.js'
import { HostLink } from './host-link.js'
import { CATALOGUE_PORTS, type FromAgent, socketOf, type ToAgent } from './host-messages.js'
import { allHere, HostValues, holdsKept, type Kept, VALUES_PORT, ValuesOf } from './host-values.js'
import { type HostFile, HostsBackend } from './hosts-backend.js'
import { catalogueUrl, fileUrl } from './hosts-folder.js'

interface OpenStore {
  readonly folder: string
  readonly file: Backend
  readonly whole: HostsBackend
}

interface Slot {
  readonly link: WorkerLink
  /** What it has committed through this process. */
  readonly served: ServedBackend[]
}

const stream = new Socket({ fd: 3 })
const frames = new Frames(stream)
const control = frames.port(0)
control.ref()
// Without the program there is nothing to do, and nobody else to remove the sockets.
stream.on('error', () => {})
stream.on('close', () => {
  if (me.sockets) rmSync(me.sockets, { recursive: true, force: true })
  process.exit()
})
process.on('SIGINT', () => {}) // the program decides what it means

let me = { host: 0, count: 0, sockets: '', keeps: true }
let server: Server | undefined
let values: HostValues | undefined
const peers: HostLink[] = []
const stores = new Map<number, OpenStore | Promise<OpenStore>>()
const slots = new Map<number, Slot>()
/** Connections of others, and what is served on each. */
const callers = new Map<Frames, ServedBackend[]>()
let movedBytes = 0

const tell = (message: FromAgent): void => control.postMessage(message)

control.on('message', (message: ToAgent) => {
  switch (message.do) {
    case 'become':
      return become(message)
    case 'warm':
      return warmSpare({ modules: message.modules })
    case 'open':
      return void open(message.store, message.folder)
    case 'close':
      return void close(message.store)
    case 'start':
      return start(message.slot, message.isolation)
    case 'kill':
      return void kill(message.slot)
    case 'release':
      return values?.release(message.name)
    case 'bring':
      return void bring(message.value)
    case 'to':
      return pass(message.slot, message.message)
  }
})

// An agent in waiting has a worker in waiting.
prepareNext(isolationWanted())

function become({ host, count, sockets, keeps }: typeof me): void {
  me = { host, count, sockets, keeps }
  mkdirSync(sockets, { recursive: true, mode: 0o700 })
  rmSync(socketOf(sockets, host), { force: true }) // of the agent before
  server = createServer((socket) => welcome(socket))
  server.listen(socketOf(sockets, host))
  for (let peer = 0; peer < count; peer++) peers.push(new HostLink(`host-${peer + 1}`, socketOf(sockets, peer)))
  const others = peers.map((peer) => new ValuesOf(peer.port(VALUES_PORT), peer.host))
  values = new HostValues(host, others, onMoved)
}

function welcome(socket: Socket): void {
  const caller = new Frames(socket)
  callers.set(caller, [])
  socket.on('error', () => {})
  socket.on('close', () => {
    for (const served of callers.get(caller) ?? []) served.close()
    callers.delete(caller)
  })
  values!.serve(caller.port(VALUES_PORT))
  for (const [n, store] of stores) if (!(store instanceof Promise)) serveTo(caller, n, store)
}

/** Calls that came before the file was open have waited in the port. */
function serveTo(caller: Frames, n: number, { file, whole }: OpenStore): void {
  const copies = {
    takeCopy: (ref: Parameters<typeof dropCopy>[1]) => whole.takeCopy(ref),
    leaveCopy: (ref: Parameters<typeof dropCopy>[1]) => dropCopy(file, ref),
  }
  const served = serveBackend(file, caller.port(n), fileCalls(file, copies))
  callers.get(caller)?.push(served)
}

async function open(n: number, folder: string): Promise<void> {
  const opening = openStore(n, folder)
  stores.set(n, opening)
  try {
    const store = await opening
    stores.set(n, store)
    for (const caller of callers.keys()) serveTo(caller, n, store)
    tell({ do: 'opened', store: n })
  } catch (error) {
    stores.delete(n)
    tell({ do: 'refused', store: n, error: encodeError(error) })
  }
}

async function openStore(n: number, folder: string): Promise<OpenStore> {
  const file = createBackend(fileUrl(folder, me.host, me.count))
  await file.open()
  const { capabilities } = file
  const far = (host: number): HostFile => farFile(peers[host]!.port(n), { url: fileUrl(folder, host, me.count), capabilities })
  const catalogue = remoteBackend(frames.port(CATALOGUE_PORTS + n), {
    url: catalogueUrl(folder),
    capabilities,
    domain: (op) => file.domain(op),
  })
  const whole = new HostsBackend({
    url: `nvram:${folder}`,
    files: Array.from({ length: me.count }, (_, host) => (host === me.host ? file : far(host))),
    catalogue,
    own: me.host,
    haveAgents: true,
    onMoved,
  })
  return { folder, file, whole }
}

async function close(n: number): Promise<void> {
  const store = await stores.get(n)
  stores.delete(n)
  await store?.whole.close()
}

/** Told before whatever the bytes were for is told. */
function onMoved(bytes: number): void {
  if (movedBytes === 0) queueMicrotask(tellMoved)
  movedBytes += bytes
}

function tellMoved(): void {
  tell({ do: 'moved', bytes: movedBytes })
  movedBytes = 0
}

// ---- workers

function prepareNext(isolation: Isolation): void {
  prepareWorker(isolation, { url: 'nvram:' })
}

function start(slot: number, isolation: Isolation): void {
  const link = takeWorker(isolation)
  const one: Slot = { link, served: [] }
  slots.set(slot, one)
  link.hear({
    onMessage: (message) => tell({ do: 'from', slot, message: message.do === 'report' && me.keeps ? values!.keepOf(message) : message }),
    onEnd: (why) => {
      for (const served of one.served) served.close()
      slots.delete(slot)
      tell({ do: 'gone', slot, why: why.message, code: (why as NodeJS.ErrnoException).code })
      prepareNext(isolation)
    },
  })
  link.ref()
}

/** What has begun to commit is let be: it will have happened. */
async function kill(slot: number): Promise<void> {
  const one = slots.get(slot)
  if (!one) return
  while (one.served.some((served) => served.committing > 0)) await new Promise((resolve) => setTimeout(resolve, 1))
  for (const served of one.served) served.close()
  await one.link.kill()
}

function pass(slot: number, message: Extract<ToAgent, { do: 'to' }>['message']): void {
  const one = slots.get(slot)
  if (!one) return
  if (message.do === 'store') openFor(one, message)
  else if (message.do === 'answer' && message.outcome && holdsKept(message.outcome.result)) void passAnswer(one, message, message.outcome)
  else if (message.do === 'tasks' && message.args.some(holdsKept)) void passTasks(slot, one, message)
  else one.link.post(message)
}

async function bytesOf(kept: Kept, lost: Map<string, number>): Promise<Uint8Array> {
  try {
    return await values!.bytesOf(kept)
  } catch (error) {
    lost.set(kept.n, kept.h)
    throw error
  }
}

/** Each task is handed over when what it takes is here; of one that lacks a value the program is told. */
async function passTasks(slot: number, one: Slot, { rows, args, classes, keys, again, ...message }: TasksMessage): Promise<void> {
  let from = 0
  for (let at = 0; at < rows.length; at += ROW) {
    const row = Array.from(rows.slice(at, at + ROW))
    const own = args.slice(from, from + row[4]!)
    from += row[4]!
    const about = { ...(classes && { classes }), ...(keys && { keys: [keys[at / ROW]!] }), ...(again && { again: [again[at / ROW]] }) }
    const lost = new Map<string, number>()
    void Promise.allSettled(own.map((arg) => allHere(arg, (kept) => bytesOf(kept, lost)))).then((found) => {
      const here = found.flatMap((arg) => (arg.status === 'fulfilled' ? [arg.value] : []))
      const missing = found.find((arg) => arg.status === 'rejected')
      if (!missing) return one.link.post({ ...message, ...about, rows: row, args: here })
      tell({ do: 'from', slot, message: { ...NOTHING_TO_REPORT, lost: [lostBy(row, lost, missing.reason)] } })
    })
  }
}

/** What the task itself will ask for is here by then, or on its way: each value comes once. */
async function bring(kept: Kept): Promise<void> {
  const isHere = await values!.bytesOf(kept).then(
    () => true,
    () => false,
  )
  tell({ do: 'brought', name: kept.n, isHere })
}

async function passAnswer(one: Slot, message: AnswerMessage, outcome: NonNullable<AnswerMessage['outcome']>): Promise<void> {
  try {
    const result = await allHere(outcome.result, (kept) => values!.bytesOf(kept))
    one.link.post({ ...message, outcome: { ...outcome, result } })
  } catch (error) {
    one.link.post({ do: 'answer', call: message.call, error: encodeError(error) })
  }
}

const NOTHING_TO_REPORT: Report = {
  do: 'report',
  tasks: [],
  attempts: [],
  microseconds: [],
  results: [],
  ran: [],
  changedHome: [],
  more: [],
  failed: [],
  conflicted: [],
  returned: [],
}

const lostBy = ([task, attempt]: readonly number[], lost: ReadonlyMap<string, number>, error: unknown): InputLost => ({
  task: task!,
  attempt: attempt!,
  names: [...lost.keys()],
  hosts: [...lost.values()],
  error: encodeError(error),
})

/** A way to a store for a worker: this process's own, or past it to the program. */
function openFor(one: Slot, message: StoreMessage): void {
  const { near, far, moved } = one.link.open()
  const { hosts } = message
  if (hosts) void serveWhole(one, near, hosts.store)
  else bridge(near, frames.port(message.port as number))
  one.link.post({ ...message, port: far }, moved)
}

async function serveWhole(one: Slot, near: Port, n: number): Promise<void> {
  const store = await stores.get(n)
  if (store) one.served.push(serveBackend(store.whole, near, copyCalls(store.whole)))
}

function bridge(near: Port, far: Port): void {
  near.on('message', (message) => far.postMessage(message))
  far.on('message', (message) => near.postMessage(message))
}
