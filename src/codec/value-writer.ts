/** User values → heads and tokens (see value-format.ts). */
import type { Ref } from '../backend.js'
import { VALUE_DEPTH_MAX } from '../limits.js'
import { hasProperties } from './array-properties.js'
import type { EncodeContext, NestedClass } from './contexts.js'
import { formOfError } from './error-form.js'
import { refuseClass, refuseCycle, refuseDepth, refuseSymbolKey, refuseSymbolOrFunction, refuseValue } from './refusal.js'
import { Step, type Trail } from './trail.js'
import { ARRAY_BUFFER, ErrorFamily, Head, MEMORY_KINDS, memoryKindOf, SHARED_ARRAY_BUFFER, UINT8_ARRAY } from './value-format.js'

/** Numbers of the objects met, over all fields of one StorageObject, so that fields which share a value are noticed. */
export class Met {
  private readonly numbers = new Map<object, number>()

  get count(): number {
    return this.numbers.size
  }

  /** The number of an object met before; otherwise numbers it. */
  meet(value: object): number | undefined {
    const number = this.numbers.get(value)
    if (number === undefined) this.numbers.set(value, this.numbers.size)
    return number
  }
}

export class ValueWriter {
  readonly heads: number[] = []
  readonly tokens: unknown[] = []
  private readonly base: number
  private readonly path = (): string => this.trail.toString()
  /** Instances under way that nothing may lead back to, since they are rebuilt after their fields. */
  private readonly open = new Set<object>()

  constructor(
    private readonly context: EncodeContext,
    private readonly met: Met,
    private trail: Trail,
    /** Called for an object with a number below ours: another field holds it too. */
    private readonly onShared: (number: number) => void,
  ) {
    this.base = met.count
  }

  /** The next value stands elsewhere. */
  follow(trail: Trail): void {
    this.trail = trail
  }

  write(value: unknown): void {
    switch (typeof value) {
      case 'object':
        return value === null ? this.head(Head.null) : this.writeObject(value)
      case 'function':
      case 'symbol':
        return refuseSymbolOrFunction(this.trail, value)
      default:
        this.tokens.push(value)
    }
  }

  private head(...numbers: number[]): void {
    this.tokens.push(null)
    this.heads.push(...numbers)
  }

  private writeObject(value: object): void {
    const proto = Object.getPrototypeOf(value) as object | null
    if (!isBuiltin(proto)) return this.writeForeign(value)
    const standIn = this.context.standInFor?.(value)
    if (standIn) return void this.tokens.push(standIn)
    if (this.isAgain(value)) return
    if (Array.isArray(value)) return this.writeArray(value)
    switch (proto) {
      case Object.prototype:
      case null:
        return this.writePlain(value as Record<string, unknown>)
      case Map.prototype:
        this.refuseExtras(value)
        return this.writeMap(value as Map<unknown, unknown>)
      case Set.prototype:
        this.refuseExtras(value)
        return this.writeSet(value as Set<unknown>)
      case Date.prototype:
        this.refuseExtras(value)
        this.tokens.push(value)
        return
      case RegExp.prototype:
        this.refuseExtras(value)
        return this.writeRegExp(value as RegExp)
      default:
        return this.writeMemory(value as ArrayBufferView, memoryKindOf.get(proto)!)
    }
  }

  private isAgain(value: object): boolean {
    const number = this.met.meet(value)
    if (number === undefined) return false
    if (number < this.base) {
      this.onShared(number)
      // The field will be written again, together with the other one.
      this.tokens.push(undefined)
      return true
    }
    if (this.open.has(value)) refuseCycle(this.trail, value.constructor.name)
    this.head(Head.again, number - this.base)
    return true
  }

  /** A container that stands for itself. */
  private leaf(container: object): void {
    if (this.trail.depth >= VALUE_DEPTH_MAX) refuseDepth(this.trail)
    this.tokens.push(container)
  }

  private enter(kind: Step): void {
    if (!this.trail.enter(kind)) refuseDepth(this.trail)
  }

  private writeArray(array: readonly unknown[]): void {
    if (isIrregular(array)) return this.writeSparse(array)
    const flat = this.flatArray(array)
    if (flat) return this.leaf(flat)
    this.enter(Step.property)
    this.head(Head.array, array.length)
    for (let i = 0; i < array.length; i++) {
      this.trail.at(i)
      this.write(array[i])
    }
    this.trail.leave()
  }

  private writeSparse(array: readonly unknown[]): void {
    const keys = Object.keys(array)
    this.refuseSymbolKeys(array)
    this.head(Head.sparseArray, array.length, keys.length)
    this.enter(Step.property)
    for (const key of keys) {
      this.name(key)
      this.write((array as unknown as Record<string, unknown>)[key])
    }
    this.trail.leave()
  }

  /** The value of this name follows. Not one function with `write`: a level of nesting should take little of the stack. */
  private name(name: string): void {
    this.tokens.push(name)
    this.trail.at(name)
  }

  private writePlain(object: Record<string, unknown>): void {
    this.refuseSymbolKeys(object)
    const isBare = Object.getPrototypeOf(object) === null
    const flat = isBare ? undefined : this.flatPlain(object)
    if (flat) return this.leaf(flat)
    const keys = Object.keys(object)
    this.enter(Step.property)
    this.head(isBare ? Head.bareObject : Head.object, keys.length)
    for (const key of keys) {
      this.name(key)
      this.write(object[key])
    }
    this.trail.leave()
  }

  private refuseSymbolKeys(object: object): void {
    const symbols = Object.getOwnPropertySymbols(object)
    if (symbols.length === 0) return
    for (const key of symbols) if (Object.prototype.propertyIsEnumerable.call(object, key)) refuseSymbolKey(this.trail, key)
  }

  /** Properties that somebody hung on a Map, Set, Date or RegExp would be lost. */
  private refuseExtras(value: object): void {
    const [key] = Object.keys(value)
    if (key !== undefined)
      refuseValue(this.trail, `a ${value.constructor.name} with the property ${JSON.stringify(key)} of its own`, 'keep it beside the value')
  }

  private writeMap(map: ReadonlyMap<unknown, unknown>): void {
    const flat = this.flatMap(map)
    if (flat) return this.leaf(flat)
    this.enter(Step.mapKey)
    this.head(Head.map, map.size)
    let i = 0
    for (const [key, value] of map) {
      this.trail.atMap(Step.mapKey, i++)
      this.write(key)
      this.trail.atMap(Step.mapValue, key)
      this.write(value)
    }
    this.trail.leave()
  }

  private writeSet(set: ReadonlySet<unknown>): void {
    const items = [...set]
    const flat = this.flatArray(items)
    if (flat) return this.leaf(flat === items ? set : new Set(flat))
    this.enter(Step.member)
    this.head(Head.set, items.length)
    items.forEach((item, i) => {
      this.trail.at(i)
      this.write(item)
    })
    this.trail.leave()
  }

  private writeRegExp(value: RegExp): void {
    this.head(Head.regExp)
    this.tokens.push(value.source, value.flags, Number(value.lastIndex))
  }

  private writeMemory(value: ArrayBufferView | ArrayBuffer, kind: number): void {
    const bytes = this.bytesOf(value)
    if (kind === UINT8_ARRAY && !isShared(value)) this.tokens.push(bytes)
    else {
      this.head(isShared(value) ? Head.sharedMemory : Head.memory, kind)
      this.tokens.push(bytes)
    }
  }

  private bytesOf(value: ArrayBufferView | ArrayBuffer): Uint8Array {
    if (isDetached(value)) refuseValue(this.trail, 'memory that was transferred to somebody else', 'store it, or a copy, before')
    if (!ArrayBuffer.isView(value)) {
      // It would come back with a fixed size.
      if ((value as { resizable?: boolean }).resizable || (value as { growable?: boolean }).growable)
        refuseValue(this.trail, 'a buffer that can change its size', 'store a copy of fixed size, `buffer.slice()`')
      return new Uint8Array(value)
    }
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  }

  /** Whatever is no plain data: a StorageObject, a collection, an instance, an error, or a refusal. */
  private writeForeign(value: object): void {
    const ref = this.context.refOf(value)
    if (ref) {
      this.tokens.push(ref)
      return
    }
    const collection = this.context.collectionOf(value, this.path)
    if (collection) {
      this.head(Head.collection)
      // In a list: no flat array of a user holds an object, so that no user's object is ever taken for a collection.
      this.tokens.push([collection])
      return
    }
    const nested = this.context.classOf(value)
    if (nested?.cannotBeRebuilt) refuseClass(this.trail, value, nested.cannotBeRebuilt)
    if (this.isAgain(value)) return
    if (value instanceof Error && (!nested || nested.create)) this.writeError(value, nested)
    else if (nested) this.writeInstance(value, nested)
    else refuseClass(this.trail, value)
  }

  private writeInstance(value: object, nested: NestedClass): void {
    if (!nested.create) this.open.add(value)
    const fields = nested.fields(value)
    this.enter(Step.property)
    this.head(Head.instance, fields.size)
    this.tokens.push(nested.name)
    for (const [name, field] of fields) {
      this.name(name)
      this.write(field)
    }
    this.trail.leave()
    this.open.delete(value)
  }

  private writeError(error: Error, nested: NestedClass | undefined): void {
    const form = formOfError(error, nested, this.context.anyError ?? false)
    if (!form) return refuseClass(this.trail, error)
    this.enter(Step.property)
    this.head(Head.error, form.family, form.hidden.length, form.shown.length)
    this.tokens.push(form.name)
    // It can be given to a DOMException only when it is made.
    if (form.family === ErrorFamily.dom) this.tokens.push(error.message)
    for (const [name, value] of [...form.hidden, ...form.shown]) {
      this.name(name)
      this.write(value)
    }
    this.trail.leave()
  }

  /** The array itself if it holds only primitives, a copy with Refs if also StorageObjects, `undefined` if anything else. */
  private flatArray(array: readonly unknown[]): readonly unknown[] | undefined {
    let copy: unknown[] | undefined
    for (let i = 0; i < array.length; i++) {
      const item = array[i]
      if (isPrimitive(item)) continue
      const ref = this.refOf(item)
      if (!ref) return undefined
      copy ??= array.slice()
      copy[i] = ref
    }
    return copy ?? array
  }

  private flatPlain(object: Record<string, unknown>): object | undefined {
    let copy: Record<string, unknown> | undefined
    for (const key of Object.keys(object)) {
      const item = object[key]
      if (isPrimitive(item)) continue
      const ref = key === '__proto__' ? undefined : this.refOf(item)
      if (!ref) return undefined
      copy ??= { ...object }
      copy[key] = ref
    }
    return copy ?? object
  }

  private flatMap(map: ReadonlyMap<unknown, unknown>): ReadonlyMap<unknown, unknown> | undefined {
    let hasRefs = false
    for (const [key, value] of map) {
      if (isPrimitive(key) && isPrimitive(value)) continue
      if (!isPrimitive(key) && !this.refOf(key)) return undefined
      if (!isPrimitive(value) && !this.refOf(value)) return undefined
      hasRefs = true
    }
    if (!hasRefs) return map
    return new Map([...map].map(([key, value]) => [this.refOf(key) ?? key, this.refOf(value) ?? value]))
  }

  private refOf(value: unknown): Ref | undefined {
    if (typeof value !== 'object' || value === null || isBuiltin(Object.getPrototypeOf(value) as object | null)) return undefined
    return this.context.refOf(value)
  }
}

function isPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case 'object':
      return value === null
    case 'function':
    case 'symbol':
      return false
    default:
      return true
  }
}

const BUILTINS = new Set<object | null>([
  null,
  Object.prototype,
  Array.prototype,
  Map.prototype,
  Set.prototype,
  Date.prototype,
  RegExp.prototype,
  ...MEMORY_KINDS.map((kind) => kind.prototype),
])

const isBuiltin = (proto: object | null): boolean => proto === Object.prototype || proto === Array.prototype || BUILTINS.has(proto)

function isIrregular(array: readonly unknown[]): boolean {
  if (hasProperties(array)) return true
  // As many properties as holes give the same count.
  for (let i = 0; i < array.length; i++) if (array[i] === undefined && !(i in array)) return true
  return false
}

const isShared = (value: ArrayBufferView | ArrayBuffer | SharedArrayBuffer): boolean =>
  (ArrayBuffer.isView(value) ? value.buffer : value) instanceof SharedArrayBuffer

/** Whether somebody else has the memory now. Node 20 has no other way to ask. */
export function isDetached(value: ArrayBufferView | ArrayBuffer): boolean {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value
  if (buffer.byteLength > 0) return false
  try {
    return new Uint8Array(buffer).length > 0
  } catch {
    return true
  }
}

/** The whole value when it is nothing but memory: then its bytes are stored raw. */
export function memoryOf(value: object): { kind: number; bytes: Uint8Array } | undefined {
  const kind = memoryKindOf.get(Object.getPrototypeOf(value) as object)
  if (kind === undefined || kind === SHARED_ARRAY_BUFFER || isShared(value as ArrayBufferView) || isDetached(value as ArrayBufferView))
    return undefined
  if (kind === ARRAY_BUFFER)
    return (value as { resizable?: boolean }).resizable ? undefined : { kind, bytes: new Uint8Array(value as ArrayBuffer) }
  const view = value as ArrayBufferView
  return { kind, bytes: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) }
}
