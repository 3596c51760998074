/**
 * Bytes as they may be posted to another thread: a view takes all the memory below it along, and encoders cut theirs from large pieces.
 */
export const tight = (bytes: Uint8Array): Uint8Array => (bytes.buffer.byteLength > 2 * bytes.length ? new Uint8Array(bytes) : bytes)
