/** Cells of an object as values of columns, and back. */
import type { Cell } from '../../src/backend.js'
import { cellBytes } from '../../src/large-cells.js'
import type { DriverModule } from './cassandra-driver-loader.js'
import type { Param, Row } from './cassandra-link.js'
import {
  cellOfLarge,
  cellOfNative,
  type FieldKind,
  fromRest,
  LARGE_BYTES,
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
  const bytesMax = inPlaceBytes(cells)
  for (const [name, cell] of cells) {
    const kind = kinds.get(name) ?? 'packed'
    if (cell !== undefined && cell !== null && kind !== 'packed' && nativeTypeOf(cell, bytesMax) === kind) {
      columns.push([name, nativeValue(driver, cell)])
      continue
    }
    if (kind !== 'packed') columns.push([name, null])
    const form = cell === undefined ? undefined : largeForm(cell, bytesMax)
    if (form) large.push([restName(name), form])
    else rest.push([restName(name), cell === undefined ? null : restForm(cell)])
  }
  columns.sort(([a], [b]) => (a < b ? -1 : 1))
  return large.length === 0 ? { columns, rest, hasLarge: false } : withLarge(chunks, { columns, rest, hasLarge: true }, large)
}

/** What is written at once must be well below the 16 MiB that servers take. */
const CELLS_BYTES = 8 * 1024 * 1024

/** How large a cell may be to stand where it is: less, where there are so many that all of them are too much. */
function inPlaceBytes(cells: ReadonlyMap<string, Cell | undefined>): number {
  if (cells.size * LARGE_BYTES <= CELLS_BYTES) return LARGE_BYTES
  let bytes = 0
  for (const cell of cells.values()) bytes += cellBytes(cell)
  return bytes * 3 <= CELLS_BYTES ? LARGE_BYTES : Math.floor(CELLS_BYTES / cells.size) // a code unit of a text may take three bytes
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

export interface ObjectCells {
  readonly cells: Map<string, Cell>
  readonly hasLarge: boolean
  /** A column has a value that is no field's, as far as is known. */
  readonly isStrange: boolean
}

/** `undefined` when chunks are gone: the object has another state by now, and is to be read again. @throws CorruptError */
export async function cellsOf(row: Row, chunks: ChunkStore, kinds: ReadonlyMap<string, FieldKind>): Promise<ObjectCells | undefined> {
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
  let isStrange = false
  for (const name of Object.keys(row)) {
    const value: unknown = row[name]
    if (value === null || name.startsWith('~') || name === ID) continue
    const kind = kinds.get(name)
    if (kind === undefined) isStrange = true
    else if (kind !== 'packed') cells.set(name, cellOfNative(value)) // else it is another client's column
  }
  return { cells, hasLarge, isStrange }
}
