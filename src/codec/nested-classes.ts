/**
 * The plain classes whose instances stand inside a class's fields, found by `static fields = { centre: () => Point, shapes: () => [Circle,
 * Square] }` there (or `@field`, or class-transformer's `@Type`), and in those classes again. An instance comes back through `new C()` without arguments, or through
 * `static restore(fields)`, whose optional twin `store()` says what to keep.
 */
import { inspect, types } from 'node:util'
import { ValidationError } from '../errors.js'
import { declarationsOf, ownStatic, type TransientFields, transientOf } from './class-statics.js'
import type { NestedClass } from './contexts.js'

type AnyClass = (abstract new (
  ...args: never[]
) => object) & {
  readonly typeName?: unknown
  readonly restore?: (fields: Record<string, unknown>) => unknown
}

export interface NestedClasses {
  classOf(value: object): NestedClass | undefined
  nested(name: string): NestedClass | undefined
}

const known = new WeakMap<object, NestedClasses>()

/** The nested classes of `ctor`. Asks the thunks at the first call, when all modules have been loaded. */
export function nestedClassesOf(ctor: object): NestedClasses {
  let classes = known.get(ctor)
  if (!classes) {
    classes = indexed(ctor, reachable(ctor))
    known.set(ctor, classes)
  }
  return classes
}

function reachable(start: object): Set<AnyClass> {
  const found = new Set<AnyClass>()
  const pending: object[] = [start]
  for (let ctor = pending.pop(); ctor; ctor = pending.pop())
    for (const types of declaredTypes(ctor).values())
      for (const nested of types)
        if (isNested(nested) && !found.has(nested)) {
          found.add(nested)
          pending.push(nested)
        }
  return found
}

/** The classes that are declared for the fields of `ctor`, built-in ones included. */
export function declaredTypes(ctor: object): Map<string, AnyClass[]> {
  const types = new Map<string, AnyClass[]>()
  for (const { ctor: declaring, field, thunk } of declarationsOf(ctor))
    types.set(field, [...(types.get(field) ?? []), ...classesOf(declaring, field, thunk)])
  return types
}

/** Built-in ones are values of their own, and StorageObjects are referred to. */
const isNested = (ctor: AnyClass): boolean =>
  (globalThis as Record<string, unknown>)[ctor.name] !== ctor && !(Symbol.for('insitu.StorageObject') in (ctor.prototype as object))

function classesOf(ctor: object, field: string, thunk: unknown): AnyClass[] {
  const answer = typeof thunk === 'function' ? answerOf(thunk as () => unknown) : undefined
  const classes = Array.isArray(answer) ? (answer as unknown[]) : [answer]
  if (classes.every(isClass)) return classes
  throw new ValidationError(
    `\`static fields\` of class ${(ctor as { name?: string }).name} has no class for ${field}: write \`${field}: () => TheClass\` or \`${field}: () => [OneClass, OtherClass]\``,
    { path: field },
  )
}

/** The class itself, where a function that gives it is wanted, cannot be called. */
function answerOf(thunk: () => unknown): unknown {
  try {
    return thunk()
  } catch (error) {
    if (isClass(thunk) && error instanceof TypeError) return undefined
    throw error
  }
}

const isClass = (value: unknown): value is AnyClass => typeof value === 'function' && typeof value.prototype === 'object'

function indexed(ctor: object, classes: Iterable<AnyClass>): NestedClasses {
  const byName = new Map<string, NestedClass>()
  const byPrototype = new Map<object, NestedClass>()
  for (const each of classes) {
    const nested = nestedClass(each)
    if (byName.has(nested.name)) refuseName(ctor, nested.name)
    byName.set(nested.name, nested)
    byPrototype.set(each.prototype as object, nested)
  }
  return {
    // By prototype: an instance of a subclass that is not named would come back as something else.
    classOf: (value) => byPrototype.get(Object.getPrototypeOf(value) as object),
    nested: (name) => byName.get(name),
  }
}

function refuseName(ctor: object, name: string): never {
  throw new ValidationError(
    `two classes nested in ${(ctor as { name?: string }).name} are both called ${JSON.stringify(name)}: give one a \`static typeName\` of its own`,
    { className: name },
  )
}

const nestedByClass = new WeakMap<AnyClass, NestedClass>()

function nestedClass(ctor: AnyClass): NestedClass {
  let nested = nestedByClass.get(ctor)
  if (!nested) {
    nested = typeof ctor.restore === 'function' ? restorable(ctor) : constructible(ctor)
    nestedByClass.set(ctor, nested)
  }
  return nested
}

function nameOf(ctor: AnyClass): string {
  const typeName = ownStatic(ctor, 'typeName')
  return typeof typeName === 'string' && typeName !== '' ? typeName : ctor.name
}

function restorable(ctor: AnyClass): NestedClass {
  const transient = transientOf(ctor)
  return {
    name: nameOf(ctor),
    fields: (value) => keptFields(toKeep(value), transient),
    rebuild: (fields) => {
      const restored = ctor.restore!(Object.fromEntries(fields))
      if (restored instanceof ctor) {
        noteGain(toKeep(restored), fields, transient)
        return restored
      }
      throw new ValidationError(`static restore of class ${ctor.name} must return a ${ctor.name}, and gave ${restoredAs(restored)}`, {
        code: 'ERR_CLASS_CANNOT_BE_REBUILT',
        className: ctor.name,
      })
    },
  }
}

/** What a `static restore` gave that is no instance of its class, for people. */
export const restoredAs = (restored: unknown): string =>
  restored instanceof Promise ? 'a promise: it cannot be async' : 'something else: write `new this(...)` in it'

/**
 * What `store()` of an object gives, if that is an object of fields.
 * @throws ValidationError for what has no fields: nothing of the object would be stored, without a word
 */
export function fieldsGiven(value: object, fields: unknown): Record<string, unknown> {
  if (typeof fields === 'object' && fields !== null && !hasHiddenState(fields)) return fields as Record<string, unknown>
  const { name: className } = (Object.getPrototypeOf(value) as { readonly constructor: AnyClass }).constructor
  const got = fields instanceof Promise ? 'a promise: it cannot be async' : inspect(fields, { depth: 0 })
  throw new ValidationError(`store() of class ${className} wants to give an object of fields, { n: 1 }, and gave ${got}`, {
    code: 'ERR_CLASS_CANNOT_BE_REBUILT',
    className,
  })
}

function toKeep(value: object): object {
  const { store } = value as { store?: unknown }
  if (typeof store === 'function') return fieldsGiven(value, store.call(value))
  // What `restore` of an error needs most is not enumerable.
  return value instanceof Error ? { ...value, message: value.message, cause: value.cause } : value
}

function constructible(ctor: AnyClass): NestedClass {
  const transient = transientOf(ctor)
  const create = (): object => new (ctor as unknown as new () => object)()
  const nested = {
    name: nameOf(ctor),
    fields: (value: object) => keptFields(value, transient),
    rebuild: (fields: ReadonlyMap<string, unknown>, into: object = create()) => filled(noteGain(into, fields, transient), fields),
  }
  // Probed when an instance is first to be stored, not when the class is first heard of: most named classes also refer to others.
  let probed: string | undefined | null = null
  return {
    ...nested,
    create,
    get cannotBeRebuilt() {
      if (probed === null) probed = whyNot(ctor, create)
      return probed
    },
  } as NestedClass
}

function whyNot(ctor: AnyClass, create: () => object): string | undefined {
  const fix = `give it \`static restore(fields)\`, and \`store()\` for what is not in its fields`
  let probe: object
  try {
    probe = create()
  } catch {
    return `\`new ${ctor.name}()\` without arguments throws: give the arguments defaults, or ${fix}`
  }
  if (!Object.isExtensible(probe)) return `its constructor freezes it, so that nothing can be filled in: ${fix}`
  return hasHiddenState(probe) ? `it extends a built-in class, whose content is not in its fields: ${fix}` : undefined
}

const hasHiddenState = (value: object): boolean =>
  Array.isArray(value) ||
  ArrayBuffer.isView(value) ||
  types.isMap(value) ||
  types.isSet(value) ||
  types.isDate(value) ||
  types.isRegExp(value) ||
  types.isAnyArrayBuffer(value) ||
  types.isPromise(value) ||
  types.isWeakMap(value) ||
  types.isWeakSet(value) ||
  types.isBoxedPrimitive(value)

let gains = 0

/** Values brought back in this thread so far whose class had gained a field since they were stored. */
export const gainsSoFar = (): number => gains

function noteGain(into: object, fields: ReadonlyMap<string, unknown>, transient: TransientFields): object {
  for (const name of Object.keys(into)) {
    if (fields.has(name) || transient.has(name)) continue
    gains++
    break
  }
  return into
}

function keptFields(from: object, transient: TransientFields): Map<string, unknown> {
  const fields = new Map<string, unknown>()
  for (const name of Object.keys(from)) if (!transient.has(name)) fields.set(name, (from as Record<string, unknown>)[name])
  return fields
}

/** A field that is not stored keeps what the constructor gave it, so that a class may gain fields. */
function filled(into: object, fields: ReadonlyMap<string, unknown>): object {
  for (const [name, value] of fields) {
    // Defined where there is none yet, so that no setter of the class or of Object.prototype runs.
    if (Object.hasOwn(into, name)) (into as Record<string, unknown>)[name] = value
    else Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return into
}
