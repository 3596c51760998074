/** Columns that a table gains in its life: how what stands and what a program asks for go together. */
import type { ColumnSpec, ColumnType, Table } from '../backend.js'
import { SchemaMismatchError } from '../errors.js'

/** The columns of a table, without which one it is. */
export type TableColumns = Pick<Table, 'keys' | 'partition' | 'values' | 'writes'>

/** Whether rows from before a column can go without it. */
const mayComeLater = ({ type, optional }: ColumnSpec): boolean => optional === true || type === 'counter'

/** Whether a row of so many values can be a whole one: the columns behind them came later. */
export const fitsColumns = ({ values }: Pick<Table, 'values'>, count: number): boolean =>
  count <= values.length && values.slice(count).every(mayComeLater)

/**
 * How columns differ: `same`; `wider` when `these` go on behind `those`, with columns that rows can go without; `narrower` for the
 * reverse; `other` for all else, since values are kept by their places.
 */
export function compareColumns(these: TableColumns, those: TableColumns): 'same' | 'wider' | 'narrower' | 'other' {
  if (headShape(these) !== headShape(those)) return 'other'
  const common = Math.min(these.values.length, those.values.length)
  for (let i = 0; i < common; i++) if (columnShape(these.values[i]!) !== columnShape(those.values[i]!)) return 'other'
  if (these.values.length === those.values.length) return 'same'
  const [longer, is] = these.values.length > those.values.length ? ([these, 'wider'] as const) : ([those, 'narrower'] as const)
  return longer.values.slice(common).every(mayComeLater) ? is : 'other'
}

/**
 * What stands once a table was defined again: `standing` itself, or with the further columns of `wanted`. Errors: SchemaMismatchError
 * with both when they do not go together.
 */
export function joinColumns(standing: Table, wanted: Table): Table {
  const how = compareColumns(wanted, standing)
  if (how === 'other')
    throw new SchemaMismatchError(
      `Table ${wanted.id} stands with other columns: stored ${columnsText(standing)}; wanted ${columnsText(wanted)}.`,
      { table: wanted.id, standing, wanted },
    )
  return how === 'wider' ? { ...standing, values: wanted.values } : standing
}

/** For people: `word: text → n: i64, note: text?`. */
export function columnsText({ keys, partition, values, writes }: TableColumns): string {
  const parts = keys.length > 1 ? ` (partition: ${partition} of ${keys.length})` : ''
  return `${listText(keys)}${parts} → ${listText(values)}${writes === 'lww' ? '' : `, writes '${writes}'`}`
}

const listText = (columns: readonly ColumnSpec[]): string =>
  columns.map(({ name, type, optional }) => `${name}: ${typeText(type)}${optional ? '?' : ''}`).join(', ')

const typeText = (type: ColumnType): string => (typeof type === 'string' ? type : JSON.stringify(type).replaceAll('"', ''))

const headShape = ({ keys, partition, writes }: TableColumns): string => JSON.stringify([keys.map(columnShape), partition, writes])

const columnShape = ({ name, type, optional }: ColumnSpec): string => JSON.stringify([name, type, optional ?? false])
