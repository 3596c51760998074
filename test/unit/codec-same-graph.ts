/** Whether two values are the same graph: same classes, same content to the last bit, and the same objects shared in the same places. */
export function differenceOf(a: unknown, b: unknown): string | undefined {
  return compare(a, b, 'value', new Map(), new Map())
}

type Pairs = Map<object, object>

function compare(a: unknown, b: unknown, at: string, forth: Pairs, back: Pairs): string | undefined {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null)
    return Object.is(a, b) ? undefined : `${at}: ${String(a)} ≠ ${String(b)}`
  if (forth.has(a) || back.has(b)) return forth.get(a) === b && back.get(b) === a ? undefined : `${at}: shared differently`
  forth.set(a, b)
  back.set(b, a)
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return `${at}: classes differ`
  return compareContent(a, b, at, forth, back) ?? compareProperties(a, b, at, forth, back)
}

function compareContent(a: object, b: object, at: string, forth: Pairs, back: Pairs): string | undefined {
  if (a instanceof Date) return compare(a.getTime(), (b as Date).getTime(), at, forth, back)
  if (a instanceof RegExp) return compare(`${a} ${a.lastIndex}`, `${b as RegExp} ${(b as RegExp).lastIndex}`, at, forth, back)
  if (a instanceof Map) return compareLists([...a].flat(), [...(b as Map<unknown, unknown>)].flat(), `${at} entries`, forth, back)
  if (a instanceof Set) return compareLists([...a], [...(b as Set<unknown>)], `${at} members`, forth, back)
  if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer)
    return compareBytes(new Uint8Array(a), new Uint8Array(b as ArrayBuffer), at)
  if (!ArrayBuffer.isView(a)) return undefined
  const view = b as ArrayBufferView
  if (!(view.buffer.constructor === a.buffer.constructor)) return `${at}: memory of another kind`
  return compareBytes(
    new Uint8Array(a.buffer, a.byteOffset, a.byteLength),
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength),
    at,
  )
}

const compareBytes = (a: Uint8Array, b: Uint8Array, at: string): string | undefined =>
  Buffer.compare(a, b) === 0 ? undefined : `${at}: bytes differ`

function compareLists(a: unknown[], b: unknown[], at: string, forth: Pairs, back: Pairs): string | undefined {
  if (a.length !== b.length) return `${at}: ${a.length} ≠ ${b.length}`
  for (const [i, item] of a.entries()) {
    const difference = compare(item, b[i], `${at}[${i}]`, forth, back)
    if (difference) return difference
  }
  return undefined
}

function compareProperties(a: object, b: object, at: string, forth: Pairs, back: Pairs): string | undefined {
  if (ArrayBuffer.isView(a)) return undefined
  const keys = propertiesOf(a)
  if (keys.join('\n') !== propertiesOf(b).join('\n')) return `${at}: properties ${keys} ≠ ${propertiesOf(b)}`
  for (const key of Object.getOwnPropertyNames(a)) {
    const difference = compare(Reflect.get(a, key), Reflect.get(b, key), `${at}.${key}`, forth, back)
    if (difference) return difference
  }
  return undefined
}

/** Names with whether they are enumerable; their order counts where a program can see it. */
const propertiesOf = (of: object): string[] => {
  const names = Object.getOwnPropertyNames(of).map((name) => `${name} ${Object.prototype.propertyIsEnumerable.call(of, name)}`)
  return of instanceof Error ? names.sort() : names
}
