/**
 * Objects that an older (or newer) version of their class stored. An instance is never dirty just because its class changed since:
 * - a field that the class gained keeps its default, and is stored once it is something else;
 * - a field that the class no longer makes comes back, as any undeclared field does;
 * - one that the class made transient, or that its `store()` no longer gives, stays in the store as it is;
 * - one that the class renamed (`static renamed = { newName: 'oldName' }`) has its old name in the store, in new objects too, so that
 *   programs with the old class go on reading and writing it. Once a class uses the old name for another field, an object keeps it for the
 *   renamed one until that other field is something else than its default: from then on both are stored under their own names;
 * - one whose declared type changed is a SchemaMismatchError.
 */
import type { Constructor } from '../classes/class-locator.js'
import { nestedClassesOf } from '../codec/nested-classes.js'
import { encodeFields, type Fingerprint, fingerprint } from '../codec/values.js'
import { isDict, isUntouched } from '../dict/storage-dict.js'
import { SchemaMismatchError, ValidationError } from '../errors.js'
import { builtinsOf, isOfBuiltin } from './builtin-types.js'
import { recordOf } from './class-settings.js'
import { hasColumns } from './declared-columns.js'
import type { StorageObject } from './storage-object.js'

/** Stored fields of one object, and the names of those that were deleted although the constructor makes them. */
export interface StoredFields {
  readonly values: ReadonlyMap<string, unknown>
  readonly deleted: readonly string[]
}

interface Drift {
  /** Fields that the store lacks, as the constructor made them. */
  readonly gained: ReadonlyMap<string, Fingerprint | typeof EMPTY_DICT>
  /** Stored fields that the instance does not show. */
  readonly hidden: ReadonlyMap<string, unknown>
  /** Present name → stored name. */
  readonly renamed: ReadonlyMap<string, string>
}

const EMPTY_DICT = Symbol('a dict without rows')
const drifts = new WeakMap<StorageObject, Drift>()

/** Stored fields under the names that the class now gives them. Errors: SchemaMismatchError. */
export function underPresentNames(ctor: Constructor, stored: StoredFields): StoredFields {
  const renames = renamesOf(ctor)
  const fields = renames.size === 0 ? stored : withNames(stored, renames)
  const wrong = firstWrong(ctor, fields.values)
  if (!wrong) return fields
  const [name, wanted] = wrong
  throw new SchemaMismatchError(
    `field ${ctor.name}.${name} is declared ${wanted}, and what is stored is not: give the new field another name, or declare both types`,
    { field: `${ctor.name}.${name}`, expected: wanted },
  )
}

/** Errors: ValidationError for a value that is not of the built-in type declared for its field. */
export function requireDeclaredTypes(ctor: Constructor, fields: ReadonlyMap<string, unknown>): void {
  const wrong = firstWrong(ctor, fields)
  if (!wrong) return
  const [name, wanted] = wrong
  throw new ValidationError(`field ${ctor.name}.${name} is declared ${wanted}, got a ${typeof fields.get(name)}`, { path: name })
}

function firstWrong(ctor: Constructor, fields: ReadonlyMap<string, unknown>): readonly [field: string, wanted: string] | undefined {
  const builtins = builtinsOf(ctor)
  if (builtins.size === 0) return undefined
  for (const [field, types] of builtins)
    if (!isOfBuiltin(fields.get(field), types)) return [field, types.map((type) => (type as { name: string }).name).join(' or ')]
  return undefined
}

/** The field of the class in which a stored one is shown. */
export function fieldShowing(ctor: Constructor, stored: string, all: ReadonlyMap<string, unknown>): string {
  for (const [now, old] of renamesOf(ctor)) if (old === stored && !all.has(now)) return now
  return stored
}

function withNames({ values, deleted }: StoredFields, renames: ReadonlyMap<string, string>): StoredFields {
  const isStored = (name: string): boolean => values.has(name) || deleted.includes(name)
  const toPresent = new Map(
    [...renames].flatMap(([now, old]) => (isStored(old) && !isStored(now) ? [[old, now]] : [])) as [string, string][],
  )
  const present = (name: string): string => toPresent.get(name) ?? name
  return { values: new Map([...values].map(([name, value]) => [present(name), value])), deleted: deleted.map(present) }
}

/** That an instance just filled has the fields that are stored, and no others. */
export const noteNone = (instance: StorageObject): void => void drifts.delete(instance)

/** Remembers how an instance just filled and its stored fields differ. */
export function noteDrift(instance: StorageObject, ctor: Constructor, stored: StoredFields, own: ReadonlyMap<string, unknown>): void {
  if (isAsStored(ctor, stored, [...own.keys()])) return noteNone(instance)
  const renamed = namesKept(instance, ctor, stored)
  const lent = new Set(renamed.values())
  const storedAs = (name: string): string | undefined => renamed.get(name) ?? (lent.has(name) ? undefined : name)
  const isStored = (name = ''): boolean => stored.values.has(name) || stored.deleted.includes(name)
  const gained = new Map([...own].filter(([name]) => !isStored(storedAs(name))).flatMap(([name, value]) => printed(ctor, name, value)))
  const shown = new Set([...own.keys()].map(storedAs))
  const hidden = new Map([...stored.values].filter(([name]) => !shown.has(name)))
  // Of a class with new names it says also that this object has none of the old ones, where that is so.
  if (gained.size + hidden.size + renamesOf(ctor).size === 0) drifts.delete(instance)
  else drifts.set(instance, { gained, hidden, renamed })
}

/** By far the most common case, decided without a look at values. */
function isAsStored(ctor: Constructor, { values, deleted }: StoredFields, own: readonly string[]): boolean {
  if (own.length !== values.size || deleted.length > 0 || renamesOf(ctor).size > 0) return false
  for (const name of own) if (!values.has(name)) return false
  return true
}

function namesKept(instance: StorageObject, ctor: Constructor, { values, deleted }: StoredFields): Map<string, string> {
  const kept = new Map<string, string>()
  for (const [now, old] of renamesOf(ctor))
    if ((values.has(old) || deleted.includes(old)) && !values.has(now) && !deleted.includes(now)) {
      kept.set(now, old)
      showUnderOldName(instance, now, old)
    }
  return kept
}

/** Code that still says the old name reads and writes the same value. */
function showUnderOldName(instance: StorageObject, now: string, old: string): void {
  const fields = recordOf(instance)
  if (old in instance) return
  const get = (): unknown => fields[now]
  const set = (value: unknown): void => void (fields[now] = value)
  Reflect.defineProperty(instance, old, { get, set, enumerable: false, configurable: true })
}

const ctorOf = (instance: StorageObject): Constructor =>
  (Object.getPrototypeOf(instance) as { readonly constructor: Constructor }).constructor

/** Present name → stored name, of the renamed fields of an instance: as they came, or for a new object as its class says. */
function renamedIn(instance: StorageObject): ReadonlyMap<string, string> {
  const drift = drifts.get(instance)
  if (drift) return drift.renamed
  const ctor = ctorOf(instance)
  const renamed = renamesOf(ctor)
  // Of a class with `static columns` a store may know the fields by the names that stand there.
  return renamed.size > 0 && hasColumns(ctor) ? NONE_RENAMED : renamed
}

const NONE_RENAMED: ReadonlyMap<string, string> = new Map()

/** Whether an instance has another field under the old name of one that was renamed, which is no more as it was made. */
function isUsedAnew(instance: StorageObject, old: string, own?: ReadonlyMap<string, unknown>): boolean {
  const isThere = own ? own.has(old) : Object.prototype.propertyIsEnumerable.call(instance, old)
  if (!isThere) return false
  const drift = drifts.get(instance)
  return !drift || !isAsGained(drift, ctorOf(instance), old, own ? own.get(old) : recordOf(instance)[old])
}

/** The name that a stored field has in an instance. */
export function presentName(instance: StorageObject, stored: string): string {
  for (const [now, old] of renamedIn(instance)) if (old === stored) return isUsedAnew(instance, old) ? stored : now
  return stored
}

/** The name under which a field of an instance is stored. */
export function storedName(instance: StorageObject, present: string, own?: ReadonlyMap<string, unknown>): string {
  const old = renamedIn(instance).get(present)
  return old === undefined || isUsedAnew(instance, old, own) ? present : old
}

/** The fields of an instance as its stored object has them. */
export function underStoredNames(instance: StorageObject, own: Map<string, unknown>): Map<string, unknown> {
  const drift = drifts.get(instance)
  const ctor = ctorOf(instance)
  if (!drift && renamesOf(ctor).size === 0) return own
  const fields = new Map<string, unknown>()
  for (const [name, value] of own) if (!drift || !isAsGained(drift, ctor, name, value)) fields.set(storedName(instance, name, own), value)
  if (drift) for (const [name, value] of drift.hidden) if (!fields.has(name)) fields.set(name, value)
  return fields
}

/** Whether a field that the store lacks is as the constructor made it. */
export function isStillGained(instance: StorageObject, ctor: Constructor, name: string, value: unknown): boolean {
  const drift = drifts.get(instance)
  return drift !== undefined && isAsGained(drift, ctor, name, value)
}

function isAsGained({ gained }: Drift, ctor: Constructor, name: string, value: unknown): boolean {
  if (!gained.has(name)) return false
  const [now] = printed(ctor, name, value)
  return now !== undefined && now[1] === gained.get(name)
}

type Print = readonly [name: string, print: Fingerprint | typeof EMPTY_DICT]

/** What a field holds, in short; nothing for what has to be stored in any case: objects and collections of its own. */
function printed(ctor: Constructor, name: string, value: unknown): readonly Print[] {
  if (isDict(value)) return isUntouched(value) ? [[name, EMPTY_DICT]] : []
  try {
    const cell = encodeFields(new Map([[name, value]]), {
      ...OWN_VALUES_ONLY,
      classOf: (nested) => nestedClassesOf(ctor).classOf(nested),
    }).get(name)!
    return [[name, fingerprint(cell)]]
  } catch (error) {
    // What cannot be stored is refused when it is to be stored, with the whole path.
    if (error instanceof ValidationError) return []
    throw error
  }
}

const OWN_VALUES_ONLY = { refOf: () => undefined, collectionOf: () => undefined }

const renames = new WeakMap<Constructor, ReadonlyMap<string, string>>()

export function renamesOf(ctor: Constructor): ReadonlyMap<string, string> {
  let known = renames.get(ctor)
  if (!known) {
    known = declaredRenames(ctor)
    renames.set(ctor, known)
  }
  return known
}

function declaredRenames(ctor: Constructor): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (let c: object | null = ctor; c && c !== Function.prototype; c = Object.getPrototypeOf(c) as object | null) {
    const own: unknown = Object.getOwnPropertyDescriptor(c, 'renamed')?.value
    if (own === undefined) continue
    if (typeof own !== 'object' || own === null || Array.isArray(own)) throw wrongRenames(ctor)
    for (const [now, old] of Object.entries(own)) {
      if (typeof old !== 'string' || old === now) throw wrongRenames(ctor)
      if (!names.has(now)) names.set(now, old)
    }
  }
  // What is stored could be either of two then: of a name for two fields, of two that have changed places, and of a chain.
  const olds = new Set(names.values())
  if (olds.size < names.size || [...olds].some((old) => names.has(old))) throw wrongRenames(ctor)
  return names
}

const wrongRenames = (ctor: Constructor): Error =>
  new ValidationError(
    `\`static renamed\` of class ${ctor.name} wants { newName: 'oldName' }, with the name that each field had first, and each name once`,
    { className: ctor.name },
  )
