import { hostname } from 'node:os'
import type {
  Ack,
  Backend,
  Capabilities,
  Found,
  Group,
  Intent,
  Key,
  Location,
  Mark,
  Op,
  Piece,
  Range,
  Receipt,
  Stored,
  StoredRow,
  Streams,
  Table,
  Target,
  Upkeep,
} from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { decodeKey, encodeKey, prefixBounds } from '../../src/dict/row-key.js'
import { joinColumns } from '../../src/dict/table-columns.js'
import { InsituError, UnavailableError, UnsupportedError } from '../../src/errors.js'
import { type ClassId, type CommitId, type Domain, type Host, type Id, madeAtMs, type TableId } from '../../src/ids.js'
import { applyGroup, requireTable } from './apply-group.js'
import { copyOf, keyOfText, type MemorySpace, OrderedRows, RECEIPTS_KEPT_MS, textOfKey } from './memory-space.js'
import { memoryStreams } from './memory-streams.js'
import { type Bounds, behind, PAGE_ROWS, type RowPage, rowPages } from './row-pages.js'
import { isVisible, storedOf, storedRowOf } from './space.js'
import { cutPositions, piecesAt } from './split.js'

const MIB = 1024 * 1024

/** What the memory backends of one name share: one space for each domain. */
export type MemoryData = readonly MemorySpace[]

/**
 * The contract in the shortest form: what the other backends must do, without a file or a server in between. Its data live as long
 * as the process; nothing is ever copied to a disk, so `durable` is not promised.
 */
export class MemoryBackend implements Backend {
  readonly capabilities: Capabilities = {
    acks: ['committed'],
    // The data is in memory twice while a group is applied; what is larger belongs in a file.
    groupBytesMax: 64 * MIB,
    cellBytesMax: 64 * MIB,
    orderedScan: true,
    readsByIdAlone: true,
    receiptsKeptMs: RECEIPTS_KEPT_MS,
    reach: 'instance',
    reservesRows: true,
    sharesIntents: true,
  }
  readonly upkeep: Upkeep = {
    tables: () => this.#tables(),
    marksBefore: (beforeMs) => this.#marksBefore(beforeMs),
    intents: () => this.#intents(),
    streams: () => this.#streamIds(),
  }
  readonly streams: Streams
  readonly #spaces: MemoryData
  #closed = false

  constructor(
    readonly url: string,
    data: MemoryData,
  ) {
    this.#spaces = data
    const open = (id: Id): MemorySpace => {
      this.#requireOpen()
      return this.#at(id)
    }
    this.streams = memoryStreams(
      (id) => open(id).streams,
      (id) => open(id).object(id)?.stamp != null,
    )
  }

  async open(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    this.#closed = false
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  domain(op: Op): Domain {
    return String(this.#indexOf(anchorOf(op))) as Domain
  }

  async commit(group: Group): Promise<Receipt> {
    this.#requireOpen()
    const domains = new Set(group.ops.map((op) => this.domain(op)))
    if (domains.size > 1)
      throw new InsituError(`A group lies in domains ${[...domains].join(', ')}: it must lie in one.`, { code: 'ERR_INTERNAL' })
    const [domain = '0'] = domains
    return copyReceipt(applyGroup(this.#spaces[Number(domain)]!, group))
  }

  async flush(ack: Ack): Promise<void> {
    this.#requireOpen()
    if (ack !== 'committed') throw new UnsupportedError(`Memory cannot give acknowledgement level ${ack}.`, { code: 'ERR_ACK_LEVEL', ack })
  }

  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    this.#requireOpen()
    return refs.map(({ id }) => {
      const record = this.#at(id).object(id)
      return record?.stamp ? copyIntent(storedOf(record, record.stamp, record.body.length)) : undefined
    })
  }

  async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    this.#requireOpen()
    return keys.map((key) => copyOf(this.#at(home.id).mark(home.id, key)))
  }

  async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    this.#requireOpen()
    return this.#at(home.id).staged(home.id, commit)
  }

  async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    this.#requireOpen()
    return what.map((one) => (typeof one === 'string' ? this.#findObject(one) : this.#findAlias(one.alias)))
  }

  async *objects(of: { readonly classId?: ClassId }): AsyncGenerator<readonly Ref[], void, void> {
    this.#requireOpen()
    const records = this.#spaces.flatMap((space) => [...space.objects.values()])
    yield* paged(records.filter((r) => r.stamp && (of.classId === undefined || r.ref.classId === of.classId)).map((r) => r.ref))
  }

  async *aliases(
    of: { readonly prefix?: string } | { readonly ref: Ref },
  ): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    this.#requireOpen()
    const wanted = (alias: string, to: Ref): boolean => ('ref' in of ? to.id === of.ref.id : alias.startsWith(of.prefix ?? ''))
    const all = this.#spaces.flatMap((space) => [...space.aliases])
    yield* paged(
      all.flatMap(([alias, { to }]) => (to && wanted(alias, to) ? [[alias, to] as const] : [])).sort(([a], [b]) => (a < b ? -1 : 1)),
    )
  }

  async define(table: Table): Promise<void> {
    this.#requireOpen()
    const { tables } = this.#at(table.id)
    const standing = tables.get(table.id)
    if (!standing) return void tables.set(table.id, { table: copyOf(table), rows: new OrderedRows() })
    const joined = joinColumns(standing.table, table)
    if (joined !== standing.table) tables.set(table.id, { table: copyOf(joined), rows: standing.rows })
  }

  async table(id: TableId): Promise<Table | undefined> {
    this.#requireOpen()
    return copyOf(this.#at(id).table(id))
  }

  async drop(table: TableId): Promise<void> {
    this.#requireOpen()
    this.#at(table).tables.delete(table)
  }

  async rows(id: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    this.#requireOpen()
    const space = this.#at(id)
    const table = requireTable(space, id)
    return keys.map((key) => {
      const bytes = encodeKey(table, key)
      const record = space.row(table, bytes)
      return isVisible(record) ? storedRowOf(table, decodeKey(table, bytes), record) : undefined
    })
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    this.#requireOpen()
    const id = tableOf(range.in)
    const bounds = prefixBounds(requireTable(this.#at(id), id), range)
    yield* rowPages(bounds, range, (rest, max) => this.#page(id, rest, max, range.reverse ?? false), signal)
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    this.#requireOpen()
    const { id, bounds, keys } = this.#keysIn(of)
    return piecesAt(
      id,
      bounds,
      cutPositions(keys.length, atLeast).map((i) => keyOfText(keys[i]!)),
    )
  }

  async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    this.#requireOpen()
    const host = hostname() as Host
    return what.map((one) => {
      const bytes = this.#bytesOf(one)
      return bytes === undefined ? [] : [{ host, bytes, role: 'primary' }]
    })
  }

  async *#tables(): AsyncGenerator<readonly Table[], void, void> {
    this.#requireOpen()
    yield* paged(this.#spaces.flatMap(({ tables }) => [...tables.values()].map(({ table }) => copyOf(table))))
  }

  async *#streamIds(): AsyncGenerator<readonly Id[], void, void> {
    this.#requireOpen()
    yield* paged(this.#spaces.flatMap(({ streams }) => [...streams.ids]))
  }

  async *#marksBefore(beforeMs: number): AsyncGenerator<readonly { readonly home: Ref; readonly mark: Mark }[], void, void> {
    this.#requireOpen()
    const old = this.#spaces.flatMap((space) => [...space.marks()].filter(([, { attempt }]) => madeAtMs(attempt) < beforeMs))
    yield* paged(old.map(([home, mark]) => ({ home: new Ref(home, HOME_CLASS), mark: copyOf(mark) })))
  }

  async *#intents(): AsyncGenerator<readonly { readonly target: Target; readonly intent: Intent }[], void, void> {
    this.#requireOpen()
    const found: { target: Target; intent: Intent }[] = []
    for (const { objects, aliases } of this.#spaces) {
      for (const { ref, intent } of objects.values()) if (intent) found.push({ target: { ref }, intent: copyOf(intent) })
      for (const [alias, { intent }] of aliases) if (intent) found.push({ target: { alias }, intent: copyOf(intent) })
    }
    yield* paged(found)
  }

  #page(id: TableId, bounds: Bounds, rowsMax: number, reverse: boolean): RowPage {
    this.#requireOpen()
    const { table, rows } = this.#tableAt(id)
    const [first, end] = [rows.indexOf(textOfKey(bounds.from)), rows.indexOf(textOfKey(bounds.to))]
    const looked = reverse
      ? rows.sorted.slice(Math.max(first, end - PAGE_ROWS), end).reverse()
      : rows.sorted.slice(first, Math.min(end, first + PAGE_ROWS))
    const found: StoredRow[] = []
    let last: string | undefined
    for (const key of looked) {
      if (found.length === rowsMax) break
      last = key
      const record = rows.byKey.get(key)
      if (isVisible(record)) found.push(storedRowOf(table, decodeKey(table, keyOfText(key)), record))
    }
    return {
      rows: found,
      rest:
        last === undefined || (last === looked.at(-1) && looked.length === end - first)
          ? undefined
          : behind(bounds, keyOfText(last), reverse),
    }
  }

  #keysIn(of: TableId | Piece): { readonly id: TableId; readonly bounds: Bounds; readonly keys: readonly string[] } {
    const id = tableOf(of)
    const { table, rows } = this.#tableAt(id)
    const bounds = prefixBounds(table, { in: of })
    const inside = rows.sorted.slice(rows.indexOf(textOfKey(bounds.from)), rows.indexOf(textOfKey(bounds.to)))
    return { id, bounds, keys: inside }
  }

  #bytesOf(what: Ref | Piece): number | undefined {
    if ('id' in what) {
      const record = this.#at(what.id).object(what.id)
      return record?.stamp ? record.body.length : undefined
    }
    if (!this.#at(what.table).table(what.table)) return undefined
    const { byKey } = this.#tableAt(what.table).rows
    return this.#keysIn(what).keys.reduce((sum, key) => sum + key.length + (byKey.get(key)?.values?.length ?? 0), 0)
  }

  #findObject(id: Id): Found | undefined {
    const record = this.#at(id).object(id)
    return record?.stamp ? foundAt(record.ref, record.intent) : undefined
  }

  #findAlias(alias: string): Found | undefined {
    const record = this.#at(alias).alias(alias)
    return record && foundAt(record.to, record.intent)
  }

  #tableAt(id: TableId): { readonly table: Table; readonly rows: OrderedRows } {
    const space = this.#at(id)
    requireTable(space, id)
    return space.tables.get(id)!
  }

  #indexOf(anchor: string): number {
    return this.#spaces.length === 1 ? 0 : hashOf(anchor) % this.#spaces.length
  }

  #at(anchor: string): MemorySpace {
    return this.#spaces[this.#indexOf(anchor)]!
  }

  #requireOpen(): void {
    if (this.#closed) throw new UnavailableError(`${this.url} is closed.`, { code: 'ERR_CLOSED' })
  }
}

/** A mark does not keep the class of its home, by which nothing is found here. */
const HOME_CLASS = 'insitu#home' as ClassId

/** By what an op's domain is chosen: objects, aliases and tables each lie somewhere; marks and redo where their home lies. */
function anchorOf(op: Op): string {
  switch (op.do) {
    case 'put':
    case 'remove':
    case 'check':
      return op.ref.id
    case 'name':
      return op.alias
    case 'row':
    case 'checkRow':
    case 'add':
    case 'reserveRow':
    case 'settleRow':
      return op.table
    case 'mark':
    case 'forget':
    case 'stage':
      return op.home.id
    case 'reserve':
    case 'settle':
      return 'ref' in op.target ? op.target.ref.id : op.target.alias
  }
}

/** FNV-1a: every process gives the same domain. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash
}

const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)

const foundAt = (ref: Ref | null, intent: Found['intent']): Found => (intent ? { ref, intent: copyOf(intent) } : { ref })

const copyIntent = (stored: Stored): Stored => (stored.intent ? { ...stored, intent: copyOf(stored.intent) } : stored)

const copyReceipt = (receipt: Receipt): Receipt => (receipt.mark ? { ...receipt, mark: copyOf(receipt.mark) } : receipt)

function* paged<T>(all: readonly T[]): Generator<readonly T[], void, void> {
  for (let at = 0; at < all.length; at += PAGE_ROWS) yield all.slice(at, at + PAGE_ROWS)
}
