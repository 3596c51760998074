import { ShownDict, ShownRef } from './classless.js'

export interface PlainOptions {
  /** First rows of dicts, by their tables. */
  readonly rows?: ReadonlyMap<string, readonly unknown[]>
  /** Only the beginning of it, with about so many values, each of about so many characters: however large it is, that takes no time. */
  readonly most?: number
}

/** What is shorter is written again wherever it stands. */
const SAME_VALUES = 100

/**
 * Stored values in JSON, for people and jq: readable rather than reversible. Maps with text keys become objects, other maps lists of
 * pairs; dates ISO text; bigints numbers while exact; bytes base64; references { "ref", "class" }. What holds itself is { "$same": how many
 * levels up }; what is large and stands there a second time { "$same": where it stood first }.
 */
export const plain = (value: unknown, options: PlainOptions = {}): unknown => new Plain(options).of(value)

class Plain {
  readonly #rows: ReadonlyMap<string, readonly unknown[]>
  readonly #most: number
  readonly #above: object[] = []
  readonly #path: string[] = []
  readonly #large = new Map<object, string>()
  #values = 0

  constructor({ rows = new Map(), most = Number.POSITIVE_INFINITY }: PlainOptions) {
    this.#rows = rows
    this.#most = most
  }

  of(value: unknown): unknown {
    this.#values++
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
    if (typeof value === 'string') return value.slice(0, this.#most)
    if (typeof value !== 'object' || value === null) return value ?? null
    const at = this.#above.indexOf(value)
    if (at >= 0) return { $same: `${this.#above.length - at} levels up` }
    const first = this.#large.get(value)
    return first === undefined ? this.#first(value) : { $same: first }
  }

  #first(value: object): unknown {
    const before = this.#values
    this.#above.push(value)
    const converted = this.#object(value)
    this.#above.pop()
    if (this.#values - before > SAME_VALUES) this.#large.set(value, this.#path.join('.'))
    return converted
  }

  #object(value: object): unknown {
    if (value instanceof ShownRef) return { ref: value.id, class: value.className }
    if (value instanceof ShownDict) return { dict: value.table, ...(this.#rows.has(value.table) && { rows: this.#rows.get(value.table) }) }
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
    if (value instanceof Uint8Array) return this.#bytes(value)
    if (value instanceof RegExp) return this.of(String(value))
    if (value instanceof Error) return { name: value.name, message: this.of(value.message), ...this.#record(Object.entries(value)) }
    if (value instanceof Map) return this.#map(value)
    if (value instanceof Set || Array.isArray(value)) return this.#list(value)
    if (ArrayBuffer.isView(value))
      return isIterable(value) ? this.#list(value) : this.#bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return this.#bytes(new Uint8Array(value))
    return this.#record(entriesOf(value))
  }

  #bytes(bytes: Uint8Array): unknown {
    return { $base64: Buffer.from(bytes.subarray(0, this.#most)).toString('base64') }
  }

  #list(items: Iterable<unknown>): unknown[] {
    const list: unknown[] = []
    for (const item of items) {
      if (this.#values > this.#most) break
      list.push(this.#at(String(list.length), item))
    }
    return list
  }

  #record(entries: Iterable<readonly [string, unknown]>): object {
    const record = {}
    for (const [key, item] of entries) {
      if (this.#values > this.#most) break
      define(record, key, this.#at(key, item))
    }
    return record
  }

  #map(map: ReadonlyMap<unknown, unknown>): unknown {
    for (const key of map.keys()) if (typeof key !== 'string') return this.#list(map)
    return this.#record(map as ReadonlyMap<string, unknown>)
  }

  #at(key: string, item: unknown): unknown {
    if (typeof item !== 'object' || item === null) return this.of(item)
    this.#path.push(key)
    const converted = this.of(item)
    this.#path.pop()
    return converted
  }
}

/** Also under the name `__proto__`. */
const define = (record: object, key: string, value: unknown): object =>
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true })

/** One after the other: a record may have a million. */
function* entriesOf(value: object): Generator<readonly [string, unknown]> {
  for (const key of Object.keys(value)) yield [key, (value as Readonly<Record<string, unknown>>)[key]]
}

const isIterable = (value: object): value is Iterable<unknown> => Symbol.iterator in value
