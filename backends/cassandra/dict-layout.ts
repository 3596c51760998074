/**
 * How a dict lies in Cassandra. Most have a table of their own: its partition columns are the dict's, its order columns the clustering. Of
 * dicts of one shape only the first few do; further ones share a table, each of them one partition of it, so that a thousand objects
 * with a dict each are not a thousand tables.
 */
import { createHash } from 'node:crypto'
import type { ColumnSpec, ColumnType, Table } from '../../src/backend.js'
import { cqlType, type Position } from './column-types.js'
import { isColumnName, quoted } from './identifiers.js'

/** The partition column of a shared table. */
export const DICT = '~dict'

export interface KeyColumn {
  readonly cql: string
  readonly type: ColumnType
  readonly position: Position
}

export interface ValueColumn {
  readonly cql: string
  readonly type: ColumnType
}

export interface DictLayout {
  readonly table: Table
  /** The table in Cassandra. */
  readonly name: string
  /** The dict's partition in a shared table; `undefined` for a table of its own. */
  readonly place: string | undefined
  readonly keys: readonly KeyColumn[]
  readonly values: readonly ValueColumn[]
  /** Where there are some, of a row that is removed a mark may stay that there is one: of those from before, and of other clients' inserts. */
  readonly counters: readonly number[]
  /** Without counters. */
  readonly plain: readonly number[]
  readonly isCas: boolean
  /** Rows are counters of Cassandra's own. */
  readonly isNative: boolean
  /** How many columns of values it was made with: those behind them came later. */
  readonly base: number
  /** None where rows do not tell what is null. */
  readonly notes: readonly NoteColumn[]
  /** Whether keys have several forms of which one is to be chosen. */
  readonly hasForms: boolean
  /** Its columns and no others: rows tell neither their time nor what is null. */
  readonly isHecuba: boolean
}

/**
 * Says which of some values are null or empty collections, since CQL does not tell those apart from what is not set. Each value that came
 * later has one of its own: who does not know the one leaves the other as it is.
 */
export interface NoteColumn {
  readonly cql: string
  /** By their places. */
  readonly values: readonly number[]
}

export function layoutOf(
  table: Table,
  name: string,
  place: string | undefined,
  base: number = table.values.length,
  isHecuba = false,
): DictLayout {
  const isShared = place !== undefined
  const cql = (column: string, i: number, prefix: string): string => (isColumnName(column) ? column : `~${prefix}${i}`)
  const positionOf = (i: number): Position => (isHecuba ? 'value' : !isShared && i < table.partition ? 'partition' : 'order')
  const keys = table.keys.map(({ name: column, type }, i) => ({ cql: cql(column, i, 'k'), type, position: positionOf(i) }))
  // Dicts that share a table may gain columns of one name and several types.
  const later = ({ name: column, type }: ColumnSpec): string => `~${hash([column, type])}`
  const values = table.values.map((spec, i) => ({ cql: isShared && i >= base ? later(spec) : cql(spec.name, i, 'v'), type: spec.type }))
  const isNative = table.writes === 'counters'
  const counters = table.values.flatMap(({ type }, i) => (type === 'counter' && !isNative ? [i] : []))
  const plain = table.values.flatMap(({ type }, i) => (type === 'counter' ? [] : [i]))
  const hasForms = table.keys.some(({ type }) => typeof type !== 'string' || ['f32', 'f64', 'decimal'].includes(type))
  const isCas = table.writes === 'cas'
  const notes = isHecuba || isNative ? [] : noteColumns(plain, base)
  return { table, name, place, keys, values, counters, plain, isCas, isNative, base, notes, hasForms, isHecuba }
}

function noteColumns(plain: readonly number[], base: number): NoteColumn[] {
  const later = plain.filter((i) => i >= base)
  return [{ cql: '~notes', values: plain.filter((i) => i < base) }, ...later.map((i) => ({ cql: `~note${i}`, values: [i] }))]
}

/** Partition columns of the table in Cassandra, with their types. */
export function partitionColumns({ table, place, keys }: DictLayout): readonly string[] {
  return place === undefined ? keys.slice(0, table.partition).map(({ cql }) => cql) : [DICT]
}

export const clusteringOf = ({ table, place, keys }: DictLayout): readonly KeyColumn[] =>
  place === undefined ? keys.slice(table.partition) : keys

export function createOf(layout: DictLayout): string {
  const { keys, values, place, isCas, isNative, isHecuba, notes } = layout
  const clustering = clusteringOf(layout).map(({ cql }) => quoted(cql))
  const isStatic = clustering.length > 0 ? ' static' : ''
  const columns = [
    ...(place === undefined ? [] : [`"${DICT}" uuid`]),
    ...keys.map(({ cql, type, position }) => `${quoted(cql)} ${cqlType(type, position)}`),
    ...values.map((column) => valueColumn(layout, column)),
    ...(isHecuba || isNative ? [] : ['"~at" bigint', ...notes.map(noteColumn)]),
    ...(isCas ? ['"~gone" bigint', `"~receipts" set<uuid>${isStatic}`, '"~intent" blob'] : []),
  ]
  const partition = partitionColumns(layout).map(quoted).join(', ')
  return `${columns.join(', ')}, PRIMARY KEY (${[`(${partition})`, ...clustering].join(', ')}))`
}

/** Columns that came later, as a table is told of them: those of its values, and those that the backend did not know before. */
export const laterColumns = (layout: DictLayout): ReadonlyMap<string, string> =>
  new Map([
    ...layout.values.slice(layout.base).map((column): [string, string] => [column.cql, valueColumn(layout, column)]),
    ...layout.notes.slice(1).map((note): [string, string] => [note.cql, noteColumn(note)]),
    ...(layout.isCas ? [['~intent', '"~intent" blob'] as const] : []),
  ])

const noteColumn = ({ cql }: NoteColumn): string => `${quoted(cql)} text`

const valueColumn = ({ isNative }: DictLayout, { cql, type }: ValueColumn): string =>
  `${quoted(cql)} ${isNative ? 'counter' : cqlType(type, 'value')}`

/** Dicts that are made with one shape can share a table. */
export const shapeOf = ({ keys, partition, values, writes }: Table, base: number = values.length): string =>
  hash([keys.map((k) => [k.name, k.type]), partition, values.slice(0, base).map((v) => [v.name, v.type]), writes])

const hash = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24)
