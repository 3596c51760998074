/** Which rows a range covers in each part of a table. Pieces of a spread table are ranges of part numbers, two bytes, and keys behind them. */
import type { Key, Piece, Range, Table } from '../../src/backend.js'
import { compareBytes, encodeKey, prefixBounds } from '../../src/dict/row-key.js'
import type { TableId } from '../../src/ids.js'
import type { Bounds } from '../memory/row-pages.js'
import { type Partition, partitionOfId } from './redis-keys.js'
import { partitionOfPart, partOfKey, type Spread, spreadOf } from './spread.js'

export interface PartBounds {
  readonly part: number
  readonly partition: Partition
  /** Keys. */
  readonly bounds: Bounds
}

export const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

/** Those that may hold rows of a range. A table that is not spread has one part. */
export function partsOf(table: Table, range: Range): readonly PartBounds[] {
  const spread = spreadOf(table.id)
  if (!spread) return [{ part: 0, partition: partitionOfId(table.id), bounds: prefixBounds(table, range) }]
  const keys = prefixBounds(table, { ...range, in: table.id })
  const { prefix = [] } = range
  const only = prefix.length >= spread.columns ? partOfKey(spread, prefix) : undefined
  const parts: PartBounds[] = []
  for (let part = only ?? 0; part < (only === undefined ? spread.parts : only + 1); part++) {
    const bounds = typeof range.in === 'string' ? keys : within(range.in, part, keys)
    if (compareBytes(bounds.from, bounds.to) < 0) parts.push({ part, partition: partitionOfPart(spread, part), bounds })
  }
  return parts
}

const PART_BYTES = 2
const NOTHING: Bounds = { from: new Uint8Array(0), to: new Uint8Array(0) }

function within(piece: Piece, part: number, { from, to }: Bounds): Bounds {
  const [first, last] = [partAt(piece.from), partAt(piece.to)]
  if (part < first || part > last) return NOTHING
  const [pieceFrom, pieceTo] = [piece.from.subarray(PART_BYTES), piece.to.subarray(PART_BYTES)]
  return {
    from: part === first && compareBytes(pieceFrom, from) > 0 ? pieceFrom : from,
    to: part === last && compareBytes(pieceTo, to) < 0 ? pieceTo : to,
  }
}

const partAt = (bytes: Uint8Array): number => (bytes.length < PART_BYTES ? 0 : bytes[0]! * 256 + bytes[1]!)

/** The bounds of a piece: a part, and of that the keys from one on. */
export const placeIn = (part: number, key: Uint8Array = NOTHING.from): Uint8Array =>
  Uint8Array.from(Buffer.concat([Buffer.of(part >> 8, part & 255), key]))

export const placeOfKey = (spread: Spread, table: Table, key: Key): Uint8Array => placeIn(partOfKey(spread, key), encodeKey(table, key))

/** All of a spread table, or of a piece. */
export const placesOf = (of: TableId | Piece, { parts }: Spread): Bounds =>
  typeof of === 'string' ? { from: NOTHING.from, to: placeIn(parts) } : of

/** The first part of a piece. */
export const firstPartOf = ({ from }: Piece): number => partAt(from)
