/** What a body gives to the tasks that it calls: taken at the call, but for what is still to come. */
import { TaskFailedError } from '../../src/errors.js'
import type { Store } from '../../src/store.js'
import { carry, withResults } from '../data/carry.js'
import type { Carried } from '../engines/messages.js'
import { isPromiseLike, settled } from '../settled.js'
import { ChildCall } from './child-call.js'
import { TaskFuture } from './future.js'

/** Whether something of it has to come first, before anybody knows what it is. */
export const isToCome = (arg: unknown): boolean => isPromiseLike(arg) || (Array.isArray(arg) && arg.some(isPromiseLike))

/** An argument once all of it has come. @throws TaskFailedError where it is of a call that has failed */
export async function come(arg: unknown, call: ChildCall): Promise<unknown> {
  if (Array.isArray(arg)) return Promise.all(arg.map((item) => (isToCome(item) ? come(item, call) : item)))
  const source = sourceOf(arg)
  return source ? resultOf(source, call) : settled(arg)
}

/** A call's result for another call: who takes it is told of its failure by its own, and the barrier by the first. */
async function resultOf(source: ChildCall, call: ChildCall): Promise<unknown> {
  try {
    return await source.result
  } catch (cause) {
    call.notRunFor(source)
    throw new TaskFailedError(`task ${call.name} was not run: ${source.name} failed`, { task: call.name, cause })
  }
}

const sourceOf = (value: unknown): ChildCall | undefined =>
  value instanceof TaskFuture && value.source instanceof ChildCall ? value.source : undefined

/** As it travels; futures may stand anywhere in it. */
export function carryTo(arg: unknown, path: string, store: Store, call: ChildCall): Carried | Promise<Carried> {
  const inside: ChildCall[] = []
  const carried = carry(arg, path, store, (part) => {
    const source = sourceOf(part)
    return source ? inside.push(source) - 1 : -1
  })
  if (inside.length === 0 || typeof carried !== 'object' || carried?.k !== 'v') return carried
  const results = inside.map(async (source) => carry(await resultOf(source, call), path, store))
  const all = Promise.all(results).then((made): Carried => withResults(carried, made))
  all.catch(() => {}) // told where it is waited for
  return all
}
