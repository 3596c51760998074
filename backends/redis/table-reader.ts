import type { Aggregates, Cell, Key, Piece, Range, StoredRow, Table } from '../../src/backend.js'
import { prefixBounds } from '../../src/dict/row-key.js'
import { joinColumns } from '../../src/dict/table-columns.js'
import { CorruptError, NotFoundError, UnsupportedError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import { type Bounds, behind } from '../memory/row-pages.js'
import { piecesAt } from '../memory/split.js'
import { Aggregation } from './aggregation.js'
import { type Partition, partitionOfId, type RedisKeys } from './redis-keys.js'
import type { Argument, RedisLink, Reply } from './redis-link.js'
import { decodeRow, jsonOfTable, type KnownTable, keyOfRow, knownTable, tagOf } from './redis-rows.js'
import type { ScriptName } from './scripts.js'

/** A page holds up the server for well below a millisecond. */
const PAGE_ROWS = 512
const PAGE_BYTES = 512 * 1024
/** Looking into a row takes the script some microseconds. */
const AGGREGATE_ROWS = 500

interface Page {
  readonly table: KnownTable
  readonly rows: readonly StoredRow[]
  readonly rest: Bounds | undefined
}

/** Tables: their definitions, which change only by gaining columns, and their rows. */
export class TableReader {
  readonly #known = new Map<TableId, KnownTable>()

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
  ) {}

  async define(table: Table): Promise<void> {
    const json = jsonOfTable(table)
    let standing = await this.#define(table.id, '', json, tagOf(json))
    for (;;) {
      if (standing === '') standing = await this.#define(table.id, '', json, tagOf(json))
      const known = knownTable(standing)
      const joined = joinColumns(known.table, table)
      if (joined === known.table) return void this.#known.set(table.id, known)
      standing = await this.#define(table.id, standing, jsonOfTable(joined, known.tag), known.tag)
    }
  }

  /** What stands then: `next` if `before` stood; '' is nothing. */
  async #define(id: TableId, before: string, next: string, tag: string): Promise<string> {
    const [standing] = await this.#call('define', id, [next, tag, before])
    return (standing as Buffer).toString()
  }

  async table(id: TableId): Promise<KnownTable | undefined> {
    const [fields] = (await this.link.call({
      script: 'read',
      ...this.#place(id),
      keys: [this.keys.table(id)[0]],
      args: () => ['table'],
    })) as [Reply[]]
    const json = fields[0] as Buffer | null
    if (json) this.#known.set(id, knownTable(json.toString()))
    else this.#known.delete(id)
    return this.#known.get(id)
  }

  async drop(id: TableId): Promise<void> {
    this.#known.delete(id)
    await this.#call('drop', id, [])
  }

  /** The definitions, at once when all are known. @throws NotFoundError */
  require(ids: readonly TableId[]): ReadonlyMap<TableId, KnownTable> | Promise<ReadonlyMap<TableId, KnownTable>> {
    for (const id of ids) if (!this.#known.has(id)) return this.#fetch(ids)
    return this.#known
  }

  async #fetch(ids: readonly TableId[]): Promise<ReadonlyMap<TableId, KnownTable>> {
    await Promise.all(ids.filter((id) => !this.#known.has(id)).map((id) => this.#required(id)))
    return this.#known
  }

  async #required(id: TableId): Promise<KnownTable> {
    const known = this.#known.get(id) ?? (await this.table(id))
    if (!known) throw new NotFoundError(`There is no table ${id}.`, { table: id })
    return known
  }

  async rows(id: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    let table = await this.#required(id)
    const found: (StoredRow | undefined)[] = []
    // At least one call, which says whether the table still stands.
    for (let at = 0; at === 0 || at < keys.length; at += PAGE_ROWS) {
      const encoded = keys.slice(at, at + PAGE_ROWS).map((key) => keyOfRow(table, key))
      const [rows = [], ...sums] = (await this.#of(table, 'rows', [
        table.counters.length,
        ...table.counters,
        ...encoded.map(buffer),
      ])) as readonly (readonly (Buffer | null)[])[]
      const page = await this.#decoded(table, encoded, rows, sums)
      table = page.table
      for (const row of page.rows) found.push(row)
    }
    return found
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    let table = await this.#required(tableOf(range.in))
    let left = range.limit ?? Number.POSITIVE_INFINITY
    for (let rest: Bounds | undefined = prefixBounds(table.table, range); rest && left > 0; ) {
      signal?.throwIfAborted()
      const page: Page = await this.#page(table, rest, Math.min(left, PAGE_ROWS), range.reverse ?? false)
      signal?.throwIfAborted()
      table = page.table
      if (page.rows.length > 0) yield page.rows
      left -= page.rows.length
      rest = page.rest
    }
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const { cuts, bounds } = await this.#look(of, atLeast)
    return piecesAt(tableOf(of), bounds, cuts)
  }

  /** In pages like a scan, so that no number of rows holds up the server. */
  async aggregate(range: Range, by: readonly string[], ops: Parameters<Aggregates['aggregate']>[2]): Promise<readonly (readonly Cell[])[]> {
    const table = await this.#required(tableOf(range.in))
    const aggregation = new Aggregation(table, range, by, ops)
    const { to, ...bounds } = prefixBounds(table.table, range)
    for (let from: Uint8Array | undefined = bounds.from; from; ) {
      const args = [buffer(from), buffer(to), AGGREGATE_ROWS, aggregation.json]
      const [last, ...groups]: readonly Reply[] = await this.#of(table, 'aggregate', args)
      for (const group of groups) aggregation.add(...(group as readonly [readonly Buffer[], readonly (Buffer | null)[]]))
      from = (last as Buffer).length > 0 ? behind({ from, to }, last as Buffer, false).from : undefined
    }
    return aggregation.rows()
  }

  /** How much a piece holds; `undefined` when its table is gone. */
  async bytesOf(piece: Piece): Promise<number | undefined> {
    try {
      return (await this.#look(piece, 1)).bytes
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw error
    }
  }

  async #look(
    of: TableId | Piece,
    pieces: number,
  ): Promise<{ readonly bytes: number; readonly cuts: readonly Buffer[]; readonly bounds: Bounds }> {
    const table = await this.#required(tableOf(of))
    const bounds = prefixBounds(table.table, { in: of })
    const [bytes, cuts] = await this.#of(table, 'pieces', [buffer(bounds.from), buffer(bounds.to), pieces])
    return { bytes: Number(bytes), cuts: cuts as readonly Buffer[], bounds }
  }

  async #page(table: KnownTable, bounds: Bounds, max: number, reverse: boolean): Promise<Page> {
    const { counters } = table
    const args = [counters.length, ...counters, buffer(bounds.from), buffer(bounds.to), reverse ? 1 : 0, max, PAGE_BYTES]
    const [isMore, keys, rows, sums] = (await this.#of(table, 'page', args)) as [
      Buffer,
      readonly Buffer[],
      readonly (Buffer | null)[],
      readonly (readonly (Buffer | null)[])[],
    ]
    const decoded = await this.#decoded(table, keys, rows, sums)
    const found = decoded.rows.filter((row) => row !== undefined)
    const last = keys.at(-1)
    return { table: decoded.table, rows: found, rest: isMore.toString() === '1' && last ? behind(bounds, last, reverse) : undefined }
  }

  /** Rows of what scripts give. Where one has more columns than are known here, the table has gained them: they are asked for first. */
  async #decoded(
    table: KnownTable,
    keys: readonly Uint8Array[],
    rows: readonly (Buffer | null)[],
    sums: readonly (readonly (Buffer | null)[])[],
  ): Promise<{ readonly table: KnownTable; readonly rows: readonly (StoredRow | undefined)[] }> {
    const found = keys.map((key, i) => decodeRow(table, key, rows[i] ?? null, columnsAt(sums, i)))
    if (found.every((row) => row !== 'wider')) return { table, rows: found }
    const wider = await this.table(table.table.id)
    if (!wider) throw new NotFoundError(`There is no table ${table.table.id}.`, { table: table.table.id })
    if (wider.table.values.length <= table.table.values.length)
      throw new CorruptError(`A row of table ${table.table.id} has more values than its table has columns.`, { table: table.table.id })
    return this.#decoded(wider, keys, rows, sums)
  }

  /** A script about the rows of a table that must stand as it is known. */
  async #of(table: KnownTable, script: ScriptName, args: readonly Argument[]): Promise<readonly Reply[]> {
    const { id } = table.table
    const replies = await this.#call(script, id, [table.tag, ...args])
    const refusal = replies[0] instanceof Buffer && replies.length === 1 ? replies[0].toString() : ''
    if (refusal === 'unsupported') throw new UnsupportedError(`Table ${id} holds values that Redis cannot compute with.`)
    if (refusal !== 'table') return replies
    this.#known.delete(id)
    throw new NotFoundError(`There is no table ${id}.`, { table: id })
  }

  #call(script: ScriptName, id: TableId, args: readonly Argument[]): Promise<readonly Reply[]> {
    return this.link.call({ script, ...this.#place(id), args: () => args })
  }

  #place(id: TableId): { readonly domain: Partition; readonly keys: readonly string[] } {
    return { domain: this.domainOf(partitionOfId(id)), keys: this.keys.table(id) }
  }
}

const NO_SUMS: readonly (Buffer | null)[] = []

/** The counters of one row. */
const columnsAt = (sums: readonly (readonly (Buffer | null)[])[], row: number): readonly (Buffer | null)[] =>
  sums.length === 0 ? NO_SUMS : sums.map((column) => column[row] ?? null)

export const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
