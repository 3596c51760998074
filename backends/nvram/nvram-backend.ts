import { setImmediate as nextTurn } from 'node:timers/promises'
import type {
  Ack,
  Backend,
  Capabilities,
  Found,
  Group,
  Key,
  Location,
  Mark,
  Op,
  Piece,
  Range,
  Receipt,
  Ref,
  Stored,
  StoredRow,
  Streams,
  Table,
  Upkeep,
  Watcher,
} from '../../src/backend.js'
import { decodeKey, encodeKey, prefixBounds, storedKey } from '../../src/dict/row-key.js'
import { joinColumns } from '../../src/dict/table-columns.js'
import { UnavailableError, UnsupportedError } from '../../src/errors.js'
import type { ClassId, CommitId, Domain, Id, TableId } from '../../src/ids.js'
import { requireTable } from '../memory/apply-group.js'
import { type Bounds, behind, PAGE_ROWS, type RowPage, rowPages } from '../memory/row-pages.js'
import { isVisible, storedRowOf } from '../memory/space.js'
import { cutPositions, piecesAt } from '../memory/split.js'
import { backUp } from './backup.js'
import { requireCellRoom } from './cell-limit.js'
import { IdOrder, idsOf } from './class-index.js'
import { Committer, storeError } from './committer.js'
import { DiskRoom } from './disk-room.js'
import { type Environment, openEnvironment } from './environment.js'
import { afterPrefix, aliasKey, aliasOf, aliasOfObject, classPrefix, idKey, keyInTable, rowKey, TABLE_BYTES } from './keys.js'
import type { NvramConfig } from './nvram-config.js'
import { NvramSpace, rowName } from './nvram-space.js'
import { nvramStreams, streamIds } from './nvram-streams.js'
import { claim } from './owner.js'
import { openRow } from './record.js'
import type { Records } from './records.js'
import { RECEIPTS_KEPT_MS, Sweeper } from './sweeper.js'
import { type Dropping, dropTable, finishDrops } from './table-drop.js'
import { intentsOf, marksBefore, tablesOf } from './upkeep.js'
import { watchObjects } from './watch.js'

const MIB = 1024 * 1024

interface Parts {
  readonly env: Environment
  readonly space: NvramSpace
  readonly room: DiskRoom
  readonly committer: Committer
}

/**
 * A folder with an LMDB file: many processes and threads of one machine at once. Methods are asynchronous by contract, but do their
 * work in one go: a read from the mapped file costs less than a hop to another thread.
 */
export class NvramBackend implements Backend {
  readonly url: string
  readonly capabilities: Capabilities = {
    acks: ['committed', 'durable'],
    // A group is one transaction, whose changed pages LMDB holds in memory, up to 512 MiB; beyond them it writes before the end.
    groupBytesMax: 256 * MIB,
    // A cell is copied as a whole when any cell of its object changes.
    cellBytesMax: 64 * MIB,
    orderedScan: true,
    readsByIdAlone: true,
    receiptsKeptMs: RECEIPTS_KEPT_MS,
    reach: 'machine',
    flushesOthers: true,
  }
  readonly upkeep: Upkeep = {
    tables: () => tablesOf(() => this.#fresh()),
    marksBefore: (beforeMs) => marksBefore(() => this.#fresh(), beforeMs),
    intents: () => intentsOf(() => this.#fresh()),
    streams: () => streamIds(() => this.#fresh()),
    backup: (folder) => backUp(this.#open().env, this.#config, folder),
  }
  readonly #config: NvramConfig
  #parts: Parts | undefined
  #turnMs = 0
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(config: NvramConfig) {
    this.url = config.url
    this.#config = config
  }

  async open(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    await this.#closing
    if (!this.#parts) await (this.#opening ??= this.#openOnce(signal).finally(() => (this.#opening = undefined)))
  }

  async #openOnce(signal?: AbortSignal): Promise<void> {
    const env = await openEnvironment(this.#config.folder)
    try {
      this.#parts = this.#partsOn(env)
      for (const _part of finishDrops(dropping(this.#parts))) signal?.throwIfAborted()
    } catch (error) {
      const parts = this.#parts
      this.#parts = undefined
      if (parts) await release(parts)
      else await env.file.close()
      throw storeError(error, this.url)
    }
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {})
    const parts = this.#parts
    this.#parts = undefined
    if (parts) this.#closing = release(parts).finally(() => (this.#closing = undefined))
    await this.#closing
  }

  readonly streams: Streams = nvramStreams(() => dropping(this.#fresh()))

  readonly watcher: Watcher = {
    watch: (refs, signal) => watchObjects(refs, signal, () => this.#fresh()),
  }

  domain(_op: Op): Domain {
    return 'file' as Domain
  }

  async commit(group: Group): Promise<Receipt> {
    const { committer } = this.#open()
    for (const op of group.ops) requireCellRoom(op, this.capabilities.cellBytesMax)
    return committer.commit(group)
  }

  async flush(ack: Ack): Promise<void> {
    const { committer } = this.#open()
    if (!this.capabilities.acks.includes(ack))
      throw new UnsupportedError(`A file cannot give acknowledgement level ${ack}; it gives ${this.capabilities.acks.join(', ')}.`, {
        code: 'ERR_ACK_LEVEL',
        ack,
      })
    if (ack === 'durable') await committer.flush()
  }

  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const { space } = await this.#turn()
    return refs.map(({ id }) => space.stored(id))
  }

  async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    const { space } = await this.#turn()
    return keys.map((key) => space.mark(home.id, key))
  }

  async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    return this.#fresh().space.staged(home.id, commit)
  }

  async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    const { space } = await this.#turn()
    return what.map((one) => (typeof one === 'string' ? findObject(space, one) : findAlias(space, one.alias)))
  }

  async *objects(of: { readonly classId?: ClassId }): AsyncGenerator<readonly Ref[], void, void> {
    const { env, space } = this.#fresh()
    const number = of.classId === undefined ? undefined : space.classNumber(of.classId)
    if (of.classId !== undefined && number === undefined) return
    const prefix = number === undefined ? NO_PREFIX : classPrefix(number)
    const order = new IdOrder((of) => space.className(of))
    yield* this.#pages(env.objectsByClass, prefix, (key) => {
      const entry = env.objectsByClass.look(key)
      return entry ? order.take(key, idsOf(key, entry)) : NONE
    })
    const rest = order.rest()
    if (rest.length > 0) yield rest
  }

  async *aliases(
    of: { readonly prefix?: string } | { readonly ref: Ref },
  ): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    const { env, space } = this.#fresh()
    const named = (alias: string): readonly (readonly [string, Ref])[] => {
      const to = space.alias(alias)?.to
      return to ? [[alias, to]] : NONE
    }
    if ('ref' in of) yield* this.#pages(env.namesByObject, idKey(of.ref.id), (key) => named(aliasOfObject(key)))
    else yield* this.#pages(env.names, aliasKey(of.prefix ?? ''), (key) => named(aliasOf(key)))
  }

  async define(table: Table): Promise<void> {
    const { space, committer } = this.#open()
    committer.write(() => {
      const standing = space.table(table.id)
      const joined = standing ? joinColumns(standing, table) : table
      if (joined !== standing) space.setTable(table.id, joined)
    })
  }

  async table(id: TableId): Promise<Table | undefined> {
    const table = this.#fresh().space.table(id)
    return table && structuredClone(table)
  }

  async drop(table: TableId): Promise<void> {
    for (const _part of dropTable(table, dropping(this.#fresh()))) {
      await nextTurn()
      this.#open()
    }
  }

  async rows(id: TableId, keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    const { space } = await this.#turn()
    const table = requireTable(space, id)
    return keys.map((key) => {
      const bytes = encodeKey(table, key)
      const record = space.rowNow(table, bytes)
      return isVisible(record) ? storedRowOf(table, storedKey(table, key, bytes), record) : undefined
    })
  }

  async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void, void> {
    const id = tableOf(range.in)
    const bounds = prefixBounds(requireTable(this.#fresh().space, id), range)
    yield* rowPages(bounds, range, (rest, max) => this.#page(id, rest, max, range.reverse ?? false), signal)
  }

  async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const { env, space } = this.#fresh()
    const id = tableOf(of)
    const bounds = prefixBounds(requireTable(space, id), { in: of })
    return piecesAt(id, bounds, cutKeys(env.rows, id, bounds, atLeast))
  }

  async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    const { env, space } = this.#fresh()
    return what.map((one) => {
      const bytes = 'id' in one ? objectBytes(space, one.id) : pieceBytes(env.rows, space, one)
      return bytes === undefined ? [] : [{ host: this.#config.host, bytes, role: 'primary' }]
    })
  }

  /** A page of rows; a read of its own, over before anything is awaited. */
  #page(id: TableId, bounds: Bounds, rowsMax: number, reverse: boolean): RowPage {
    const { env, space } = this.#fresh()
    const table = requireTable(space, id)
    const found: StoredRow[] = []
    let looked = 0
    let last: Uint8Array | undefined
    env.rows.each({ ...rangeOf(id, bounds, reverse), limit: PAGE_ROWS }, (whole, value) => {
      if (found.length === rowsMax) return false
      const record = openRow(whole, bufferOf(value), () => rowName(id, keyInTable(whole)))
      if (isVisible(record)) found.push(storedRowOf(table, decodeKey(table, whole, TABLE_BYTES), record))
      looked++
      last = whole
    })
    const mayBeMore = last !== undefined && (looked === PAGE_ROWS || found.length === rowsMax)
    return { rows: found, rest: mayBeMore ? behind(bounds, keyInTable(last!), reverse) : undefined }
  }

  /** Pages of an index, each begun behind the last key: what stands all the while is in it once. */
  async *#pages<T>(
    records: Records,
    prefix: Uint8Array,
    itemsOf: (key: Uint8Array) => readonly T[],
  ): AsyncGenerator<readonly T[], void, void> {
    const end = afterPrefix(prefix)
    const until = end ? { end } : {}
    let from: { start: Uint8Array; exclusiveStart?: boolean } = { start: prefix.length > 0 ? prefix : FIRST }
    for (;;) {
      this.#fresh()
      const keys = records.keys({ ...from, ...until, limit: PAGE_ROWS })
      const items: T[] = []
      let looked = 0
      while (looked < keys.length && items.length < PAGE_ROWS) for (const item of itemsOf(keys[looked++]!)) items.push(item)
      if (items.length > 0) yield items
      if (looked === keys.length && looked < PAGE_ROWS) return
      from = { start: keys[looked - 1]!, exclusiveStart: true }
      await nextTurn()
    }
  }

  #partsOn(env: Environment): Parts {
    const space = new NvramSpace(env)
    const room = new DiskRoom(env, this.#config.folder)
    try {
      claim(env, this.#config, room)
    } catch (error) {
      room.close()
      throw error
    }
    const committer = new Committer({ env, space, room, sweeper: new Sweeper(env, space), where: this.url })
    return { env, space, room, committer }
  }

  #open(): Parts {
    if (!this.#parts) throw new UnavailableError(`${this.url} is closed.`, { code: 'ERR_CLOSED' })
    return this.#parts
  }

  /** To read the last commit of any process. */
  #fresh(): Parts {
    const parts = this.#open()
    parts.env.transactions.refresh()
    return parts
  }

  /** As `#fresh`, after a turn of the event loop when the last was long ago: a program that only reads must not keep commits waiting. */
  async #turn(): Promise<Parts> {
    const nowMs = performance.now()
    if (nowMs - this.#turnMs > TURN_MS_MAX) {
      this.#turnMs = nowMs
      await nextTurn()
    }
    return this.#fresh()
  }
}

async function release({ env, room, committer }: Parts): Promise<void> {
  try {
    await committer.idle()
    await committer.flush()
  } finally {
    room.close()
    await env.file.close()
  }
}

const dropping = ({ env, space, committer }: Parts): Dropping => ({ env, space, write: (change) => committer.write(change) })

/** Longest time between turns of the event loop, as far as reads have a say. */
const TURN_MS_MAX = 10

const NONE: readonly never[] = []
const NO_PREFIX = new Uint8Array(0)
const FIRST = Uint8Array.of(0)

const tableOf = (where: TableId | Piece): TableId => (typeof where === 'string' ? where : where.table)
const bufferOf = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))

function findObject(space: NvramSpace, id: Id): Found | undefined {
  const record = space.objectHead(id)?.record
  return record?.stamp ? foundAt(record.ref, record.intent) : undefined
}

function findAlias(space: NvramSpace, alias: string): Found | undefined {
  const record = space.alias(alias)
  return record && foundAt(record.to, record.intent)
}

const foundAt = (ref: Ref | null, intent: Found['intent']): Found => (intent ? { ref, intent } : { ref })

function objectBytes(space: NvramSpace, id: Id): number | undefined {
  const head = space.objectHead(id)
  return head?.record.stamp ? head.bytes : undefined
}

/** lmdb's bounds for the keys [from, to), which read backwards begin at the end. */
function rangeOf(
  id: TableId,
  { from, to }: Bounds,
  reverse: boolean,
): { start: Uint8Array; end: Uint8Array; reverse?: boolean; exclusiveStart?: boolean; inclusiveEnd?: boolean } {
  const [low, high] = [rowKey(id, from), rowKey(id, to)]
  return reverse ? { start: high, end: low, reverse, exclusiveStart: true, inclusiveEnd: true } : { start: low, end: high }
}

function cutKeys(rows: Records, id: TableId, bounds: Bounds, atLeast: number): readonly Uint8Array[] {
  const range = rangeOf(id, bounds, false)
  const cuts: Uint8Array[] = []
  let start = range.start
  let at = 0
  for (const position of cutPositions(rows.count(range), atLeast)) {
    const [key] = rows.keys({ start, end: range.end, offset: position - at, limit: 1 })
    if (!key) break
    cuts.push(keyInTable(key))
    start = key
    at = position
  }
  return cuts
}

/** An estimate: the number of rows times the size of the first ones. */
function pieceBytes(rows: Records, space: NvramSpace, piece: Piece): number | undefined {
  if (!space.table(piece.table)) return undefined
  const range = rangeOf(piece.table, piece, false)
  let sampled = 0
  let bytes = 0
  rows.each({ ...range, limit: 64 }, (key, value) => {
    sampled++
    bytes += key.length + value.length
  })
  return sampled < 64 ? bytes : Math.round((bytes / sampled) * rows.count(range))
}
