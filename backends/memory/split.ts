import { crc32 } from 'node:zlib'
import type { Piece } from '../../src/backend.js'
import type { TableId } from '../../src/ids.js'
import type { Bounds } from './row-pages.js'

/**
 * Pieces from bounds and the keys at which to cut. The outer bounds stay those of the whole, so that rows which come later are
 * covered too. The epoch is made of the cuts: the same keys give the same pieces.
 */
export function piecesAt(table: TableId, { from, to }: Bounds, cuts: readonly Uint8Array[]): readonly Piece[] {
  const edges = [from, ...cuts, to]
  const epoch = edges.reduce((sum, edge) => crc32(edge, sum), 0).toString(16)
  return edges.slice(1).map((edge, i) => ({ table, from: edges[i]!, to: edge, epoch }))
}

/** The positions, out of `count` keys, of those that begin the second piece, the third, and so on. */
export function cutPositions(count: number, pieces: number): readonly number[] {
  const wanted = Math.max(1, Math.min(pieces, count))
  return Array.from({ length: wanted - 1 }, (_, i) => Math.floor(((i + 1) * count) / wanted))
}
