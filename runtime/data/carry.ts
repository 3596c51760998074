/** Arguments and results of tasks on their way between threads. */
import { type Piece, Ref } from '../../src/backend.js'
import { classOf, constructorOf } from '../../src/classes/class-registry.js'
import {
  type CollectionCell,
  type DecodeContext,
  decodeValue,
  type EncodeContext,
  encodeValue,
  type NestedClass,
} from '../../src/codec/values.js'
import { dictSchemaOf, isDict, narrow, pieceOf, type StorageDict } from '../../src/dict/storage-dict.js'
import { dictFromSchema } from '../../src/dict/stored-dict.js'
import { ValidationError } from '../../src/errors.js'
import type { ClassId, Id, TableId } from '../../src/ids.js'
import { assertRebuildable, constructHandle, constructorOfInstance, fill, storedFields } from '../../src/objects/fields.js'
import type { ObjectState } from '../../src/objects/object-state.js'
import { isStorageObject, newHandle, type StorageObject, stateOf } from '../../src/objects/storage-object.js'
import { storeNotOpen } from '../../src/open-stores.js'
import type { Store } from '../../src/store.js'
import type { DictCell } from '../../src/unit/persist-plan.js'
import { refFrom } from '../../src/unit/references.js'
import { bindTable, tableOf, unitOfDict } from '../../src/unit/table-binding.js'
import type { UnitOfWork } from '../../src/unit/unit-of-work.js'
import type { Carried } from '../engines/messages.js'
import { encodeAnyError } from './error-carrier.js'
import { heldIn } from './held-in.js'
import { tight } from './tight.js'

/** Number of a part of a value of which another one is to come in its place, as of a future; -1 for any other part. */
export type FutureFinder = (part: object) => number

/**
 * Encodes a value for the way to or from a task of `store`; `path` is how errors call it. `futures` is asked about instances of classes, with
 * `everywhere` about maps, lists and plain objects in the value too.
 */
export function carry(value: unknown, path: string, store?: Store, futures?: FutureFinder, everywhere = false): Carried {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'bigint':
    case 'undefined':
      return value
    case 'string':
      return value
    default:
      if (value === null) return null
  }
  if (typeof value === 'object') {
    if (isStorageObject(value) && stateOf(value).ref) return carriedObject(value, store)
    if (
      Array.isArray(value) &&
      value.some((item) => typeof item === 'object' && item !== null && isStorageObject(item) && stateOf(item).ref)
    )
      return { k: 'a', e: value.map((item, i) => carry(item, `${path}[${i}]`, store)) }
  }
  let holdsObject = false
  const replaced = new Set<object>()
  const futureOf = (part: object): Ref | undefined => {
    const n = futures ? futures(part) : -1
    if (n >= 0) replaced.add(part)
    return n < 0 ? undefined : new Ref(`${FUTURE_ID}${n.toString(16).padStart(12, '0')}` as Id, FUTURE)
  }
  const refOf = (part: object): Ref | undefined => {
    const ref = isStorageObject(part) ? refOfState(stateOf(part), store) : undefined
    holdsObject ||= ref !== undefined
    return ref
  }
  const collectionOf = (part: object): CollectionCell | undefined => (isDict(part) ? dictCellOf(part, store) : undefined)
  const context = {
    ...encoding,
    collectionOf,
    refOf: futures ? (part: object) => futureOf(part) ?? refOf(part) : refOf,
    path,
    ...(everywhere && { standInFor: futureOf }),
  }
  const b = tight(encodeValue(value, context))
  // What an object of the value refers to is no part of it, and what stands in a part that is to come comes with that.
  const insteadOf = (part: object): readonly [] | undefined => (replaced.has(part) ? [] : undefined)
  const held = holdsObject ? heldIn(value, insteadOf).filter((one) => isStorageObject(one)) : []
  return held.length === 0 ? { k: 'v', b } : { k: 'v', b, f: held.map((one) => carriedObject(one, store)) }
}

/** What futures inside an encoded value gave, before the objects in it. */
export const withResults = <F>({ b, f }: Extract<Carried, { k: 'v' }>, results: readonly F[]): Filled<F> => ({
  k: 'v',
  b,
  f: f ? [...results, ...f] : results,
})
interface Filled<F> {
  readonly k: 'v'
  readonly b: Uint8Array
  readonly f: readonly (F | Carried)[]
}

/** Whether futures stand in an encoded value. */
export const holdsFuture = ({ b, f }: { readonly b: Uint8Array; readonly f?: readonly unknown[] }): boolean =>
  f !== undefined && Buffer.from(b.buffer, b.byteOffset, b.length).includes(FUTURE)

/** A persistent object travels as its id. */
export function carriedObject(value: StorageObject, store: Store | undefined): Extract<Carried, { k: 'o' }> {
  const ref = refOfState(stateOf(value), store)!
  return ref.store === undefined ? { k: 'o', id: ref.id, c: ref.classId } : { k: 'o', id: ref.id, c: ref.classId, s: ref.store }
}

const refOfState = (state: ObjectState, store: Store | undefined): Ref | undefined =>
  state.ref && store ? refFrom(store, state) : state.ref

/** Stands for a future in an encoded value; what the future gives travels beside it. */
const FUTURE = 'insitu#future' as ClassId
const FUTURE_ID = '00000000-0000-7000-8000-'

const numberOfFuture = (ref: Ref): number => Number.parseInt(ref.id.slice(FUTURE_ID.length), 16)

/** Unpacks what `carry` made; persistent objects come as the unit's instances, not loaded yet (see `objectsIn`). */
export function unpack(value: Carried, unit: UnitOfWork): unknown {
  if (typeof value !== 'object' || value === null) return value
  switch (value.k) {
    case 'v':
      return decodeValue(value.b, decoding(unit, value.f))
    case 'o':
      return unit.instanceOf(refOfCarried(value))
    case 'a':
      return value.e.map((item) => unpack(item, unit))
    case 'r':
      throw new TypeError('a value that is kept on its host was not fetched')
  }
}

/** Persistent objects that stand as arguments themselves or in lists, maps, sets and plain objects: those a body gets loaded. */
export function objectsIn(value: Carried, into: Ref[] = []): Ref[] {
  if (typeof value !== 'object' || value === null) return into
  if (value.k === 'o') into.push(refOfCarried(value))
  else if (value.k !== 'r') for (const item of (value.k === 'a' ? value.e : value.f) ?? []) objectsIn(item, into)
  return into
}

const refOfCarried = ({ id, c, s }: Extract<Carried, { k: 'o' }>): Ref => new Ref(id as Id, c as ClassId, s)

const encoding: EncodeContext = {
  refOf: (value) => (isStorageObject(value) ? stateOf(value).ref : undefined),
  collectionOf: (value) => (isDict(value) ? dictCellOf(value) : undefined),
  classOf: (value) => (isStorageObject(value) ? volatileClass(constructorOfInstance(value)) : undefined),
}

/** Errors of whatever class travel: as their nearest known class where need be. */
export const encodeError = (error: unknown): Uint8Array => tight(encodeAnyError(error, encoding))

export const decodeError = (bytes: Uint8Array, unit: UnitOfWork): unknown => decodeValue(bytes, decoding(unit))

function dictCellOf(dict: StorageDict<any, any>, store?: Store): CollectionCell {
  const table = tableOf(dict)
  if (!table)
    throw new ValidationError('a volatile StorageDict cannot be passed to a task: make it, or its owner, persistent first', {
      code: 'ERR_VOLATILE_DICT',
    })
  const { id, ...rest } = table
  const piece = pieceOf(dict)
  const its = unitOfDict(dict)?.store
  const owner = store && its && its.url !== store.url ? new Ref(rest.owner.id, rest.owner.classId, its.url) : rest.owner
  // as its class says them, where what is stored says less
  const { keys, values } = dictSchemaOf(dict)
  return { kind: 'dict', table: id, ...rest, keys, values, owner, ...(piece && { piece }) }
}

/** What lies in another store belongs to the part of the unit that is on that store. */
function unitAt(unit: UnitOfWork, ref: Ref): UnitOfWork {
  if (ref.store === undefined) return unit
  const store = unit.store.peer(ref.store)
  if (!store) throw storeNotOpen(ref)
  return unit.unitOn(store)
}

/** A value that stands in several places is one there too. */
function unpackedOnce(futures: readonly Carried[], unit: UnitOfWork): (ref: Ref) => unknown {
  const unpacked = new Map<number, unknown>()
  return (ref) => {
    const n = numberOfFuture(ref)
    if (!unpacked.has(n)) unpacked.set(n, unpack(futures[n], unit))
    return unpacked.get(n)
  }
}

const decoding = (unit: UnitOfWork, futures: readonly Carried[] = []): DecodeContext => {
  const toCome = futures.length === 0 ? undefined : unpackedOnce(futures, unit)
  return {
    resolve: (ref) => (toCome && ref.classId === FUTURE ? toCome(ref) : unit.instanceOf(ref)),
    collection: (cell) => {
      const { kind: _, table: id, owner, piece, ...schema } = cell as unknown as DictCell & { readonly piece?: Piece }
      const dict = dictFromSchema(schema)
      bindTable(dict, { id: id as TableId, owner: new Ref(owner.id, owner.classId), ...schema }, unitAt(unit, owner))
      if (piece) narrow(dict, piece)
      return dict
    },
    nested: (name) => (name.startsWith('@') ? volatileClass(constructorOf(name.slice(1) as ClassId)) : undefined),
  }
}

const volatileClasses = new WeakMap<object, NestedClass>()

/** Volatile StorageObjects travel whole, as instances of their class. */
function volatileClass(ctor: ReturnType<typeof constructorOfInstance>): NestedClass {
  let known = volatileClasses.get(ctor)
  if (!known) {
    known = {
      name: `@${classOf(ctor).id}`,
      fields: (value) => {
        assertRebuildable(ctor)
        return storedFields(value as StorageObject)
      },
      create: () => {
        const made = newHandle(ctor)
        constructHandle(made, ctor)
        stateOf(made).loaded = true
        return made
      },
      rebuild: (fields, into) => {
        const made = (into ?? known!.create!()) as StorageObject
        fill(made, ctor, { values: fields, deleted: [] })
        return made
      },
    }
    volatileClasses.set(ctor, known)
  }
  return known
}
