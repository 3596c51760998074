import { TaskFailedError } from '../../src/errors.js'
import { isPromiseLike } from '../current-runtime.js'
import { isWriting } from '../tasks/directions.js'
import { type FutureSource, TaskFuture } from '../tasks/future.js'
import type { TaskDefinition } from '../tasks/task.js'
import { directionOf } from './capture.js'
import { Taken } from './taken.js'
import { recordOf, type TaskRecord } from './task-record.js'

/** A call that waits for promises from outside the graph, or for the store to open, before it enters the graph. */
export class LaterCall implements FutureSource<unknown> {
  record: TaskRecord | undefined
  seen = false
  error: unknown
  state: 'waiting' | 'entered' | 'failed' | 'cancelled' = 'waiting'
  /** The failed call because of which this one was not run: the barrier tells that one. */
  #cause: FutureSource<unknown> | undefined
  /** Made only where somebody waits: there may be a million of these calls. */
  #entered: Promise<TaskRecord> | undefined
  #settled: (() => void) | undefined
  #promise: Promise<unknown> | undefined

  constructor(
    readonly name: string,
    /** Told once, when it is in the graph or never will be. */
    readonly over: (call: LaterCall) => void,
  ) {}

  /** When it is in the graph; rejects if it never will be. */
  get entered(): Promise<TaskRecord> {
    if (this.#entered) return this.#entered
    const over = this.state === 'waiting' ? new Promise<void>((resolve) => (this.#settled = resolve)) : Promise.resolve()
    this.#entered = over.then(() => {
      if (this.record) return this.record
      throw this.error
    })
    this.#entered.catch(() => {})
    return this.#entered
  }

  /** Takes it into the graph, now; what `enter` throws is its failure. */
  enter(enter: () => TaskRecord): void {
    if (this.state !== 'waiting') return
    try {
      this.record = enter()
    } catch (error) {
      return this.refuse(error)
    }
    this.state = 'entered'
    this.over(this)
    this.#settled?.()
  }

  refuse(error: unknown): void {
    if (!(error instanceof NotRun)) return this.#end('failed', error)
    this.#cause = error.failed
    this.#end('cancelled', error.error)
  }

  #end(state: 'failed' | 'cancelled', error: unknown): void {
    if (this.state !== 'waiting') return
    this.state = state
    this.error = error
    this.over(this)
    this.#settled?.()
  }

  promise(): Promise<any> {
    this.seen = true
    this.#promise ??= this.entered.then(
      (record) => record.promise(),
      (error: unknown) => {
        if (this.#cause instanceof LaterCall) this.#cause.seen = true
        throw error
      },
    )
    return this.#promise
  }

  cancel(reason: unknown): void {
    if (this.record) return this.record.cancel(reason)
    const cause = reason === undefined ? {} : { cause: reason }
    const message = `task ${this.name} failed: cancelled on request`
    this.#end('cancelled', new TaskFailedError(message, { task: this.name, code: 'ERR_TASK_CANCELLED', ...cause }))
  }

  describe(): string {
    return `${this.name}: ${this.record?.state ?? (this.state === 'waiting' ? 'waiting for its arguments' : this.state)}`
  }

  /** Why it is not in the graph. */
  explain(): string {
    if (this.state === 'waiting') return `${this.name} waits for the store to open, or for promises among its arguments that no task makes.`
    return `${this.name} was not run: ${this.error instanceof Error ? this.error.message : String(this.error)}`
  }
}

/** A call that is not run since another one failed. */
class NotRun {
  constructor(
    readonly error: Error,
    readonly failed: FutureSource<unknown>,
  ) {}
}

/** Whether an argument must be there before the call can enter the graph. */
export function mustWait(definition: TaskDefinition, value: unknown, position: number): boolean {
  if (Array.isArray(value)) return value.some((item) => mustWait(definition, item, position))
  if (value instanceof Taken) return value.futures.some((future) => !recordOf(future))
  if (!isPromiseLike(value)) return false
  return !recordOf(value) || isValueWanted(definition, position)
}

/** A future that is written, or whose method is called, must be over: what it gives decides what the call waits for. */
const isValueWanted = (definition: TaskDefinition, position: number): boolean =>
  isWriting(directionOf({ definition }, position)) || (definition.method !== undefined && position === 0)

/** The arguments once all that must be there is. Volatile values were taken at the call, as they are for every other call. */
export async function whenThere(definition: TaskDefinition, given: readonly unknown[]): Promise<unknown[]> {
  return (await Promise.all(given.map((value, i) => settledWhereDue(definition, value, i)))).map(unkept)
}

async function settledWhereDue(definition: TaskDefinition, value: unknown, position: number): Promise<unknown> {
  if (!mustWait(definition, value, position)) return new Kept(value)
  if (Array.isArray(value)) return Promise.all(value.map((item) => settledWhereDue(definition, item, position)))
  if (value instanceof Taken) {
    for (const future of value.futures) await inGraph(definition, future)
    return new Kept(value)
  }
  if (!(value instanceof TaskFuture)) return value
  if (!isValueWanted(definition, position) && (await inGraph(definition, value))) return new Kept(value)
  return because(definition, value, value.source.promise())
}

/** Waits until a future is one of the graph, if it is ever going to be. */
async function inGraph(definition: TaskDefinition, future: TaskFuture<unknown>): Promise<boolean> {
  if (future.source instanceof LaterCall) await because(definition, future, future.source.entered)
  return recordOf(future) !== undefined
}

async function because<T>(definition: TaskDefinition, { source }: TaskFuture<unknown>, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const { name } = definition
    const failed = source.describe().split(':')[0]
    throw new NotRun(new TaskFailedError(`task ${name} was not run: ${failed} failed`, { cause, task: name }), source)
  }
}

/** Keeps a future of the graph from being awaited on its way through promises. */
class Kept {
  constructor(readonly value: unknown) {}
}

const unkept = (value: unknown): unknown => {
  if (value instanceof Kept) return value.value
  return Array.isArray(value) && value.some((item) => item instanceof Kept || Array.isArray(item)) ? value.map(unkept) : value
}
