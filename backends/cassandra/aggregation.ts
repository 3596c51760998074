/** Aggregates where the rows lie: over one partition, by CQL. What CQL would round or overflow is computed from rows that are fetched. */
import type { Aggregates, Cell, ColumnType, Range } from '../../src/backend.js'
import { UnsupportedError } from '../../src/errors.js'
import type { Row } from './cassandra-link.js'
import { type ColumnValues, isCollection } from './column-types.js'
import type { DictLayout, KeyColumn } from './dict-layout.js'
import { quoted } from './identifiers.js'

type Words = Parameters<Aggregates['aggregate']>[2]

interface PlannedOp {
  readonly word: Words[number][0]
  readonly sql: string
  readonly type: ColumnType | undefined
}

export interface AggregatePlan {
  /** Columns of the answer, in order: those that group, then the aggregates. */
  readonly select: string
  readonly groupBy: string
  cellsOf(row: Row, values: ColumnValues): readonly Cell[]
}

/** Summed as numbers without end, or as they are: a sum of CQL's 32-bit integers is one. */
const SUMS: Readonly<Record<string, string>> = { i32: 'varint', i64: 'varint', f32: 'double', f64: 'double', decimal: 'decimal' }
/** Types whose order is the same in CQL. */
const ORDERED = new Set<unknown>(['text', 'bool', 'i32', 'i64', 'f64', 'decimal', 'blob', 'date', 'time', 'timestamp'])

/** @throws UnsupportedError for what must be computed from rows that are fetched */
export function planAggregates(layout: DictLayout, range: Range, by: readonly string[], words: Words): AggregatePlan {
  const { prefix = [], limit } = range
  const isOnePartition = layout.place !== undefined || prefix.length >= layout.table.partition
  if (!isOnePartition || limit !== undefined || layout.isCas || typeof range.in !== 'string') throw cannot('this range')
  // Of a removed row a mark may stay that there is one: CQL would count it.
  if (layout.counters.length > 0 && (by.length > 0 || words.some(([, name]) => name === '*'))) throw cannot('rows with counters')
  const groups = groupColumns(layout, prefix.length, by)
  const ops = words.map(([word, name]) => planned(layout, word, name))
  const select = [...groups.map(({ cql }) => quoted(cql)), ...ops.map(({ sql }, i) => `${sql} AS "~a${i}"`)].join(', ')
  return {
    select,
    groupBy: groups.length > 0 ? ` GROUP BY ${groupList(layout, prefix.length, groups)}` : '',
    cellsOf: (row, values) => [
      ...groups.map(({ cql, type, position }) => values.fromCql(type, row[cql], position)),
      ...ops.map((op, i) => cellOf(op, row[`~a${i}`], values)),
    ],
  }
}

/** Groups of CQL's are of rows that follow one another: by the first columns behind those that are fixed. */
function groupColumns({ keys, table }: DictLayout, fixed: number, by: readonly string[]): readonly KeyColumn[] {
  const columns = by.map((name) => table.keys.findIndex((column) => column.name === name))
  if (columns.some((at, i) => at !== fixed + i)) throw cannot('these groups')
  return columns.map((at) => keys[at]!)
}

const groupList = ({ keys, place }: DictLayout, fixed: number, groups: readonly KeyColumn[]): string =>
  [...(place === undefined ? [] : ['~dict']), ...keys.slice(0, fixed).map(({ cql }) => cql), ...groups.map(({ cql }) => cql)]
    .map(quoted)
    .join(', ')

function planned({ table, keys, values }: DictLayout, word: PlannedOp['word'], name: string): PlannedOp {
  if (name === '*') return { word, sql: 'count(*)', type: undefined }
  const key = table.keys.findIndex((column) => column.name === name)
  const column = key >= 0 ? keys[key] : values[table.values.findIndex((one) => one.name === name)]
  if (!column || key >= 0) throw cannot(`${word} of a key`)
  const cql = quoted(column.cql)
  const { type } = column
  if (type === 'counter') throw cannot('counters')
  if (word === 'count') {
    if (isCollection(type)) throw cannot('how many collections are set: an empty one is nothing to it')
    return { word, sql: `count(${cql})`, type }
  }
  if (word === 'sum') {
    const as = typeof type === 'string' ? SUMS[type] : undefined
    if (as === undefined) throw cannot(`the sum of ${JSON.stringify(type)}`)
    return { word, sql: as === type ? `sum(${cql})` : `sum(CAST(${cql} AS ${as}))`, type }
  }
  if (!ORDERED.has(type)) throw cannot(`${word} of ${JSON.stringify(type)}`)
  return { word, sql: `${word}(${cql})`, type }
}

function cellOf({ word, type }: PlannedOp, value: unknown, values: ColumnValues): Cell {
  if (word === 'count') return Number(value)
  if (value === null || value === undefined) return null
  if (word !== 'sum') return values.fromCql(type!, value, 'value')
  return type === 'decimal' ? values.fromCql('decimal', value, 'value') : (value as Cell)
}

const cannot = (what: string): UnsupportedError => new UnsupportedError(`Cassandra does not compute ${what}.`)
