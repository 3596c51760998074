/**
 * Handles: instances of the right class and id whose fields are not loaded. No constructor of the user's class runs on one.
 * Between the instance and its class's prototype stands a guard that answers every unknown name with NotLoadedError;
 * loading takes the guard away and runs the constructor *on the same instance*, so that identity holds and `#private` fields are there.
 */
import type { Constructor } from '../classes/class-locator.js'
import { NotLoadedError } from '../errors.js'
import { construct, settingsOf } from './class-settings.js'

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
    // Only to look for it must not throw. JSON of a handle would be an empty object, and nobody would know.
    if (name === 'toJSON' && !(name in target) && !isField(target, name)) return () => refuseJson(target)
    if (typeof name === 'symbol' || name in target || (PROBED.has(name) && !isField(target, name)))
      return Reflect.get(target, name, receiver)
    throw notLoaded(target, name)
  },
  set(target, name) {
    throw notLoaded(target, String(name))
  },
}

const isProbed = (name: string): boolean => name === 'toJSON' || PROBED.has(name)

/** Fields that the constructor of a class makes, of those names that are looked for on any object. */
const probedFields = new WeakMap<Constructor, ReadonlySet<string>>()

/** These stay: a handle could not be awaited, nor printed by Node. */
const ALWAYS_PROBED = new Set(['then', 'href'])

/** Whether a name that printers look for is a field of the class. */
function isField(target: object, name: string): boolean {
  const { constructor: ctor } = target as { readonly constructor: Constructor }
  let fields = probedFields.get(ctor)
  if (!fields) {
    fields = new Set(fieldsMadeBy(ctor).filter((field) => isProbed(field) && !ALWAYS_PROBED.has(field)))
    probedFields.set(ctor, fields)
  }
  return fields.has(name)
}

/** None of a class that is made by `static restore` from what is stored, or that this program cannot make. */
function fieldsMadeBy(ctor: Constructor): readonly string[] {
  try {
    return typeof settingsOf(ctor).restore === 'function' ? [] : Object.keys(construct(ctor))
  } catch {
    return []
  }
}

const nameOf = (target: object): string => (target.constructor as { name?: string }).name ?? 'object'

function refuseJson(target: object): never {
  const name = nameOf(target)
  throw new NotLoadedError(
    `this ${name} is not loaded and has no JSON: call \`await handle.load()\` first, get its owner with { depth: 1 }, or give its getID() instead`,
    { className: name },
  )
}

function notLoaded(target: object, field: string): Error {
  const name = nameOf(target)
  return new NotLoadedError(
    `field ${name}.${field} is not loaded: call \`await handle.load()\` first, or get its owner with { depth: 1 }`,
    {
      className: name,
      field,
    },
  )
}
