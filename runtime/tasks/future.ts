import { INSPECT } from '../../src/inspection.js'
import { isResolver, type Resolver } from './resolver.js'

declare const future: unique symbol

/** The result of a task that was called: await it, or pass it to another task, which then waits for it. */
export interface Future<T> extends PromiseLike<T> {
  readonly [future]: true
  catch<U>(onRejected: (reason: unknown) => U | PromiseLike<U>): Promise<T | U>
  finally(onFinally?: () => void): Promise<T>
  /** Asks the task to stop; it, and what depends on it, rejects with TaskFailedError unless it had finished. */
  cancel(reason?: unknown): void
}

/** Where a future's promise comes from. */
export interface FutureSource<T> {
  /** Whether somebody waits already. */
  readonly seen: boolean
  promise(): Promise<T>
  /** Calls one of them with the outcome, and nothing of its own in between. */
  hand?(resolve: Resolver, reject: Resolver): void
  /** Whoever waits for what its failure has cancelled was told of that. */
  told?(): void
  cancel(reason: unknown): void
  describe(): string
}

/** A future that makes its promise only when somebody waits: a million calls cost a million small objects. */
export class TaskFuture<T> implements Future<T> {
  declare readonly [future]: true

  constructor(readonly source: FutureSource<T>) {}

  // biome-ignore lint/suspicious/noThenProperty: being awaitable is what a future is for
  then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): PromiseLike<A | B> {
    const { source } = this
    if (!source.hand || !isResolver(onDone) || !isResolver(onFailed)) return source.promise().then(onDone, onFailed)
    source.hand(onDone as Resolver, onFailed as Resolver)
    return new Handed(source)
  }

  catch<U>(onRejected: (reason: unknown) => U | PromiseLike<U>): Promise<T | U> {
    return this.source.promise().catch(onRejected)
  }

  finally(onFinally?: () => void): Promise<T> {
    return this.source.promise().finally(onFinally)
  }

  cancel(reason?: unknown): void {
    this.source.cancel(reason)
  }

  [INSPECT](): string {
    return `Future { ${this.source.describe()} }`
  }
}

/** What `then` gives where the outcome was handed to whoever asked: over when that is, with what resolving gives, which is nothing. */
class Handed<T> implements PromiseLike<T> {
  constructor(readonly source: FutureSource<unknown>) {}

  // biome-ignore lint/suspicious/noThenProperty: it stands for a promise
  then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#over().then(onDone, onFailed)
  }

  catch<U>(onRejected: (reason: unknown) => U | PromiseLike<U>): Promise<T | U> {
    return this.#over().catch(onRejected)
  }

  finally(onFinally?: () => void): Promise<T> {
    return this.#over().finally(onFinally)
  }

  #over(): Promise<T> {
    const over = (): T => undefined as T
    return this.source.promise().then(over, over)
  }
}
