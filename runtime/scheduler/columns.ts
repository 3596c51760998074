/** Growable columns: a table doubles all of its columns together, so an append costs O(1) amortised. */

const CAPACITY_FIRST = 1024

export const nextCapacity = (capacity: number, needed: number): number => Math.max(needed, capacity * 2, CAPACITY_FIRST)

export function grownInt32(old: Int32Array, length: number, fill = 0): Int32Array<ArrayBuffer> {
  const column = new Int32Array(length)
  column.set(old)
  if (fill !== 0) column.fill(fill, old.length)
  return column
}

export function grownInt16(old: Int16Array, length: number, fill = 0): Int16Array<ArrayBuffer> {
  const column = new Int16Array(length)
  column.set(old)
  if (fill !== 0) column.fill(fill, old.length)
  return column
}

export function grownFloat32(old: Float32Array, length: number): Float32Array<ArrayBuffer> {
  const column = new Float32Array(length)
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
