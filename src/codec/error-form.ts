/** Errors as data: the class by family and name, and every own property with whether it is enumerable (stack, message and cause are not). */
import { errorClass, InsituError } from '../errors.js'
import type { DecodeContext, NestedClass } from './contexts.js'
import { ErrorFamily } from './value-format.js'

type Property = readonly [name: string, value: unknown]

export interface ErrorForm {
  readonly family: number
  readonly name: string
  readonly hidden: readonly Property[]
  readonly shown: readonly Property[]
}

type ErrorConstructor = new (...args: never[]) => Error

const BUILTIN = new Map<string, ErrorConstructor>(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map((c) => [
    c.name,
    c as ErrorConstructor,
  ]),
)

/** What to store of an error; `undefined` if its class is not known. */
export function formOfError(error: Error, nested: NestedClass | undefined, anyError: boolean): ErrorForm | undefined {
  const known = nested ? { family: ErrorFamily.nested, name: nested.name } : knownClass(error, Object.getPrototypeOf(error) as object)
  if (known) return { ...known, ...propertiesOf(error) }
  const nearest = anyError ? nearestClass(error) : undefined
  if (!nearest) return undefined
  const { hidden, shown } = propertiesOf(error)
  return { ...nearest, hidden: [...hidden.filter(([name]) => name !== 'name'), ['name', nameOf(error)]], shown }
}

function knownClass(error: Error, proto: object): { family: number; name: string } | undefined {
  const ctor = (proto as { constructor?: unknown }).constructor as { name?: unknown; kind?: unknown } | undefined
  const name = String(ctor?.name)
  if (BUILTIN.get(name)?.prototype === proto) return { family: ErrorFamily.builtin, name }
  if (proto === DOMException.prototype) return { family: ErrorFamily.dom, name: error.name }
  const kind = Object.hasOwn(ctor ?? {}, 'kind') ? ctor?.kind : undefined
  // By kind and not by constructor: the error may come from another install of this package.
  if (error instanceof InsituError && typeof kind === 'string' && errorClass(kind)) return { family: ErrorFamily.insitu, name: kind }
  return undefined
}

function nearestClass(error: Error): { family: number; name: string } | undefined {
  for (let p: object | null = error; p; p = Object.getPrototypeOf(p) as object | null) {
    const known = knownClass(error, p)
    if (known) return known
  }
  return undefined
}

const nameOf = (error: Error): string =>
  Object.hasOwn(error, 'name') || error.name !== 'Error' ? error.name : (error.constructor?.name ?? 'Error')

function propertiesOf(error: Error): { hidden: Property[]; shown: Property[] } {
  const hidden: Property[] = []
  const shown: Property[] = []
  for (const name of Object.getOwnPropertyNames(error)) {
    const value = (error as unknown as Record<string, unknown>)[name]
    // A program may have replaced the text of `stack` by call sites, which are live objects of the engine.
    if (name === 'stack' && typeof value !== 'string') continue
    if (Object.prototype.propertyIsEnumerable.call(error, name)) shown.push([name, value])
    else hidden.push([name, value])
  }
  return { hidden, shown }
}

/** An error of that class without own properties; `undefined` if there is no such class. */
export function createError(family: number, name: string, message: string, context: DecodeContext): object | undefined {
  const error = withoutStack(() => construct(family, name, message, context))
  if (error && family !== ErrorFamily.nested) for (const key of Object.getOwnPropertyNames(error)) Reflect.deleteProperty(error, key)
  return error
}

/** The stack is stored, and to walk the present one costs more than all the rest. `Reflect.set`, since intrinsics may be frozen. */
function withoutStack<T>(make: () => T): T {
  const { stackTraceLimit } = Error
  Reflect.set(Error, 'stackTraceLimit', 0)
  try {
    return make()
  } finally {
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  }
}

function construct(family: number, name: string, message: string, context: DecodeContext): object | undefined {
  switch (family) {
    case ErrorFamily.builtin: {
      const ctor = BUILTIN.get(name) as (new (errors?: unknown[]) => Error) | undefined
      return ctor && (name === 'AggregateError' ? new ctor([]) : new ctor())
    }
    case ErrorFamily.insitu: {
      // A later version may have more kinds: of those at least the root is known.
      const ctor = errorClass(name) ?? InsituError
      return new ctor('')
    }
    case ErrorFamily.nested:
      return context.nested(name)?.create?.()
    case ErrorFamily.dom:
      return new DOMException(message, name)
    default:
      return undefined
  }
}
