/** Growable columns: a table doubles all of its columns together, so an append costs O(1) amortised. */

export const CAPACITY_FIRST = 1024

export const nextCapacity = (capacity: number, needed: number): number => Math.max(needed, capacity * 2, CAPACITY_FIRST)

export function grownInt32(old: Int32Array, length: number, fill = 0): Int32Array<ArrayBuffer> {
  const column = new Int32Array(length)
  column.set(old)
  if (fill !== 0) column.fill(fill, old.length)
  return column
}

export function grownUint32(old: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const column = new Uint32Array(length)
  column.set(old)
  return column
}

export function grownUint8(old: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const column = new Uint8Array(length)
  column.set(old)
  return column
}

export function grownFloat64(old: Float64Array, length: number, fill = 0): Float64Array<ArrayBuffer> {
  const column = new Float64Array(length)
  column.set(old)
  if (fill !== 0) column.fill(fill, old.length)
  return column
}
