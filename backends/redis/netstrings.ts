import { CorruptError } from '../../src/errors.js'

/** Parts one after the other, each behind its length, as scripts read them: `3:abc0:`. */
export function netstrings(parts: readonly (string | Uint8Array)[]): Buffer {
  const pieces: Uint8Array[] = []
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part
    pieces.push(Buffer.from(`${bytes.length}:`), bytes)
  }
  return Buffer.concat(pieces)
}

/** The same of text alone. */
export function netstringOf(parts: readonly string[]): string {
  let text = ''
  for (const part of parts) text += `${Buffer.byteLength(part)}:${part}`
  return text
}

export function partsOf(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const colon = bytes.indexOf(0x3a, at)
    const length = Number(bytes.toString('latin1', at, colon))
    if (colon < 0 || !Number.isInteger(length) || colon + 1 + length > bytes.length)
      throw new CorruptError('A list of names in Redis is damaged.')
    parts.push(bytes.subarray(colon + 1, colon + 1 + length))
    at = colon + 1 + length
  }
  return parts
}
