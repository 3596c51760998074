import { inspect, isDeepStrictEqual } from 'node:util'
import type { Constructor } from '../classes/class-locator.js'
import { classOf } from '../classes/class-registry.js'
import { lineage, ownStatic, type TransientFields, transientOf } from '../codec/class-statics.js'
import { fieldsGiven, restoredAs } from '../codec/nested-classes.js'
import { isDict } from '../dict/storage-dict.js'
import { SchemaMismatchError, UnsupportedError, ValidationError } from '../errors.js'
import { type ClassSettings, construct, recordOf, settingsOf } from './class-settings.js'
import { requireColumns } from './declared-columns.js'
import { guardOf } from './handle.js'
import {
  isStillGained,
  noteDrift,
  noteNone,
  presentName,
  renamesOf,
  requireDeclaredTypes,
  type StoredFields,
  underPresentNames,
  underStoredNames,
} from './schema-drift.js'
import { constructOver, type StorageObject } from './storage-object.js'

interface ClassInfo {
  readonly transient: TransientFields
  rebuildable: boolean | undefined
  /** Field names that the constructor makes; empty for classes with `restore`. */
  defaults: readonly string[]
  /** Of them those in which it puts a dict. `undefined`: none was made yet. */
  dicts: readonly string[] | undefined
}

const infos = new WeakMap<Constructor, ClassInfo>()

function infoOf(ctor: Constructor): ClassInfo {
  let info = infos.get(ctor)
  if (!info) {
    info = { transient: transientOf(ctor), rebuildable: undefined, defaults: [], dicts: undefined }
    infos.set(ctor, info)
  }
  return info
}

/** By the prototype: a field of the user's may be called `constructor`. */
export const constructorOfInstance = (instance: object): Constructor =>
  (Object.getPrototypeOf(instance) as { readonly constructor: Constructor }).constructor

/** The fields that are stored: own enumerable ones but the transient, or what the class's own `store()` says. */
export function storedFields(instance: StorageObject): Map<string, unknown> {
  const fields = ownFields(instance)
  const ctor = constructorOfInstance(instance)
  requireDeclaredTypes(ctor, fields)
  requireColumns(ctor, fields)
  return underStoredNames(instance, fields)
}

function ownFields(instance: StorageObject): Map<string, unknown> {
  const { transient } = infoOf(constructorOfInstance(instance))
  const twin = (instance as { store?: unknown }).store
  const from: Record<string, unknown> =
    typeof twin === 'function' && hasRestore(constructorOfInstance(instance))
      ? fieldsGiven(instance, twin.call(instance))
      : recordOf(instance)
  const fields = new Map<string, unknown>()
  for (const name of Object.keys(from)) if (!transient.has(name)) fields.set(name, from[name])
  return fields
}

/** What an instance holds as its class says it, and how to give that back where the class keeps it to itself. */
export function fieldsOfOwn(instance: StorageObject): { readonly values: Iterable<unknown>; giveBack(): void } {
  const ctor = constructorOfInstance(instance)
  const fields = ownFields(instance)
  return {
    values: fields.values(),
    giveBack: () => {
      if (hasRestore(ctor)) restoreInto(instance, ctor, Object.fromEntries(fields))
    },
  }
}

export const mergesFields = (ctor: Constructor): boolean => settingsOf(ctor).merge === 'fields'

/** A wish that nobody hears would be found out by lost changes, or by fields that are stored after all. Methods of these names are the class's own. */
function assertSettings(ctor: Constructor): void {
  for (const c of lineage(ctor)) {
    const [merge, transient] = [ownStatic(c, 'merge'), ownStatic(c, 'transient')]
    if ((typeof merge === 'string' || typeof merge === 'boolean') && merge !== 'fields')
      throw wrongSetting(ctor, "`static merge` is 'fields', or left out", merge)
    const isList = Array.isArray(transient) || transient instanceof Set
    if (typeof transient === 'string' || (isList && !isListOfNames(transient)))
      throw wrongSetting(ctor, "`static transient` is a list of names: ['cache']", transient)
  }
}

const isListOfNames = (list: unknown): boolean => Array.isArray(list) && list.every((name) => typeof name === 'string')

const wrongSetting = (ctor: Constructor, wants: string, given: unknown): Error =>
  new ValidationError(`class ${ctor.name}: ${wants}, not ${inspect(given, { depth: 0 })}`, { className: ctor.name })

const hasRestore = (ctor: Constructor): boolean => typeof settingsOf(ctor).restore === 'function'

/** Refuses a class that could be stored but never brought back. Asked before anything is stored. */
export function assertRebuildable(ctor: Constructor): void {
  const info = infoOf(ctor)
  if (info.rebuildable === undefined) {
    assertSettings(ctor)
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
    return construct(ctor)
  } catch {
    return undefined
  }
}

export type { StoredFields }

/** Fields that the class's constructor makes; one that an instance lacks was deleted, which is stored as such. */
export const defaultFieldsOf = (ctor: Constructor): readonly string[] => infoOf(ctor).defaults

/** Handles of classes with `restore`: the constructor runs on them when their fields come. */
const unbuilt = new WeakSet<StorageObject>()

/** Runs the class's constructor on a handle: its defaults, collections included, are there before stored fields come in. */
export function constructHandle(instance: StorageObject, ctor: Constructor): void {
  Object.setPrototypeOf(instance, ctor.prototype as object)
  if (hasRestore(ctor)) unbuilt.add(instance)
  else constructOver(instance, ctor, () => construct(ctor))
}

/** Makes a half-filled instance a handle again, after its stored fields turned out to be unreadable. */
export function guardAgain(instance: StorageObject, ctor: Constructor): void {
  for (const name of Object.keys(instance)) Reflect.deleteProperty(instance, name)
  Object.setPrototypeOf(instance, guardOf(ctor).prototype as object)
}

/** Takes stored fields into an instance that has been constructed; `isUsed` if the program may have changed it since. */
export function fill(instance: StorageObject, ctor: Constructor, stored: StoredFields, isUsed = false): void {
  const fields = underPresentNames(ctor, stored)
  if (hasRestore(ctor)) restoreInto(instance, ctor, Object.fromEntries(fields.values))
  else {
    if (isUsed) resetUnstored(instance, ctor, fields)
    else requireDicts(instance, ctor, fields)
    assignFields(instance, ctor, fields)
  }
  if (hasRestore(ctor) || !hasStoredFields(instance, ctor, stored)) noteDrift(instance, ctor, stored, ownFields(instance))
  else noteNone(instance)
}

/** What calls a dict's methods would find them missing. Errors: SchemaMismatchError. */
function requireDicts(fresh: StorageObject, ctor: Constructor, { values }: StoredFields): void {
  const info = infoOf(ctor)
  info.dicts ??= Object.keys(fresh).filter((name) => isDict(recordOf(fresh)[name]))
  for (const name of info.dicts) {
    const value = values.get(name)
    if (value === undefined || value === null || isDict(value)) continue
    throw new SchemaMismatchError(
      `field ${ctor.name}.${name} is a StorageDict, and what is stored is not: give the dict another name, and copy what was stored into it`,
      { field: `${ctor.name}.${name}`, expected: 'StorageDict' },
    )
  }
}

/** By far the most common case, decided without a list of the fields. False also where it takes a longer look to say so. */
function hasStoredFields(instance: StorageObject, ctor: Constructor, { values, deleted }: StoredFields): boolean {
  if (deleted.length > 0 || renamesOf(ctor).size > 0) return false
  const { transient } = infoOf(ctor)
  let count = 0
  for (const name in instance) {
    if (!Object.hasOwn(instance, name) || !values.has(name) || transient.has(name)) return false
    count++
  }
  return count === values.size
}

/**
 * What the program has put into fields that the store lacks goes: else it would pass for what the class has gained, and never be stored.
 */
function resetUnstored(instance: StorageObject, ctor: Constructor, { values, deleted }: StoredFields): void {
  const fields = recordOf(instance)
  let fresh: Record<string, unknown> | undefined
  for (const name of shownNames(instance, ctor)) {
    if (values.has(name) || deleted.includes(name) || isDict(fields[name]) || isStillGained(instance, ctor, name, fields[name])) continue
    fresh ??= recordOf(construct(ctor) as StorageObject)
    if (Object.hasOwn(fresh, name)) assignField(instance, ctor, name, fresh[name])
    else Reflect.deleteProperty(instance, name)
  }
}

function shownNames(instance: StorageObject, ctor: Constructor): readonly string[] {
  const { transient } = infoOf(ctor)
  const names = Object.keys(instance)
  return names.some((name) => transient.has(name)) ? names.filter((name) => !transient.has(name)) : names
}

/** An instance whose fields are about to come; `undefined` for classes with `restore`, which make their own of them. */
export const constructEmpty = (ctor: Constructor): StorageObject | undefined =>
  hasRestore(ctor) ? undefined : (construct(ctor) as StorageObject)

function restoreInto(instance: StorageObject, ctor: Constructor, fields: Record<string, unknown>): void {
  const { restore } = settingsOf(ctor) as Required<ClassSettings>
  const isFirst = unbuilt.has(instance)
  // Nothing to take in, which spares classes with #private state the question how.
  if (!isFirst && isDeepStrictEqual(fields, Object.fromEntries(ownFields(instance)))) return
  const again = (instance as { restore?: unknown }).restore
  if (!isFirst && typeof again === 'function') return void again.call(instance, fields)
  const restored = isFirst
    ? constructOver(instance, ctor, () => restore.call(ctor, fields))
    : restoredAgain(instance, ctor, () => restore.call(ctor, fields))
  if (!(restored instanceof ctor)) throw wrongRestore(ctor, restored)
  unbuilt.delete(instance)
  if (restored !== instance) Object.assign(instance, restored)
}

/** A constructor can run twice on one instance, but `#private` fields cannot be made twice. */
function restoredAgain(instance: StorageObject, ctor: Constructor, restore: () => object): object {
  try {
    return constructOver(instance, ctor, restore)
  } catch (cause) {
    // On an instance of its own it tells whether the fields are at fault: then this is the error that matters.
    restore()
    throw new UnsupportedError(
      `class ${ctor.name} keeps #private state, which cannot be replaced from outside: give it a method \`restore(fields)\` that takes a newer state in`,
      { code: 'ERR_CANNOT_RELOAD', classId: classOf(ctor).id, cause },
    )
  }
}

function wrongRestore(ctor: Constructor, restored: unknown): Error {
  return new ValidationError(`static restore of class ${ctor.name} must return a ${ctor.name}, and gave ${restoredAs(restored)}`, {
    code: 'ERR_CLASS_CANNOT_BE_REBUILT',
    classId: classOf(ctor).id,
  })
}

/** Changes some fields of a loaded instance, by their stored names: to a value, or to none. */
export function changeFields(instance: StorageObject, changes: ReadonlyMap<string, { readonly value: unknown } | undefined>): void {
  const ctor = constructorOfInstance(instance)
  if (hasRestore(ctor)) return changeRestored(instance, ctor, changes)
  for (const [stored, change] of changes) {
    const name = presentName(instance, stored)
    if (change) assignField(instance, ctor, name, change.value)
    else Reflect.deleteProperty(instance, name)
  }
}

function changeRestored(
  instance: StorageObject,
  ctor: Constructor,
  changes: ReadonlyMap<string, { readonly value: unknown } | undefined>,
): void {
  const fields = ownFields(instance)
  for (const [stored, change] of changes) {
    const name = presentName(instance, stored)
    if (change) fields.set(name, change.value)
    else fields.delete(name)
  }
  restoreInto(instance, ctor, Object.fromEntries(fields))
}

/** A stored field that the class no longer makes comes back too; a new field of the class keeps its default. */
function assignFields(instance: StorageObject, ctor: Constructor, { values, deleted }: StoredFields): void {
  const { transient } = infoOf(ctor)
  for (const name of deleted) Reflect.deleteProperty(instance, name)
  for (const [name, value] of values) if (!transient.has(name)) assignField(instance, ctor, name, value)
}

function assignField(target: StorageObject, ctor: Constructor, name: string, value: unknown): void {
  if (name !== '__proto__' && name in target) {
    try {
      // Not Reflect.set, which is many times slower and only says false where this throws.
      recordOf(target)[name] = value
    } catch (error) {
      takeReadOnly(target, ctor, name, value, error)
    }
  } else if (!defineField(target, name, value)) throw readOnly(ctor, name)
}

function takeReadOnly(target: StorageObject, ctor: Constructor, name: string, value: unknown, error: unknown): void {
  const found = descriptorOf(target, name)
  // The class's own setter refused it.
  if (!found || found.set) throw error
  // Computed by the class: what it was when stored says nothing.
  if (found.get || Object.is(found.value, value)) return
  if (!found.configurable || !defineField(target, name, value, found)) throw readOnly(ctor, name)
}

const readOnly = (ctor: Constructor, name: string): Error =>
  new ValidationError(
    `field ${ctor.name}.${name} is read-only, so that what is stored cannot come back: make it writable, or add \`static restore(fields)\``,
    { code: 'ERR_CLASS_CANNOT_BE_REBUILT', classId: classOf(ctor).id, path: name },
  )

function descriptorOf(target: object, name: string): PropertyDescriptor | undefined {
  for (let o: object | null = target; o; o = Object.getPrototypeOf(o) as object | null) {
    const found = Object.getOwnPropertyDescriptor(o, name)
    if (found) return found
  }
  return undefined
}

const FIELD: PropertyDescriptor = { writable: true, enumerable: true, configurable: true }

function defineField(
  target: object,
  name: string,
  value: unknown,
  { writable = true, enumerable = true, configurable = true } = FIELD,
): boolean {
  return Reflect.defineProperty(target, name, { value, writable, enumerable, configurable })
}
