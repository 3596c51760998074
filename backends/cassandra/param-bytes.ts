/** About how many bytes a value of a statement or row has on its way: nothing may hide in a map or a list. */
export function bytesOf(value: unknown): number {
  if (typeof value === 'string') return OWN_BYTES + value.length
  if (typeof value !== 'object' || value === null) return OWN_BYTES
  if (value instanceof Uint8Array) return OWN_BYTES + value.length
  if (Array.isArray(value)) return sumOf(value)
  if (value instanceof Set) return sumOf(value)
  if (value instanceof Map) return sumOf(value.keys()) + sumOf(value.values())
  const { elements } = value as { readonly elements?: unknown } // of a tuple
  return Array.isArray(elements) ? sumOf(elements) : OWN_BYTES
}

const OWN_BYTES = 16

function sumOf(values: Iterable<unknown>): number {
  let bytes = OWN_BYTES
  for (const value of values) bytes += bytesOf(value)
  return bytes
}
