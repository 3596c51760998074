/** Aggregates where the rows lie: pages of rows are summed up by a script, and the pages here. */
import type { Aggregates, Cell, ColumnType, Range, Table } from '../../src/backend.js'
import { compareBytes, decodeKey, encodeKey } from '../../src/dict/row-key.js'
import { UnsupportedError } from '../../src/errors.js'
import type { KnownTable } from './redis-rows.js'

type Words = Parameters<Aggregates['aggregate']>[2]
type Kind = 'whole' | 'number' | 'text'
/** As the script has it: numbers as text, exact. */
type Result = string | undefined

interface Column {
  readonly at: 'key' | 'value' | 'counter'
  /** Counted from 1. */
  readonly column: number
  readonly type: ColumnType
}

interface PlannedOp {
  readonly word: Words[number][0]
  readonly at: 'rows' | 'value' | 'counter'
  readonly column: number
  readonly kind: Kind
  readonly type: ColumnType
}

const KINDS: Readonly<Record<string, Kind>> = { i32: 'whole', i64: 'whole', counter: 'whole', f32: 'number', f64: 'number', text: 'text' }
/** Bytes of key columns that the script can step over; 0: up to the zero byte. */
const KEY_BYTES: Readonly<Record<string, number>> = {
  text: 0,
  bool: 1,
  i32: 4,
  date: 4,
  f32: 4,
  time: 6,
  i64: 8,
  f64: 8,
  timestamp: 8,
  uuid: 16,
}
const GROUPED = ['text', 'bool', 'i32', 'i64']
/** How Lua finds a value in the list that a row is: nothing that needs decoding, such as a text with a quote in it. */
const PATTERNS: Readonly<Record<string, string>> = {
  text: '"[^"\\\\]*"',
  i64: '"-?%d+"',
  i32: '-?%d+',
  f32: '-?%d[%d%.eE+-]*',
  f64: '-?%d[%d%.eE+-]*',
  bool: '[tf]%a+',
  counter: 'null',
}

/** What the script is told, and how its answers are put together. */
export class Aggregation {
  readonly #by: readonly Column[]
  readonly #ops: readonly PlannedOp[]
  readonly #groups = new Map<string, { readonly parts: readonly Buffer[]; readonly results: Result[] }>()

  /** @throws UnsupportedError for what must be computed from rows that are fetched */
  constructor(
    readonly known: KnownTable,
    range: Range,
    by: readonly string[],
    words: Words,
  ) {
    if (range.limit !== undefined) throw cannot('a limit')
    this.#by = by.map((name) => groupable(known.table, columnOf(known.table, name)))
    this.#ops = words.map(([word, name]) => planned(known.table, word, name))
  }

  get json(): string {
    const { keys, values } = this.known.table
    const places = this.#columns()
    const placed = ({ at, column }: Column | PlannedOp): number | undefined => (at === 'value' ? places.indexOf(column) + 1 : undefined)
    return JSON.stringify({
      keys: keys.map(({ type }) => (typeof type === 'string' ? KEY_BYTES[type] : undefined) ?? -1),
      by: this.#by.map((one) => ({ at: one.at, column: one.column, place: placed(one), type: one.type })),
      ops: this.#ops.map((op) => ({ word: op.word, at: op.at, column: op.column, kind: op.kind, place: placed(op) })),
      columns: places,
      counted: places.map((column) => this.#isCountedOnly(column)),
      pattern: patternOf(values, places),
    })
  }

  /** The columns of values that are needed, in their order, counted from 1. */
  #columns(): readonly number[] {
    const columns = [...this.#by, ...this.#ops].flatMap(({ at, column }) => (at === 'value' ? [column] : []))
    return [...new Set(columns)].sort((a, b) => a - b)
  }

  #isCountedOnly(column: number): boolean {
    const isOf = (one: { readonly at: string; readonly column: number }): boolean => one.at === 'value' && one.column === column
    return !this.#by.some(isOf) && this.#ops.every((op) => !isOf(op) || op.word === 'count')
  }

  /** Takes the group of a page in. */
  add(parts: readonly Buffer[], results: readonly (Buffer | null)[]): void {
    const name =
      parts.length === 1 ? parts[0]!.toString('latin1') : parts.map((part) => `${part.length}:${part.toString('latin1')}`).join('')
    const found = results.map((result) => result?.toString() ?? undefined)
    const group = this.#groups.get(name)
    if (!group) this.#groups.set(name, { parts, results: found })
    else for (let i = 0; i < found.length; i++) group.results[i] = joined(this.#ops[i]!, group.results[i], found[i])
  }

  /** Groups in the order of their values, nothing first. */
  rows(): readonly (readonly Cell[])[] {
    const rows = [...this.#groups.values()].map(({ parts, results }) => {
      const key = parts.map((part, i) => cellOfPart(this.#by[i]!, part))
      return { order: this.#orderOf(key), cells: [...key, ...results.map((result, i) => cellOfResult(this.#ops[i]!, result))] }
    })
    return rows.sort((a, b) => compareBytes(a.order, b.order)).map(({ cells }) => cells)
  }

  #orderOf(key: readonly Cell[]): Buffer {
    const parts = key.map((cell, i) =>
      cell === null ? Buffer.of(0) : Buffer.concat([Buffer.of(1), encodeKey({ keys: [{ name: '', type: this.#by[i]!.type }] }, [cell])]),
    )
    return Buffer.concat(parts)
  }
}

/** A pattern of Lua that captures the values of columns in a row; `undefined` where another type of column is in the way. */
function patternOf(values: Table['values'], columns: readonly number[]): string | undefined {
  const last = columns.at(-1)
  if (last === undefined) return undefined
  const patterns = values.slice(0, last).map(({ type }, i) => {
    const pattern = typeof type === 'string' ? PATTERNS[type] : undefined
    if (!pattern || !columns.includes(i + 1)) return pattern
    return pattern.startsWith('"') ? `"(${pattern.slice(1, -1)})"` : `(${pattern})`
  })
  return patterns.includes(undefined) ? undefined : `^%d+ %[${patterns.join(',')}[,%]]`
}

function columnOf({ keys, values }: Table, name: string): Column {
  const key = keys.findIndex((column) => column.name === name)
  if (key >= 0) return { at: 'key', column: key + 1, type: keys[key]!.type }
  const value = values.findIndex((column) => column.name === name)
  if (value < 0) throw cannot(`an unknown column ${name}`)
  const { type } = values[value]!
  return { at: type === 'counter' ? 'counter' : 'value', column: value + 1, type }
}

function groupable({ keys }: Table, column: Column): Column {
  const isKnown = ({ type }: Pick<Column, 'type'>): boolean => typeof type === 'string' && type in KEY_BYTES
  if (column.at === 'key' && keys.slice(0, column.column).every(isKnown)) return column
  if (column.at === 'value' && typeof column.type === 'string' && GROUPED.includes(column.type)) return column
  throw cannot(`groups by ${JSON.stringify(column.type)}`)
}

function planned(table: Table, word: PlannedOp['word'], name: string): PlannedOp {
  if (name === '*') return { word, at: 'rows', column: 0, kind: 'whole', type: 'i64' }
  const { at, column, type } = columnOf(table, name)
  const kind = word === 'count' ? 'whole' : typeof type === 'string' ? KINDS[type] : undefined
  if (at === 'key' || !kind) throw cannot(`${word} of ${JSON.stringify(type)}`)
  return { word, at, column, kind, type }
}

const cannot = (what: string): UnsupportedError => new UnsupportedError(`Redis does not compute ${what}.`)

function joined(op: PlannedOp, a: Result, b: Result): Result {
  if (a === undefined || b === undefined) return a ?? b
  if (op.word === 'count') return String(Number(a) + Number(b))
  if (op.word === 'sum') return op.kind === 'whole' ? String(BigInt(a) + BigInt(b)) : String(Number(a) + Number(b))
  return isLess(op.kind, b, a) === (op.word === 'min') ? b : a
}

function isLess(kind: Kind, a: string, b: string): boolean {
  if (kind === 'whole') return BigInt(a) < BigInt(b)
  return kind === 'number' ? Number(a) < Number(b) : compareBytes(Buffer.from(a), Buffer.from(b)) < 0
}

function cellOfResult({ word, kind, type }: PlannedOp, result: Result): Cell {
  if (word === 'count') return Number(result ?? 0)
  if (result === undefined) return null
  if (kind === 'text') return result
  return kind === 'whole' && (word === 'sum' || type !== 'i32') ? BigInt(result) : Number(result)
}

/** Of a key its bytes, of a value its text behind a letter. */
function cellOfPart({ at, type }: Column, part: Buffer): Cell {
  if (at === 'key') return decodeKey({ keys: [{ name: '', type }] }, part)[0]!
  const text = part.toString('utf8', 1)
  switch (String.fromCharCode(part[0]!)) {
    case 'n':
      return null
    case 'b':
      return text === '1'
    case 'd':
      return Number(text)
    default:
      return type === 'i64' ? BigInt(text) : text
  }
}
