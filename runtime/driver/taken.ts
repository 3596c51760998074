/** What a call is given that enters the graph later, as it was at the call. */
import { isDict } from '../../src/dict/storage-dict.js'
import { isStorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Store } from '../../src/store.js'
import { directionAt } from '../attempt.js'
import { carry } from '../data/carry.js'
import { type Held, heldIn, mayBeHeld } from '../data/held-in.js'
import type { Carried } from '../engines/messages.js'
import { holdsItself, someItem } from '../nested-lists.js'
import { isPromiseLike } from '../settled.js'
import { isWriting } from '../tasks/directions.js'
import { TaskFuture } from '../tasks/future.js'
import type { TaskDefinition } from '../tasks/task.js'
import { Version } from './future-version.js'
import { type FromTask, recordOf } from './task-record.js'

/** What a task makes of a volatile value that it writes. */
export class MadeVersion {
  constructor(
    readonly from: FromTask,
    readonly datum: number,
    /** Persistent objects that stood in the value at the call. */
    readonly held: readonly Held[],
  ) {}
}

/** A volatile value as it was: the program may go on to change it. */
export class Taken {
  /** What an earlier call makes of it, where one writes it; known once all earlier calls are in the graph. */
  version: MadeVersion | undefined

  constructor(
    readonly value: object,
    readonly carried: Carried,
    /** Futures inside, and parts that earlier calls write, by their numbers in what is encoded. */
    readonly inside: readonly (TaskFuture<unknown> | Taken)[],
    /** Persistent objects that stand in it. */
    readonly held: readonly Held[],
  ) {}

  /** Those in its parts too. */
  get futures(): readonly TaskFuture<unknown>[] {
    return this.inside.flatMap((one) => (one instanceof Taken ? one.futures : [one]))
  }
}

/** Thrown while a call is taken into the graph: in a value stands the future of a call that waits outside of it. */
export class NotInGraphYet extends Error {
  constructor(
    /** When that is in the graph; rejects if it never will be. */
    readonly entered: Promise<unknown>,
  ) {
    super('a call that it takes the result of is not in the graph')
  }
}

/** Tells a future of a call that enters the graph later. @throws NotInGraphYet */
export function assertInside(part: object): void {
  if (isOutside(part)) throw new NotInGraphYet(part.source.entered)
}

/** Whether a future is of a call that was not in the graph at once. */
const isOutside = (part: object): part is { readonly source: { readonly entered: Promise<unknown> } } =>
  part instanceof TaskFuture && 'entered' in part.source

/** What earlier calls write. */
export interface EarlierCalls {
  /** Volatile values that they write. */
  readonly written: WeakSet<object>
  /** What a future stands for, now that they write it. */
  current(future: TaskFuture<unknown>): TaskFuture<unknown>
}

/** Arguments, volatile values among them encoded now. What the call itself writes is added to `written`. */
export function takenNow(given: readonly unknown[], definition: TaskDefinition, store: Store | undefined, run: EarlierCalls): unknown[] {
  const taken = given.map((value, i) => takeNow(value, { path: `argument ${i + 1} of ${definition.name}`, store, run }))
  for (const value of writtenIn(definition, taken)) run.written.add(value)
  return taken
}

/** The volatile values that a call writes, of what was taken for it. */
export function writtenIn(definition: TaskDefinition, taken: readonly unknown[]): readonly object[] {
  const about = { ...definition, isMethod: definition.method !== undefined }
  return taken.flatMap((arg, i) => (arg instanceof Taken && isWriting(directionAt(about, i)) ? [arg.value] : []))
}

interface TakingNow {
  readonly path: string
  readonly store: Store | undefined
  readonly run: EarlierCalls
  /** Values in which this one stands: what leads back to one of them stays where it is. */
  readonly above?: readonly object[]
}

function takeNow(value: unknown, how: TakingNow): unknown {
  if (typeof value !== 'object' || value === null || value instanceof TaskFuture) return value
  if (isPromiseLike(value)) return quiet(value)
  if (Array.isArray(value) && hasPartsOfItsOwn(value)) return value.map((item) => takeNow(item, how))
  if (isDict(value) || (isStorageObject(value) && stateOf(value).ref)) return value
  return takenValue(value, how)
}

function takenValue(value: object, how: TakingNow): Taken {
  const above = [...(how.above ?? []), value]
  const numbers = new Map<object, number>()
  const inside: (TaskFuture<unknown> | Taken)[] = []
  let holdsAny = false
  const numberOf = (part: object): number => {
    holdsAny ||= mayBeHeld(part)
    const isFuture = isOfGraph(part)
    if (!isFuture && (above.includes(part) || !how.run.written.has(part))) return -1
    const key = isFuture ? part.source : part
    if (!numbers.has(key)) numbers.set(key, inside.push(isFuture ? how.run.current(part) : takenValue(part, { ...how, above })) - 1)
    return numbers.get(key)!
  }
  const carried = carry(value, how.path, how.store, numberOf, true)
  const isAnyHeld = holdsAny || inside.some((one) => one instanceof Taken && one.held.length > 0)
  return new Taken(value, carried, inside, isAnyHeld ? heldIn(value) : [])
}

/** Whoever is told of the call is told that it rejects; before, that is no news. */
function quiet(value: PromiseLike<unknown>): Promise<unknown> {
  const promise = Promise.resolve(value)
  promise.catch(() => {})
  return promise
}

/** Now, or later. */
const isOfGraph = (part: object): part is TaskFuture<unknown> =>
  part instanceof TaskFuture && (recordOf(part) !== undefined || isOutside(part) || part.source instanceof Version)

export function* takenIn(args: readonly unknown[]): Generator<Taken> {
  for (const arg of args)
    if (arg instanceof Taken) {
      yield arg
      yield* takenIn(arg.inside)
    } else if (Array.isArray(arg)) yield* takenIn(arg)
}

/** Whether a list must be taken item by item: it holds futures, persistent objects or what was taken earlier, or lists that do. */
export const hasPartsOfItsOwn = (list: readonly unknown[]): boolean => someItem(list, isPart) && !holdsItself(list)

const isPart = (item: unknown): boolean =>
  typeof item === 'object' &&
  item !== null &&
  (item instanceof Taken || isPromiseLike(item) || (isStorageObject(item) && stateOf(item).ref !== undefined))
