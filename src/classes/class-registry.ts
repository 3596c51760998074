/** Which class a stored object is of. Owner of the map ClassId → constructor of this thread. */
import { UnknownClassError } from '../errors.js'
import type { ClassId } from '../ids.js'
import { type Constructor, locateClasses, subclassesOf } from './class-locator.js'
import { moduleKey } from './module-key.js'

export interface KnownClass {
  readonly id: ClassId
  readonly ctor: Constructor
  /** Where it was defined, when known: workers import it from there. */
  readonly url: string | undefined
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
  return declared ? register(ctor, declared as ClassId, undefined) : registerAt(ctor, locateClasses([ctor])[0])
}

/** The class of an id. Looks among loaded modules, and never imports one. */
export function constructorOf(id: ClassId): Constructor {
  const found = findConstructor(id)
  if (found) return found
  throw new UnknownClassError(
    `class ${id} is not known to this program: import its module before loading its objects, or pass it in connect(url, { classes: [...] })`,
    { classId: id },
  )
}

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

/** Registers a class under the id that the driver of this worker uses for it. */
export function registerClassAs(ctor: Constructor, id: ClassId, url: string): void {
  register(ctor, id, url)
}

let loadedCount = 0

function registerLoaded(): void {
  if (!root) return
  const fresh = subclassesOf(root).filter((c) => typeof c === 'function' && !byConstructor.has(c))
  if (fresh.length === 0) return
  const urls = locateClasses(fresh)
  fresh.forEach((ctor, i) => {
    const declared = declaredName(ctor)
    if (declared) register(ctor, declared as ClassId, urls[i])
    else if (ctor.name) registerAt(ctor, urls[i])
  })
  loadedCount += fresh.length
}

/** How many classes were found by looking at the loaded modules (for `stats` and tests). */
export const classesFound = (): number => loadedCount

function declaredName(ctor: Constructor): string | undefined {
  const own = Object.hasOwn(ctor, 'typeName') ? (ctor as unknown as { typeName: unknown }).typeName : undefined
  return typeof own === 'string' && own !== '' ? own : undefined
}

function registerAt(ctor: Constructor, url: string | undefined): KnownClass {
  const declared = declaredName(ctor)
  return register(ctor, (declared ?? `${url ? moduleKey(url) : ''}#${ctor.name}`) as ClassId, url)
}

function register(ctor: Constructor, id: ClassId, url: string | undefined): KnownClass {
  const known: KnownClass = { id, ctor, url }
  byConstructor.set(ctor, known)
  byId.set(id, known)
  return known
}
