import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 16 * 1024
const pool = new Uint8Array(POOL_BYTES)
let used = POOL_BYTES

/** Random bytes that are read at once: the next calls may overwrite them. */
export function randomBytes(count: number): Uint8Array {
  if (used + count > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  used += count
  return pool.subarray(used - count, used)
}
