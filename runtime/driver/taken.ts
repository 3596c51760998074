/** What a call is given that enters the graph later, as it was at the call. */
import { isDict } from '../../src/dict/storage-dict.js'
import { isStorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Store } from '../../src/store.js'
import { isPromiseLike } from '../current-runtime.js'
import { carry } from '../data/carry.js'
import type { Carried } from '../engines/messages.js'
import { TaskFuture } from '../tasks/future.js'
import type { FromTask } from './task-record.js'

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
export class NotInGraphYet extends Error {}

/** Whether a future is of a call that enters the graph later. */
export const isOutside = (part: object): boolean => part instanceof TaskFuture && 'entered' in part.source

/** Arguments, volatile values among them encoded now. */
export const takenNow = (given: readonly unknown[], task: string, store: Store | undefined): unknown[] =>
  given.map((value, i) => takeNow(value, `argument ${i + 1} of ${task}`, store))

function takeNow(value: unknown, path: string, store: Store | undefined): unknown {
  if (typeof value !== 'object' || value === null || isPromiseLike(value)) return value
  if (Array.isArray(value) && hasPartsOfItsOwn(value)) return value.map((item) => takeNow(item, path, store))
  if (isDict(value) || (isStorageObject(value) && stateOf(value).ref)) return value
  const futures: TaskFuture<unknown>[] = []
  const carried = carry(value, path, store, (part) => (part instanceof TaskFuture ? numberOf(part, futures) : -1))
  return new Taken(value, carried, futures)
}

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
