/** Calls with the runtime off: what they are given, taken at the call as with the runtime on. */
import { TaskFailedError, UnsavedChangesError } from '../src/errors.js'
import { isStorageObject, type StorageObject, stateOf } from '../src/objects/storage-object.js'
import type { Store } from '../src/store.js'
import type { Outcome } from './attempt.js'
import { carry, withResults } from './data/carry.js'
import { heldIn } from './data/held-in.js'
import type { Carried } from './engines/messages.js'
import { holdsItself, someItem } from './nested-lists.js'
import { isPromiseLike } from './settled.js'
import { type FutureSource, TaskFuture } from './tasks/future.js'
import { CANCEL_GRACE_MS } from './tasks/in-time.js'
import type { Attempt } from './tasks/running.js'
import type { TaskDefinition } from './tasks/task.js'

/** A call, waiting or running. */
export class OffCall implements FutureSource<unknown> {
  seen = false
  state: 'pending' | 'done' | 'bad' = 'pending'
  error: unknown
  /** Whether it has failed by itself: it was not cancelled. */
  hasFailed = false
  /** Calls whose failure cancels this one. */
  behind: readonly OffCall[] = []
  cancelled: { readonly reason: unknown } | undefined
  attempt: Attempt | undefined
  result!: Promise<any>
  /** What it made of its arguments. */
  outcome!: Promise<Outcome>
  /** The failed call because of which this one was not run. */
  cause: OffCall | undefined
  /** Its body has ended before anybody asked it to stop: what it changed will be stored. */
  #isEnding = false
  #leave: (() => void) | undefined
  #timer: NodeJS.Timeout | undefined
  /** How many calls there were when the program was told that it failed. */
  #toldAt = Number.POSITIVE_INFINITY
  #stop: (() => void) | undefined

  constructor(
    readonly definition: TaskDefinition,
    readonly number: number,
    readonly given: readonly unknown[],
    readonly args: readonly (Carried | Promise<Carried>)[],
    /** How many calls there are. */
    readonly count: () => number,
  ) {}

  promise(): Promise<any> {
    this.see()
    return this.result
  }

  /** Somebody waits, or is told: of this one, and of the failure with which it began. */
  see(): void {
    this.seen = true
    if (this.state === 'bad') this.#toldAt = Math.min(this.#toldAt, this.count())
    this.cause?.see()
  }

  fail(error: unknown, cause: OffCall | undefined): void {
    this.state = 'bad'
    this.error = error
    this.cause = cause
    if (this.seen) this.see()
  }

  /** The failed call with which its failure began. */
  get root(): OffCall {
    return this.cause ?? this
  }

  /** Whether it fails for whoever stands behind it: what began it was not told to the program before that one was called. */
  isBadFor({ number }: OffCall): boolean {
    return this.state === 'bad' && this.root.#toldAt > number
  }

  /** Whether later calls on what it writes may run: what began its failure was told to the program. */
  get isGoodOrTold(): boolean {
    return this.state === 'done' || (this.state === 'bad' && this.root.#toldAt < Number.POSITIVE_INFINITY)
  }

  cancel(reason: unknown): void {
    if (this.state !== 'pending') return
    this.cancelled ??= { reason }
    this.attempt?.abort()
    this.#stop?.()
    if (this.#leave) this.#timer ??= setTimeout(this.#leave, CANCEL_GRACE_MS)
  }

  /** Asked when its body has ended: whether nothing of it must be stored. */
  isOver(): boolean {
    this.#isEnding = this.cancelled === undefined
    return !this.#isEnding
  }

  /** What its body gives, for as long as somebody waits for it: one that was asked to stop and goes on is left to itself. */
  async whileWanted<T>(work: Promise<T>): Promise<T> {
    const left = new Promise<never>((_, reject) => {
      this.#leave = () => this.#isEnding || reject(new Error('it was left to itself'))
    })
    try {
      return await Promise.race([work, left])
    } finally {
      this.#leave = undefined
      clearTimeout(this.#timer)
    }
  }

  /** What it is given, once that is there; nothing if it is cancelled before. */
  arrived(): Promise<readonly Carried[] | undefined> {
    const stopped = new Promise<undefined>((resolve) => (this.#stop = () => resolve(undefined)))
    return Promise.race([Promise.all(this.args.map(async (arg) => arg)), stopped])
  }

  describe(): string {
    return this.definition.name
  }
}

/** The body was not run; told where it is awaited, but not by the barrier, which tells what began it. */
export class NotRunError extends Error {
  constructor(
    readonly error: Error,
    readonly failed: OffCall | undefined,
  ) {
    super(error.message)
  }
}

export function notRun({ name }: TaskDefinition, failed: OffCall, cause: unknown): NotRunError {
  const root = (cause instanceof NotRunError ? cause.failed : failed.cause) ?? failed
  const told = cause instanceof NotRunError ? cause.error : cause
  return new NotRunError(
    new TaskFailedError(`task ${name} was not run: ${root.describe()} failed`, { cause: root === failed ? told : root.error, task: name }),
    root,
  )
}

/** What the last call that writes a volatile value makes of it. */
export class OffVersion {
  constructor(
    readonly call: OffCall,
    readonly after: Promise<Carried>,
  ) {}
}

/** Whoever awaits the call is told; until then the rejection is no news. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

export const hasParts = (list: readonly unknown[]): boolean => someItem(list, isPart) && !holdsItself(list)

const isPart = (item: unknown): boolean => typeof item === 'object' && item !== null && (isPromiseLike(item) || isStorageObject(item))

export const later = (value: PromiseLike<unknown>, path: string, definition: TaskDefinition, store: Store | undefined): Promise<Carried> =>
  quiet(
    promiseOf(value).then(
      (made) => carry(made, path, store),
      (cause: unknown) => {
        const source: unknown = value instanceof TaskFuture ? value.source : undefined
        throw source instanceof OffCall ? notRun(definition, source, cause) : cause
      },
    ),
  )

/** A future that is an argument has not been awaited by anybody. */
const promiseOf = (value: PromiseLike<unknown>): Promise<unknown> => {
  const source: unknown = value instanceof TaskFuture ? value.source : undefined
  return source instanceof OffCall ? source.result : Promise.resolve(value)
}

/** A value with what calls before make of its parts, and with what futures in it give. */
export function withParts(
  value: object,
  path: string,
  definition: TaskDefinition,
  store: Store | undefined,
  versions: WeakMap<object, OffVersion>,
): Carried | Promise<Carried> {
  const inside = new Map<TaskFuture<unknown> | OffVersion, number>()
  const numberOf = (part: object): number => {
    const isFuture = part instanceof TaskFuture
    const version = part === value ? undefined : versions.get(isFuture ? part.source : part)
    const one = version ?? (isFuture ? part : undefined)
    if (one === undefined) return -1
    if (!inside.has(one)) inside.set(one, inside.size)
    return inside.get(one)!
  }
  const carried = carry(value, path, store, numberOf, true)
  if (inside.size === 0 || typeof carried !== 'object' || carried?.k !== 'v') return carried
  const made = Promise.all(
    Array.from(inside.keys(), (one) => (one instanceof OffVersion ? one.after : later(one, path, definition, store))),
  )
  return quiet(made.then((results) => withResults(carried, results)))
}

export function assertSaved(value: object, definition: TaskDefinition): void {
  for (const held of heldIn(value)) if (isStorageObject(held)) assertSavedOne(held, definition)
}

function assertSavedOne(value: StorageObject, definition: TaskDefinition): void {
  const state = stateOf(value)
  if (state.ref && state.loaded && state.unit?.isDirty(state))
    throw new UnsavedChangesError(
      `${value.constructor.name} ${state.ref.id} has unsaved changes, which the task ${definition.name} would not see: save() it first`,
      { id: state.ref.id },
    )
}
