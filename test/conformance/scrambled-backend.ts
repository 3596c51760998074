import type {
  Backend,
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
  Ref,
  Stored,
  StoredRow,
  Streams,
} from '../../src/backend.js'
import { decodeKey, encodeKey } from '../../src/dict/row-key.js'
import { CorruptError } from '../../src/errors.js'
import type { CommitId, Domain, Id, TableId } from '../../src/ids.js'
import { ForwardingBackend } from './forwarding-backend.js'
import { back, into } from './scramble.js'

/**
 * Hands every name, text and byte to the inner backend scrambled, and unscrambles what it gives back: nobody below may peek into
 * contents, and nobody above may read what lies below. References and definitions of tables stay readable: backends live by them.
 */
export class ScrambledBackend extends ForwardingBackend {
  constructor(inner: Backend) {
    super(inner)
    if (inner.streams) Object.assign(this, { streams: scrambledStreams(inner.streams) })
    if (inner.bar) Object.assign(this, { bar: (group: Group) => readable(() => this.#bar(inner.bar!.bind(inner), group)) })
    // Copies and aggregates would need the same treatment; a wrapper without them is a backend without them.
    for (const member of ['replicas', 'watcher', 'aggregates', 'upkeep']) Reflect.deleteProperty(this, member)
  }

  override domain(op: Op): Domain {
    return this.inner.domain(into.op(op))
  }

  override commit(group: Group): Promise<Receipt> {
    return readable(async () => receiptBack(await this.inner.commit(scrambled(group))))
  }

  async #bar(bar: NonNullable<Backend['bar']>, group: Group): Promise<Receipt | undefined> {
    const receipt = await bar(scrambled(group))
    return receipt && receiptBack(receipt)
  }

  override async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    return (await this.inner.read(refs)).map((stored) => stored && { ...stored, cells: back.cells(stored.cells), ...withIntent(stored) })
  }

  override async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[]> {
    return (await this.inner.marks(home, keys.map(into.text))).map((mark) => mark && back.mark(mark))
  }

  override async staged(home: Ref, commit: CommitId): Promise<readonly Op[] | undefined> {
    return (await this.inner.staged(home, commit))?.map(back.op)
  }

  override async find(what: readonly (Id | { readonly alias: string })[]): Promise<readonly (Found | undefined)[]> {
    const found = await this.inner.find(what.map((w) => (typeof w === 'string' ? w : { alias: into.text(w.alias) })))
    return found.map((f) => f && { ...f, ...withIntent(f) })
  }

  override async *aliases(of: Parameters<Backend['aliases']>[0]): AsyncGenerator<readonly (readonly [string, Ref])[]> {
    const asked = 'prefix' in of && of.prefix !== undefined ? { prefix: into.text(of.prefix) } : of
    for await (const page of this.inner.aliases(asked)) yield page.map(([alias, ref]) => [back.text(alias), ref] as const)
  }

  override async rows(...[table, keys]: Parameters<Backend['rows']>): Promise<readonly (StoredRow | undefined)[]> {
    return (await this.inner.rows(table, keys.map(into.key))).map((row) => row && rowBack(row))
  }

  override async *scan(range: Range, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[]> {
    const { prefix, from, to } = range
    const asked: Range = {
      ...range,
      in: typeof range.in === 'string' ? range.in : await this.#part(range.in, into.key),
      ...(prefix && { prefix: into.key(prefix) }),
      ...(from && { from: into.key(from) }),
      ...(to && { to: into.key(to) }),
    }
    for await (const page of this.inner.scan(asked, signal)) yield page.map(rowBack)
  }

  override async pieces(of: TableId | Piece, atLeast: number): Promise<readonly Piece[]> {
    const pieces = await this.inner.pieces(typeof of === 'string' ? of : await this.#part(of, into.key), atLeast)
    return Promise.all(pieces.map((piece) => this.#part(piece, back.key)))
  }

  override async locate(what: readonly (Ref | Piece)[]): Promise<readonly (readonly Location[])[]> {
    return this.inner.locate(await Promise.all(what.map(async (one) => ('id' in one ? one : this.#part(one, into.key)))))
  }

  /** Bounds of parts are keys, apart from those below and above all. */
  async #part(part: Piece, scramble: (key: Key) => Key): Promise<Piece> {
    const table = await this.inner.table(part.table)
    const bound = (bytes: Uint8Array): Uint8Array => {
      try {
        return table ? encodeKey(table, scramble(decodeKey(table, bytes))) : bytes
      } catch (error) {
        if (error instanceof CorruptError) return bytes
        throw error
      }
    }
    return { ...part, from: bound(part.from), to: bound(part.to) }
  }
}

const scrambled = (group: Group): Group => ({ ...group, ops: group.ops.map(into.op) })
const receiptBack = ({ mark, ...receipt }: Receipt): Receipt => (mark ? { ...receipt, mark: back.mark(mark) } : receipt)
const rowBack = (row: StoredRow): StoredRow => ({ ...row, key: back.key(row.key), values: back.values(row.values) })
const withIntent = ({ intent }: { readonly intent?: Intent }): { readonly intent?: Intent } =>
  intent ? { intent: back.intent(intent) } : {}

/** Errors carry what they met: a conflict its intent or its row, a taken alias its name. */
async function readable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const met = error as { intent?: Intent; alias?: string; key?: Key }
    if (met.intent) met.intent = back.intent(met.intent)
    if (typeof met.alias === 'string') met.alias = back.text(met.alias)
    if (Array.isArray(met.key)) met.key = back.key(met.key)
    throw error
  }
}

const scrambledStreams = (inner: Streams): Streams => ({
  append: (stream, producer, from, items) => inner.append(stream, into.text(producer), from, items.map(into.bytes)),
  read: async (stream, { group, consumer, ...read }, signal) => {
    const given = await inner.read(stream, { ...read, group: into.text(group), consumer: into.text(consumer) }, signal)
    return given.map(([id, item]) => [into.text(id), back.bytes(item)] as const)
  },
  ack: (stream, group, ids) => inner.ack(stream, into.text(group), ids.map(back.text)),
  release: (stream, group, ids) => inner.release(stream, into.text(group), ids.map(back.text)),
  end: (stream) => inner.end(stream),
  async *items(stream) {
    for await (const page of inner.items(stream)) yield page.map(back.bytes)
  },
  drop: (stream) => inner.drop(stream),
})
