/** Memory for small results: a fresh ArrayBuffer costs half a microsecond and more, a view on a shared one a tenth. */
import { markAsUntransferable } from 'node:worker_threads'

const SLAB_BYTES = 16 * 1024
/** Beyond it a result has memory of its own, so that one that is kept holds back little else. */
export const SHARED_BYTES_MAX = SLAB_BYTES / 8

/** A piece of memory that results share. */
export interface Slab {
  readonly bytes: Buffer
  readonly view: DataView
  /** Where the next result begins. */
  used: number
}

let slab = newSlab()

/** The slab as it stands, with room for one result of up to `SHARED_BYTES_MAX` from `used` on: written there, it need not be copied. */
export function roomInSlab(): Slab {
  if (slab.used + SHARED_BYTES_MAX > SLAB_BYTES) slab = newSlab()
  return slab
}

/** Takes what was written in the slab's room, as far as `end`. */
export const taken = (from: Slab, end: number): Uint8Array => allocate(from, end - from.used)

/** The bytes from `start` to `end`, copied; behind the byte `first` if there is one. */
export function copyOut(from: Uint8Array, start: number, end: number, first?: number): Uint8Array {
  const head = first === undefined ? 0 : 1
  const length = end - start + head
  const into = length > SHARED_BYTES_MAX ? new Uint8Array(length) : allocate(roomInSlab(), length)
  if (first !== undefined) into[0] = first
  // By hand where that is quicker than making the view that `set` needs.
  if (length <= 160) for (let i = head, at = start; at < end; i++, at++) into[i] = from[at]!
  else into.set(new Uint8Array(from.buffer, from.byteOffset + start, end - start), head)
  return into
}

function allocate(from: Slab, length: number): Uint8Array {
  const bytes = new Uint8Array(from.bytes.buffer, from.used, length)
  // Aligned, so that a slab is written in whole words.
  from.used = (from.used + length + 7) & ~7
  return bytes
}

function newSlab(): Slab {
  const fresh = new ArrayBuffer(SLAB_BYTES)
  // Transferring one result away would take all the others along.
  markAsUntransferable(fresh)
  return { bytes: Buffer.from(fresh), view: new DataView(fresh), used: 0 }
}
