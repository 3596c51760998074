/** The errors for values that cannot be stored: each says where, what, and what to do. */
import { ValidationError } from '../errors.js'
import { VALUE_DEPTH_MAX } from '../limits.js'
import { ofOtherCopy } from '../other-copy.js'
import type { Trail } from './trail.js'

export function refuseSymbolOrFunction(trail: Trail, value: unknown): never {
  const path = trail.toString()
  const fix =
    trail.isField || typeof value === 'symbol' ? 'take it out of the value' : 'take it out of the value, and let the task import it'
  throw new ValidationError(`${path} is a ${typeof value}, which cannot be stored: ${orTransient(trail, fix)}`, { path })
}

export function refuseSymbolKey(trail: Trail, key: symbol): never {
  const path = `${trail}[${String(key)}]`
  throw new ValidationError(`${path} has a symbol as its key, which cannot be stored: ${orTransient(trail, 'use text')}`, { path })
}

export function refuseDepth(trail: Trail): never {
  const path = trail.start
  throw new ValidationError(
    `${path} is nested deeper than ${VALUE_DEPTH_MAX} levels: store it flat, or make its parts StorageObjects that refer to each other`,
    { path },
  )
}

export function refuseValue(trail: Trail, what: string, fix: string): never {
  const path = trail.toString()
  throw new ValidationError(`${path} is ${what}, which cannot be stored: ${fix}`, { path })
}

const CANNOT_BE_REBUILT = 'ERR_CLASS_CANNOT_BE_REBUILT'

export function refuseClass(trail: Trail, value: object, reason?: string): never {
  const path = trail.toString()
  const className = classNameOf(value)
  const other = ofOtherCopy(value)
  if (other) throw new ValidationError(`${path} is ${other}`, { code: CANNOT_BE_REBUILT, path, className })
  const message = reason
    ? `${path} is a ${className}, and ${reason}`
    : `${path} is a ${className}, a class that is not known here: ${fixFor(trail, value, className)}`
  throw new ValidationError(message, { code: CANNOT_BE_REBUILT, path, className })
}

export function refuseCycle(trail: Trail, className: string): never {
  const path = trail.toString()
  throw new ValidationError(
    `${path} leads back to a ${className} that contains it, and ${className} is rebuilt by \`static restore(fields)\`, which needs its fields first: ` +
      `let \`new ${className}()\` work without arguments, or leave the way back out of \`store()\``,
    { code: CANNOT_BE_REBUILT, path, className },
  )
}

const classNameOf = (value: object): string => (value.constructor as { name?: string } | undefined)?.name || 'class without a name'

function fixFor(trail: Trail, value: object, className: string): string {
  if (value instanceof Promise) return 'await it first'
  if (value instanceof Number || value instanceof String || value instanceof Boolean)
    return 'store the plain value instead of the boxed one'
  if (isPlatformClass(value)) return orTransient(trail, `${trail.isField ? 'store' : 'pass'} what it is made from`)
  if (!trail.isField) return `pass what it is made from, or make ${className} a StorageObject`
  return `name it, \`static fields = { ${trail.start}: () => ${className} }\`, or ${transientFix(trail)}`
}

const isPlatformClass = (value: object): boolean =>
  (globalThis as Record<string, unknown>)[classNameOf(value)] === value.constructor || !USER_TAGS.has(Object.prototype.toString.call(value))

const USER_TAGS = new Set(['[object Object]', '[object Error]', '[object Array]'])

/** Only what stands in a field of an object can be left out of it. */
const orTransient = (trail: Trail, fix: string): string => (trail.isField ? `${transientFix(trail)}, or ${fix}` : fix)

const transientFix = (trail: Trail): string => `make it transient (\`static transient = [${JSON.stringify(trail.start)}]\`)`
