import { ShownDict, ShownRef } from './classless.js'

/**
 * Stored values in JSON, for people and jq: readable rather than reversible. Maps with text keys become objects, other maps lists of
 * pairs; dates ISO text; bigints numbers while exact; bytes base64; references { "ref", "class" }.
 */
export const plain = (value: unknown): unknown => convert(value, [])

function convert(value: unknown, above: readonly object[]): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value ?? null
  if (above.includes(value)) return { $same: `${above.length - above.indexOf(value)} levels up` }
  return convertObject(value, [...above, value])
}

function convertObject(value: object, above: readonly object[]): unknown {
  const inner = (item: unknown): unknown => convert(item, above)
  if (value instanceof ShownRef) return { ref: value.id, class: value.className }
  if (value instanceof ShownDict) return { dict: value.table }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof Uint8Array) return { $base64: Buffer.from(value).toString('base64') }
  if (value instanceof RegExp) return String(value)
  if (value instanceof Error) return { name: value.name, message: value.message, ...properties(value, inner) }
  if (value instanceof Map) return convertMap(value, inner)
  if (value instanceof Set || Array.isArray(value)) return Array.from(value, inner)
  if (ArrayBuffer.isView(value))
    return isIterable(value) ? Array.from(value, inner) : inner(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return inner(new Uint8Array(value))
  return properties(value, inner)
}

const isIterable = (value: object): value is Iterable<unknown> => Symbol.iterator in value

const convertMap = (map: ReadonlyMap<unknown, unknown>, inner: (item: unknown) => unknown): unknown =>
  [...map.keys()].every((key) => typeof key === 'string')
    ? Object.fromEntries([...map].map(([key, item]) => [key, inner(item)]))
    : [...map].map(([key, item]) => [inner(key), inner(item)])

const properties = (value: object, inner: (item: unknown) => unknown): object =>
  Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inner(item)]))
