/**
 * How a dict lies in Cassandra. Most have a table of their own: its partition columns are the dict's, its order columns the clustering. Of
 * dicts of one shape only the first few do; further ones share a table, each of them one partition of it, so that a thousand objects
 * with a dict each are not a thousand tables.
 */
import { createHash } from 'node:crypto'
import type { ColumnType, Table } from '../../src/backend.js'
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
  readonly counters: readonly number[]
  /** Without counters. */
  readonly plain: readonly number[]
  readonly isCas: boolean
  /** Whether keys have several forms of which one is to be chosen. */
  readonly hasForms: boolean
}

export function layoutOf(table: Table, name: string, place: string | undefined): DictLayout {
  const isShared = place !== undefined
  const cql = (column: string, i: number, prefix: string): string => (isColumnName(column) ? column : `~${prefix}${i}`)
  const positionOf = (i: number): Position => (!isShared && i < table.partition ? 'partition' : 'order')
  const keys = table.keys.map(({ name: column, type }, i) => ({ cql: cql(column, i, 'k'), type, position: positionOf(i) }))
  const values = table.values.map(({ name: column, type }, i) => ({ cql: cql(column, i, 'v'), type }))
  const counters = table.values.flatMap(({ type }, i) => (type === 'counter' ? [i] : []))
  const plain = table.values.flatMap(({ type }, i) => (type === 'counter' ? [] : [i]))
  const hasForms = table.keys.some(({ type }) => typeof type !== 'string' || ['f32', 'f64', 'decimal'].includes(type))
  return { table, name, place, keys, values, counters, plain, isCas: table.writes === 'cas', hasForms }
}

/** Partition columns of the table in Cassandra, with their types. */
export function partitionColumns({ table, place, keys }: DictLayout): readonly string[] {
  return place === undefined ? keys.slice(0, table.partition).map(({ cql }) => cql) : [DICT]
}

export const clusteringOf = ({ table, place, keys }: DictLayout): readonly KeyColumn[] =>
  place === undefined ? keys.slice(table.partition) : keys

export function createOf(layout: DictLayout): string {
  const { keys, values, place, isCas } = layout
  const clustering = clusteringOf(layout).map(({ cql }) => quoted(cql))
  const isStatic = clustering.length > 0 ? ' static' : ''
  const columns = [
    ...(place === undefined ? [] : [`"${DICT}" uuid`]),
    ...keys.map(({ cql, type, position }) => `${quoted(cql)} ${cqlType(type, position)}`),
    ...values.map(({ cql, type }) => `${quoted(cql)} ${cqlType(type, 'value')}`),
    '"~at" bigint',
    '"~notes" text',
    ...(isCas ? ['"~gone" bigint', `"~receipts" set<uuid>${isStatic}`] : []),
  ]
  const partition = partitionColumns(layout).map(quoted).join(', ')
  return `${columns.join(', ')}, PRIMARY KEY (${[`(${partition})`, ...clustering].join(', ')}))`
}

/** Dicts of one shape can share a table. */
export const shapeOf = ({ keys, partition, values, writes }: Table): string =>
  createHash('sha256')
    .update(JSON.stringify([keys.map((k) => [k.name, k.type]), partition, values.map((v) => [v.name, v.type]), writes]))
    .digest('hex')
    .slice(0, 24)
