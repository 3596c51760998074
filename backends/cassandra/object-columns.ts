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
 * leaves the rest alone. At once, unless there are large cells, which are stored first.
 */
export function columnsOf(
  driver: DriverModule,
  chunks: ChunkStore,
  kinds: ReadonlyMap<string, FieldKind>,
  cells: ReadonlyMap<string, Cell | undefined>,
): ObjectColumns | Promise<ObjectColumns> {
  const columns: [string, Param][] = []
  const rest: [string, Buffer | null][] = []
  const large: [string, Large][] = []
  for (const [name, cell] of cells) {
    const kind = kinds.get(name) ?? 'packed'
    if (cell !== undefined && cell !== null && kind !== 'packed' && nativeTypeOf(cell) === kind) {
      columns.push([name, nativeValue(driver, cell)])
      continue
    }
    if (kind !== 'packed') columns.push([name, null])
    const form = cell === undefined ? undefined : largeForm(cell)
    if (form) large.push([restName(name), form])
    else rest.push([restName(name), cell === undefined ? null : restForm(cell)])
  }
  columns.sort(([a], [b]) => (a < b ? -1 : 1))
  return large.length === 0 ? { columns, rest, hasLarge: false } : withLarge(chunks, { columns, rest, hasLarge: true }, large)
}

type Large = NonNullable<ReturnType<typeof largeForm>>

async function withLarge(chunks: ChunkStore, made: ObjectColumns, large: readonly (readonly [string, Large])[]): Promise<ObjectColumns> {
  const kept: [string, Buffer][] = []
  for (const [name, { bytes, form }] of large) kept.push([name, manifestForm(await chunks.keep(bytes, form))])
  return { ...made, rest: [...made.rest, ...kept] }
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
