/** Rows as text: the clock, a space, and a JSON array of the values in the order of the columns. A clock alone is a removed row. */
import { createHash } from 'node:crypto'
import { type Cell, Ref, type StoredRow, type Table, type Values } from '../../src/backend.js'
import { decodeKey, encodeKey } from '../../src/dict/row-key.js'
import { CorruptError, NotFoundError, ValidationError } from '../../src/errors.js'
import type { ClassId, Id, TableId } from '../../src/ids.js'
import { fromJson, isUnset, type Json, parse, toJson } from './redis-cells.js'
import type { Partition } from './redis-keys.js'
import { spreadOf } from './spread.js'

/** A table with what is needed again and again. */
export interface KnownTable {
  readonly table: Table
  /** Tells it from another table under the same id. It stays when the table gains columns. */
  readonly tag: string
  /** The digest in front of the tag. */
  readonly digest: string
  /** Partitions of a spread table where this process has seen its part. */
  readonly ready: Set<Partition>
  readonly counters: readonly number[]
}

/** `born`: of a spread table how far its partition was when it was made. One that is dropped and made again has a later one. */
export function knownTable(id: TableId, json: string, born: string | undefined): KnownTable {
  const { tag, ...plain } = parsed(id, json)
  const table: Table = { ...plain, owner: new Ref(plain.owner.id, plain.owner.classId) }
  const counters = table.values.flatMap(({ type }, i) => (type === 'counter' ? [i] : []))
  const digest = tag ?? tagOf(json)
  return { table, tag: spreadOf(table.id) ? `${digest}.${born}` : digest, digest, ready: new Set(), counters }
}

type Definition = Table & { owner: { id: Id; classId: ClassId }; tag?: string }

function parsed(id: TableId, json: string): Definition {
  let found: Partial<Definition> | null
  try {
    found = JSON.parse(json)
  } catch (cause) {
    throw damagedTable(id, 'its definition is no JSON', new Error((cause as Error).name)) // its words are data
  }
  if (isDefinition(found, id)) return found
  throw damagedTable(id, 'its definition is not of a table, or of another one')
}

const isDefinition = (found: Partial<Definition> | null, id: TableId): found is Definition =>
  found?.id === id && typeof found.owner?.id === 'string' && Array.isArray(found.keys) && Array.isArray(found.values)

export const damagedTable = (table: TableId, how: string, cause?: unknown): CorruptError =>
  new CorruptError(`table ${table} in Redis is damaged (${how}): restore it from a backup; \`insitu fsck\` says what else is`, {
    table,
    cause,
  })

export const missingTable = (id: TableId): NotFoundError => new NotFoundError(`There is no table ${id}.`, { table: id })

/** `tag`: of the table as it was made, when it has gained columns since. */
export const jsonOfTable = ({ id, owner, keys, partition, values, writes }: Table, tag?: string): string =>
  JSON.stringify({ id, owner: { id: owner.id, classId: owner.classId }, keys, partition, values, writes, tag })

export const tagOf = (json: string): string => createHash('sha256').update(json).digest('hex').slice(0, 16)

export const keyOfRow = ({ table }: KnownTable, key: StoredRow['key']): Uint8Array => encodeKey(table, key)

/**
 * Counters are left out: their sums are kept apart. 64-bit integers stand as text, since most readers of JSON would round them. Of columns
 * that the writer does not know there is nothing in the list: the script leaves them as they are.
 */
export function encodeRow({ table }: KnownTable, values: Values): string {
  if (values.length > table.values.length)
    throw new ValidationError(`A row of ${values.length} values is for no table of ${table.values.length} columns.`, { table: table.id })
  return JSON.stringify(values.map((value, i) => valueToJson(table.values[i]!.type, value)))
}

function valueToJson(type: Table['values'][number]['type'], value: Cell | undefined): Json {
  if (type === 'counter') return null
  if (type === 'i64' && typeof value === 'bigint') return String(value)
  return toJson(value)
}

/**
 * A row from what the scripts give; `sums` in the order of the counter columns. `isListed`: it is there, though perhaps with nothing but sums
 * of counters that are not known here. `wider`: it has columns that are not known here.
 */
export function decodeRow(
  known: KnownTable,
  key: Uint8Array,
  row: Buffer | null,
  sums: readonly (Buffer | null)[],
  isListed = false,
): StoredRow | 'wider' | undefined {
  try {
    return decoded(known, key, row, sums, isListed)
  } catch (cause) {
    const { name } = cause as Error
    // What others than we say of it repeats what stands there: that is data.
    throw damagedTable(known.table.id, 'a row of it is not what it must be', cause instanceof CorruptError ? cause : new Error(name))
  }
}

function decoded(
  { table, counters }: KnownTable,
  key: Uint8Array,
  row: Buffer | null,
  sums: readonly (Buffer | null)[],
  isListed: boolean,
): StoredRow | 'wider' | undefined {
  const text = row?.toString() ?? '0'
  const space = text.indexOf(' ')
  const isWritten = space >= 0
  const atMicros = numberIn(table, isWritten ? text.slice(0, space) : text)
  if (!isWritten && !isListed && !sums.some((sum) => sum !== null)) return undefined
  const values = isWritten ? valuesOf(table, parse(text.slice(space + 1))) : table.values.map(() => undefined)
  if (values === 'wider') return values
  counters.forEach((column, i) => {
    const sum = sums[i]
    values[column] = sum ? numberIn(table, sum.toString('latin1')) : undefined
  })
  return { key: decodeKey(table, key), values, atMicros }
}

const WHOLE_NUMBER = /^-?\d+$/

/** A clock, or the sum of a counter. What is none would pass for a row that was removed. Errors: CorruptError */
function numberIn(table: Table, text: string): bigint {
  if (!WHOLE_NUMBER.test(text)) throw damagedTable(table.id, 'a row of it is not what it must be', undefined)
  return BigInt(text)
}

function valuesOf(table: Table, list: Json): (Cell | undefined)[] | 'wider' {
  if (!Array.isArray(list)) throw new CorruptError('a row in Redis is no list of values')
  if (list.length > table.values.length) return 'wider'
  return table.values.map(({ type }, i) => {
    if (i >= list.length) return undefined // it came later
    const value = list[i] as Json
    if (isUnset(value)) return undefined
    return type === 'i64' && typeof value === 'string' ? BigInt(value) : fromJson(value)
  })
}

export function requireCounter({ table }: KnownTable, column: number): void {
  if (table.values[column]?.type === 'counter') return
  throw new ValidationError(`Column ${column} of table ${table.id} is no counter.`, { table: table.id, column })
}
