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
    /** Futures inside, by their numbers in what is encoded. */
    readonly futures: readonly TaskFuture<unknown>[],
    /** Persistent objects that stand in it. */
    readonly held: readonly Held[],
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

/** Arguments, volatile values among them encoded now. `written`: those that a call writes, to which this one adds. */
export function takenNow(
  given: readonly unknown[],
  definition: TaskDefinition,
  store: Store | undefined,
  written: WeakSet<object>,
): unknown[] {
  const about = { ...definition, isMethod: definition.method !== undefined }
  const writes = given.map((_, i) => isWriting(directionAt(about, i)))
  const taken = given.map((value, i) => takeNow(value, `argument ${i + 1} of ${definition.name}`, store, writes[i] ? undefined : written))
  for (const [i, arg] of taken.entries()) if (writes[i] && arg instanceof Taken) written.add(arg.value)
  return taken
}

function takeNow(value: unknown, path: string, store: Store | undefined, written: WeakSet<object> | undefined): unknown {
  if (typeof value !== 'object' || value === null || value instanceof TaskFuture) return value
  if (isPromiseLike(value)) return quiet(value)
  if (Array.isArray(value) && (hasPartsOfItsOwn(value) || (written && !holdsItself(value) && holdsWritten(value, written))))
    return value.map((item) => takeNow(item, path, store, written))
  if (isDict(value) || (isStorageObject(value) && stateOf(value).ref)) return value
  const futures: TaskFuture<unknown>[] = []
  let holdsAny = false
  const carried = carry(value, path, store, (part) => {
    holdsAny ||= mayBeHeld(part)
    return isOfGraph(part) ? numberOf(part, futures) : -1
  })
  return new Taken(value, carried, futures, holdsAny ? heldIn(value) : [])
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

/** What a call makes of them is known only once it is in the graph: until then they are taken by themselves. */
const holdsWritten = (list: readonly unknown[], written: WeakSet<object>): boolean =>
  !written.has(list) &&
  list.some((item) => {
    if (typeof item !== 'object' || item === null) return false
    return written.has(item) || (Array.isArray(item) && holdsWritten(item, written))
  })

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
export const hasPartsOfItsOwn = (list: readonly unknown[]): boolean => someItem(list, isPart) && !holdsItself(list)

const isPart = (item: unknown): boolean =>
  typeof item === 'object' &&
  item !== null &&
  (item instanceof Taken || isPromiseLike(item) || (isStorageObject(item) && stateOf(item).ref !== undefined))
