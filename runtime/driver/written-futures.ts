import { isPromiseLike } from '../current-runtime.js'
import { isWriting } from '../tasks/directions.js'
import { type FutureSource, TaskFuture } from '../tasks/future.js'
import type { TaskDefinition } from '../tasks/task.js'
import { directionOf } from './capture.js'
import { Version, Writer } from './future-version.js'

/** Futures that calls write: who takes one afterwards takes what the last of these calls makes of it, as it is with values. */
export class WrittenFutures {
  readonly #writers = new WeakMap<object, Writer>()
  /** Most programs write none. */
  #any = false

  /** What a call is given by a value that may be, or hold in lists, a future that others write. */
  current(value: unknown): unknown {
    if (!this.#any || typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) {
      const items = value.map((item) => this.current(item))
      return items.some((item, i) => item !== value[i]) ? items : value
    }
    const writer = this.#writerOf(value)
    return writer ? new TaskFuture(new Version(value as PromiseLike<unknown>, writer)) : value
  }

  /** The last call that writes it. */
  writerOf(value: object): FutureSource<unknown> | undefined {
    return this.#writerOf(value)?.call
  }

  #writerOf(value: unknown): Writer | undefined {
    return this.#any && isPromiseLike(value) ? this.#writers.get(keyOf(value)) : undefined
  }

  /** A call was given `values`: those futures among them that it writes are its to make from now on. */
  note(definition: TaskDefinition, values: readonly unknown[], call: FutureSource<unknown>): void {
    if (!this.#any && !mayWrite(definition)) return
    values.forEach((value, i) => {
      if (isPromiseLike(value) && writes(definition, i)) this.#noteWritten(value, call)
      else this.#noteRead(value, call)
    })
  }

  #noteWritten(value: PromiseLike<unknown>, call: FutureSource<unknown>): void {
    this.#any = true
    this.#writers.set(keyOf(value), new Writer(call))
  }

  #noteRead(value: unknown, call: FutureSource<unknown>): void {
    if (Array.isArray(value)) for (const item of value) this.#noteRead(item, call)
    else this.#writerOf(value)?.readBy(call)
  }
}

const keyOf = (value: PromiseLike<unknown>): object => (value instanceof TaskFuture ? value.source : value)

/** What a method does with an object is not known before the object is. */
const writes = (definition: TaskDefinition, position: number): boolean =>
  definition.ofTarget && position === 0 ? true : isWriting(directionOf({ definition }, position))

const mayWrite = ({ ofTarget, target, directions }: TaskDefinition): boolean =>
  ofTarget !== undefined || isWriting(target) || directions.some(isWriting)
