import type { Cell, ColumnSpec, Key, Values } from '../backend.js'
import { UnsupportedError, ValidationError } from '../errors.js'
import { assertKnown } from '../known-options.js'
import { type AnyColumn, type Columns, requireColumn, specOf } from './column.js'
import { ColumnCheck } from './column-check.js'
import { INDEXED_TYPES, indexOf } from './column-index.js'
import { hasOrder, keyCell, type References, refusal, shown } from './kind.js'
import type { KeyColumns } from './row-key.js'
import { wholeNumber } from './scalar-kinds.js'

export type Writes = 'lww' | 'cas' | 'counters'

export interface SchemaOptions {
  readonly partition?: readonly string[]
  readonly order?: readonly string[]
  readonly writes?: Writes
}

const WRITES: readonly Writes[] = ['lww', 'cas', 'counters']

/** A dict's columns as a Table has them. */
export interface DictSpec {
  readonly keys: readonly ColumnSpec[]
  readonly partition: number
  readonly values: readonly ColumnSpec[]
  readonly writes: Writes
}

interface Named {
  readonly name: string
  readonly column: AnyColumn
}
type AnyRow = Record<string, unknown>

/** The columns of a dict in table order, and the way of a row to cells and back. */
export class DictSchema implements KeyColumns {
  readonly spec: DictSpec
  readonly keys: readonly ColumnSpec[]
  /** Indexes of the counters among the values. */
  readonly counters: readonly number[]
  /** Whether cells may hold references, which mean something else once the dict is bound. */
  readonly hasRefs: boolean
  readonly #keys: readonly Named[]
  readonly #values: readonly Named[]
  readonly #keyNames: ReadonlySet<string>
  readonly #valueNames: ReadonlySet<string>

  constructor(
    readonly keyColumns: Columns,
    readonly valueColumns: Columns,
    readonly options: SchemaOptions = {},
  ) {
    assertKnown(options, ['partition', 'order', 'writes'], 'a StorageDict')
    const [keys, values] = [keyColumns, valueColumns]
    for (const columns of [keys, values]) requireAllColumns(columns)
    const { names, partition } = keyOrder(Object.keys(keys), options)
    this.#keys = names.map((name) => ({ name, column: keyColumn(name, keys[name]!) }))
    this.#values = Object.keys(values).map((name) => ({ name, column: valueColumn(name, values[name]!, keys) }))
    this.keys = this.#keys.map(({ name, column }) => specOf(name, column))
    const writes = options.writes ?? 'lww'
    if (!WRITES.includes(writes)) throw new ValidationError(`writes is one of ${WRITES.join(', ')}, got ${String(writes)}`)
    if (writes === 'counters') requireCounters(this.#values)
    this.spec = { keys: this.keys, partition, values: this.#values.map(({ name, column }) => specOf(name, column)), writes }
    this.#keyNames = new Set(names)
    this.#valueNames = new Set(Object.keys(values))
    for (const [i, named] of [...this.#keys, ...this.#values].entries()) requireIndexable(named, i === 0 && partition === 1)
    this.counters = this.spec.values.flatMap(({ type }, i) => (type === 'counter' ? [i] : []))
    this.hasRefs = JSON.stringify(this.spec).includes('"ref"')
  }

  get width(): number {
    return this.#values.length
  }

  /** Errors: ValidationError for a column that is not there. */
  check(name: unknown): ColumnCheck {
    const key = this.#keys.findIndex((named) => named.name === name)
    if (key >= 0) return new ColumnCheck(String(name), this.#keys[key]!.column, 'key', key)
    const value = this.#values.findIndex((named) => named.name === name)
    if (value >= 0) return new ColumnCheck(String(name), this.#values[value]!.column, 'values', value)
    const names = [...this.#keyNames, ...this.#valueNames].join(', ')
    throw new ValidationError(`there is no column '${String(name)}'; there are: ${names}`, { path: name })
  }

  /** Errors: UnsupportedError for a write that a unit of work holds, where rows are the store's own counters. */
  requireBuffered(what: string): void {
    if (this.spec.writes !== 'counters') return
    throw new UnsupportedError(
      `${what} is held by a unit of work until it commits, and a dict with writes: 'counters' has none: use increment()`,
      { code: 'ERR_COUNTERS_ONLY' },
    )
  }

  // ---- to cells

  keyCells(row: AnyRow, refs: References): Key {
    requireRow(row, 'a key', this.#keyNames)
    const key = Array<Cell>(this.#keys.length)
    for (let i = 0; i < key.length; i++) key[i] = cellOfKey(this.#keys[i]!, field(row, this.#keys[i]!.name), refs)
    return key
  }

  /** The leading columns of a partial key that follow the first `skip` columns. Errors: a gap, a column that does not belong there. */
  leadingCells(row: AnyRow, skip: number, what: string, refs: References): Key {
    const columns = this.#keys.slice(skip)
    requireRow(row, what, new Set(columns.map((c) => c.name)))
    const given = columns.filter(({ name }) => field(row, name) !== undefined).length
    return columns.slice(0, given).map((named) => {
      const value = field(row, named.name)
      if (value === undefined)
        throw new ValidationError(`${what} leaves out '${named.name}': it must fix columns from the first on`, { path: named.name })
      return cellOfKey(named, value, refs)
    })
  }

  valueCells(row: AnyRow, refs: References): Values {
    requireRow(row, 'a row', this.#valueNames)
    const values = Array<Cell | undefined>(this.#values.length)
    for (let i = 0; i < values.length; i++) values[i] = cellOfValue(this.#values[i]!, field(row, this.#values[i]!.name), refs)
    return values
  }

  counterIndex(name: unknown): number {
    const index = this.#values.findIndex((value) => value.name === name)
    if (this.counters.includes(index)) return index
    throw new ValidationError(`'${String(name)}' is no counter column: add() changes only those`, { path: name })
  }

  counterChange(index: number, by: unknown): bigint {
    const change = wholeNumber(by)
    if (change === undefined) throw refusal(this.#values[index]!.name, 'a whole number of 64 bits to add', by)
    return change
  }

  // ---- and back

  keyOf(key: Key, refs: References): AnyRow {
    const row: AnyRow = {}
    for (let i = 0; i < this.#keys.length; i++) row[this.#keys[i]!.name] = this.#keys[i]!.column.kind.fromCell(key[i]!, refs)
    return row
  }

  /** Columns not set are left out; a counter that was never added to is 0n. */
  valueOf(values: Values, refs: References): AnyRow {
    const row: AnyRow = {}
    for (let i = 0; i < this.#values.length; i++) {
      const { name, column } = this.#values[i]!
      const cell = values[i]
      if (cell === null) row[name] = null
      else if (cell !== undefined) row[name] = column.kind.fromCell(cell, refs)
      else if (column.kind.type === 'counter') row[name] = 0n
    }
    return row
  }

  /** Short, for people: `word: text → n: i64`. */
  toString(): string {
    const list = (columns: readonly Named[]): string =>
      columns.map(({ name, column }) => `${name}: ${typeName(column)}${column.mayBeAbsent ? '?' : ''}`).join(', ')
    return `${list(this.#keys)} → ${list(this.#values)}`
  }
}

/** Own properties only: a column named `constructor` that is left out is left out. */
const field = (row: AnyRow, name: string): unknown => (Object.hasOwn(row, name) ? row[name] : undefined)

const typeName = ({ kind: { type } }: AnyColumn): string => (typeof type === 'string' ? type : Object.keys(type)[0]!.replace('Of', ''))

function cellOfKey({ name, column: { kind } }: Named, value: unknown, refs: References): Cell {
  if (value === null || value === undefined) throw refusal(name, `${kind.wants} (a key is never null)`, value)
  return keyCell(kind, kind.toCell(value, name, refs))
}

function cellOfValue({ name, column }: Named, value: unknown, refs: References): Cell | undefined {
  if (value === undefined && (column.mayBeAbsent || column.kind.type === 'counter')) return undefined
  if (value === undefined) throw refusal(name, column.kind.wants, value)
  // any column can hold null: the key is there, and null comes back
  if (value === null && column.kind.type !== 'counter') return null
  return column.kind.toCell(value, name, refs)
}

/** Unknown names are refused: a misspelt optional column would otherwise vanish without a word. */
function requireRow(row: unknown, what: string, names: ReadonlySet<string>): void {
  if (typeof row !== 'object' || row === null) throw refusal([...names].join(', '), `${what} as an object of columns`, row)
  for (const name in row)
    if (!names.has(name))
      throw new ValidationError(`${what} has no column '${name}' here; there are: ${[...names].join(', ')}`, { path: name })
}

function requireAllColumns(columns: unknown): void {
  if (typeof columns !== 'object' || columns === null)
    throw new ValidationError(`a dict wants its columns as two objects: { word: t.text }, { n: t.i64 }; got ${shown(columns)}`)
  for (const [name, column] of Object.entries(columns)) requireColumn(name, column)
}

function keyColumn(name: string, column: AnyColumn): AnyColumn {
  requireName(name)
  if (column.mayBeAbsent) throw new ValidationError(`key column '${name}' cannot be optional`, { path: name })
  if (!hasOrder(column.kind))
    throw new ValidationError(`key column '${name}' cannot be ${typeName(column)}: it has no order`, { path: name })
  return column
}

function valueColumn(name: string, column: AnyColumn, keys: Columns): AnyColumn {
  requireName(name)
  // one table, one name: a store with native columns has no second place for it
  if (Object.hasOwn(keys, name)) throw new ValidationError(`'${name}' is a key and a value column: a name stands once`, { path: name })
  return column
}

function requireIndexable({ name, column }: Named, isWholePartition: boolean): void {
  if (!column.isIndexed) return
  const why = isWholePartition
    ? 'it is the partition, by which rows are found anyway'
    : indexOf(column.kind.type) === undefined && `${typeName(column)} has no index; those of ${INDEXED_TYPES.join(', ')} have`
  if (why) throw new ValidationError(`column '${name}' cannot be indexed: ${why}`, { path: name })
}

/** Names are properties of rows, in the order written: so none that sets a prototype, and none that objects put first by themselves. */
function requireName(name: string): void {
  if (name === '' || name === '__proto__' || /^\d+$/.test(name)) throw new ValidationError(`'${name}' cannot name a column`, { path: name })
}

/** First column = partition, the rest ordered inside it, unless said otherwise. */
function keyOrder(names: readonly string[], { partition, order }: SchemaOptions): { names: readonly string[]; partition: number } {
  if (names.length === 0) throw new ValidationError('a dict needs at least one key column')
  const leading = partition ?? (order ? names.filter((n) => !order.includes(n)) : names.slice(0, 1))
  const following = order ?? names.filter((n) => !leading.includes(n))
  const all = [...leading, ...following]
  const whole = all.length === names.length && names.every((n) => all.includes(n))
  if (!whole || leading.length === 0)
    throw new ValidationError(
      `partition and order must name each key column once, and partition at least one: the columns are ${names.join(', ')}`,
    )
  return { names: all, partition: leading.length }
}

function requireCounters(values: readonly Named[]): void {
  const other = values.find(({ column }) => column.kind.type !== 'counter')
  if (values.length > 0 && !other) return
  throw new ValidationError(`a dict with writes: 'counters' has counters alone${other ? `, not '${other.name}'` : ', and at least one'}`, {
    path: other?.name ?? 'writes',
  })
}
