/** Rows by key, scans, and parts of tables. */
import type { Host as Node } from 'cassandra-driver'
import type { Aggregates, Cell, Key, Piece, Range, RowFilter, StoredRow } from '../../src/backend.js'
import { compareBytes, decodeKey, encodeKey, encodeKeyText, prefixBounds } from '../../src/dict/row-key.js'
import { NotFoundError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import { cutPositions, piecesAt } from '../memory/split.js'
import { planAggregates } from './aggregation.js'
import type { CassandraLink, Page, Param, Row } from './cassandra-link.js'
import { type FilterSlice, planFilters } from './column-filters.js'
import type { CounterFolder } from './counter-folder.js'
import type { DictCatalogue } from './dict-catalogue.js'
import { clusteringOf, DICT, type DictLayout, partitionColumns } from './dict-layout.js'
import { fewAtOnce } from './few-at-once.js'
import { quoted } from './identifiers.js'
import { bytesOf } from './param-bytes.js'
import type { Ring } from './ring.js'
import { cutsByTokens, cutsByWidth, type RingRange, rangeOfPiece, ringPieces, WHOLE_RING } from './ring-range.js'
import type { RowForms } from './row-forms.js'
import { IN_ONE_PAGE, TOGETHER_FROM, type TogetherReader, type Wanted } from './together-reader.js'
import { partitionKey, tokenBytes } from './token.js'

/** Of the first page. */
const PAGE_ROWS = 1000
const PAGE_ROWS_MAX = 5000
const PAGE_ROWS_MIN = 100
const PAGE_GROWTH = 2
const PAGE_BYTES = 512 * 1024
const READS_AT_ONCE = 256
/** A server reads so many at once for an aggregate, which it alone sees. */
const AGGREGATE_ROWS = 5000
/** Fewer where rows have many columns that may be unset: a server counts those that were, and gives up at 100,000. */
const PAGE_CELLS = 20_000
/** Partitions that are looked at one by one when a table is split. */
const SAMPLE = 2000
const KEYS_MAX = 1_000_000

interface Slice {
  readonly query: string
  readonly params: readonly Param[]
  /** So many rows are most likely wanted, and no more. */
  readonly enough?: number
}

export class RowReader {
  constructor(
    readonly link: CassandraLink,
    readonly catalogue: DictCatalogue,
    readonly forms: RowForms,
    readonly folder: CounterFolder,
    readonly ring: Ring,
    readonly together: TogetherReader,
  ) {}

  async rows(id: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    const layout = await this.catalogue.require(id)
    return this.catalogue.standing([layout], () => this.#rowsOf(layout, keys))
  }

  async #rowsOf(layout: DictLayout, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    if (keys.length >= TOGETHER_FROM && isRowAPartition(layout)) return this.#together(layout, keys)
    const query = this.forms.selectOf(layout)
    return fewAtOnce(keys, READS_AT_ONCE, async (key) => {
      const params = this.forms.keyParams(layout, this.forms.keyOf(layout, key))
      const { rows } = await this.link.read(query, params)
      return rows[0] && this.#rowFrom(layout, rows[0])
    })
  }

  async #together(layout: DictLayout, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    const [column] = layout.keys as readonly [DictLayout['keys'][0]]
    const found = new Map<string, StoredRow>()
    const wanted = new Map<string, Wanted>()
    const names = keys.map((given) => {
      const key = this.forms.keyOf(layout, given)
      const name = encodeKeyText(layout.table, key)
      if (!wanted.has(name)) wanted.set(name, { param: this.forms.columnTo(column, key[0]!), key: () => partitionKey(layout, key) })
      return name
    })
    await this.together.read(this.forms.selectManyOf(layout, IN_ONE_PAGE), [...wanted.values()], (rows) => {
      for (const one of rows) {
        const row = this.#rowFrom(layout, one)
        if (row) found.set(encodeKeyText(layout.table, row.key), row)
      }
    })
    return names.map((name) => found.get(name))
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    const layout = await this.catalogue.require(tableOf(range.in))
    let left = range.limit ?? Number.POSITIVE_INFINITY
    if (left <= 0) return
    const accepts = filterOf(layout, range)
    for await (const page of this.#pagesOf(layout, range, signal)) {
      signal?.throwIfAborted()
      const rows: StoredRow[] = []
      for (const one of page) {
        const row = this.#rowFrom(layout, one)
        if (row && accepts(row.key) && rows.push(row) === left) break
      }
      left -= rows.length
      if (rows.length > 0) yield rows
      if (left <= 0) return
    }
  }

  #rowFrom(layout: DictLayout, row: Row): StoredRow | undefined {
    if (layout.counters.length > 0) this.folder.look(layout, row)
    return this.forms.rowFrom(layout, row)
  }

  /** By which scans of a whole table, and pieces, are ordered. */
  placeOf(layout: DictLayout, key: Key): Uint8Array {
    const bytes = encodeKey(layout.table, key)
    return layout.place === undefined ? Buffer.concat([tokenBytes(this.link, layout, key), bytes]) : bytes
  }

  #pagesOf(layout: DictLayout, range: Range, signal?: AbortSignal): AsyncGenerator<readonly Row[], void, void> {
    const { prefix = [], reverse = false } = range
    const isOnePartition = layout.place !== undefined || prefix.length >= layout.table.partition
    if (range.where && isFiltered(layout, range)) return this.#filteredPages(layout, range, range.where, signal)
    if (isOnePartition && layout.place === undefined && typeof range.in !== 'string' && !this.#holds(layout, range.in, prefix))
      return noPages()
    const enough = isSaid(layout, range) ? range.limit : undefined
    const wanted = (slice: Slice): Slice => (enough === undefined ? slice : { ...slice, enough })
    if (isOnePartition) return this.#pages(layout, wanted(sliceOf(this.link, this.forms, layout, range)), signal)
    const ring = typeof range.in === 'string' ? WHOLE_RING : rangeOfPiece(range.in)
    if (reverse) return this.#backwards(layout, ring, signal)
    const [node] = typeof range.in === 'string' ? [] : this.ring.nodesFor(ring)
    return this.#pages(layout, wanted(this.#ringSlice(layout, ring, '*')), signal, node)
  }

  /** Rows that an index knows, or that servers find among all; what else the range says is looked at row by row. */
  async *#filteredPages(
    layout: DictLayout,
    range: Range,
    where: readonly RowFilter[],
    signal?: AbortSignal,
  ): AsyncGenerator<readonly Row[], void, void> {
    const { in: of } = range
    const isPart = typeof of !== 'string' && layout.place === undefined
    const slices = planFilters(layout, this.forms.values, where, isPart)
    if (!slices) {
      const { where: _, ...rest } = range
      return yield* this.#pagesOf(layout, rest, signal)
    }
    await this.catalogue.ensureIndexes(layout, where)
    const ring = isPart ? rangeOfPiece(of) : WHOLE_RING
    const [node] = isPart ? this.ring.nodesFor(ring) : []
    for (const slice of slices) yield* this.#pages(layout, this.#filteredSlice(layout, ring, slice), signal, node)
  }

  #filteredSlice(layout: DictLayout, ring: RingRange, { terms, params, isScan }: FilterSlice): Slice {
    const all =
      layout.place === undefined ? this.#ringSlice(layout, ring, '*') : sliceOf(this.link, this.forms, layout, { in: layout.table.id })
    const joint = all.query.includes(' WHERE ') ? ' AND ' : ' WHERE '
    return { query: `${all.query}${joint}${terms.join(' AND ')}${isScan ? ' ALLOW FILTERING' : ''}`, params: [...all.params, ...params] }
  }

  /** A partition is in a piece whole, or not at all. */
  #holds(layout: DictLayout, { from, to }: Piece, prefix: Key): boolean {
    const token = tokenBytes(this.link, layout, prefix)
    return compareBytes(token, from) >= 0 && compareBytes(token, to) < 0
  }

  #ringSlice(layout: DictLayout, { after, upTo }: RingRange, columns: string): Slice {
    const token = `token(${partitionColumns(layout).map(quoted).join(', ')})`
    const table = this.link.table(layout.name)
    if (after === WHOLE_RING.after && upTo === WHOLE_RING.upTo) return { query: `SELECT ${columns} FROM ${table}`, params: [] }
    return { query: `SELECT ${columns} FROM ${table} WHERE ${token} > ? AND ${token} <= ?`, params: [after, upTo] }
  }

  /** Each page when it is wanted: whoever wants the next one early asks for it early. */
  async *#pages(
    { table, name, plain, place }: DictLayout,
    { query, params, enough = Number.POSITIVE_INFINITY }: Slice,
    signal?: AbortSignal,
    /** That is to answer, as long as it can. */
    node?: Node,
  ): AsyncGenerator<readonly Row[], void, void> {
    let left = enough
    let fetchSize = Math.min(PAGE_ROWS, Math.ceil(PAGE_CELLS / (plain.length + 1)), left)
    const ask = async (pageState: string | undefined): Promise<Page> => {
      try {
        return await this.link.read(query, params, { pageState, fetchSize, signal, host: node, isScan: true })
      } catch (error) {
        // Where nobody can say whether it stands, what failed is told.
        if (signal?.aborted || (await this.#stands(table.id, name, place).catch(() => true))) throw error
        throw new NotFoundError(`There is no table ${table.id}.`, { table: table.id, cause: error })
      }
    }
    let page = await ask(undefined)
    for (;;) {
      signal?.throwIfAborted()
      left -= page.rows.length
      fetchSize = Math.min(nextPageRows(fetchSize, plain.length, page.rows), left > 0 ? left : PAGE_ROWS)
      if (page.rows.length > 0) yield page.rows
      if (page.next === undefined) break
      signal?.throwIfAborted()
      page = await ask(page.next) // also where it was enough: some may be what is left of removed rows
    }
    // The rows of a dict that is dropped go from a shared table without a sound.
    if (place !== undefined && !(await this.#stands(table.id, name, place)))
      throw new NotFoundError(`There is no table ${table.id}.`, { table: table.id })
  }

  /** Whether the table is still the one that is known. */
  async #stands(id: TableId, name: string, place: string | undefined): Promise<boolean> {
    const layout = await this.catalogue.find(id)
    return layout?.name === name && layout.place === place
  }

  /** Cassandra gives partitions in the order of their tokens only: so those are listed first, and taken from the end. */
  async *#backwards(layout: DictLayout, ring: RingRange, signal?: AbortSignal): AsyncGenerator<readonly Row[], void, void> {
    const partitions = (await this.#partitions(layout, ring, Number.POSITIVE_INFINITY)).reverse()
    const { keys, table } = layout
    for (const row of partitions) {
      signal?.throwIfAborted()
      const prefix = keys.slice(0, table.partition).map((column) => this.forms.columnFrom(column, row))
      yield* this.#pages(layout, sliceOf(this.link, this.forms, layout, { in: table.id, prefix, reverse: true }), signal)
    }
  }

  #partitions(layout: DictLayout, ring: RingRange, max: number): Promise<Row[]> {
    return this.catalogue.standing([layout], () => this.#partitionsOf(layout, ring, max))
  }

  async #partitionsOf(layout: DictLayout, ring: RingRange, max: number): Promise<Row[]> {
    const names = partitionColumns(layout).map(quoted).join(', ')
    const { query, params } = this.#ringSlice(layout, ring, `DISTINCT ${names}, token(${names}) AS "~token"`)
    const rows: Row[] = []
    let next: string | undefined
    do {
      const page: Page = await this.link.read(query, params, { pageState: next, fetchSize: Math.min(5000, max), isScan: true })
      rows.push(...page.rows)
      next = page.next
    } while (next !== undefined && rows.length < max)
    return rows
  }

  async aggregate(...[range, by, ops]: Parameters<Aggregates['aggregate']>): Promise<readonly (readonly Cell[])[]> {
    const layout = await this.catalogue.require(tableOf(range.in))
    const plan = planAggregates(layout, range, by, ops)
    const { reverse: _, ...forwards } = range
    const { query, params } = sliceOf(this.link, this.forms, layout, forwards, plan.select)
    const rows = await this.catalogue.standing([layout], () =>
      this.link.all(`${query}${plan.groupBy}`, params, { fetchSize: AGGREGATE_ROWS }),
    )
    return rows.map((row) => plan.cellsOf(row, this.forms.values))
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const layout = await this.catalogue.require(tableOf(of))
    if (layout.place !== undefined) return this.#keyPieces(layout, of, atLeast)
    const range = typeof of === 'string' ? WHOLE_RING : rangeOfPiece(of)
    const partitions = await this.#partitions(layout, range, SAMPLE)
    const tokens = partitions.map((row) => row['~token'] as bigint)
    const cuts = partitions.length < SAMPLE ? cutsByTokens(range, tokens, atLeast) : cutsByWidth(range, this.ring.borders(), atLeast)
    return ringPieces(layout.table.id, range, cuts)
  }

  /** A dict in one partition is small; its keys are looked at one by one. */
  async #keyPieces(layout: DictLayout, of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const { id } = layout.table
    const bounds = prefixBounds(layout.table, { in: of })
    const keys: Uint8Array[] = []
    for await (const page of this.scan({ in: of, limit: KEYS_MAX })) for (const { key } of page) keys.push(encodeKey(layout.table, key))
    return piecesAt(
      id,
      bounds,
      cutPositions(keys.length, atLeast).map((i) => keys[i]!),
    )
  }

  /** Hosts of a piece, largest share first; `undefined` when its table is gone. */
  async locate(piece: Piece): Promise<ReturnType<Ring['ofRange']>> {
    const layout = await this.catalogue.find(piece.table)
    if (!layout) return []
    const bytes = await this.#bytesOf(layout, piece)
    if (layout.place !== undefined) return this.ring.ofId(layout.place, bytes)
    return this.ring.ofRange(rangeOfPiece(piece), bytes)
  }

  /** Of the first page, and as much more as there are tokens behind it. */
  async #bytesOf(layout: DictLayout, piece: Piece): Promise<number> {
    let rows: StoredRow[] = []
    for await (const page of this.scan({ in: piece, limit: PAGE_ROWS })) rows = [...rows, ...page]
    const bytes = rows.reduce((sum, { key, values }) => sum + sizeOf(key) + sizeOf(values), 0)
    const last = rows.at(-1)
    if (rows.length < PAGE_ROWS || !last || layout.place !== undefined) return bytes
    const { after, upTo } = rangeOfPiece(piece)
    const at = rangeOfPiece({ ...piece, to: this.placeOf(layout, last.key).slice(0, 8) }).upTo + 1n
    return Math.round((bytes * Number(upTo - after)) / Math.max(1, Number(at - after)))
  }
}

/** Small rows come more at a time, the further one reads; large ones fewer. Judged by one of the page before. */
function nextPageRows(before: number, columns: number, rows: readonly Row[]): number {
  const bytes = bytesOf(Object.values(rows.at(-1) ?? {}))
  const best = Math.max(PAGE_ROWS_MIN, Math.floor(PAGE_BYTES / bytes))
  return Math.min(PAGE_ROWS_MAX, Math.ceil(PAGE_CELLS / (columns + 1)), best, Math.ceil(before * PAGE_GROWTH))
}

async function* noPages(): AsyncGenerator<readonly Row[], void, void> {}

export const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

/** Rows of one partition, in the order of their keys. */
function sliceOf(link: CassandraLink, forms: RowForms, layout: DictLayout, range: Range, select = '*'): Slice {
  const { prefix = [], from, to, reverse = false } = range
  const { keys, place } = layout
  const prefixed = prefix.length === keys.length ? forms.keyOf(layout, prefix) : prefix
  const params: Param[] = [...(place === undefined ? [] : [place]), ...prefixed.map((cell, i) => forms.columnTo(keys[i]!, cell))]
  const where = [...(place === undefined ? [] : [DICT]), ...keys.slice(0, prefix.length).map(({ cql }) => cql)].map(
    (name) => `${quoted(name)} = ?`,
  )
  const slice = (sign: string, bound: Key | undefined): void => {
    if (!bound || bound.length === 0) return
    const columns = keys.slice(prefix.length, prefix.length + bound.length)
    where.push(`(${columns.map(({ cql }) => quoted(cql)).join(', ')}) ${sign} (${columns.map(() => '?').join(', ')})`)
    params.push(...bound.map((cell, i) => forms.columnTo(columns[i]!, cell)))
  }
  slice('>=', from)
  slice('<', to)
  if (!from && !to && prefix.length === 0 && typeof range.in !== 'string') {
    slice('>=', wholeKey(layout, range.in.from))
    slice('<', wholeKey(layout, range.in.to))
  }
  const [first] = clusteringOf(layout)
  const order = reverse && first ? ` ORDER BY ${quoted(first.cql)} DESC` : ''
  return { query: `SELECT ${select} FROM ${link.table(layout.name)} WHERE ${where.join(' AND ')}${order}`, params }
}

/** The key that a piece begins or ends at; none at the ends of the table. */
function wholeKey({ table }: DictLayout, bytes: Uint8Array): Key | undefined {
  try {
    return decodeKey(table, bytes)
  } catch {
    return undefined
  }
}

/** A list of keys stands for whole partitions only where these have one column. */
const isRowAPartition = ({ keys, place }: DictLayout): boolean => keys.length === 1 && place === undefined

/** Rows of several partitions are given in no order: so any way of finding them will do. */
const isFiltered = ({ table }: DictLayout, { where, prefix = [] }: Range): boolean => where !== undefined && prefix.length < table.partition

/** Whether the statement says all of a range. */
function isSaid(layout: DictLayout, range: Range): boolean {
  const { table, place } = layout
  const { in: where, prefix = [], from, to } = range
  if (isFiltered(layout, range)) return false
  const isOnePartition = place !== undefined || prefix.length >= table.partition
  return isOnePartition ? place === undefined || typeof where === 'string' : prefix.length === 0 && !from && !to
}

/** What the statement does not say of a range is looked at here, row by row. */
function filterOf(layout: DictLayout, range: Range): (key: Key) => boolean {
  const { table, place } = layout
  const { in: where, prefix = [], from, to } = range
  if (isSaid(layout, range)) return () => true
  const bounds = prefixBounds(table, { in: place === undefined ? table.id : where, prefix, ...(from && { from }), ...(to && { to }) })
  return (key) => {
    const bytes = encodeKey(table, key)
    return compareBytes(bytes, bounds.from) >= 0 && compareBytes(bytes, bounds.to) < 0
  }
}

function sizeOf(cells: readonly unknown[]): number {
  let bytes = 0
  for (const cell of cells) {
    if (typeof cell === 'string') bytes += Buffer.byteLength(cell)
    else if (cell instanceof Uint8Array) bytes += cell.length
    else if (Array.isArray(cell)) bytes += sizeOf(cell)
    else if (cell !== undefined) bytes += 8
  }
  return bytes
}
