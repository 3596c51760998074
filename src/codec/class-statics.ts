/**
 * What a class says about its fields: `static fields` and `static transient`, what the decorators `@field` and `@transient` leave, and
 * class-transformer's `@Type`, `@Exclude` and `@Expose`. Its own members and those of the classes it extends.
 */
import { excludedFields, typesOf } from './class-transformer.js'

/** Where decorators put their notes: own static members of a class in legacy mode, members of its metadata in TC39 mode. */
export const FIELDS = Symbol.for('insitu.fields')
export const TRANSIENT = Symbol.for('insitu.transient')

/** What `() => Class` or `() => [Class, Other]` says of one field, and who says it. */
export interface Declaration {
  readonly ctor: object
  readonly field: string
  readonly thunk: unknown
}

export function* declarationsOf(ctor: object): Iterable<Declaration> {
  for (const c of lineage(ctor)) {
    for (const of of [ownStatic(c, 'fields'), ownStatic(c, FIELDS), ownMetadata(c, FIELDS)])
      if (typeof of === 'object' && of !== null) for (const [field, thunk] of Object.entries(of)) yield { ctor: c, field, thunk }
    for (const [field, types] of typesOf(c)) yield { ctor: c, field, thunk: () => types }
  }
}

/** Which of the fields that an instance has are left out. */
export function transientOf(ctor: object): TransientFields {
  const names = [...lineage(ctor)].flatMap((c) => [ownStatic(c, 'transient'), ownStatic(c, TRANSIENT), ownMetadata(c, TRANSIENT)])
  const named = new Set(names.filter(Array.isArray).flat() as string[])
  const excluded = excludedFields([...lineage(ctor)])
  return { has: (name) => named.has(name) || excluded(name) }
}

export interface TransientFields {
  has(name: string): boolean
}

export function* lineage(ctor: object): Iterable<object> {
  for (let c: object | null = ctor; c && c !== Function.prototype; c = Object.getPrototypeOf(c) as object | null) yield c
}

export const ownStatic = (ctor: object, name: string | symbol): unknown => Object.getOwnPropertyDescriptor(ctor, name)?.value

/** Where compilers put what decorators say of a class. Node 20 has no such symbol; compilers then use this one, or what a program set. */
export const metadataSymbol = (): symbol => (Symbol as { readonly metadata?: symbol }).metadata ?? Symbol.for('Symbol.metadata')

function ownMetadata(ctor: object, name: symbol): unknown {
  const metadata = ownStatic(ctor, metadataSymbol())
  // Own members only: the metadata of a class inherits those of the class that it extends.
  return typeof metadata === 'object' && metadata !== null ? ownStatic(metadata, name) : undefined
}
