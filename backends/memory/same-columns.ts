import type { ColumnSpec, Table } from '../../src/backend.js'
import { SchemaMismatchError } from '../../src/errors.js'

/** A table that stands must have the columns that are asked for. */
export function requireSameColumns(standing: Table, wanted: Table): void {
  if (shapeOf(standing) === shapeOf(wanted)) return
  throw new SchemaMismatchError(`Table ${wanted.id} stands with other columns.`, { table: wanted.id, standing, wanted })
}

const shapeOf = ({ keys, partition, values, writes }: Table): string =>
  JSON.stringify([keys.map(columnShape), partition, values.map(columnShape), writes])

const columnShape = ({ name, type, optional }: ColumnSpec): unknown => [name, type, optional ?? false]
