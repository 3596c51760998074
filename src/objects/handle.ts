/**
 * Handles: instances of the right class and id whose fields are not loaded. No constructor of the user's class runs for one.
 * Between the instance and its class's prototype stands a guard that answers every unknown name with NotLoadedError;
 * loading takes the guard away and runs the constructor *on the same instance*, so that identity holds and `#private` fields are there.
 */
import type { Constructor } from '../classes/class-locator.js'
import { NotLoadedError } from '../errors.js'

const guarded = new WeakMap<Constructor, Constructor>()

/** A constructor to pass as `new.target`, so that an instance gets the guard as its prototype. */
export function guardOf(ctor: Constructor): Constructor {
  let target = guarded.get(ctor)
  if (!target) {
    target = function Handle() {} as unknown as Constructor
    Object.defineProperty(target, 'prototype', { value: new Proxy(Object.create(ctor.prototype as object) as object, guard) })
    guarded.set(ctor, target)
  }
  return target
}

/** Names that printers, test tools and `await` look for on any object; they must not trip over a handle. */
const PROBED = new Set([
  'then',
  'toJSON',
  'inspect',
  'asymmetricMatch',
  'nodeType',
  'tagName',
  'href',
  '$$typeof',
  'length',
  'splice',
  'hasAttribute',
])

const guard: ProxyHandler<object> = {
  get(target, name, receiver) {
    if (typeof name === 'symbol' || name in target || PROBED.has(name)) return Reflect.get(target, name, receiver)
    throw notLoaded(target, name)
  },
  set(target, name) {
    throw notLoaded(target, String(name))
  },
}

function notLoaded(target: object, field: string): Error {
  const name = (target.constructor as { name?: string }).name ?? 'object'
  return new NotLoadedError(
    `field ${name}.${field} is not loaded: call \`await handle.load()\` first, or get its owner with { depth: 1 }`,
    {
      className: name,
      field,
    },
  )
}
