/** Parts one after the other, each behind its length, as scripts read them: `3:abc0:`. */
export function netstrings(parts: readonly (string | Uint8Array)[]): Buffer {
  const pieces: Uint8Array[] = []
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    pieces.push(Buffer.from(`${bytes.length}:`), bytes)
  }
  return Buffer.concat(pieces)
}
