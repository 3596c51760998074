/** Memory for small results: a fresh ArrayBuffer costs half a microsecond and more, a view on a shared one a tenth. */
import { markAsUntransferable } from 'node:worker_threads'

const SLAB_BYTES = 16 * 1024
/** Beyond it a result has memory of its own, so that one that is kept holds back little else. */
const SHARED_BYTES_MAX = SLAB_BYTES / 8

let slab = newSlab()
let used = 0

/** The bytes from `start` to `end`, copied; behind the byte `first` if there is one. */
export function copyOut(from: Uint8Array, start: number, end: number, first?: number): Uint8Array {
  const head = first === undefined ? 0 : 1
  const length = end - start + head
  const into = length > SHARED_BYTES_MAX ? new Uint8Array(length) : allocate(length)
  if (first !== undefined) into[0] = first
  // By hand where that is quicker than making the view that `set` needs.
  if (length <= 160) for (let i = head, at = start; at < end; i++, at++) into[i] = from[at]!
  else into.set(new Uint8Array(from.buffer, from.byteOffset + start, end - start), head)
  return into
}

function allocate(length: number): Uint8Array {
  if (used + length > SLAB_BYTES) {
    slab = newSlab()
    used = 0
  }
  const bytes = new Uint8Array(slab, used, length)
  // Aligned, so that a slab is written in whole words.
  used = (used + length + 7) & ~7
  return bytes
}

function newSlab(): ArrayBuffer {
  const fresh = new ArrayBuffer(SLAB_BYTES)
  // Transferring one result away would take all the others along.
  markAsUntransferable(fresh)
  return fresh
}
