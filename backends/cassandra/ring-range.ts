/** Pieces of a table as parts of the ring: tokens in (after, upTo]. A piece's bounds are the bytes that `tokenBytes` makes. */
import type { Piece } from '../../src/backend.js'
import type { TableId } from '../../src/ids.js'
import { piecesAt } from '../memory/split.js'
import { TOKEN_MAX, TOKEN_MIN } from './token.js'

/** No key has the least token, so that (TOKEN_MIN, TOKEN_MAX] is the whole ring, and no piece goes over its end. */
export interface RingRange {
  readonly after: bigint
  readonly upTo: bigint
}

export const WHOLE_RING: RingRange = { after: TOKEN_MIN, upTo: TOKEN_MAX }

/** Nine bytes, above those of every token and every key behind one. */
const ABOVE_ALL = new Uint8Array(9).fill(0xff)
const START = new Uint8Array(0)

/** The first bytes of keys whose token is above this one. */
function bytesAbove(token: bigint): Uint8Array {
  if (token >= TOKEN_MAX) return ABOVE_ALL
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, token + 1n) ^ (1n << 63n))
  return Uint8Array.from(bytes)
}

const tokenBelow = (bytes: Uint8Array): bigint =>
  BigInt.asIntN(64, Buffer.from(bytes.buffer, bytes.byteOffset, 8).readBigUInt64BE() ^ (1n << 63n)) - 1n

export const rangeOfPiece = ({ from, to }: Piece): RingRange => ({
  after: from.length < 8 ? TOKEN_MIN : tokenBelow(from),
  upTo: to.length === 8 ? tokenBelow(to) : TOKEN_MAX,
})

export const boundsOfRange = ({ after, upTo }: RingRange): { readonly from: Uint8Array; readonly to: Uint8Array } => ({
  from: after === TOKEN_MIN ? START : bytesAbove(after),
  to: bytesAbove(upTo),
})

/** Pieces that begin above each of the cuts. */
export function ringPieces(table: TableId, range: RingRange, cuts: readonly bigint[]): readonly Piece[] {
  return piecesAt(table, boundsOfRange(range), cuts.map(bytesAbove))
}

/** Cuts of a range into as many parts as are wanted, where the tokens of partitions are known: parts of like numbers of them. */
export function cutsByTokens(range: RingRange, tokens: readonly bigint[], parts: number): readonly bigint[] {
  const distinct = [...new Set(tokens)].sort(ascending)
  const wanted = Math.min(parts, distinct.length)
  // Above the last partition of each part, but the last part.
  const cuts = Array.from({ length: Math.max(0, wanted - 1) }, (_, i) => distinct[Math.floor(((i + 1) * distinct.length) / wanted) - 1]!)
  return splitWidest(range, cuts, parts)
}

/** Tokens are evenly spread over many partitions: parts of like widths, which end where the parts of nodes end. */
export const cutsByWidth = (range: RingRange, borders: readonly bigint[], parts: number): readonly bigint[] =>
  splitWidest(range, borders.filter((token) => token > range.after && token < range.upTo).sort(ascending), parts)

/** The widest first. All that are more than half as wide are cut at a time, since no half of them is wider than one of the others. */
function splitWidest({ after, upTo }: RingRange, cuts: readonly bigint[], parts: number): readonly bigint[] {
  let edges = [after, ...cuts, upTo]
  while (edges.length - 1 < parts) {
    const gaps = edges.slice(1).map((high, i) => ({ low: edges[i]!, width: high - edges[i]! }))
    gaps.sort((a, b) => ascending(b.width, a.width))
    const widest = gaps[0]!.width
    if (widest < 2n) break
    const cut = gaps.filter(({ width }) => 2n * width > widest).slice(0, parts - gaps.length)
    edges = [...edges, ...cut.map(({ low, width }) => low + width / 2n)].sort(ascending)
  }
  return edges.slice(1, -1)
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
