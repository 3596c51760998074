import type { Mark, Op, Table } from '../../src/backend.js'
import { decodeWire, encodeWire, type Wire } from '../../src/codec/wire.js'
import type { CommitId, Id, TableId } from '../../src/ids.js'
import { StreamData } from './memory-streams.js'
import type { AliasRecord, ObjectRecord, RowRecord, Space } from './space.js'

/** As long as on the other backends. */
export const RECEIPTS_KEPT_MS = 3_600_000

/** Rows by their key's bytes as text of code units 0–255, whose `<` is the order of the bytes. */
export class OrderedRows {
  readonly sorted: string[] = []
  readonly byKey = new Map<string, RowRecord>()

  set(key: string, record: RowRecord): void {
    if (!this.byKey.has(key)) this.sorted.splice(this.indexOf(key), 0, key)
    this.byKey.set(key, record)
  }

  /** How many keys are below `key`. */
  indexOf(key: string): number {
    let low = 0
    let high = this.sorted.length
    // Writers mostly append: one look at the end instead of a search.
    if (high > 0 && this.sorted[high - 1]! < key) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.sorted[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

export const textOfKey = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
export const keyOfText = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

/** The records of one domain, in Maps. Intents and redo are kept encoded, since they hold their writer's buffers. */
export class MemorySpace implements Space {
  readonly objects = new Map<Id, ObjectRecord>()
  readonly aliases = new Map<string, AliasRecord>()
  readonly streams = new StreamData()
  readonly tables = new Map<TableId, { readonly table: Table; readonly rows: OrderedRows }>()
  readonly #marks = new Map<string, Mark>()
  readonly #staged = new Map<string, Uint8Array>()
  readonly #receipts = new Map<CommitId, { readonly revisions: readonly number[]; readonly atMs: number }>()

  receipt(commit: CommitId): readonly number[] | undefined {
    return this.#receipts.get(commit)?.revisions
  }

  keepReceipt(commit: CommitId, revisions: readonly number[]): void {
    const atMs = Date.now()
    this.#receipts.set(commit, { revisions, atMs })
    // The oldest comes first in a Map. Two go for each that comes, so that what piled up goes as well.
    let budget = 2
    for (const [old, receipt] of this.#receipts) {
      if (budget-- === 0 || receipt.atMs > atMs - RECEIPTS_KEPT_MS) break
      this.#receipts.delete(old)
    }
  }

  object(id: Id): ObjectRecord | undefined {
    return this.objects.get(id)
  }

  setObject(id: Id, record: ObjectRecord | undefined): void {
    set(this.objects, id, record && ownIntent(record))
  }

  alias(alias: string): AliasRecord | undefined {
    return this.aliases.get(alias)
  }

  setAlias(alias: string, record: AliasRecord | undefined): void {
    set(this.aliases, alias, record && ownIntent(record))
  }

  table(id: TableId): Table | undefined {
    return this.tables.get(id)?.table
  }

  row(table: Table, key: Uint8Array): RowRecord | undefined {
    return this.tables.get(table.id)?.rows.byKey.get(textOfKey(key))
  }

  setRow(table: Table, key: Uint8Array, record: RowRecord): void {
    this.tables.get(table.id)?.rows.set(textOfKey(key), ownIntent(record))
  }

  mark(home: Id, key: string): Mark | undefined {
    return this.#marks.get(home + key)
  }

  setMark(home: Id, key: string, mark: Mark | undefined): void {
    set(this.#marks, home + key, mark)
  }

  /** All marks, by the id of their home. */
  *marks(): Iterable<readonly [home: Id, mark: Mark]> {
    for (const [key, mark] of this.#marks) yield [key.slice(0, ID_LENGTH) as Id, mark]
  }

  staged(home: Id, commit: CommitId): readonly Op[] | undefined {
    const bytes = this.#staged.get(home + commit)
    return bytes && (decodeWire(bytes) as readonly Op[])
  }

  setStaged(home: Id, commit: CommitId, redo: readonly Op[] | null): void {
    set(this.#staged, home + commit, redo === null ? undefined : encodeWire(redo))
  }
}

const ID_LENGTH = 36

function set<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

/** A copy of a value that shares no buffer with it. */
export const copyOf = <T extends Wire>(value: T): T => decodeWire(encodeWire(value)) as T

const ownIntent = <R extends ObjectRecord | AliasRecord | RowRecord>(record: R): R =>
  record.intent ? { ...record, intent: copyOf(record.intent) } : record
