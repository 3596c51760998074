import { partsOf } from '../data/held-in.js'
import { holdsItself, someItem } from '../nested-lists.js'
import { isPromiseLike } from '../settled.js'
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

  /** What a call is given by values that may be, or hold in lists, futures that others write. */
  current(given: readonly unknown[]): readonly unknown[] {
    return this.#any ? given.map((value) => this.#current(value)) : given
  }

  #current(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value))
      return someItem(value, (item) => this.#writerOf(item) !== undefined) && !holdsItself(value)
        ? value.map((item) => this.#current(item))
        : value
    return isPromiseLike(value) ? this.standingFor(value) : value
  }

  /** What the last call that writes it makes of a future, or the future itself. */
  standingFor<P extends PromiseLike<unknown>>(value: P): P | TaskFuture<unknown> {
    const writer = this.#writerOf(value)
    return writer ? new TaskFuture(new Version(value, writer)) : value
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
    if (typeof value === 'object' && value !== null) for (const part of partsOf(value)) this.#writerOf(part)?.readBy(call)
  }
}

const keyOf = (value: PromiseLike<unknown>): object => (value instanceof TaskFuture ? value.source : value)

/** What a method does with an object is not known before the object is. */
const writes = (definition: TaskDefinition, position: number): boolean =>
  definition.ofTarget && position === 0 ? true : isWriting(directionOf({ definition }, position))

const mayWrite = ({ ofTarget, target, directions }: TaskDefinition): boolean =>
  ofTarget !== undefined || isWriting(target) || directions.some(isWriting)
