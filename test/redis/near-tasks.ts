/** Tasks of near-copies.test.ts and spread-programs.test.ts. */
import { StorageDict, StorageObject, t, task } from 'insitu'

export class Photo extends StorageObject {
  bytes = new Uint8Array(0)
  title = ''
}

/** Looks at two objects where the first one lies; sums their first bytes. */
export const look = task(async (anchor: Photo, other: Photo) => anchor.bytes[0]! * 1000 + other.bytes[0]!)

export class Sales extends StorageDict.of({ shop: t.text, at: t.i64 }, { n: t.i64, note: t.text.optional() }) {}

export class Chain extends StorageObject {
  sales = new StorageDict({ shop: t.text, at: t.i64 }, { n: t.i64 })
}

/** Adds up the rows of a piece. */
export const total = task(async (sales: Chain['sales']) => {
  let sum = 0n
  for await (const [, { n }] of sales) sum += n
  return sum
})
