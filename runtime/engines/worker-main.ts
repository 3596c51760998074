/** A worker thread: takes tasks in order, runs each as a unit of work, reports in batches. User code runs here and nowhere else. */
import { type MessagePort, parentPort } from 'node:worker_threads'
import type { Backend, Op } from '../../src/backend.js'
import { ConflictError, isInsituError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import type { StorageObject } from '../../src/objects/storage-object.js'
import { Store } from '../../src/store.js'
import { setDefaultOpener } from '../../src/unit/context.js'
import { runAttempt } from '../attempt.js'
import { remoteBackend } from '../data/backend-port.js'
import { encodeError } from '../data/carry.js'
import { importModule } from '../import-module.js'
import { makeBackend } from '../open-backend.js'
import type { Direction } from '../tasks/directions.js'
import { definitionOfTask, taskAt } from '../tasks/task.js'
import type { FnPlace, FromWorker, Report, TaskBad, TaskDone, TaskMessage, ToWorker } from './messages.js'

export interface StoreMessage {
  readonly do: 'store'
  readonly n: number
  readonly url: string
  readonly ack: string
  readonly capabilities: Backend['capabilities']
  readonly port: MessagePort
}

const parent = parentPort!
const stores = new Map<number, Promise<Store>>()
const places = new Map<number, FnPlace>()
const bodies = new Map<number, Promise<(args: unknown[]) => unknown>>()
const queue: TaskMessage[] = []
const classModules = new Map<string, string>()
let running = false

parent.on('message', (message: ToWorker | StoreMessage) => {
  switch (message.do) {
    case 'store':
      stores.set(message.n, openStore(message))
      return
    case 'fns':
      for (const place of message.fns) places.set(place.index, place)
      return
    case 'classes':
      for (const { id, url } of message.classes) classModules.set(id, url)
      return
    case 'tasks':
      queue.push(...message.tasks)
      void pump()
      return
    case 'recall':
      recall(message.tasks, message.attempts)
      return
    case 'stop':
      parent.close()
  }
})

setDefaultOpener(() => Promise.reject(new UnavailableError('objects are reached inside tasks: this code of a worker runs outside of one')))

async function openStore({ url, ack, capabilities, port }: StoreMessage): Promise<Store> {
  const made = await makeBackend(url)
  const isHere = capabilities.reach !== 'instance'
  if (isHere) await made.open()
  // Which domain an op lies in is the same everywhere, also where the data are not.
  const about = { url, capabilities, domain: (op: Op) => made.domain(op) }
  return new Store(remoteBackend(port, about, isHere ? made : undefined), { ack: ack as 'committed' })
}

// ---- running

async function pump(): Promise<void> {
  if (running) return
  running = true
  try {
    for (let task = queue.shift(); task; task = queue.shift()) await runOne(task)
  } finally {
    running = false
    send()
  }
}

async function runOne(task: TaskMessage): Promise<void> {
  const place = places.get(task.fn)!
  const began = performance.now()
  try {
    const store = await stores.get(task.store)!
    await knowClasses(task)
    const body = await (bodies.get(task.fn) ?? resolveBody(place, task))
    const call = {
      key: task.key,
      name: place.name,
      directions: place.directions as readonly Direction[],
      isMethod: place.method !== undefined,
      target: place.target as Direction,
      args: task.args,
    }
    const outcome = await runAttempt(store, call, body)
    report.done.push({ task: task.task, attempt: task.attempt, micros: (performance.now() - began) * 1000, ...outcome })
  } catch (error) {
    reportError(task, error)
  }
  if (++unsent >= 64 || performance.now() - sentAt > 2) send()
}

function reportError(task: TaskMessage, error: unknown): void {
  if (error instanceof ConflictError && error.retryable) report.conflicted.push([task.task, task.attempt])
  else
    report.failed.push({
      task: task.task,
      attempt: task.attempt,
      error: encodeError(error),
      retryable: !(isInsituError(error) && !error.retryable && error.code !== 'ERR_UNAVAILABLE'),
    })
}

// ---- finding the function

function resolveBody(place: FnPlace, task: TaskMessage): Promise<(args: unknown[]) => unknown> {
  const found = place.method === undefined ? functionBody(place) : Promise.resolve(methodBody(place.method))
  bodies.set(place.index, found)
  found.catch(() => bodies.delete(task.fn))
  return found
}

async function functionBody(place: FnPlace): Promise<(args: unknown[]) => unknown> {
  if (place.url === undefined)
    throw new UnsupportedError(`the module of task ${place.name} is not known: define tasks in modules, not in eval or the console`)
  const module = await importTaskModule(place)
  const made = taskAt({ url: place.url, line: place.line, column: place.column })
  const name = made && exportName(module, made)
  if (!made || name === undefined) throw notExported(place)
  parent.postMessage({ do: 'named', fn: place.index, name } satisfies FromWorker)
  const { body } = definitionOfTask(made)!
  return (args) => body(...args)
}

async function importTaskModule(place: FnPlace): Promise<object> {
  try {
    return await importModule(place.url!)
  } catch (cause) {
    throw new ValidationError(`the module ${place.url} of task ${place.name} failed to load in a worker: ${(cause as Error).message}`, {
      code: 'ERR_TASK_MODULE',
      cause,
      url: place.url,
    })
  }
}

function notExported(place: FnPlace): Error {
  return new ValidationError(
    `task ${place.name} (${place.url}:${place.line}:${place.column}) is not exported, so workers cannot find it: write \`export const ${place.name} = task(...)\` at the top level of its module`,
    { code: 'ERR_TASK_NOT_EXPORTED', url: place.url, line: place.line },
  )
}

/** The export, or `group.export` of an exported plain object, that holds the task. */
function exportName(module: object, task: object): string | undefined {
  for (const [name, value] of Object.entries(module)) {
    if (value === task) return name
    if (typeof value !== 'object' || value === null) continue
    for (const [inner, member] of Object.entries(value)) if (member === task) return `${name}.${inner}`
  }
  return undefined
}

function methodBody(method: string): (args: unknown[]) => unknown {
  return ([target, ...args]) => {
    const fn = (target as StorageObject & Record<string, unknown>)[method]
    if (typeof fn !== 'function')
      throw new ValidationError(`${(target as object).constructor.name} has no method ${method}`, { code: 'ERR_NO_METHOD', method })
    return (definitionOfTask(fn)?.body ?? fn).apply(target, args)
  }
}

/** Imports the modules of the argument classes, from the program's own list. */
async function knowClasses(task: TaskMessage): Promise<void> {
  for (const id of task.classes ?? []) {
    const url = classModules.get(id)
    if (url !== undefined && !imported.has(url)) {
      imported.add(url)
      await importModule(url)
    }
  }
}
const imported = new Set<string>()

// ---- reporting

let report = emptyReport()
let unsent = 0
let sentAt = performance.now()

function emptyReport(): Report & { done: TaskDone[]; failed: TaskBad[]; conflicted: [number, number][]; returned: [number, number][] } {
  return { do: 'report', done: [], failed: [], conflicted: [], returned: [] }
}

function send(): void {
  sentAt = performance.now()
  unsent = 0
  if (report.done.length + report.failed.length + report.conflicted.length + report.returned.length === 0) return
  parent.postMessage(report)
  report = emptyReport()
}

function recall(tasks: readonly number[], attempts: readonly number[]): void {
  tasks.forEach((task, i) => {
    const at = queue.findIndex((q) => q.task === task && q.attempt === attempts[i])
    if (at < 0) return
    queue.splice(at, 1)
    report.returned.push([task, attempts[i]!])
  })
  send()
}

process.on('unhandledRejection', () => {
  // A rejection that a body forgot to await must not take the other tasks of this thread with it; the body's own result stands.
})

parent.postMessage({ do: 'ready' } satisfies FromWorker)
