/**
 * The form of user values inside a `Packed`. A first byte says which:
 *
 * - `graph`: wire of [heads, ...tokens]. The value in pre-order. A token is a primitive, a Ref, a Date, a Uint8Array, or an array, plain
 *   object, Map or Set of only primitives and Refs, each standing for itself. A `null` token stands for whatever the next head says:
 *   heads are numbers, a `Head` and its counts, and the content follows as further tokens. Every object is numbered as it begins, so that
 *   `Head.again` can name it: that is how cycles and shared values come back.
 * - `group`: wire of [names, heads, ...tokens]: several fields that share values, one after the other.
 * - `memory`: eight bytes of header, then the raw bytes of a typed array or buffer, aligned for any element.
 *
 * All numbers here are stored in files and never change their meaning.
 */
export const Format = { graph: 1, memory: 2, group: 3 } as const

export const Head = {
  null: 0,
  /** count; values */
  array: 1,
  /** length, count; (key, value)… An array with holes, or with properties beside its items. */
  sparseArray: 2,
  /** count; (key, value)… */
  object: 3,
  /** As `object`, with no prototype. */
  bareObject: 4,
  /** count; (key, value)… */
  map: 5,
  /** count; values */
  set: 6,
  /** count; name, (field, value)… */
  instance: 7,
  /** family, hidden count, shown count; name, (property, value)… */
  error: 8,
  /** index into MEMORY_KINDS; bytes */
  memory: 9,
  /** As `memory`, on a SharedArrayBuffer. */
  sharedMemory: 10,
  /** ; source, flags, lastIndex */
  regExp: 11,
  /** number of an object met before */
  again: 12,
  /** ; a list of one: the collection's cell */
  collection: 13,
} as const

export const ErrorFamily = { builtin: 0, insitu: 1, nested: 2, dom: 3 } as const

export const MEMORY_HEADER_BYTES = 8

interface MemoryKind {
  readonly prototype: object
  readonly elementBytes: number
  over(memory: ArrayBuffer | SharedArrayBuffer): object
}

interface ViewConstructor {
  new (memory: ArrayBufferLike): ArrayBufferView
  readonly prototype: object
  readonly BYTES_PER_ELEMENT?: number
}

const view = (ctor: ViewConstructor): MemoryKind => ({
  prototype: ctor.prototype,
  elementBytes: ctor.BYTES_PER_ELEMENT ?? 1,
  over: (memory) => new ctor(memory),
})

/** By their number in the stored form: append only. */
export const MEMORY_KINDS: readonly MemoryKind[] = [
  view(Int8Array),
  view(Uint8Array),
  view(Uint8ClampedArray),
  view(Int16Array),
  view(Uint16Array),
  view(Int32Array),
  view(Uint32Array),
  view(Float32Array),
  view(Float64Array),
  view(BigInt64Array),
  view(BigUint64Array),
  view(DataView),
  { prototype: Buffer.prototype, elementBytes: 1, over: (memory) => Buffer.from(memory as ArrayBuffer) },
  { prototype: ArrayBuffer.prototype, elementBytes: 1, over: (memory) => memory },
  { prototype: SharedArrayBuffer.prototype, elementBytes: 1, over: (memory) => memory },
]

export const UINT8_ARRAY = 1
export const ARRAY_BUFFER = 13
export const SHARED_ARRAY_BUFFER = 14

export const memoryKindOf: ReadonlyMap<object, number> = new Map(MEMORY_KINDS.map((kind, i) => [kind.prototype, i]))
