/**
 * Conditions on columns as CQL, for what no partition key says. Whoever asks looks at each row himself: so what is said here may leave in too
 * much, and never leaves out a row that is meant.
 */
import { createHash } from 'node:crypto'
import type { Cell, ColumnType, RowFilter } from '../../src/backend.js'
import { indexOf } from '../../src/dict/column-index.js'
import type { Param } from './cassandra-link.js'
import type { ColumnValues, Position } from './column-types.js'
import type { DictLayout } from './dict-layout.js'
import { quoted } from './identifiers.js'

/** One statement's share: what follows `WHERE`, to be joined by AND. */
export interface FilterSlice {
  readonly terms: readonly string[]
  readonly params: readonly Param[]
  /** Some column has no index: the servers look at all rows. */
  readonly isScan: boolean
}

/** A statement for each value of one column, where several are asked for: an index answers one at a time. */
const SLICES_MAX = 100

/** Longer texts (8 KiB, by default) are left out of an index without a word, so that one is looked for without it. */
const INDEXED_BYTES_MAX = 1000

interface Column {
  readonly cql: string
  readonly type: ColumnType
  readonly position: Position
}

/**
 * Slices that together have every row that is meant, each once; `undefined`: nothing of it can be said in CQL. `isPart`: they are asked of a
 * part of the ring, where CQL lets nothing be said of the columns that tokens are made of.
 */
export function planFilters(
  layout: DictLayout,
  values: ColumnValues,
  where: readonly RowFilter[],
  isPart = false,
): readonly FilterSlice[] | undefined {
  if (where.some(({ equals }) => equals?.length === 0)) return []
  const usable = where.filter((filter) => isUsable(layout, filter) && !(isPart && columnOf(layout, filter.column).position === 'partition'))
  const manifold = usable.find((one) => hasIndex(layout, one) && one.equals && one.equals.length > 1 && one.equals.length <= SLICES_MAX)
  const simple = usable.filter(({ equals }) => !equals || equals.length === 1)
  const variants = manifold ? manifold.equals!.map((cell) => ({ ...manifold, equals: [cell] })) : []
  if (simple.length + variants.length === 0) return undefined
  const slice = (filters: readonly RowFilter[]): FilterSlice => sliceOf(layout, values, filters)
  return variants.length > 0 ? variants.map((one) => slice([...simple, one])) : [slice(simple)]
}

function isUsable(layout: DictLayout, { column, equals }: RowFilter): boolean {
  const { type, position } = columnOf(layout, column)
  const kind = indexOf(type)
  if (kind === undefined || equals?.some(isTooLong)) return false
  // A text that is a partition has a form of its own, of another order.
  return equals !== undefined || (kind === 'order' && position !== 'partition')
}

const isTooLong = (cell: Cell): boolean => typeof cell === 'string' && Buffer.byteLength(cell) > INDEXED_BYTES_MAX

function columnOf({ table, keys, values }: DictLayout, name: string): Column {
  const key = table.keys.findIndex((column) => column.name === name)
  if (key >= 0) return keys[key]!
  return { ...values[table.values.findIndex((column) => column.name === name)]!, position: 'value' }
}

function sliceOf(layout: DictLayout, values: ColumnValues, filters: readonly RowFilter[]): FilterSlice {
  const terms: string[] = []
  const params: Param[] = []
  for (const { column, equals, from, to } of filters) {
    const { cql, type, position } = columnOf(layout, column)
    const say = (sign: string, cell: Cell): void => {
      terms.push(`${quoted(cql)} ${sign} ?`)
      params.push(values.toCql(type, cell, position))
    }
    const [only] = equals ?? []
    // Two zeros are one value here, and two in Cassandra.
    if (only === 0) {
      say('>=', -0)
      say('<=', 0)
    } else if (only !== undefined) say('=', only)
    else {
      if (from !== undefined) say('>=', from === 0 ? -0 : from)
      if (to !== undefined) say('<', to)
    }
  }
  return { terms, params, isScan: filters.some((filter) => !hasIndex(layout, filter)) }
}

/** Servers make no index of a column whose name is none of theirs, and all such are `~` here: the servers then look at all rows. */
const isNamedPlainly = ({ cql }: Column): boolean => !cql.startsWith('~')
const hasIndex = (layout: DictLayout, { column, indexed }: RowFilter): boolean => indexed && isNamedPlainly(columnOf(layout, column))

/** The columns that have an index of their own, by the name of the index. */
export function indexesOf(layout: DictLayout, more: readonly RowFilter[] = []): ReadonlyMap<string, string> {
  const { table, name } = layout
  const wanted = new Set([...table.keys, ...table.values].filter(({ indexed }) => indexed).map((column) => column.name))
  for (const { column, indexed } of more) if (indexed) wanted.add(column)
  const named = [...wanted].map((column) => columnOf(layout, column)).filter(isNamedPlainly)
  return new Map(named.map(({ cql }) => [`index_${createHash('sha256').update(`${name} ${cql}`).digest('hex').slice(0, 24)}`, cql]))
}
