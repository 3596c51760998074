/** Cells of an object as values of columns, and back. */
import type { Cell } from '../../src/backend.js'
import type { DriverModule } from './cassandra-driver-loader.js'
import type { Param, Row } from './cassandra-link.js'
import {
  cellOfLarge,
  cellOfNative,
  type FieldKind,
  fromRest,
  largeForm,
  type Manifest,
  manifestForm,
  nameOfRest,
  nativeTypeOf,
  nativeValue,
  restForm,
  restName,
} from './cell-forms.js'
import type { ChunkStore } from './chunk-store.js'
import { ID } from './class-tables.js'

export interface ObjectColumns {
  /** By name, in an order that does not depend on the caller, so that equal changes are one prepared statement. */
  readonly columns: readonly (readonly [name: string, value: Param])[]
  readonly rest: readonly (readonly [key: string, form: Buffer | null])[]
  readonly hasLarge: boolean
}

/**
 * `undefined` drops a cell. What stands in the column wins over the rest: so a value for the rest empties the column, and one for the column
 * leaves the rest alone.
 */
export async function columnsOf(
  driver: DriverModule,
  chunks: ChunkStore,
  kinds: ReadonlyMap<string, FieldKind>,
  cells: ReadonlyMap<string, Cell | undefined>,
): Promise<ObjectColumns> {
  const columns: [string, Param][] = []
  const rest: [string, Buffer | null][] = []
  let hasLarge = false
  for (const [name, cell] of cells) {
    const kind = kinds.get(name) ?? 'packed'
    if (cell !== undefined && cell !== null && kind !== 'packed' && nativeTypeOf(cell) === kind) {
      columns.push([name, nativeValue(driver, cell)])
      continue
    }
    if (kind !== 'packed') columns.push([name, null])
    const large = cell === undefined ? undefined : largeForm(cell)
    if (large) hasLarge = true
    const form = large ? manifestForm(await chunks.keep(large.bytes, large.form)) : cell === undefined ? null : restForm(cell)
    rest.push([restName(name), form])
  }
  columns.sort(([a], [b]) => (a < b ? -1 : 1))
  return { columns, rest, hasLarge }
}

/** Where the large cells of an object lie. */
export function manifestsIn(row: Row | undefined): ReadonlyMap<string, Manifest> {
  const found = new Map<string, Manifest>()
  for (const [key, form] of restOf(row)) {
    const cell = fromRest(form)
    if (isLarge(cell)) found.set(nameOfRest(key), cell.manifest)
  }
  return found
}

const restOf = (row: Row | undefined): ReadonlyMap<string, Buffer> =>
  (row?.['~rest'] as ReadonlyMap<string, Buffer> | null | undefined) ?? NONE
const NONE: ReadonlyMap<string, Buffer> = new Map()

const isLarge = (cell: ReturnType<typeof fromRest>): cell is { readonly manifest: Manifest } =>
  typeof cell === 'object' && cell !== null && Object.getPrototypeOf(cell) === Object.prototype && 'manifest' in cell

/** `undefined` when chunks are gone: the object has another state by now, and is to be read again. */
export async function cellsOf(
  row: Row,
  chunks: ChunkStore,
): Promise<{ readonly cells: Map<string, Cell>; readonly hasLarge: boolean } | undefined> {
  const cells = new Map<string, Cell>()
  let hasLarge = false
  for (const [key, form] of restOf(row)) {
    const cell = fromRest(form)
    const name = nameOfRest(key)
    if (!isLarge(cell)) cells.set(name, cell)
    else if (row[name] === null || row[name] === undefined || name.startsWith('~')) {
      hasLarge = true
      const bytes = await chunks.fetch(cell.manifest)
      if (!bytes) return undefined
      cells.set(name, cellOfLarge(bytes, cell.manifest.form))
    }
  }
  for (const name of Object.keys(row)) {
    const value: unknown = row[name]
    if (value !== null && !name.startsWith('~') && name !== ID) cells.set(name, cellOfNative(value))
  }
  return { cells, hasLarge }
}
