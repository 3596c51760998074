/** Rows as text: the clock, a space, and a JSON array of the values in the order of the columns. A clock alone is a removed row. */
import { createHash } from 'node:crypto'
import { type Cell, Ref, type StoredRow, type Table, type Values } from '../../src/backend.js'
import { decodeKey, encodeKey } from '../../src/dict/row-key.js'
import { ValidationError } from '../../src/errors.js'
import type { ClassId, Id } from '../../src/ids.js'
import { fromJson, isUnset, type Json, parse, toJson } from './redis-cells.js'

/** A table with what is needed again and again. */
export interface KnownTable {
  readonly table: Table
  /** Tells its definition from another one under the same id. */
  readonly tag: string
  readonly counters: readonly number[]
}

export function knownTable(json: string): KnownTable {
  const plain = JSON.parse(json) as Table & { owner: { id: Id; classId: ClassId } }
  const table: Table = { ...plain, owner: new Ref(plain.owner.id, plain.owner.classId) }
  const counters = table.values.flatMap(({ type }, i) => (type === 'counter' ? [i] : []))
  return { table, tag: tagOf(json), counters }
}

export const jsonOfTable = ({ id, owner, keys, partition, values, writes }: Table): string =>
  JSON.stringify({ id, owner: { id: owner.id, classId: owner.classId }, keys, partition, values, writes })

export const tagOf = (json: string): string => createHash('sha256').update(json).digest('hex').slice(0, 16)

export const keyOfRow = ({ table }: KnownTable, key: StoredRow['key']): Uint8Array => encodeKey(table, key)

/** Counters are left out: their sums are kept apart. 64-bit integers stand as text, since most readers of JSON would round them. */
export function encodeRow({ table }: KnownTable, values: Values): string {
  return JSON.stringify(table.values.map(({ type }, i) => valueToJson(type, values[i])))
}

function valueToJson(type: Table['values'][number]['type'], value: Cell | undefined): Json {
  if (type === 'counter') return null
  if (type === 'i64' && typeof value === 'bigint') return String(value)
  return toJson(value)
}

/** A row from what the scripts give; `sums` in the order of the counter columns. */
export function decodeRow(
  { table, counters }: KnownTable,
  key: Uint8Array,
  row: Buffer | null,
  sums: readonly (Buffer | null)[],
): StoredRow | undefined {
  const text = row?.toString() ?? '0'
  const space = text.indexOf(' ')
  const isWritten = space >= 0
  if (!isWritten && !sums.some((sum) => sum !== null)) return undefined
  const values: (Cell | undefined)[] = isWritten ? decodeValues(table, text.slice(space + 1)) : table.values.map(() => undefined)
  counters.forEach((column, i) => {
    const sum = sums[i]
    values[column] = sum ? BigInt(sum.toString('latin1')) : undefined
  })
  return { key: decodeKey(table, key), values, atMicros: BigInt(isWritten ? text.slice(0, space) : text) }
}

function decodeValues(table: Table, json: string): (Cell | undefined)[] {
  const list = parse(json) as readonly Json[]
  return table.values.map(({ type }, i) => {
    const value = list[i] ?? null
    if (isUnset(value)) return undefined
    return type === 'i64' && typeof value === 'string' ? BigInt(value) : fromJson(value)
  })
}

export function requireCounter({ table }: KnownTable, column: number): void {
  if (table.values[column]?.type === 'counter') return
  throw new ValidationError(`Column ${column} of table ${table.id} is no counter.`, { table: table.id, column })
}
