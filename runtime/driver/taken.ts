/** What a call is given that enters the graph later, as it was at the call. */
import { isDict } from '../../src/dict/storage-dict.js'
import { isStorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Store } from '../../src/store.js'
import { isPromiseLike } from '../current-runtime.js'
import { carry } from '../data/carry.js'
import type { Carried } from '../engines/messages.js'
import { TaskFuture } from '../tasks/future.js'
import { type FromTask, recordOf } from './task-record.js'

/** What a task makes of a volatile value that it writes. */
export interface MadeVersion {
  readonly from: FromTask
  readonly datum: number
}

/** A volatile value as it was: the program may go on to change it. */
export class Taken {
  /** What an earlier call makes of it, where one writes it; known once all earlier calls are in the graph. */
  version: MadeVersion | undefined

  constructor(
    readonly value: object,
    readonly carried: Carried,
    /** Futures inside, by their numbers in what is encoded. */
    readonly futures: readonly TaskFuture<unknown>[],
  ) {}
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

/** Arguments, volatile values among them encoded now. */
export const takenNow = (given: readonly unknown[], task: string, store: Store | undefined): unknown[] =>
  given.map((value, i) => takeNow(value, `argument ${i + 1} of ${task}`, store))

function takeNow(value: unknown, path: string, store: Store | undefined): unknown {
  if (typeof value !== 'object' || value === null || value instanceof TaskFuture) return value
  if (isPromiseLike(value)) return quiet(value)
  if (Array.isArray(value) && hasPartsOfItsOwn(value)) return value.map((item) => takeNow(item, path, store))
  if (isDict(value) || (isStorageObject(value) && stateOf(value).ref)) return value
  const futures: TaskFuture<unknown>[] = []
  const carried = carry(value, path, store, (part) => (isOfGraph(part) ? numberOf(part, futures) : -1))
  return new Taken(value, carried, futures)
}

/** Whoever is told of the call is told that it rejects; before, that is no news. */
function quiet(value: PromiseLike<unknown>): Promise<unknown> {
  const promise = Promise.resolve(value)
  promise.catch(() => {})
  return promise
}

/** Now, or later. */
const isOfGraph = (part: object): part is TaskFuture<unknown> =>
  part instanceof TaskFuture && (recordOf(part) !== undefined || isOutside(part))

const numberOf = (future: TaskFuture<unknown>, futures: TaskFuture<unknown>[]): number => {
  const known = futures.indexOf(future)
  return known < 0 ? futures.push(future) - 1 : known
}

export function* takenIn(args: readonly unknown[]): Generator<Taken> {
  for (const arg of args)
    if (arg instanceof Taken) yield arg
    else if (Array.isArray(arg)) yield* takenIn(arg)
}

/** Whether a list must be taken item by item: it holds futures, persistent objects or what was taken earlier, or lists that do. */
export const hasPartsOfItsOwn = (list: readonly unknown[]): boolean =>
  list.some((item) => {
    if (typeof item !== 'object' || item === null) return false
    if (Array.isArray(item)) return hasPartsOfItsOwn(item)
    return item instanceof Taken || isPromiseLike(item) || (isStorageObject(item) && stateOf(item).ref !== undefined)
  })
