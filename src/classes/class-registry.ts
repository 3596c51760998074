/** Which class a stored object is of. Owner of the map ClassId → constructor of this thread. */
import { UnknownClassError, ValidationError } from '../errors.js'
import type { ClassId } from '../ids.js'
import { type ClassPlace, type Constructor, locateClasses, subclassesOf } from './class-locator.js'
import { moduleKey } from './module-key.js'

export interface KnownClass {
  readonly id: ClassId
  readonly ctor: Constructor
  /** Where it was defined, when known: workers import it from there. */
  readonly url: string | undefined
  /** Where in that module, when known. */
  readonly at?: string
}

const byId = new Map<ClassId, KnownClass>()
const byConstructor = new Map<Constructor, KnownClass>()
let root: Constructor | undefined

/** Names the class under which all others stand; called once by storage-object.ts. */
export function setRootClass(ctor: Constructor): void {
  root = ctor
}

/** The class's identity: `static typeName`, or module + name. */
export function classOf(ctor: Constructor): KnownClass {
  const known = byConstructor.get(ctor)
  if (known) return known
  const declared = declaredName(ctor)
  if (declared) return register(ctor, declared as ClassId, undefined)
  if (!ctor.name) throw nameless()
  const place = locateClasses([ctor])[0]
  const id = idAt(ctor, place?.url)
  if (isAnother(byId.get(id), place)) throw nameTaken(ctor, id)
  return register(ctor, id, place?.url, place?.at)
}

/** The class of an id. Looks among loaded modules, and never imports one. */
export function constructorOf(id: ClassId): Constructor {
  const found = findConstructor(id)
  if (found) return found
  throw new UnknownClassError(
    `class ${id} is not known to this program: import its module before loading its objects, or pass it in connect(url, { classes: [...] })${namesakeOf(id)}`,
    { classId: id },
  )
}

/** A class that was moved to another module, or copied there, is another one until it says that it is not. */
function namesakeOf(id: ClassId): string {
  const name = id.slice(id.lastIndexOf('#'))
  const namesake = [...byId.keys()].find((known) => known.endsWith(name))
  return namesake ? `; it has ${namesake}: if that is the same class, say \`static typeName = '${id}'\` in it` : ''
}

/** The class of an id, if it has been met. */
export const knownConstructor = (id: ClassId): Constructor | undefined => byId.get(id)?.ctor

export function findConstructor(id: ClassId): Constructor | undefined {
  const known = byId.get(id)
  if (known) return known.ctor
  registerLoaded()
  return byId.get(id)?.ctor
}

/** Registers classes by name of their module: what `connect(url, { classes })` and workers do. */
export function registerClass(ctor: Constructor, url?: string): KnownClass {
  return byConstructor.get(ctor) ?? (url === undefined ? classOf(ctor) : registerAt(ctor, url))
}

/**
 * Registers the class of an id among a module's exports, as the driver of this worker knows it: looking for it among all that is loaded
 * takes V8 a hundred milliseconds. One that is not exported is still found that way.
 */
export function registerExported(id: ClassId, module: object, url: string): void {
  if (byId.has(id)) return
  for (const value of Object.values(module)) {
    if (typeof value !== 'function' || !isStored(value) || byConstructor.has(value)) continue
    if (declaredName(value) === id || (declaredName(value) === undefined && id.endsWith(`#${value.name}`)))
      return void register(value, id, url)
  }
}

const isStored = (value: object): value is Constructor => root !== undefined && 'prototype' in value && value.prototype instanceof root

function registerLoaded(): void {
  if (!root) return
  const fresh = subclassesOf(root).filter((c) => typeof c === 'function' && !byConstructor.has(c))
  if (fresh.length === 0) return
  const places = locateClasses(fresh)
  fresh.forEach((ctor, i) => {
    const place = places[i]
    const declared = declaredName(ctor)
    if (declared) register(ctor, declared as ClassId, place?.url)
    else if (ctor.name && !isAnother(byId.get(idAt(ctor, place?.url)), place)) register(ctor, idAt(ctor, place?.url), place?.url, place?.at)
  })
}

function declaredName(ctor: Constructor): string | undefined {
  const own = Object.hasOwn(ctor, 'typeName') ? (ctor as unknown as { typeName: unknown }).typeName : undefined
  return typeof own === 'string' && own !== '' ? own : undefined
}

function registerAt(ctor: Constructor, url: string): KnownClass {
  return register(ctor, (declaredName(ctor) as ClassId | undefined) ?? idAt(ctor, url), url)
}

const idAt = (ctor: Constructor, url: string | undefined): ClassId => `${url ? moduleKey(url) : ''}#${ctor.name}` as ClassId

/** One class evaluated again (a factory, a reloaded module) takes the place of the old; two classes of one module are a mistake. */
const isAnother = (known: KnownClass | undefined, place: ClassPlace | undefined): boolean =>
  known?.at !== undefined && place !== undefined && known.url === place.url && known.at !== place.at

/** Of several such classes of one module stored objects could not say which is theirs, and no other program would know the class. */
const nameless = (): Error =>
  new ValidationError('a class without a name cannot be stored: name it, or give it a `static typeName`', {
    code: 'ERR_CLASS_CANNOT_BE_REBUILT',
  })

function nameTaken(ctor: Constructor, id: ClassId): Error {
  return new ValidationError(
    `two classes of one module are called ${ctor.name}, so that stored objects could not say which is theirs: give one a \`static typeName\``,
    { code: 'ERR_CLASS_NAME_TAKEN', classId: id },
  )
}

function register(ctor: Constructor, id: ClassId, url: string | undefined, at?: string): KnownClass {
  const known: KnownClass = { id, ctor, url, ...(at !== undefined && { at }) }
  byConstructor.set(ctor, known)
  byId.set(id, known)
  return known
}
