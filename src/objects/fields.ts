import type { Constructor } from '../classes/class-locator.js'
import { classOf } from '../classes/class-registry.js'
import { ValidationError } from '../errors.js'
import { guardOf } from './handle.js'
import { constructOver, type StorageObject } from './storage-object.js'

/** Static members of a user's class that the core looks at. */
interface ClassSettings {
  readonly transient?: readonly string[]
  readonly merge?: 'fields'
  restore?(fields: Record<string, unknown>): object
}

interface ClassInfo {
  readonly transient: ReadonlySet<string>
  rebuildable: boolean | undefined
  /** Field names that the constructor makes; empty for classes with `restore`. */
  defaults: readonly string[]
}

const infos = new WeakMap<Constructor, ClassInfo>()
const TRANSIENT_FIELDS = Symbol.for('insitu.transient')

function infoOf(ctor: Constructor): ClassInfo {
  let info = infos.get(ctor)
  if (!info) {
    const names = new Set<string>()
    for (let c: object | null = ctor; c && c !== Function.prototype; c = Object.getPrototypeOf(c)) {
      const own = Object.getOwnPropertyDescriptors(c) as { transient?: PropertyDescriptor; [TRANSIENT_FIELDS]?: PropertyDescriptor }
      for (const name of (own.transient?.value as string[] | undefined) ?? []) names.add(name)
      for (const name of (own[TRANSIENT_FIELDS]?.value as string[] | undefined) ?? []) names.add(name)
    }
    info = { transient: names, rebuildable: undefined, defaults: [] }
    infos.set(ctor, info)
  }
  return info
}

export const constructorOfInstance = (instance: object): Constructor => instance.constructor as Constructor

/** The fields that are stored: own enumerable ones but the transient, or what the class's own `store()` says. */
export function storedFields(instance: StorageObject): Map<string, unknown> {
  const { transient } = infoOf(constructorOfInstance(instance))
  const twin = (instance as { store?: unknown }).store
  const from: Record<string, unknown> =
    typeof twin === 'function' && hasRestore(constructorOfInstance(instance))
      ? (twin.call(instance) as Record<string, unknown>)
      : (instance as unknown as Record<string, unknown>)
  const fields = new Map<string, unknown>()
  for (const name of Object.keys(from)) if (!transient.has(name)) fields.set(name, from[name])
  return fields
}

export const mergesFields = (ctor: Constructor): boolean => (ctor as unknown as ClassSettings).merge === 'fields'

const hasRestore = (ctor: Constructor): boolean => typeof (ctor as unknown as ClassSettings).restore === 'function'

/** Refuses a class that could be stored but never brought back. Asked before anything is stored. */
export function assertRebuildable(ctor: Constructor): void {
  const info = infoOf(ctor)
  if (info.rebuildable === undefined) {
    const probe = hasRestore(ctor) ? {} : tryConstruct(ctor)
    info.rebuildable = probe !== undefined
    info.defaults = Object.keys(probe ?? {}).filter((name) => !info.transient.has(name))
  }
  if (info.rebuildable) return
  const { id } = classOf(ctor)
  throw new ValidationError(
    `class ${ctor.name} cannot be rebuilt: \`new ${ctor.name}()\` without arguments throws; give the arguments defaults, or add \`static restore(fields)\``,
    { code: 'ERR_CLASS_CANNOT_BE_REBUILT', classId: id },
  )
}

function tryConstruct(ctor: Constructor): object | undefined {
  try {
    return new (ctor as unknown as new () => object)()
  } catch {
    return undefined
  }
}

/** Fields that the class's constructor makes; one that an instance lacks was deleted, which is stored as such. */
export const defaultFieldsOf = (ctor: Constructor): readonly string[] => infoOf(ctor).defaults

/** Stored fields of one object, and the names of those that were deleted although the constructor makes them. */
export interface StoredFields {
  readonly values: ReadonlyMap<string, unknown>
  readonly deleted: readonly string[]
}

/** Runs the class's constructor on a handle: its defaults, collections included, are there before stored fields come in. */
export function constructHandle(instance: StorageObject, ctor: Constructor): void {
  Object.setPrototypeOf(instance, ctor.prototype as object)
  if (!hasRestore(ctor)) constructOver(instance, ctor, () => new (ctor as unknown as new () => object)())
}

/** Makes a half-filled instance a handle again, after its stored fields turned out to be unreadable. */
export function guardAgain(instance: StorageObject, ctor: Constructor): void {
  for (const name of Object.keys(instance)) delete (instance as unknown as Record<string, unknown>)[name]
  Object.setPrototypeOf(instance, guardOf(ctor).prototype as object)
}

/** Takes stored fields into an instance that has been constructed. */
export function fill(instance: StorageObject, ctor: Constructor, fields: StoredFields): void {
  if (!hasRestore(ctor)) return assignFields(instance, fields)
  const { restore } = ctor as unknown as Required<ClassSettings>
  const restored = constructOver(instance, ctor, () => restore.call(ctor, Object.fromEntries(fields.values)))
  if (restored !== instance) Object.assign(instance, restored)
}

/** A stored field that the class no longer makes comes back too; a new field of the class keeps its default. */
function assignFields(instance: StorageObject, { values, deleted }: StoredFields): void {
  const target = instance as unknown as Record<string, unknown>
  for (const name of deleted) delete target[name]
  for (const [name, value] of values) {
    if (name === '__proto__' || !(name in target)) defineField(target, name, value)
    else target[name] = value
  }
}

function defineField(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true })
}
