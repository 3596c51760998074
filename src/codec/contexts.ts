/** What the codec has to be told from outside: what is a reference, an owned collection, an instance of a known class. */
import type { Ref } from '../backend.js'
import type { KeptCell } from './kept-cells.js'

/** The stored form of a collection that an object owns (a StorageDict, …); any wire-encodable plain object. */
export interface CollectionCell {
  readonly kind: string
  readonly [property: string]: unknown
}

/** A class whose instances are stored inside a field, by value. */
export interface NestedClass {
  readonly name: string
  /** Why no instance can be brought back; instances are refused then. */
  readonly cannotBeRebuilt?: string
  /** What to store of an instance. */
  fields(value: object): ReadonlyMap<string, unknown>
  /** An instance with these fields: `into`, made by `create`, or a new one. */
  rebuild(fields: ReadonlyMap<string, unknown>, into?: object): object
  /** An empty instance, which fields can refer to before it is filled. A class without it cannot stand in a cycle. */
  create?(): object
}

/** Asked while encoding, in no particular order, and possibly several times for one value. */
export interface EncodeContext {
  /** The reference of a StorageObject; `undefined` for anything else. What it throws reaches the caller as it is. */
  refOf(value: object): Ref | undefined
  /** `path` says where the collection stands. */
  collectionOf(value: object, path: () => string): CollectionCell | undefined
  classOf(value: object): NestedClass | undefined
  /** What is written instead of a value of a built-in class that stands in another one: asked for each before anything else. */
  standInFor?(value: object): Ref | undefined
  /** The cell that a field had, where it was kept: it is given again if the field still holds the same. */
  kept?(field: string): KeptCell | undefined
  /** How messages call the value of `encodeValue`; 'value' if not given. */
  readonly path?: string
  /** Errors of unknown classes become their nearest known class with their name kept, instead of being refused: for reports of failures. */
  readonly anyError?: boolean
}

export interface DecodeContext {
  resolve(ref: Ref): unknown
  collection(cell: CollectionCell, path: string): unknown
  nested(name: string): NestedClass | undefined
}
