/** A store of one table in memory, and a session of one unit of work over it: just enough for a dict to stand on. */
import type { Key, Op, Piece, Range, StoredRow, Table, Values } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import type { DictBinding } from '../../src/dict/dict-binding.js'
import { Overlay } from '../../src/dict/overlay.js'
import { compareBytes, encodeKey, encodeKeyText, prefixBounds } from '../../src/dict/row-key.js'
import { dictSchemaOf, type StorageDict } from '../../src/dict/storage-dict.js'
import { type ClassId, newId, newTableId } from '../../src/ids.js'

export class FakeStore implements DictBinding {
  readonly stored: Table
  readonly byKey = new Map<string, StoredRow>()
  buffered = new Overlay()
  piece?: Piece
  /** Calls that reached the store. */
  asked = { rows: 0, pages: 0, changed: 0 }
  openScans = 0
  pageRows = 3
  failAfterPages = Number.POSITIVE_INFINITY
  closed = false
  #now = 1n
  readonly #objects = new Map<string, object>()
  readonly #refs = new Map<object, Ref>()

  constructor(dict: StorageDict<any, any>) {
    this.stored = { id: newTableId(), owner: new Ref(newId(), 'test#Owner' as ClassId), ...dictSchemaOf(dict) }
  }

  table(): Table {
    return this.stored
  }

  overlay(): Overlay {
    return this.buffered
  }

  async save(): Promise<void> {
    this.commit()
  }

  changed(): void {
    this.asked.changed++
  }

  assertUsable(): void {
    if (this.closed) throw new Error('closed')
  }

  refOf(o: object): Ref {
    const known = this.#refs.get(o) ?? new Ref(newId(), `test#${o.constructor.name}` as ClassId)
    this.#refs.set(o, known)
    this.#objects.set(known.id, o)
    return known
  }

  resolve(ref: Ref): unknown {
    return this.#objects.get(ref.id)
  }

  async rows(keys: readonly Key[]): Promise<readonly (StoredRow | undefined)[]> {
    this.asked.rows++
    return keys.map((key) => this.byKey.get(encodeKeyText(this.stored, key)))
  }

  async *scan(range: Range): AsyncGenerator<readonly StoredRow[], void> {
    const { from, to } = prefixBounds(this.stored, range)
    const inside = (row: StoredRow, first: Uint8Array): boolean => {
      const key = encodeKey(this.stored, row.key)
      return compareBytes(key, first) >= 0 && compareBytes(key, to) < 0
    }
    this.openScans++
    try {
      let left = range.limit ?? Number.POSITIVE_INFINITY
      let seen: string | undefined
      for (let pages = 0; left > 0; pages++) {
        await Promise.resolve()
        if (pages >= this.failAfterPages) throw new Error('the connection was cut')
        // each page reads the rows as they are now, as a store without snapshots does
        const texts = [...this.byKey.keys()].sort((a, b) => (a < b ? -1 : 1))
        if (range.reverse) texts.reverse()
        const rest = texts.filter(
          (text) => inside(this.byKey.get(text)!, from) && (seen === undefined || (range.reverse ? text < seen : text > seen)),
        )
        const page = rest.slice(0, Math.min(this.pageRows, left))
        if (page.length === 0) return
        this.asked.pages++
        left -= page.length
        seen = page.at(-1)!
        yield page.map((text) => this.byKey.get(text)!)
      }
    } finally {
      this.openScans--
    }
  }

  // ---- what a session does

  commit(): void {
    const sent = this.buffered.take()
    this.apply(sent.toOps(this.stored))
    this.buffered.settle(sent)
  }

  apply(ops: readonly Op[]): void {
    this.#now++
    for (const op of ops) this.#applyOne(op)
  }

  #applyOne(op: Op): void {
    if (op.do !== 'row' && op.do !== 'add') throw new Error(`no ${op.do} here`)
    const text = encodeKeyText(this.stored, op.key)
    const old = this.byKey.get(text)
    if (op.do === 'row' && op.expect !== undefined && op.expect !== (old?.atMicros ?? null)) throw new Error('conflict')
    if (op.do === 'row' && op.set === null) this.byKey.delete(text)
    else if (op.do === 'row')
      this.#put(
        op.key,
        op.set!.map((cell, i) => (this.stored.values[i]!.type === 'counter' ? old?.values[i] : cell)),
      )
    else {
      const values = [...(old?.values ?? this.stored.values.map(() => undefined))]
      values[op.column] = ((values[op.column] as bigint | undefined) ?? 0n) + op.by
      this.#put(op.key, values)
    }
  }

  #put(key: Key, values: Values): void {
    this.byKey.set(encodeKeyText(this.stored, key), { key, values, atMicros: this.#now })
  }
}

export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
