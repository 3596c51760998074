/** Tasks of near-copies.test.ts. */
import { StorageObject, task } from 'insitu'

export class Photo extends StorageObject {
  bytes = new Uint8Array(0)
  title = ''
}

/** Looks at two objects where the first one lies; sums their first bytes. */
export const look = task(async (anchor: Photo, other: Photo) => anchor.bytes[0]! * 1000 + other.bytes[0]!)
