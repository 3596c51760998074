/**
 * The buffered row writes of one unit of work to one table, coalesced per key: the latest `set` or `remove`, and the sum of the counter
 * changes. Reads merge it over the stored rows, so a unit of work sees its own writes; nobody else does before they are committed.
 *
 * While a group is on its way to the store its writes are *in flight*: no longer sent again, still seen by reads.
 */
import { type Cell, type Key, type Op, Packed, Ref, type StoredRow, type Table, type Values } from '../backend.js'
import { decodeKey } from './row-key.js'
import { SortedKeys } from './sorted-keys.js'

/** What is buffered for one row. Entries are never changed, only replaced, so that they can be shared between overlays. */
export interface Entry {
  readonly key: Key
  /** The stored row was removed: nothing of it, counters included, shows through. */
  readonly hides: boolean
  readonly set: Values | undefined
  /** Changes of counters, by the index of their column. */
  readonly adds: ReadonlyMap<number, bigint> | undefined
  /** Estimated size of key and cells. */
  readonly bytes: number
}

/** Keys as texts whose `<` is the order of keys: see encodeKeyText. */
export type KeyText = string

/** Whoever may want to take back what is written from a certain moment on. */
interface Undo {
  readonly isOn: boolean
  push(step: () => void): void
}

export class Overlay {
  #entries = new Map<KeyText, Entry>()
  #order = new SortedKeys()
  /** Groups on their way, oldest first. */
  #flights: Flight[] = []
  /**
   * For tables with `writes: 'cas'`: the `atMicros` of rows as they were read, `null` for no row. All of them, some 100 bytes a row that a
   * transaction has scanned: any may be written yet, and read again then it would have the clock of whoever wrote it meanwhile.
   */
  #reads = new Map<KeyText, bigint | null>()
  /** When the program itself has removed rows. */
  readonly #removedAt = new Map<KeyText, bigint>()
  #bytes = 0
  #epoch = 0

  /** `firstReadCounts`: a unit of work must see one state of a row; else what counts is the last read before a write. */
  constructor(
    readonly firstReadCounts = true,
    readonly undo?: Undo,
  ) {}

  /** Rows with writes not yet sent. */
  get count(): number {
    return this.#entries.size
  }

  /** Estimated size of the writes not yet sent, in bytes of keys and cells. */
  get bytes(): number {
    return this.#bytes
  }

  /** Changes whenever writes left the overlay: stored rows read before may then lack them, and must be read again. */
  get epoch(): number {
    return this.#epoch
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#flights.length === 0
  }

  // ---- writing

  set(text: KeyText, key: Key, set: Values): void {
    this.merge(text, entryOf(key, false, set, undefined))
  }

  remove(text: KeyText, key: Key): void {
    this.merge(text, entryOf(key, true, undefined, undefined))
  }

  add(text: KeyText, key: Key, column: number, by: bigint): void {
    this.merge(text, entryOf(key, false, undefined, new Map([[column, by]])))
  }

  /** Drops what is buffered for a key, as if it had never been written. */
  forget(text: KeyText): void {
    const old = this.#entries.get(text)
    if (!old) return
    this.#remember(text, old)
    this.#entries.delete(text)
    this.#bytes -= old.bytes
    this.#order.delete(text)
  }

  clear(): void {
    this.dropWrites()
    this.#reads = new Map()
    this.#removedAt.clear()
  }

  /** What was read stays known. */
  dropWrites(): void {
    if (this.undo?.isOn) for (const [text, old] of this.#entries) this.#remember(text, old)
    this.#entries = new Map()
    this.#order = new SortedKeys()
    this.#bytes = 0
    this.#epoch++
  }

  /** Buffers a write on top of what is there. */
  merge(text: KeyText, entry: Entry): void {
    const old = this.#entries.get(text)
    this.#remember(text, old)
    this.#put(text, old, old ? joined(old, entry) : entry)
  }

  #put(text: KeyText, old: Entry | undefined, next: Entry): void {
    this.#entries.set(text, next)
    if (!old) this.#order.add(text)
    this.#bytes += next.bytes - (old ? old.bytes : 0)
  }

  #remember(text: KeyText, old: Entry | undefined): void {
    if (!this.undo?.isOn) return
    this.undo.push(() => {
      this.forget(text)
      if (old) this.#put(text, undefined, old)
      this.#epoch++
    })
  }

  // ---- reading

  get(text: KeyText): Entry | undefined {
    const own = this.#entries.get(text)
    return this.#flights.length === 0 ? own : this.#flights.reduceRight(entryUnder(text), own)
  }

  /** Entries with `from` <= key < `to` in key order, those in flight included; lazily, so that a few of many cost little. */
  *between(from: KeyText, to: KeyText, reverse = false): Generator<[KeyText, Entry], void> {
    const own = this.#order.between(from, to, reverse)
    for (const text of this.#flights.length === 0 ? own : withFlights(own, this.#flights, from, to, reverse)) {
      const entry = this.get(text)
      if (entry) yield [text, entry]
    }
  }

  /** No fewer than the entries in [from, to), and nothing when there are none; cheap. */
  countBetween(from: KeyText, to: KeyText): number {
    if (this.isEmpty) return 0
    return this.#flights.reduce((sum, { writes }) => sum + writes.countBetween(from, to), this.#order.countBetween(from, to))
  }

  /**
   * Resolves when what is in flight has landed, `undefined` when nothing needs waiting for. A stored counter read meanwhile may or may
   * not hold a change in flight, and so may a row's `atMicros` (`all`: wait for any write); other writes simply cover what is stored.
   */
  landed(all = false): Promise<void> | undefined {
    const flights = this.#flights.filter((flight) => all || flight.hasAdds)
    return flights.length === 0 ? undefined : Promise.all(flights.map((flight) => flight.landed)).then(() => undefined)
  }

  /**
   * Notes the state of a row that a write to it expects. `isShown`: the program was told all of it. A row that was only passed by, as counts
   * do and scans that look ahead, does not take the place of what the program knows: a write of that would go over what it has never seen.
   * Nor does one as it was before the program's own last write, as a scan shows that had read ahead.
   */
  noteRead(text: KeyText, row: Pick<StoredRow, 'atMicros'> | undefined, isShown: boolean): void {
    const known = this.#reads.get(text)
    if (known !== undefined && (!isShown || this.firstReadCounts || this.#entries.has(text))) return
    if (row && (known ?? this.#removedAt.get(text) ?? NEVER) > row.atMicros) return
    this.#reads.set(text, row ? row.atMicros : null)
  }

  // ---- sending

  /** That rows which were read are as they were: all of them, or those that are not written, which say themselves what they expect. */
  checks(table: Table, which: 'all' | 'only read'): CheckRow[] {
    const ops: CheckRow[] = []
    const where = placeOf(table)
    for (const [text, expect] of this.#reads) {
      const entry = which === 'only read' ? this.#entries.get(text) : undefined
      if (!entry?.set && !entry?.hides) ops.push({ do: 'checkRow', table: table.id, key: keyOfText(table, text), expect, ...where })
    }
    return ops
  }

  /** Whether anything was read whose change would matter. */
  get hasReads(): boolean {
    return this.#reads.size > 0
  }

  /** The writes not yet sent as ops, in key order; per key removal, row, counters. */
  toOps(table: Table): Op[] {
    const ops: Op[] = []
    for (const text of this.#order.between('', ABOVE_ALL)) opsOf(ops, table, this.#entries.get(text)!, this.#reads.get(text))
    return ops
  }

  /**
   * Takes writes out to be sent, the first of more than `bytesMax`, else all; reads still see them until `settle`, or `putBack` after a
   * failure.
   */
  take(bytesMax: number = Number.POSITIVE_INFINITY): Overlay {
    const sent = new Overlay()
    if (this.#bytes > bytesMax) this.#moveFirst(sent, bytesMax)
    else this.#moveAll(sent)
    // a row read before this group and written after it is still compared with what was read
    if (this.#reads.size > 0) this.#handReads(sent)
    if (sent.count > 0) this.#flights = [...this.#flights, new Flight(sent, hasAdds(sent.#entries))]
    return sent
  }

  #moveAll(sent: Overlay): void {
    sent.#entries = this.#entries
    sent.#order = this.#order
    sent.#bytes = this.#bytes
    this.#entries = new Map()
    this.#order = new SortedKeys()
    this.#bytes = 0
  }

  /** At least one, however large. */
  #moveFirst(sent: Overlay, bytesMax: number): void {
    const first: [KeyText, Entry][] = []
    let bytes = 0
    for (const text of this.#order.between('', ABOVE_ALL)) {
      const entry = this.#entries.get(text)!
      bytes += entry.bytes
      if (first.length > 0 && bytes > bytesMax) break
      first.push([text, entry])
    }
    for (const [text, entry] of first) {
      this.forget(text)
      sent.merge(text, entry)
    }
  }

  #handReads(sent: Overlay): void {
    for (const text of sent.#entries.keys()) {
      const at = this.#reads.get(text)
      if (at === undefined) continue
      sent.#reads.set(text, at)
      this.#reads.delete(text)
    }
  }

  /** They are committed: the store shows them now. `atMicros` of their group is what later writes expect, for `writes: 'cas'` alone. */
  settle(sent: Overlay, atMicros?: bigint): void {
    this.#land(sent)
    if (atMicros === undefined) return
    for (const [text, { set, hides, adds }] of sent.#entries) {
      if (!set && !hides) continue
      if (set || !adds) this.#reads.set(text, set ? atMicros : null)
      else this.#reads.delete(text) // there is a row: of counters that have begun anew, whose clock the store knows
      if (set) this.#removedAt.delete(text)
      else this.#removedAt.set(text, atMicros)
    }
  }

  /** They are not committed: they are buffered again, below what was written since. */
  putBack(sent: Overlay): void {
    this.#land(sent)
    for (const [text, older] of sent.#entries) {
      const newer = this.#entries.get(text)
      if (newer) this.forget(text)
      this.merge(text, newer ? joined(older, newer) : older)
    }
    for (const [text, at] of sent.#reads) this.#reads.set(text, at)
  }

  #land(sent: Overlay): void {
    const flight = this.#flights.find((f) => f.writes === sent)
    this.#flights = this.#flights.filter((f) => f !== flight)
    this.#epoch++
    flight?.land()
  }
}

const NEVER = -1n

export type CheckRow = Extract<Op, { do: 'checkRow' }>

const keyOfText = (table: Table, text: KeyText): Key => decodeKey(table, Buffer.from(text, 'latin1'))

/** Above every key text, whose code units end at FF. */
export const ABOVE_ALL = '\uffff'

function hasAdds(entries: ReadonlyMap<KeyText, Entry>): boolean {
  for (const entry of entries.values()) if (entry.adds) return true
  return false
}

class Flight {
  readonly landed: Promise<void>
  land!: () => void

  constructor(
    readonly writes: Overlay,
    readonly hasAdds: boolean,
  ) {
    this.landed = new Promise((resolve) => {
      this.land = resolve
    })
  }
}

const entryUnder =
  (text: KeyText) =>
  (newer: Entry | undefined, flight: Flight): Entry | undefined => {
    const older = flight.writes.get(text)
    return older && newer ? joined(older, newer) : (newer ?? older)
  }

function withFlights(own: Iterable<KeyText>, flights: readonly Flight[], from: KeyText, to: KeyText, reverse: boolean): KeyText[] {
  const texts = new Set(own)
  for (const { writes } of flights) for (const [text] of writes.between(from, to)) texts.add(text)
  const sorted = [...texts].sort((a, b) => (a < b ? -1 : 1))
  return reverse ? sorted.reverse() : sorted
}

/** Two writes of one row as one. */
function joined(older: Entry, newer: Entry): Entry {
  if (newer.hides) return newer
  return entryOf(newer.key, older.hides, newer.set ?? older.set, summed(older.adds, newer.adds))
}

function summed(a: Entry['adds'], b: Entry['adds']): Entry['adds'] {
  if (!a || !b) return a ?? b
  const sums = new Map(a)
  // sums are 64 bits, as they are once stored
  for (const [column, by] of b) sums.set(column, BigInt.asIntN(64, (sums.get(column) ?? 0n) + by))
  return sums
}

/** True when the entry alone says what the row is. */
export const coversStored = (entry: Entry, hasCounters: boolean): boolean => entry.hides || (entry.set !== undefined && !hasCounters)

/** The row's values with the buffered writes on top; `undefined` when there is no row. `counters` are the indexes of counter columns. */
export function withEntry(entry: Entry, stored: Values | undefined, columns: number, counters: readonly number[]): Values | undefined {
  const below = entry.hides ? undefined : stored
  if (!entry.set && !entry.adds) return below
  const values: (Cell | undefined)[] = [...(entry.set ?? below ?? Array<undefined>(columns).fill(undefined))]
  // A row written over another leaves the sums of its counters, which only adds change.
  for (const column of counters) values[column] = sum(below?.[column], entry.adds?.get(column))
  return values
}

function sum(below: Cell | undefined, by: bigint | undefined): Cell | undefined {
  return by === undefined ? below : BigInt.asIntN(64, ((below as bigint | undefined) ?? 0n) + by)
}

function opsOf(ops: Op[], table: Table, entry: Entry, read: bigint | null | undefined): void {
  const { key, hides, set, adds } = entry
  const where = placeOf(table)
  const cas = table.writes === 'cas' ? { isCas: true, ...where } : undefined
  const expect = cas && read !== undefined ? { expect: read } : undefined
  // The old row goes first, also one that is written anew: its counters, and columns that only later classes know, would stay.
  if (hides) ops.push({ do: 'row', table: table.id, key, set: null, ...expect, ...cas })
  if (set) ops.push({ do: 'row', table: table.id, key, set, ...(hides ? undefined : expect), ...cas })
  if (adds) for (const [column, by] of adds) ops.push({ do: 'add', table: table.id, key, column, by, ...where })
}

/** What a store is told that commits by partition, where a group has to be whole. */
const placeOf = ({ writes, partition }: Table): { readonly partition: number } | undefined =>
  writes === 'cas' && partition > 1 ? { partition } : undefined

/** What the map entry, the arrays and the op around a row take, roughly, in any encoding. */
const ENTRY_BYTES = 16

export function entryOf(key: Key, hides: boolean, set: Entry['set'], adds: Entry['adds']): Entry {
  let bytes = ENTRY_BYTES + (adds ? adds.size * 16 : 0)
  for (const cell of key) bytes += cellBytes(cell)
  if (set) for (const cell of set) bytes += cellBytes(cell)
  return { key, hides, set, adds, bytes }
}

function cellBytes(cell: Cell | undefined): number {
  if (cell === null || cell === undefined || typeof cell === 'boolean') return 1
  if (typeof cell === 'string') return 4 + cell.length
  if (cell instanceof Uint8Array) return 4 + cell.length
  if (cell instanceof Packed) return 4 + cell.bytes.length
  if (cell instanceof Ref) return 16 + cell.classId.length
  if (Array.isArray(cell)) return (cell as readonly Cell[]).reduce((sum: number, c) => sum + cellBytes(c), 4)
  return 8
}
