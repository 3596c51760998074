import { TaskFailedError } from '../../src/errors.js'
import { isPromiseLike } from '../current-runtime.js'
import { isWriting } from '../tasks/directions.js'
import { type FutureSource, TaskFuture } from '../tasks/future.js'
import type { TaskDefinition } from '../tasks/task.js'
import { directionOf } from './capture.js'
import { recordOf, TaskRecord } from './task-record.js'

/** A call that waits for promises from outside the graph, or for the store to open, before it enters the graph. */
export class LaterCall implements FutureSource<unknown> {
  record: TaskRecord | undefined
  seen = false
  error: unknown
  #cancelled: { readonly reason: unknown } | undefined
  #promise: Promise<unknown> | undefined

  constructor(
    readonly entered: Promise<TaskRecord>,
    readonly name: string,
  ) {
    entered.then(
      (record) => {
        this.record = record
        if (this.#cancelled) record.cancel(this.#cancelled.reason)
      },
      (error: unknown) => {
        this.error = error
      },
    )
  }

  promise(): Promise<any> {
    this.seen = true
    this.#promise ??= this.entered.then((record) => record.promise())
    return this.#promise
  }

  cancel(reason: unknown): void {
    this.#cancelled = { reason }
    this.record?.cancel(reason)
  }

  describe(): string {
    return `${this.name}: ${this.record?.state ?? 'waiting for its arguments'}`
  }
}

/** Whether an argument must be there before the call can enter the graph. */
export function mustWait(definition: TaskDefinition, value: unknown, position: number): boolean {
  if (Array.isArray(value)) return value.some((item) => mustWait(definition, item, position))
  if (!isPromiseLike(value)) return false
  return !recordOf(value) || isWriting(directionOf({ definition }, position)) || (definition.method !== undefined && position === 0)
}

/** Makes of an argument what it is at the call. */
type Keep = (value: unknown, position: number) => unknown

/** The arguments once all that must be there is. `keep` takes the others at the call, as those of every other call are. */
export function whenThere(definition: TaskDefinition, given: readonly unknown[], keep: Keep): Promise<unknown[]> {
  return Promise.all(given.map((value, i) => settledWhereDue(definition, value, i, keep)))
}

async function settledWhereDue(definition: TaskDefinition, value: unknown, position: number, keep: Keep): Promise<unknown> {
  if (!mustWait(definition, value, position)) return new Kept(keep(value, position))
  if (Array.isArray(value)) return Promise.all(value.map((item) => settledWhereDue(definition, item, position, keep)))
  return value instanceof TaskFuture ? value.catch((cause: unknown) => notRun(definition, value, cause)) : value
}

/** A call of what failed is told as one that the graph cancels. */
function notRun({ name }: TaskDefinition, { source }: TaskFuture<unknown>, cause: unknown): never {
  const failed = source instanceof LaterCall || source instanceof TaskRecord ? source.name : 'what it takes'
  throw new TaskFailedError(`task ${name} was not run: ${failed} failed`, { task: name, cause })
}

/** Keeps a future of the graph from being awaited on its way through promises. */
class Kept {
  constructor(readonly value: unknown) {}
}

export const unkept = (value: unknown): unknown => {
  if (value instanceof Kept) return value.value
  return Array.isArray(value) && value.some((item) => item instanceof Kept || Array.isArray(item)) ? value.map(unkept) : value
}
