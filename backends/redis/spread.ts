/**
 * Dicts over several partitions of a Cluster. Rows that agree in the dict's partition columns share one, and with it a slot: else a dict
 * could not outgrow the memory of a master. Over which partitions a dict is spread can be read off its id, since `Backend.domain` must
 * tell without asking anybody where a row lies: such an id is a uuid of version 8, others are of version 7.
 *
 * xxxxxxxx-xxxx-8CP0-xxxx-BBBSSSxxxTTT   C: partition columns, P: logarithm of the number of parts, B: partition of the first part,
 * S: from one part's to the next; T: as in all ids the partition of the definition, that of the dict's owner.
 */
import { type Cell, type Key, Ref } from '../../src/backend.js'
import { newId, type TableId } from '../../src/ids.js'
import { PARTITIONS, type Partition, partitionOfId } from './redis-keys.js'

/** How the rows of a dict are spread. */
export interface Spread {
  /** How many leading key columns say where a row lies. */
  readonly columns: number
  /** A power of two. */
  readonly parts: number
  readonly first: Partition
  /** Odd, so that no two parts share a partition. */
  readonly step: number
}

export const PARTS_MAX = 1024
const PARTS_MIN = 16
const PARTS_PER_MASTER = 4
const COLUMNS_MAX = 15
/** Digits of the version, and of the fields of an id. */
const [VERSION, COLUMNS, PARTS, FIRST, STEP, TAIL] = [14, 15, 16, 24, 27, 33]
/** Tries for an id whose parts are evenly spread over the masters. */
const TRIES = 24

let lastTable: TableId | undefined
let lastSpread: Spread | undefined

/** `undefined` for a table all of whose rows lie in one partition. */
export function spreadOf(table: TableId): Spread | undefined {
  if (table === lastTable) return lastSpread
  lastTable = table
  lastSpread = table[VERSION] === '8' ? parsed(table) : undefined
  return lastSpread
}

const parsed = (table: TableId): Spread => ({
  columns: Number.parseInt(table[COLUMNS]!, 16),
  parts: 2 ** Number.parseInt(table[PARTS]!, 16),
  first: Number.parseInt(table.slice(FIRST, FIRST + 3), 16),
  step: Number.parseInt(table.slice(STEP, STEP + 3), 16) | 1,
})

/** Enough for each master to have several, so that none has many more than another. */
export function partsFor(masters: number): number {
  let parts = PARTS_MIN
  while (parts < masters * PARTS_PER_MASTER && parts < PARTS_MAX) parts *= 2
  return parts
}

export interface Masters {
  readonly count: number
  of(partition: Partition): string | undefined
}

/** An id for a table over `parts` partitions, as evenly over the masters as some tries find. */
export function spreadId(tail: string, columns: number, parts: number, masters: Masters): TableId {
  let best = fresh(tail, columns, parts)
  let least = mostOn(best, masters)
  for (let n = 1; n < TRIES && least > Math.ceil(parts / masters.count); n++) {
    const id = fresh(tail, columns, parts)
    const most = mostOn(id, masters)
    if (most < least) [best, least] = [id, most]
  }
  return best
}

/** How many parts that master has which has most. */
function mostOn(id: TableId, masters: Masters): number {
  const counts = new Map<string | undefined, number>()
  for (const partition of partitionsOf(id)) counts.set(masters.of(partition), (counts.get(masters.of(partition)) ?? 0) + 1)
  return Math.max(...counts.values())
}

function fresh(tail: string, columns: number, parts: number): TableId {
  const id = newId()
  const fields = `8${Math.min(columns, COLUMNS_MAX).toString(16)}${Math.log2(parts).toString(16)}0`
  return (id.slice(0, VERSION) + fields + id.slice(VERSION + 4, TAIL) + tail) as TableId
}

/** The partitions that hold the rows of a table, in the order of its parts. */
export function partitionsOf(table: TableId): readonly Partition[] {
  const spread = spreadOf(table)
  return spread ? Array.from({ length: spread.parts }, (_, part) => partitionOfPart(spread, part)) : [partitionOfId(table)]
}

export const partitionOfPart = ({ first, step }: Spread, part: number): Partition => (first + part * step) % PARTITIONS

/** The partition of a row. */
export function partitionOfRow(table: TableId, key: Key): Partition {
  const spread = spreadOf(table)
  return spread ? partitionOfPart(spread, partOfKey(spread, key)) : partitionOfId(table)
}

/** Part of the format. Columns behind those of the partition are of no matter. */
export function partOfKey({ columns, parts }: Spread, key: Key): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < columns && i < key.length; i++) hash = mixed(hash, textOf(key[i]!))
  // Numbers that follow one another differ in the last bits only, which FNV carries upwards: back down with them.
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return ((hash ^ (hash >>> 13)) >>> 0) & (parts - 1)
}

/** FNV-1a over code units and an end. */
function mixed(hash: number, text: string): number {
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return Math.imul(hash ^ 0xffff, 0x01000193)
}

/** The types of columns are not known here. Cells of keys come in one form each; equal texts of two types are of no matter. */
function textOf(cell: Cell): string {
  if (typeof cell === 'string') return cell
  if (cell instanceof Uint8Array) return Buffer.from(cell.buffer, cell.byteOffset, cell.length).toString('latin1')
  if (cell instanceof Date) return String(cell.getTime())
  if (cell instanceof Ref) return cell.id
  return Array.isArray(cell) ? (cell as readonly Cell[]).map(textOf).join('\0') : String(cell)
}
