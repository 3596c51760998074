/** Heads and tokens → user values (see value-format.ts). Everything is checked: the bytes may be damaged or hostile. */
import { Ref } from '../backend.js'
import { CorruptError, UnknownClassError } from '../errors.js'
import type { CollectionCell, DecodeContext } from './contexts.js'
import { createError } from './error-form.js'
import { Step, type Trail } from './trail.js'
import { ErrorFamily, Head, MEMORY_HEADER_BYTES, MEMORY_KINDS } from './value-format.js'

/** Number of an instance that is not there yet, since its fields come first. */
const PENDING = Symbol('pending')
/** Longer ones are kept by V8 as tables, which take memory for their items only. */
const HOLED_LENGTH_MAX = 1024
const DICTIONARY_LENGTH = 2 ** 32 - 1

export function corruptValue(what: string): never {
  throw new CorruptError(`Damaged bytes of a value: ${what}.`)
}

export class ValueReader {
  private readonly seen: unknown[] = []
  private headAt = 0
  private at = 0

  constructor(
    private readonly heads: readonly unknown[],
    private readonly tokens: readonly unknown[],
    private readonly context: DecodeContext,
    private trail: Trail,
  ) {}

  /** Reads the next of the values that follow each other. */
  read(trail = this.trail): unknown {
    this.trail = trail
    return this.value()
  }

  end(): void {
    if (this.at !== this.tokens.length || this.headAt !== this.heads.length) corruptValue('something is left over')
  }

  private value(): unknown {
    const token = this.token()
    if (typeof token !== 'object') return token
    if (token === null) return this.headed()
    if (token instanceof Ref) return this.context.resolve(token)
    if (Array.isArray(token)) return this.met(this.flatArray(token))
    if (token instanceof Map) return this.met(this.flatMap(token))
    if (token instanceof Set) return this.met(this.flatSet(token))
    if (token instanceof Date || token instanceof Uint8Array) return this.met(token)
    if (Object.getPrototypeOf(token) === Object.prototype) return this.met(this.flatPlain(token as Record<string, unknown>))
    return corruptValue('an impossible token')
  }

  private token(): unknown {
    if (this.at >= this.tokens.length) corruptValue('the end is missing')
    return this.tokens[this.at++]
  }

  private text(): string {
    const token = this.token()
    return typeof token === 'string' ? token : corruptValue('text is missing')
  }

  private head(): number {
    const number = this.heads[this.headAt++]
    return typeof number === 'number' && Number.isInteger(number) && number >= 0 ? number : corruptValue('an impossible head')
  }

  /** How many values follow, each of at least `tokens` tokens. */
  private count(tokens: number): number {
    const count = this.head()
    return count * tokens <= this.tokens.length - this.at ? count : corruptValue('the end is missing')
  }

  private met<T>(value: T): T {
    this.seen.push(value)
    return value
  }

  private enter(kind: Step): void {
    if (!this.trail.enter(kind)) corruptValue('nested too deeply')
  }

  private headed(): unknown {
    switch (this.head()) {
      case Head.null:
        return null
      case Head.array:
        return this.array()
      case Head.sparseArray:
        return this.sparseArray()
      case Head.object:
        return this.properties(this.met({}), this.count(2))
      case Head.bareObject:
        return this.properties(this.met(Object.create(null) as object), this.count(2))
      case Head.map:
        return this.map()
      case Head.set:
        return this.set()
      case Head.instance:
        return this.instance()
      case Head.error:
        return this.error()
      case Head.memory:
        return this.memory(false)
      case Head.sharedMemory:
        return this.memory(true)
      case Head.regExp:
        return this.regExp()
      case Head.again:
        return this.again()
      case Head.collection:
        return this.collection()
      default:
        return corruptValue('an unknown head')
    }
  }

  private array(): unknown[] {
    const array: unknown[] = this.met([])
    const count = this.count(1)
    this.enter(Step.property)
    for (let i = 0; i < count; i++) {
      this.trail.at(i)
      array.push(this.value())
    }
    this.trail.leave()
    return array
  }

  private sparseArray(): unknown[] {
    const length = this.head()
    if (length > DICTIONARY_LENGTH) corruptValue('an impossible length')
    const array: unknown[] = this.met([])
    if (length > HOLED_LENGTH_MAX) array.length = DICTIONARY_LENGTH
    array.length = length
    this.properties(array, this.count(2))
    if (array.length !== length) corruptValue('an item beyond the end')
    return array
  }

  private properties<T extends object>(target: T, count: number): T {
    this.enter(Step.property)
    for (let i = 0; i < count; i++) this.property(target, true)
    this.trail.leave()
    return target
  }

  private property(target: object, enumerable: boolean): void {
    const key = this.text()
    this.trail.at(key)
    const value = this.value()
    if (key === 'length' && Array.isArray(target)) corruptValue('an impossible key')
    // Defined, never assigned: `__proto__` is a key like any other.
    Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true })
  }

  private map(): Map<unknown, unknown> {
    const map = this.met(new Map<unknown, unknown>())
    const count = this.count(2)
    this.enter(Step.mapKey)
    for (let i = 0; i < count; i++) {
      this.trail.atMap(Step.mapKey, i)
      const key = this.value()
      this.trail.atMap(Step.mapValue, key)
      map.set(key, this.value())
    }
    this.trail.leave()
    return map
  }

  private set(): Set<unknown> {
    const set = this.met(new Set<unknown>())
    const count = this.count(1)
    this.enter(Step.member)
    for (let i = 0; i < count; i++) {
      this.trail.at(i)
      set.add(this.value())
    }
    this.trail.leave()
    return set
  }

  private instance(): object {
    const count = this.count(2)
    const name = this.text()
    const nested = this.context.nested(name) ?? unknownClass(name)
    const instance = nested.create?.()
    const number = this.seen.push(instance ?? PENDING) - 1
    const fields = this.fields(count)
    const rebuilt = nested.rebuild(fields, instance)
    this.seen[number] = rebuilt
    return rebuilt
  }

  private fields(count: number): Map<string, unknown> {
    const fields = new Map<string, unknown>()
    this.enter(Step.property)
    for (let i = 0; i < count; i++) {
      const key = this.text()
      this.trail.at(key)
      fields.set(key, this.value())
    }
    this.trail.leave()
    return fields
  }

  private error(): object {
    const family = this.head()
    const hidden = this.count(2)
    const shown = this.count(2)
    const name = this.text()
    const message = family === ErrorFamily.dom ? this.text() : ''
    const error =
      createError(family, name, message, this.context) ??
      (family === ErrorFamily.nested ? unknownClass(name) : corruptValue('an unknown error'))
    this.met(error)
    this.enter(Step.property)
    for (let i = 0; i < hidden; i++) this.property(error, false)
    for (let i = 0; i < shown; i++) this.property(error, true)
    this.trail.leave()
    return error
  }

  private memory(isShared: boolean): object {
    const kind = MEMORY_KINDS[this.head()] ?? corruptValue('an unknown kind of memory')
    const bytes = this.token()
    if (!(bytes instanceof Uint8Array) || bytes.length % kind.elementBytes !== 0) corruptValue('memory of an impossible size')
    return this.met(kind.over(isShared ? shared(bytes) : bytes.buffer))
  }

  private regExp(): RegExp {
    const source = this.text()
    const flags = this.text()
    const lastIndex = this.token()
    if (typeof lastIndex !== 'number') corruptValue('an impossible place in a pattern')
    const pattern = this.met(patternOf(source, flags))
    pattern.lastIndex = lastIndex
    return pattern
  }

  private again(): unknown {
    const value = this.seen[this.head()]
    if (value === undefined || value === PENDING) corruptValue('it refers to what is not there')
    return value
  }

  private collection(): unknown {
    const cell = collectionIn(this.token()) ?? corruptValue('a collection is missing')
    return this.context.collection(cell, this.trail.toString())
  }

  private flatArray(array: unknown[]): unknown[] {
    for (let i = 0; i < array.length; i++) {
      const item = array[i]
      if (typeof item === 'object' && item !== null) array[i] = this.leaf(item)
    }
    return array
  }

  private flatPlain(object: Record<string, unknown>): object {
    for (const key of Object.keys(object)) {
      const item = object[key]
      // An own `__proto__` is read like any other key, and is a primitive whenever our writer made it.
      if (typeof item === 'object' && item !== null) object[key === '__proto__' ? corruptValue('an impossible key') : key] = this.leaf(item)
    }
    return object
  }

  private flatMap(map: Map<unknown, unknown>): Map<unknown, unknown> {
    let hasObjects = false
    for (const [key, value] of map) hasObjects ||= isObject(key) || isObject(value)
    return hasObjects ? new Map([...map].map(([key, value]) => [this.leaf(key), this.leaf(value)])) : map
  }

  private flatSet(set: Set<unknown>): Set<unknown> {
    let hasObjects = false
    for (const item of set) hasObjects ||= isObject(item)
    return hasObjects ? new Set([...set].map((item) => this.leaf(item))) : set
  }

  private leaf(value: unknown): unknown {
    if (value instanceof Ref) return this.context.resolve(value)
    return isObject(value) ? corruptValue('an object where none can be') : value
  }
}

/** The cell of a collection, if this token holds one. */
export function collectionIn(token: unknown): CollectionCell | undefined {
  if (!Array.isArray(token) || token.length !== 1) return undefined
  const cell: unknown = token[0]
  const isPlain = isObject(cell) && Object.getPrototypeOf(cell) === Object.prototype
  return isPlain && typeof (cell as { kind?: unknown }).kind === 'string' ? (cell as CollectionCell) : undefined
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

function unknownClass(name: string): never {
  throw new UnknownClassError(
    `a stored value is a ${JSON.stringify(name)}, a nested class that is not known here: name it in \`static fields\`, or keep its old name by \`static typeName\``,
    { className: name },
  )
}

function patternOf(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags)
  } catch {
    return corruptValue('an impossible pattern')
  }
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(bytes.length)
  new Uint8Array(memory).set(bytes)
  return memory
}

/** A value stored as raw memory, with memory of its own. */
export function readMemory(bytes: Uint8Array): object {
  const kind = MEMORY_KINDS[bytes[1] ?? -1] ?? corruptValue('an unknown kind of memory')
  const length = bytes.length - MEMORY_HEADER_BYTES
  if (length < 0 || length % kind.elementBytes !== 0) corruptValue('memory of an impossible size')
  for (let i = 2; i < MEMORY_HEADER_BYTES; i++) if (bytes[i] !== 0) corruptValue('a header that is not ours')
  const memory = new Uint8Array(bytes.buffer, bytes.byteOffset + MEMORY_HEADER_BYTES, length).slice() // without zeros first
  return kind.over(memory.buffer as ArrayBuffer)
}
