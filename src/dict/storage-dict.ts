/** Long because what a dict is for its users and what it is for units of work are one class with one state. */
import type { Location, Op, Piece, Range, Table } from '../backend.js'
import { ValidationError } from '../errors.js'
import { INSPECT } from '../inspection.js'
import { assertKnown } from '../known-options.js'
import { listOf } from '../list-of.js'
import { type AggregateOps, planAggregate } from './aggregate.js'
import { type BulkOptions, bulkLoad, pairOf, type Rows, storeOf } from './bulk-load.js'
import type { Columns, CounterNames, NewRow, Row } from './column.js'
import { aggregated, askStore, grouped } from './dict-aggregate.js'
import { type DictBinding, idOfPiece, PieceBinding } from './dict-binding.js'
import { DictSchema, type DictSpec, type Writes } from './dict-schema.js'
import { DictState, moved, UNKNOWN } from './dict-state.js'
import { increment } from './increment.js'
import type { References } from './kind.js'
import { liveReferences } from './live-refs.js'
import { checkedLimit, type DictRow, mergedPages, type ScanRange } from './merged-scan.js'
import { ABOVE_ALL, type Overlay } from './overlay.js'
import {
  AGGREGATE_OPTIONS,
  type Aggregated,
  type AggregateRange,
  type ColumnName,
  type GroupOf,
  RANGE_OPTIONS,
  type RangeOptions,
  WHERE_OPTIONS,
  type WhereOptions,
} from './query-types.js'
import { itemsOf } from './row-iterable.js'
import { encodeKeyText } from './row-key.js'
import { type DictClass, dictClass } from './standalone-dict.js'
import { planWhere, type Where, wherePages } from './where.js'

export interface DictOptions<K extends Columns> {
  /** Key columns that say where a row lies; the first one unless said otherwise. */
  readonly partition?: readonly (keyof K & string)[]
  /** Key columns that order the rows inside a partition; the rest, as written, unless said otherwise. */
  readonly order?: readonly (keyof K & string)[]
  /**
   * `'lww'` (default): the last writer of a row wins, without conflict. `'cas'`: a row that changed since it was read is a ConflictError, with
   * `transact(…, { check: true })` also if only read. `'counters'`: all values are counters, in Cassandra its own, changed by `increment` only.
   */
  readonly writes?: Writes
}

const STATE = Symbol.for('insitu.StorageDict')
type AnyDict = StorageDict<any, any>

/**
 * Typed rows by key, ordered by key. The first key column is the partition key, the rest are ordered inside it.
 *
 * ```ts
 * class Result extends StorageObject {
 *   counts = new StorageDict({ word: t.text }, { n: t.i64 })
 * }
 * result.counts.set({ word: 'in' }, { n: 1 })
 * await result.counts.get({ word: 'in' })          // { n: 1n }
 * for await (const [{ word }, { n }] of result.counts) console.log(word, n)
 * ```
 *
 * Writes are checked and buffered at once, seen by all reads here, and stored when the unit of work commits.
 * Keys order by value: text by its UTF-8 bytes, numbers by size with NaN last, uuids and blobs bytewise.
 */
export class StorageDict<K extends Columns, V extends Columns> implements AsyncIterable<[Row<K>, Row<V>]> {
  readonly #state: DictState

  /**
   * A stored dict is opened with the columns that it was made with, or with further ones behind them that are optional or counters: rows
   * from before read without them. Programs from before go on, and leave in place what they do not know. All else is a
   * SchemaMismatchError. Errors: ValidationError for columns that cannot be (a counter as key, a name that stands twice).
   */
  constructor(keys: K, values: V, options: DictOptions<K> = {}) {
    this.#state = new DictState(new DictSchema(keys, values, options))
  }

  /**
   * A class of dicts that stand alone, each an object with an id and aliases:
   * `class Counts extends StorageDict.of({ word: t.text }, { n: t.i64 }) {}`, then `await Counts.getByAlias('counts')`.
   */
  static of<K extends Columns, V extends Columns>(keys: K, values: V, options: DictOptions<K> = {}): DictClass<K, V> {
    return dictClass(() => new StorageDict(keys, values, options))
  }

  /** The row's values, `undefined` when there is no such row. */
  async get(key: NewRow<K>): Promise<Row<V> | undefined> {
    const state = this.#usable()
    const cells = state.schema.keyCells(key, state.refs)
    const text = encodeKeyText(state.schema, cells)
    const known = state.known(text)
    const values = known === UNKNOWN ? (await state.fetch([cells], [text]))[0] : known
    return values && (state.schema.valueOf(values, state.refs) as Row<V>)
  }

  /** The values of many rows, in the order asked, in one round trip. */
  async getMany(keys: Iterable<NewRow<K>>): Promise<(Row<V> | undefined)[]> {
    const state = this.#usable()
    const cells = Array.from(listOf(keys, 'getMany', 'keys'), (key) => state.schema.keyCells(key, state.refs))
    const texts = cells.map((key) => encodeKeyText(state.schema, key))
    const found = texts.map((text) => state.known(text))
    const asked = found.flatMap((known, i) => (known === UNKNOWN ? [i] : []))
    if (asked.length > 0) {
      const rows = await state.fetch(
        asked.map((i) => cells[i]!),
        asked.map((i) => texts[i]!),
      )
      asked.forEach((i, at) => {
        found[i] = rows[at]
      })
    }
    return found.map(
      (values) => (values as DictRow['values'] | undefined) && (state.schema.valueOf(values as DictRow['values'], state.refs) as Row<V>),
    )
  }

  async has(key: NewRow<K>): Promise<boolean> {
    const state = this.#usable()
    const cells = state.schema.keyCells(key, state.refs)
    const text = encodeKeyText(state.schema, cells)
    const known = state.known(text)
    return (known === UNKNOWN ? (await state.fetch([cells], [text], false))[0] : known) !== undefined
  }

  /**
   * Writes a row whole; its counters keep their sums.
   * Errors: ValidationError naming the column and what it wants, `ERR_KEY_TOO_LONG`; nothing is buffered then.
   */
  set(key: NewRow<K>, value: NewRow<V>): void {
    const state = this.#usable()
    const cells = state.schema.keyCells(key, state.refs)
    state.set(cells, state.schema.valueCells(value, state.refs))
  }

  /** Writes rows one after the other, of equal keys the last; another dict or stream is read to its end. Stops at the first refused row. */
  setMany(rows: Iterable<readonly [NewRow<K>, NewRow<V>]>): void
  setMany(rows: AsyncIterable<readonly [NewRow<K>, NewRow<V>]>): Promise<void>
  setMany(rows: Iterable<readonly [NewRow<K>, NewRow<V>]> | AsyncIterable<readonly [NewRow<K>, NewRow<V>]>): void | Promise<void> {
    if (typeof rows === 'object' && rows !== null && Symbol.asyncIterator in rows) return this.#setAll(rows)
    for (const row of listOf(rows, 'setMany', 'rows')) this.set(...pairOf(row))
  }

  async #setAll(rows: AsyncIterable<readonly [NewRow<K>, NewRow<V>]>): Promise<void> {
    for await (const row of rows) this.set(...pairOf(row))
  }

  /** Adds to a counter; a missing row starts at 0. Concurrent adds of any number of writers all count. */
  add(key: NewRow<K>, counter: CounterNames<V> & string, by: number | bigint): void {
    const state = this.#usable()
    const { schema } = state
    const column = schema.counterIndex(counter)
    state.add(schema.keyCells(key, state.refs), column, schema.counterChange(column, by))
  }

  /**
   * Adds to a counter of a dict with `writes: 'counters'`, at once: no `save` is needed, and none takes it back. It is sent once: after
   * an UnknownOutcomeError nobody can tell whether it counted, and to send it again may count it twice. Errors: UnsupportedError for other dicts, and inside tasks and transactions, whose attempts that fail or run
   * again would have counted (`ERR_COUNTERS_ONLY`); ValidationError while the dict is volatile; UnavailableError (it has not counted).
   */
  increment(key: NewRow<K>, counter: CounterNames<V> & string, by: number | bigint = 1): Promise<void> {
    return increment(this.#usable(), key, counter, by)
  }

  /** Removes a row, its counters included; a missing one is no error. */
  delete(key: NewRow<K>): void {
    const state = this.#usable()
    state.remove(state.schema.keyCells(key, state.refs))
  }

  /**
   * Stores what was written to this collection, and nothing else of its owner; resolves once the store has it, as `save` of an object
   * does. In a task or transaction the rows go with its commit. @throws ValidationError while the collection is volatile
   */
  async save(): Promise<void> {
    const { binding } = this.#usable()
    if (!binding)
      throw new ValidationError('this collection is volatile: make its owner persistent before save()', { code: 'ERR_NOT_PERSISTENT' })
    await binding.save()
  }

  /** Removes all rows, as buffered writes of this unit of work. */
  async clear(): Promise<void> {
    const state = this.#usable()
    if (!state.binding) return state.own.clear()
    for await (const page of mergedPages(state, {})) for (const row of page) state.removeFound(row)
  }

  async count(): Promise<number> {
    const state = this.#usable()
    const [known] = (await askStore(state, planAggregate(state.schema, { rows: 'count' }, []), {})) ?? []
    if (known) return Number(known[0])
    let rows = 0
    for await (const page of mergedPages(state, {})) rows += page.length
    return rows
  }

  /** All rows in key order, fetched in pages ahead of the loop. A failed scan throws; it never ends early as if complete. */
  entries(): AsyncIterable<[Row<K>, Row<V>]> {
    return this.#scan({}, (row) => this.#entry(row))
  }

  keys(): AsyncIterable<Row<K>> {
    const { schema } = this.#state
    return this.#scan({}, ({ key }) => schema.keyOf(key, this.#state.refs) as Row<K>)
  }

  values(): AsyncIterable<Row<V>> {
    const state = this.#state
    return this.#scan({}, (row) => state.shownValues(row) as Row<V>)
  }

  /**
   * The rows whose first key columns are `prefix`, in key order: `log.range({ day }, { from: { at: 5 }, limit: 10 })`.
   * `from` (inclusive) and `to` (exclusive) bound the columns after the prefix.
   */
  range(prefix: Partial<NewRow<K>>, options: RangeOptions<K> = {}): AsyncIterable<[Row<K>, Row<V>]> {
    assertKnown(options, RANGE_OPTIONS, 'range()')
    return this.#scan(this.#rangeOf(prefix, options), (row) => this.#entry(row), options.signal)
  }

  [Symbol.asyncIterator](): AsyncIterator<[Row<K>, Row<V>]> {
    return this.entries()[Symbol.asyncIterator]()
  }

  /**
   * The rows for which all conditions hold, in key order: `log.where({ day: 'mon', at: { from: 5 }, mood: { in: [1, 2] } })`. Conditions
   * on the first key columns say what is read, and so does one on an indexed column; the others are checked on the way.
   * Errors: UnsupportedError with the reason for what cannot be answered, `ERR_WHERE_SCANS` when every row would be read unasked.
   */
  where(conditions: Where<K, V>, options: WhereOptions = {}): AsyncIterable<[Row<K>, Row<V>]> {
    assertKnown(options, WHERE_OPTIONS, 'where()')
    const { limit, reverse, allowFiltering, scan, signal } = options
    const state = this.#usable()
    const plan = planWhere(state.schema, conditions, state.refs, {
      allowFiltering: allowFiltering ?? scan ?? false,
      reverse: reverse ?? false,
    })
    const most = limit === undefined ? Number.POSITIVE_INFINITY : checkedLimit(limit)
    return itemsOf(
      () => wherePages(this.#usable(), plan, most, signal),
      (row) => this.#entry(row),
    )
  }

  /**
   * Counts, sums, least and greatest values: `await log.aggregate({ rows: 'count', total: ['sum', 'n'], last: ['max', 'at'] })`. Where the
   * store can and nothing is unsaved, it computes them; else the rows are read, in bounded memory.
   */
  async aggregate<const O extends AggregateOps<ColumnName<K, V>>>(ops: O, range: AggregateRange<K> = {}): Promise<Aggregated<K, V, O>> {
    assertKnown(range, AGGREGATE_OPTIONS, 'aggregate()')
    const state = this.#usable()
    const plan = planAggregate(state.schema, ops, [])
    return (await aggregated(state, plan, this.#rangeOf(range.prefix ?? {}, range), range.signal)) as Aggregated<K, V, O>
  }

  /** The same for each group of rows that agree in some columns, in their order: `log.groupBy(['day'], { rows: 'count' })`. */
  groupBy<const C extends readonly ColumnName<K, V>[], const O extends AggregateOps<ColumnName<K, V>>>(
    by: C,
    ops: O,
    range: AggregateRange<K> = {},
  ): AsyncIterable<[GroupOf<K, V, C[number]>, Aggregated<K, V, O>]> {
    assertKnown(range, AGGREGATE_OPTIONS, 'groupBy()')
    const state = this.#usable()
    const plan = planAggregate(state.schema, ops, by)
    const rows = this.#rangeOf(range.prefix ?? {}, range)
    return { [Symbol.asyncIterator]: () => grouped(this.#usable(), plan, rows, range.signal) as AsyncGenerator<any, void> }
  }

  /**
   * Writes any number of rows in bounded memory, past the unit of work: visible group by group, not atomic, harmless to repeat. Gives how
   * many were written, once they have the level that `save` waits for. Unsaved writes of this program to the same rows come later.
   */
  bulk(
    rows: Iterable<readonly [NewRow<K>, NewRow<V>]> | AsyncIterable<readonly [NewRow<K>, NewRow<V>]>,
    options: BulkOptions = {},
  ): Promise<number> {
    return bulkLoad(this.#state, rows as Rows, options)
  }

  /**
   * At least `n` parts, or fewer of few rows, that together hold each key once, to be passed to tasks: each reads its own rows only.
   * The same parts as long as the store lies as it does. Errors: ValidationError on a volatile dict.
   */
  async split(n = 1): Promise<StorageDict<K, V>[]> {
    if (!Number.isSafeInteger(n) || n < 1)
      throw new ValidationError(`split wants a whole number of parts from 1, got ${String(n)}`, { path: 'n' })
    const state = this.#usable()
    const [{ backend }] = storeOf(state)
    const pieces = await backend.pieces(state.source!, n)
    return pieces.map((piece) => this.#bound(new PieceBinding(state.binding!, piece)))
  }

  /** Which part of its dict this is; `undefined` for a whole one. The same rows have the same id as long as the store lies as it does. */
  get pieceId(): string | undefined {
    const { piece } = this.#state.binding ?? {}
    return piece && idOfPiece(piece)
  }

  /** Hosts that hold its rows, largest share first, with bytes. */
  async getLocations(): Promise<readonly Location[]> {
    const state = this.#usable()
    const [{ backend }, { id, owner }] = storeOf(state)
    const isSpread = (await backend.placing?.(id)) !== undefined
    const piece = state.binding!.piece ?? (isSpread ? (await backend.pieces(id, 1))[0] : undefined)
    const [locations] = await backend.locate([piece ?? owner])
    return locations ?? []
  }

  /** Says what the dict is and what is buffered, without fetching anything. */
  [INSPECT](): string {
    const { schema, binding, own } = this.#state
    const rows = binding ? `${binding.overlay().count} unsaved` : `${own.count} rows, volatile`
    return `StorageDict { ${schema.toString()} } (${rows})`
  }

  /** @internal What binds, stores and describes the dict, reachable from other installs of this package. */
  get [STATE](): DictState {
    return this.#state
  }

  /** Another view of the same columns. */
  #bound(binding: DictBinding): StorageDict<K, V> {
    const dict: StorageDict<K, V> = dictLike(this)
    dict.#state.binding = binding
    return dict
  }

  #usable(): DictState {
    this.#state.assertUsable()
    return this.#state
  }

  #scan<T>(range: ScanRange, item: (row: DictRow) => T, signal?: AbortSignal): AsyncIterable<T> {
    return itemsOf(() => mergedPages(this.#usable(), range, signal), item)
  }

  #entry(row: DictRow): [Row<K>, Row<V>] {
    const { schema, refs } = this.#state
    return [schema.keyOf(row.key, refs) as Row<K>, this.#state.shownValues(row) as Row<V>]
  }

  #rangeOf(prefix: Partial<NewRow<K>>, { from, to, limit, reverse }: RangeOptions<K>): ScanRange {
    const { schema, refs } = this.#usable()
    const fixed = schema.leadingCells(prefix, 0, 'prefix', refs)
    const range: { -readonly [P in keyof Range]?: Range[P] } = { prefix: fixed }
    if (from) range.from = schema.leadingCells(from, fixed.length, 'from', refs)
    if (to) range.to = schema.leadingCells(to, fixed.length, 'to', refs)
    if (limit !== undefined) range.limit = checkedLimit(limit)
    if (reverse) range.reverse = true
    return range
  }
}

// ---- for the session

const stateOf = (dict: AnyDict): DictState => dict[STATE]

/** True for a StorageDict of this install or another. */
export const isDict = (value: unknown): value is AnyDict => typeof value === 'object' && value !== null && STATE in value

/** True for a volatile dict without rows: as its constructor made it. */
export const isUntouched = (dict: AnyDict): boolean => stateOf(dict).binding === undefined && stateOf(dict).own.isEmpty

/** A volatile dict of the same columns, without rows. */
export function dictLike(dict: AnyDict): AnyDict {
  const { keyColumns, valueColumns, options } = stateOf(dict).schema
  return new StorageDict(keyColumns, valueColumns, options)
}

/** The columns as a Table has them. */
export const dictSchemaOf = (dict: AnyDict): DictSpec => stateOf(dict).schema.spec

/** The table of a bound dict, and of a part of one. */
export const boundTable = (dict: AnyDict): Table | undefined => stateOf(dict).binding?.table()

/** Which part of its table a dict is; `undefined` for a whole one. */
export const pieceOf = (dict: AnyDict): Piece | undefined => stateOf(dict).binding?.piece

/** Makes a bound dict a part of its table: what arrives where a part was sent. */
export function narrow(dict: AnyDict, piece: Piece): void {
  const state = stateOf(dict)
  if (!state.binding) throw new ValidationError('a volatile dict has no parts', { code: 'ERR_NOT_PERSISTENT' })
  state.binding = new PieceBinding(state.binding, piece)
}

/** Ties a dict to a table: the rows that it held itself go into the binding's overlay, over what is stored. */
export function bindDict(dict: AnyDict, binding: DictBinding): void {
  const state = stateOf(dict)
  // first all that can fail: a row whose reference is refused leaves the dict as it was
  const held = state.binding ? undefined : heldRows(state, binding)
  state.binding = binding
  state.own.clear()
  if (held) mergeRows(held, binding)
}

function mergeRows(held: Overlay, binding: DictBinding): void {
  if (held.count === 0) return
  const overlay = binding.overlay()
  for (const [text, entry] of held.between('', ABOVE_ALL)) overlay.merge(text, entry)
  binding.changed()
}

/** Gives the rows that a volatile dict holds to one of a table, over what that has. Errors: ValidationError for a reference that is refused. */
export function giveRows(from: AnyDict, to: AnyDict): void {
  const { binding } = stateOf(to)
  if (binding && !stateOf(from).binding) mergeRows(heldRows(stateOf(from), binding), binding)
}

/** Makes a dict volatile again, with the rows that are buffered; what only the store knows it no longer has. */
export function unbindDict(dict: AnyDict): void {
  const state = stateOf(dict)
  const { binding, schema } = state
  if (!binding) return
  state.own = moved(binding.overlay(), schema, binding, liveReferences)
  for (const [text, entry] of Array.from(state.own.between('', ABOVE_ALL))) if (!entry.set && !entry.adds) state.own.forget(text)
  state.binding = undefined
}

const heldRows = (state: DictState, refs: References): Overlay => moved(state.own, state.schema, liveReferences, refs)

/** The rows of a volatile dict as ops of its future table. `refs.refOf` is asked for each object that they refer to. */
export const volatileRowOps = (dict: AnyDict, table: Table, refs: References): Op[] => heldRows(stateOf(dict), refs).toOps(table)
