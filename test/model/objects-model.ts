/**
 * What the documentation says of stored objects, in the simplest code: no stores, no encoding, no promises. A long file on purpose: one rule
 * after the other.
 */
import { NODE_CLASSES } from './objects-classes.js'
import { copyOf, textOf, textWithObjects } from './objects-values.js'

export type Fields = Record<string, unknown>

/** An error that the documentation promises, by its code. */
export class Refusal extends Error {
  constructor(readonly code: string) {
    super(code)
  }
}

/** In a stored field: a reference to another object. */
class Link {
  constructor(readonly key: number) {}
}

/** An object as it is stored. Each change makes a new one. */
interface Stored {
  readonly key: number
  readonly cls: number
  readonly fields: Fields
}

interface Origin {
  /** The original first, then the versions between. */
  readonly chain: readonly number[]
  readonly original: Stored
}

/** What stands in one store. */
export class ModelStore {
  readonly objects = new Map<number, Stored>()
  readonly names = new Map<string, number>()
  readonly origins = new Map<number, Origin>()
  /** The class of each object that there ever was: a reference knows it. */
  readonly classes: number[] = []

  newKey(cls: number): number {
    return this.classes.push(cls) - 1
  }

  namesOf(key: number): string[] {
    return [...this.names].flatMap(([alias, to]) => (to === key ? [alias] : [])).sort()
  }

  remove(key: number): void {
    this.objects.delete(key)
    this.origins.delete(key)
    for (const alias of this.namesOf(key)) this.names.delete(alias)
  }
}

let instances = 0

/** An instance in the memory of a program. */
export class Instance {
  readonly number = instances++
  fields: Fields = {}
  key: number | undefined
  /** What its fields come from; `undefined` while volatile, or new in its transaction. */
  base: Stored | undefined
  isLoaded = true
  /** Who acts on it; nobody while it is volatile. */
  unit: Unit | undefined

  constructor(public cls: number) {}

  becomeVolatile(): void {
    this.key = undefined
    this.base = undefined
    this.unit = undefined
  }
}

export const isInstance = (value: unknown): value is Instance => value instanceof Instance

/** Fields in the order of their names: it is not kept. */
export const inOrder = (fields: object): Fields => Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)))

const asText = (fields: Fields): string =>
  textOf(inOrder(fields), (o) => {
    if (o instanceof Link) return `#${o.key}`
    return o instanceof Instance ? (o.key === undefined ? `new ${o.number}` : `#${o.key}`) : undefined
  })

export const isSubclass = (cls: number, of: number): boolean =>
  NODE_CLASSES[cls] === NODE_CLASSES[of] || NODE_CLASSES[cls]!.prototype instanceof NODE_CLASSES[of]!
export const merges = (cls: number): boolean => (NODE_CLASSES[cls] as { merge?: string }).merge === 'fields'

const linksIn = (fields: Fields): Set<number> => {
  const [, links] = textWithObjects(fields, (o) => o instanceof Link)
  return new Set(links.map(({ key }) => key))
}

/** What a program, or a transaction, holds: one instance of each object. */
export abstract class Unit {
  readonly held = new Map<number, Instance>()

  constructor(readonly store: ModelStore) {}

  // ---- looking

  stored(key: number): Stored | undefined {
    return this.store.objects.get(key)
  }

  named(alias: string): number | undefined {
    return this.store.names.get(alias)
  }

  instanceOf(key: number, cls = this.store.classes[key]!): Instance {
    const known = this.held.get(key)
    if (known) return known
    const handle = new Instance(cls)
    handle.isLoaded = false
    this.adopt(handle, key)
    return handle
  }

  adopt(one: Instance, key: number): void {
    one.key = key
    one.unit = this
    this.held.set(key, one)
  }

  isDirty(one: Instance): boolean {
    return one.isLoaded && (one.base === undefined || asText(one.fields) !== asText(one.base.fields))
  }

  take(one: Instance, stored: Stored): void {
    one.fields = copyOf(stored.fields, (o) => (o instanceof Link ? this.instanceOf(o.key) : undefined))
    one.base = stored
    one.isLoaded = true
    one.cls = stored.cls
    this.taken(one)
  }

  protected taken(_one: Instance): void {}

  /** A stored object meets what is in memory: unsaved changes win, else the store. */
  arrive(stored: Stored): Instance {
    const one = this.instanceOf(stored.key)
    if (one.base !== stored && !(one.isLoaded && this.isDirty(one))) (one.unit ?? this).take(one, stored)
    return one
  }

  /** Objects with those that they refer to, `depth` steps far. */
  fetch(keys: readonly number[], depth: number, met = new Set<number>()): (Instance | undefined)[] {
    const found = keys.map((key) => this.stored(key))
    const instances = found.map((stored) => stored && this.arrive(stored))
    for (const key of keys) met.add(key)
    if (depth > 0) {
      const next = new Set(found.flatMap((stored) => (stored ? [...linksIn(stored.fields)] : [])).filter((key) => !met.has(key)))
      if (next.size > 0) this.fetch([...next], depth - 1, met)
    }
    return instances
  }

  getByAlias(cls: number, alias: string, depth: number): Instance {
    const key = this.named(alias)
    if (key === undefined) throw new Refusal('ERR_NOT_FOUND')
    return this.getByKey(cls, key, depth)
  }

  getByKey(cls: number, key: number, depth: number): Instance {
    const stored = this.stored(key)
    if (!stored) throw new Refusal('ERR_NOT_FOUND')
    if (!isSubclass(stored.cls, cls)) throw new Refusal('ERR_WRONG_CLASS')
    return this.fetch([key], depth)[0]!
  }

  getByKeys(keys: readonly number[]): Instance[] {
    const found = this.fetch(keys, 0)
    if (found.includes(undefined)) throw new Refusal('ERR_NOT_FOUND')
    return found as Instance[]
  }

  load(all: readonly Instance[]): void {
    for (const one of all) {
      if (one.isLoaded || one.key === undefined) continue
      const stored = this.stored(one.key)
      if (!stored) throw new Refusal('ERR_NOT_FOUND')
      this.take(one, stored)
    }
  }

  reload(one: Instance, discard: boolean): void {
    const key = keyOf(one)
    if (!discard && this.isDirty(one)) throw new Refusal('ERR_UNSAVED_CHANGES')
    const stored = this.stored(key)
    if (!stored) throw new Refusal('ERR_NOT_FOUND')
    this.take(one, stored)
  }

  aliases(one: Instance): string[] {
    return this.store.namesOf(keyOf(one))
  }

  /** Instances that would be stored along: what `one` refers to and has never been stored. */
  reached(roots: readonly Instance[]): Instance[] {
    const found = new Set(roots)
    for (const one of found) for (const other of textWithObjects(one.fields, isInstance)[1]) if (other.key === undefined) found.add(other)
    return [...found]
  }

  /** The fields of an instance as they are stored. */
  toStore(one: Instance): Stored {
    const links = new Map<number, Link>()
    const linkTo = (key: number): Link => {
      const link = links.get(key) ?? new Link(key)
      links.set(key, link)
      return link
    }
    const fields = copyOf(one.fields, (o) => (o instanceof Instance ? linkTo(o.key!) : undefined))
    return { key: one.key!, cls: one.cls, fields }
  }

  abstract persist(one: Instance, alias: string | undefined, ifExists: IfExists): Instance
  abstract save(one: Instance): void
  abstract delete(one: Instance, deep: boolean): void
  abstract addAlias(one: Instance, alias: string): void
  abstract removeAlias(one: Instance, alias: string): void
}

export type IfExists = 'error' | 'open' | 'replace'

export function keyOf(one: Instance): number {
  if (one.key === undefined) throw new Refusal('ERR_NOT_PERSISTENT')
  return one.key
}

/** The main program: every save is a group of its own. */
export class Program extends Unit {
  #commit(roots: readonly Instance[]): void {
    const changed = roots.filter((one) => one.key !== undefined && this.isDirty(one))
    for (const one of changed) if (one.base !== this.stored(one.key!)) throw new Refusal('ERR_CONFLICT')
    const fresh = this.reached(roots).filter((one) => one.key === undefined)
    for (const one of fresh) if (!one.isLoaded) throw new Refusal('ERR_NOT_LOADED')
    for (const one of fresh) this.adopt(one, this.store.newKey(one.cls))
    for (const one of [...changed, ...fresh]) {
      one.base = this.toStore(one)
      this.store.objects.set(one.key!, one.base)
    }
  }

  persist(one: Instance, alias: string | undefined, ifExists: IfExists): Instance {
    if (one.key !== undefined) {
      const holder = alias === undefined ? undefined : this.named(alias)
      if (holder !== undefined && holder !== one.key && ifExists !== 'replace') throw new Refusal('ERR_ALIAS_TAKEN')
      this.save(one)
      if (alias === undefined || this.named(alias) === one.key) return one
      if (ifExists === 'replace') this.#name(alias, one)
      else this.addAlias(one, alias)
      return one
    }
    const held = alias === undefined ? undefined : this.named(alias)
    if (held !== undefined && ifExists === 'error') throw new Refusal('ERR_ALIAS_TAKEN')
    if (held !== undefined && ifExists === 'open') return this.#open(one, held)
    this.#commit([one])
    if (alias !== undefined) this.store.names.set(alias, one.key!)
    return one
  }

  #open(one: Instance, key: number): Instance {
    const stored = this.stored(key)!
    if (stored.cls !== one.cls) throw new Refusal('ERR_WRONG_CLASS')
    if (this.held.has(key)) return this.arrive(stored)
    this.adopt(one, key)
    this.take(one, stored)
    return one
  }

  save(one: Instance): void {
    keyOf(one)
    if (!one.isLoaded) return
    const stored = this.stored(one.key!)
    if (merges(one.cls) && this.isDirty(one) && stored && stored !== one.base) this.rebase(one, stored)
    this.#commit([one])
  }

  /** Moves unsaved changes onto what somebody else stored, if that changed other fields. */
  rebase(one: Instance, stored: Stored): void {
    const mine = fieldsThatDiffer(one.base!.fields, one.fields)
    const theirs = fieldsThatDiffer(one.base!.fields, stored.fields)
    for (const name of mine) if (theirs.has(name)) throw new Refusal('ERR_CONFLICT')
    const own = one.fields
    this.take(one, stored)
    for (const name of mine) {
      if (Object.hasOwn(own, name)) one.fields[name] = own[name]
      else delete one.fields[name]
    }
  }

  delete(one: Instance, deep: boolean): void {
    if (one.key === undefined) return
    const { key } = one
    const stored = this.stored(key)
    this.store.remove(key)
    if (stored && !one.isLoaded) this.take(one, stored)
    if (!one.isLoaded) return // what was gone already
    this.held.delete(key)
    one.becomeVolatile()
    if (deep && stored) this.#deleteReached(key, linksIn(stored.fields))
  }

  #deleteReached(gone: number, links: ReadonlySet<number>): void {
    const found = new Set<number>()
    const follow = (keys: Iterable<number>, into: Set<number>): void => {
      for (const key of keys) {
        const stored = this.stored(key)
        if (!stored || into.has(key) || key === gone) continue
        into.add(key)
        follow(linksIn(stored.fields), into)
      }
    }
    follow(links, found)
    const kept = new Set<number>()
    follow(
      [...found].filter((key) => this.store.namesOf(key).length > 0),
      kept,
    )
    for (const [key, { fields }] of this.store.objects) if (!found.has(key)) follow(linksIn(fields), kept)
    for (const [, { chain }] of this.store.origins) follow(chain, kept)
    for (const key of found) if (!kept.has(key)) this.delete(this.instanceOf(key), false)
  }

  addAlias(one: Instance, alias: string): void {
    const key = keyOf(one)
    const held = this.named(alias)
    if (held === key) return
    if (held !== undefined) throw new Refusal('ERR_ALIAS_TAKEN')
    this.#name(alias, one)
  }

  #name(alias: string, one: Instance): void {
    if (!this.stored(one.key!)) throw new Refusal('ERR_NOT_FOUND')
    this.store.names.set(alias, one.key!)
  }

  removeAlias(one: Instance, alias: string): void {
    if (this.named(alias) !== keyOf(one)) throw new Refusal('ERR_NOT_FOUND')
    this.store.names.delete(alias)
  }

  newVersion(one: Instance): Instance {
    const stored = this.stored(keyOf(one))
    if (!stored) throw new Refusal('ERR_NOT_FOUND')
    const before = this.store.origins.get(stored.key)
    const version = new Instance(stored.cls)
    this.adopt(version, this.store.newKey(stored.cls))
    const copy = { ...stored, key: version.key! }
    this.store.objects.set(copy.key, copy)
    this.store.origins.set(copy.key, { chain: [...(before?.chain ?? []), stored.key], original: before?.original ?? stored })
    this.take(version, copy)
    return version
  }

  consolidateVersion(one: Instance): void {
    const key = keyOf(one)
    if (this.isDirty(one)) throw new Refusal('ERR_UNSAVED_CHANGES')
    const stored = this.stored(key)
    if (!stored) throw new Refusal('ERR_NOT_FOUND')
    const origin = this.store.origins.get(key)
    if (!origin) throw new Refusal('ERR_NO_VERSION')
    const [original, ...between] = origin.chain as [number, ...number[]]
    const old = this.stored(original)
    if (!old) throw new Refusal('ERR_NOT_FOUND')
    if (old !== origin.original) throw new Refusal('ERR_CONFLICT')
    const isSame = asText(old.fields) === asText(stored.fields)
    const now = isSame ? old : { ...stored, key: original }
    this.store.objects.set(original, now)
    for (const gone of [key, ...between]) {
      for (const alias of this.store.namesOf(gone)) this.store.names.set(alias, original)
      this.store.remove(gone)
      this.held.delete(gone)
    }
    const other = this.held.get(original)
    one.key = original
    this.take(one, now)
    if (!other) this.held.set(original, one)
    else if (other.isLoaded && !this.isDirty(other)) this.take(other, now)
  }
}

function fieldsThatDiffer(a: Fields, b: Fields): Set<string> {
  const names = [...Object.keys(a), ...Object.keys(b)]
  return new Set(
    names.filter((name) => Object.hasOwn(a, name) !== Object.hasOwn(b, name) || asText({ x: a[name] }) !== asText({ x: b[name] })),
  )
}
