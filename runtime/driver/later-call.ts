import { TaskFailedError } from '../../src/errors.js'
import { someItem } from '../nested-lists.js'
import { isPromiseLike } from '../settled.js'
import { cancelledError } from '../tasks/cancelled-error.js'
import { type FutureSource, TaskFuture } from '../tasks/future.js'
import type { TaskDefinition } from '../tasks/task.js'
import { Taken } from './taken.js'
import { recordOf, type TaskRecord } from './task-record.js'

/** A call that enters the graph later: when the store is open, or the object is there whose method it calls. */
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
        this.#cause?.told?.()
        throw error
      },
    )
    return this.#promise
  }

  told(): void {
    this.seen = true
  }

  cancel(reason: unknown): void {
    if (this.record) return this.record.cancel(reason)
    this.#end('cancelled', cancelledError(this.name, reason))
  }

  describe(): string {
    return `${this.name}: ${this.record?.state ?? (this.state === 'waiting' ? 'waiting for its arguments' : this.state)}`
  }

  /** Why it is not in the graph. */
  explain(): string {
    if (this.state === 'waiting') return `${this.name} waits for the store to open, or for the object whose method is called.`
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

/** Whether an argument must be there before the call can enter the graph: without it nobody knows what is called, or whose place comes first. */
export function mustWait(definition: TaskDefinition, value: unknown, position: number): boolean {
  if (Array.isArray(value)) return someItem(value, (item) => mustWait(definition, item, -1))
  if (value instanceof Taken) return value.futures.some((future) => mustWait(definition, future, -1))
  if (position === 0 && definition.ofTarget) return isPromiseLike(value)
  return value instanceof TaskFuture && value.source instanceof LaterCall && !recordOf(value)
}

/** The arguments once all that must be there is. Volatile values were taken at the call, as they are for every other call. */
export async function whenThere(definition: TaskDefinition, given: readonly unknown[]): Promise<unknown[]> {
  for (const [i, value] of given.entries()) await inGraph(definition, value, i)
  const [target, ...rest] = given
  if (!definition.ofTarget || !isPromiseLike(target)) return [...given]
  return [await (target instanceof TaskFuture ? because(definition, target, target.source.promise()) : target), ...rest]
}

/** Waits until the futures in it are of the graph, if they are ever going to be. */
async function inGraph(definition: TaskDefinition, value: unknown, position: number): Promise<void> {
  if (!mustWait(definition, value, position)) return
  if (Array.isArray(value)) for (const item of value) await inGraph(definition, item, -1)
  const futures = value instanceof Taken ? value.futures : value instanceof TaskFuture ? [value] : []
  for (const future of futures) if (future.source instanceof LaterCall) await because(definition, future, future.source.entered)
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
