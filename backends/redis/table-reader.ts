/** Rows of tables: by key, in order, in parts, summed up. */
import type { Aggregates, Cell, Key, Location, Piece, Range, StoredRow } from '../../src/backend.js'
import { CorruptError, NotFoundError, UnsupportedError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import { type Bounds, behind } from '../memory/row-pages.js'
import { piecesAt } from '../memory/split.js'
import { Aggregation } from './aggregation.js'
import { byDomain } from './by-domain.js'
import { type KeyedPage, mergedParts } from './merged-parts.js'
import { type PartBounds, partsOf, placeIn, placeOfKey, placesOf, tableOf } from './part-bounds.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import type { Argument, RedisLink, Reply } from './redis-link.js'
import { decodeRow, type KnownTable, keyOfRow, missingTable } from './redis-rows.js'
import type { ScriptName } from './scripts.js'
import { partitionOfRow, spreadOf } from './spread.js'
import type { TableKeeper } from './table-keeper.js'

/** A page holds up the server for well below a millisecond. */
const PAGE_ROWS = 512
const PAGE_BYTES = 512 * 1024
/** What pages of all parts together may be. */
const MERGED_ROWS = 2048
const MERGED_BYTES = 1024 * 1024
/** Two milliseconds of the server at some four microseconds a row, or twice that where texts are compared. */
const AGGREGATE_ROWS = 500

/** Of the part of a table that a piece covers. */
interface Look extends PartBounds {
  readonly bytes: number
  readonly count: number
  readonly cuts: readonly Buffer[]
}

interface Decoded {
  readonly table: KnownTable
  readonly rows: readonly (StoredRow | undefined)[]
}

export class TableReader {
  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
    readonly tables: TableKeeper,
    /** The servers of a partition, with so many bytes. */
    readonly locationsOf: (partition: Partition, bytes: number) => readonly Location[],
  ) {}

  async rows(id: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    const table = await this.tables.required(id)
    const found: (StoredRow | undefined)[] = new Array(keys.length).fill(undefined)
    const groups = spreadOf(id) ? byDomain(keys.keys(), (i) => partitionOfRow(id, keys[i]!)) : new Map([[undefined, [...keys.keys()]]])
    const are = await Promise.all([...groups].map(([partition, at]) => this.#rowsOf(table, partition, keys, at, found)))
    // At least one look says whether the table still stands.
    if (!are.includes(true)) await this.tables.requireStanding(table)
    return found
  }

  /** Whether the part is there. */
  async #rowsOf(
    known: KnownTable,
    partition: Partition | undefined,
    keys: readonly Key[],
    at: readonly number[],
    found: (StoredRow | undefined)[],
  ): Promise<boolean> {
    let table = known
    for (let from = 0; from === 0 || from < at.length; ) {
      const encoded = at.slice(from, from + PAGE_ROWS).map((i) => keyOfRow(table, keys[i]!))
      const args = [PAGE_BYTES, table.counters.length, ...table.counters, ...encoded.map(buffer)]
      const replies = (await this.#ask(table, partition, 'rows', args)) as readonly (readonly (Buffer | null)[])[] | undefined
      if (!replies) return false
      const [rows = [], ...sums] = replies
      if (rows.length === 0) return true // nothing was asked for but whether it stands
      const page = await this.#decoded(table, encoded.slice(0, rows.length), rows, sums)
      table = page.table
      for (const row of page.rows) found[at[from++]!] = row
    }
    return true
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    const table = await this.tables.required(tableOf(range.in))
    const parts = partsOf(table.table, range)
    if (parts.length > 1) return yield* this.#merged(table, parts, range, signal)
    if (parts.length === 0) return this.tables.requireStanding(table)
    yield* this.#pages(table, parts[0]!, range, signal)
  }

  async *#pages(
    known: KnownTable,
    { partition, bounds }: PartBounds,
    { limit = Number.POSITIVE_INFINITY, reverse = false }: Range,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly StoredRow[], void, void> {
    const state = { table: known }
    let left = limit
    for (let rest: Bounds | undefined = bounds; rest && left > 0; ) {
      signal?.throwIfAborted()
      const page: KeyedPage | undefined = await this.#page(state, partition, rest, {
        rows: Math.min(left, PAGE_ROWS),
        bytes: PAGE_BYTES,
        reverse,
      })
      signal?.throwIfAborted()
      if (!page && rest !== bounds) throw missingTable(known.table.id)
      if (!page) return this.tables.requireStanding(known)
      if (page.rows.length > 0) yield page.rows
      left -= page.rows.length
      rest = page.rest
    }
  }

  #merged(
    known: KnownTable,
    parts: readonly PartBounds[],
    { limit = Number.POSITIVE_INFINITY, reverse = false }: Range,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly StoredRow[], void, void> {
    const state = { table: known }
    let isAnyMissing = false
    const pageRows = Math.max(32, Math.ceil(MERGED_ROWS / parts.length))
    const size = { rows: Math.min(limit, pageRows), bytes: Math.max(16 * 1024, MERGED_BYTES / parts.length), reverse }
    const read = async ({ partition, bounds: all }: PartBounds, bounds: Bounds): Promise<KeyedPage> => {
      const page = await this.#page(state, partition, bounds, size)
      if (!page && bounds !== all) throw missingTable(known.table.id)
      isAnyMissing ||= !page
      return page ?? NO_ROWS
    }
    // A part that is missing has no rows yet, unless the table is being dropped: then its definition went first.
    const onAllSeen = async (): Promise<void> => {
      if (isAnyMissing) await this.tables.requireStanding(known)
    }
    return mergedParts({ parts, limit, reverse, read, onAllSeen, pageRows }, signal)
  }

  async #page(
    state: { table: KnownTable },
    partition: Partition,
    bounds: Bounds,
    { rows: max, bytes, reverse }: { readonly rows: number; readonly bytes: number; readonly reverse: boolean },
  ): Promise<KeyedPage | undefined> {
    const { table } = state
    const args = [table.counters.length, ...table.counters, buffer(bounds.from), buffer(bounds.to), reverse ? 1 : 0, max, Math.floor(bytes)]
    const reply = await this.#ask(table, partition, 'page', args)
    if (!reply) return undefined
    const [isMore, keys, rows, sums] = reply as [
      Buffer,
      readonly Buffer[],
      readonly (Buffer | null)[],
      readonly (readonly (Buffer | null)[])[],
    ]
    const decoded = await this.#decoded(table, keys, rows, sums, true)
    if (decoded.table !== table) state.table = decoded.table
    const last = keys.at(-1)
    const rest = isMore.toString() === '1' && last ? behind(bounds, last, reverse) : undefined
    return { ...present(keys, decoded.rows), rest }
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const table = await this.tables.required(tableOf(of))
    const spread = spreadOf(table.table.id)
    if (spread) return piecesAt(tableOf(of), placesOf(of, spread), await this.#cuts(table, of, atLeast))
    const [part] = partsOf(table.table, { in: of })
    const look = await this.#look(table, part!, atLeast)
    return piecesAt(tableOf(of), part!.bounds, look?.cuts ?? [])
  }

  /**
   * Neighbouring parts on one server are a piece, as long as there are enough of them; then each part is one; then large parts are
   * cut.
   */
  async #cuts(table: KnownTable, of: TableId | Piece, atLeast: number): Promise<readonly Uint8Array[]> {
    const looks = (await this.#looks(table, of)).filter(({ count }) => count > 0)
    if (atLeast <= 1 || looks.length === 0) return []
    const ownerOf = ({ partition }: PartBounds): string | undefined => this.locationsOf(partition, 0)[0]?.host
    const byOwner = looks.slice(1).filter((look, i) => ownerOf(look) !== ownerOf(looks[i]!))
    if (byOwner.length + 1 >= atLeast) return byOwner.map(({ part }) => placeIn(part))
    const total = looks.reduce((sum, { count }) => sum + count, 0)
    const cut = await Promise.all(
      looks.map(async (look, i) => {
        const own = looks.length >= atLeast ? 1 : Math.ceil((look.count * atLeast) / total)
        const inner = own > 1 ? ((await this.#look(table, look, own))?.cuts ?? []) : []
        return [...(i > 0 ? [placeIn(look.part)] : []), ...inner.map((key) => placeIn(look.part, key))]
      }),
    )
    return cut.flat()
  }

  /** In pages like a scan, so that no number of rows holds up the server; parts on one server one after the other. */
  async aggregate(range: Range, by: readonly string[], ops: Parameters<Aggregates['aggregate']>[2]): Promise<readonly (readonly Cell[])[]> {
    const table = await this.tables.required(tableOf(range.in))
    const aggregation = new Aggregation(table, range, by, ops)
    const parts = partsOf(table.table, range)
    const servers = new Map<string | undefined, PartBounds[]>()
    for (const part of parts) {
      const server = this.locationsOf(part.partition, 0)[0]?.host
      servers.set(server, [...(servers.get(server) ?? []), part])
    }
    const are = await Promise.all([...servers.values()].map((some) => this.#aggregateOn(table, some, aggregation)))
    if (!are.every((isWhole) => isWhole) || parts.length === 0) await this.tables.requireStanding(table)
    return aggregation.rows()
  }

  /** Whether all parts are there. */
  async #aggregateOn(table: KnownTable, parts: readonly PartBounds[], aggregation: Aggregation): Promise<boolean> {
    let isWhole = true
    for (const { partition, bounds } of parts)
      for (let from: Uint8Array | undefined = bounds.from; from; ) {
        const args = [buffer(from), buffer(bounds.to), AGGREGATE_ROWS, aggregation.json]
        const replies = await this.#ask(table, partition, 'aggregate', args)
        if (!replies && from !== bounds.from) throw missingTable(table.table.id)
        isWhole &&= replies !== undefined
        const [last, ...groups]: readonly Reply[] = replies ?? [NOTHING]
        for (const group of groups) aggregation.add(...(group as readonly [readonly Buffer[], readonly (Buffer | null)[]]))
        from = (last as Buffer).length > 0 ? behind({ from, to: bounds.to }, last as Buffer, false).from : undefined
      }
    return isWhole
  }

  /** Servers that hold a piece, those that have most of it first; `undefined` when its table is gone. */
  async locate(piece: Piece): Promise<readonly Location[] | undefined> {
    try {
      const looks = await this.#looks(await this.tables.required(piece.table), piece)
      return joined(looks.flatMap(({ partition, bytes }) => this.locationsOf(partition, bytes)))
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw error
    }
  }

  /** By which pieces of a spread table say whether they hold a key. */
  async placing(id: TableId): Promise<((key: Key) => Uint8Array) | undefined> {
    const spread = spreadOf(id)
    if (!spread) return undefined
    const { table } = await this.tables.required(id)
    return (key) => placeOfKey(spread, table, key)
  }

  async #looks(table: KnownTable, of: TableId | Piece): Promise<readonly Look[]> {
    const parts = partsOf(table.table, { in: of })
    const found = await Promise.all(parts.map((part) => this.#look(table, part, 1)))
    if (found.includes(undefined) || parts.length === 0) await this.tables.requireStanding(table)
    return parts.map((part, i) => found[i] ?? { ...part, bytes: 0, count: 0, cuts: [] })
  }

  async #look(table: KnownTable, part: PartBounds, pieces: number): Promise<Look | undefined> {
    const { from, to } = part.bounds
    const replies = await this.#ask(table, part.partition, 'pieces', [buffer(from), buffer(to), pieces])
    if (!replies) return undefined
    const [bytes, cuts, count] = replies
    return { ...part, bytes: Number(bytes), cuts: cuts as readonly Buffer[], count: Number(count) }
  }

  /** Rows of what scripts give. Where one has more columns than are known here, the table has gained them: they are asked for first. */
  async #decoded(
    table: KnownTable,
    keys: readonly Uint8Array[],
    rows: readonly (Buffer | null)[],
    sums: readonly (readonly (Buffer | null)[])[],
    areListed = false,
  ): Promise<Decoded> {
    const found = keys.map((key, i) => decodeRow(table, key, rows[i] ?? null, columnsAt(sums, i), areListed))
    if (found.every((row) => row !== 'wider')) return { table, rows: found }
    const wider = await this.tables.table(table.table.id)
    if (!wider) throw missingTable(table.table.id)
    if (wider.table.values.length <= table.table.values.length)
      throw new CorruptError(`A row of table ${table.table.id} has more values than its table has columns.`, { table: table.table.id })
    return this.#decoded(wider, keys, rows, sums, areListed)
  }

  /** A script about the rows of a table that must stand as it is known. `undefined`: a part that is not there. */
  async #ask(
    table: KnownTable,
    partition: Partition | undefined,
    script: ScriptName,
    args: readonly Argument[],
  ): Promise<readonly Reply[] | undefined> {
    const { id } = table.table
    const at = partition ?? partitionOfRow(id, [])
    const keys = spreadOf(id) ? this.keys.tablePart(id, at) : this.keys.table(id)
    const replies = await this.link.call({ script, domain: this.domainOf(at), keys, args: () => [table.tag, ...args] })
    const refusal = replies[0] instanceof Buffer && replies.length === 1 ? replies[0].toString() : ''
    if (refusal === 'unsupported') throw new UnsupportedError(`Table ${id} holds values that Redis cannot compute with.`)
    if (refusal !== 'table') return replies
    if (spreadOf(id)) return undefined
    this.tables.forget(id)
    throw missingTable(id)
  }
}

const NOTHING = Buffer.alloc(0)
const NO_ROWS: KeyedPage = { keys: [], rows: [], rest: undefined }
const NO_SUMS: readonly (Buffer | null)[] = []

/** The counters of one row. */
const columnsAt = (sums: readonly (readonly (Buffer | null)[])[], row: number): readonly (Buffer | null)[] =>
  sums.length === 0 ? NO_SUMS : sums.map((column) => column[row] ?? null)

/** Keys and rows of those that there are. */
function present(keys: readonly Uint8Array[], rows: readonly (StoredRow | undefined)[]): Pick<KeyedPage, 'keys' | 'rows'> {
  if (rows.every((row) => row !== undefined)) return { keys, rows: rows as readonly StoredRow[] }
  const at = rows.flatMap((row, i) => (row ? [i] : []))
  return { keys: at.map((i) => keys[i]!), rows: at.map((i) => rows[i]!) }
}

/** One for each server. */
function joined(locations: readonly Location[]): readonly Location[] {
  const byHost = new Map<string, Location>()
  for (const one of locations) {
    const known = byHost.get(one.host)
    const role = known?.role === 'primary' ? known.role : one.role
    byHost.set(one.host, { ...one, role, bytes: (known?.bytes ?? 0) + one.bytes })
  }
  const rank = ({ role }: Location): number => (role === 'primary' ? 0 : 1)
  return [...byHost.values()].sort((a, b) => rank(a) - rank(b) || b.bytes - a.bytes)
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
