/** Rows of dicts as parameters of statements, and back. */
import type { Cell, ColumnType, Key, StoredRow, Table, Values } from '../../src/backend.js'
import { decodeKey, encodeKey } from '../../src/dict/row-key.js'
import { CorruptError, ValidationError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import type { CassandraLink, Param, Row, Statement } from './cassandra-link.js'
import { ColumnValues, isCollection, type Position } from './column-types.js'
import { DICT, type DictLayout, type KeyColumn, type NoteColumn } from './dict-layout.js'
import { requireHecubaRow } from './hecuba-layout.js'
import { quoted } from './identifiers.js'

/** A column and what is written into it. */
export interface Slot {
  readonly name: string
  readonly sql: string
  readonly params: readonly Param[]
}

export const slot = (name: string, param: Param): Slot => ({ name, sql: '?', params: [param] })

const isVector = (type: ColumnType): boolean => typeof type !== 'string' && 'vectorOf' in type

/** The year 2200. */
const BEYOND_ALL_CLOCKS = 7_258_118_400_000_000n

export class RowForms {
  /** Texts of statements by layout: the driver looks for each under its text, and one that is made anew each time costs more than the rest. */
  readonly #texts = new WeakMap<DictLayout, Map<string, string>>()
  #values: ColumnValues | undefined

  constructor(readonly link: CassandraLink) {}

  get values(): ColumnValues {
    const { driver } = this.link
    if (this.#values?.driver !== driver) this.#values = new ColumnValues(driver)
    return this.#values
  }

  #text(layout: DictLayout, name: string, make: () => string): string {
    let texts = this.#texts.get(layout)
    if (!texts) this.#texts.set(layout, (texts = new Map<string, string>()))
    let text = texts.get(name)
    if (text === undefined) texts.set(name, (text = make()))
    return text
  }

  /** `what` of one row. */
  selectOf(layout: DictLayout, what = '*'): string {
    return this.#text(layout, what, () => `SELECT ${what} FROM ${this.link.table(layout.name)} WHERE ${this.whereKey(layout)}`)
  }

  /** Rows by a list of keys, of which each is a partition. */
  selectManyOf(layout: DictLayout, end: string): string {
    const { name, keys } = layout
    return this.#text(layout, 'many', () => `SELECT * FROM ${this.link.table(name)} WHERE ${quoted(keys[0]!.cql)} IN ? ${end}`)
  }

  /** The one form of a key, checked. */
  keyOf({ table, hasForms }: DictLayout, key: Key): Key {
    const bytes = encodeKey(table, key)
    return hasForms ? decodeKey(table, bytes) : key
  }

  keyParams({ keys, place }: DictLayout, key: Key): Param[] {
    const values = this.values
    const params = key.map((cell, i) => values.toCql(keys[i]!.type, cell, keys[i]!.position))
    return place === undefined ? params : [place, ...params]
  }

  whereKey({ keys, place }: DictLayout): string {
    const names = [...(place === undefined ? [] : [DICT]), ...keys.map(({ cql }) => cql)]
    return names.map((name) => `${quoted(name)} = ?`).join(' AND ')
  }

  /**
   * A row written whole, at a time of the writer's. Where there are counters it is an update: an insert leaves a mark that there is a row,
   * which would stay when the values go and the counters are to begin anew.
   */
  insert(layout: DictLayout, key: Key, set: Values, atMicros: bigint): Statement {
    if (layout.isHecuba) requireHecubaRow(layout.table, key, set)
    const params: Param[] = []
    const form = this.#valuesInto(params, layout, set)
    const notes = layout.notes.filter((note) => isKnown(note, set))
    if (!layout.isHecuba) params.push(atMicros, ...notes.map((note) => noteOver(layout, note, set)))
    const query = this.#text(layout, form, () => {
      const own = layout.isHecuba ? [] : [slot('~at', atMicros), ...notes.map(({ cql }) => slot(cql, null))]
      return this.#insertText(layout, [...this.slots(layout, set), ...own])
    })
    const where = this.keyParams(layout, key)
    return { query, params: layout.counters.length > 0 ? [atMicros, ...params, ...where] : [...where, ...params, atMicros] }
  }

  /** What `slots` says, without a slot for each. Gives what the statement is known by: which columns it has, and which are written out. */
  #valuesInto(params: Param[], layout: DictLayout, set: Values): string {
    requireWidth(layout.table, set)
    let form = set.length < layout.values.length ? `insert ${set.length}` : 'insert'
    for (const i of layout.plain) {
      if (i >= set.length) break
      const cell = set[i]
      const { type } = layout.values[i]!
      if (cell !== undefined && cell !== null) params.push(this.values.toCql(type, cell, 'value'))
      else if (isVector(type)) form += ` ${i}`
      else params.push(null)
    }
    return form
  }

  #insertText(layout: DictLayout, slots: readonly Slot[]): string {
    const { place, keys, counters } = layout
    const table = this.link.table(layout.name)
    if (counters.length > 0)
      return `UPDATE ${table} USING TIMESTAMP ? SET ${slots.map(({ name, sql }) => `${quoted(name)} = ${sql}`).join(', ')} WHERE ${this.whereKey(layout)}`
    const fixed = [...(place === undefined ? [] : [DICT]), ...keys.map(({ cql }) => cql)]
    const names = [...fixed, ...slots.map(({ name }) => name)].map(quoted).join(', ')
    const marks = [...fixed.map(() => '?'), ...slots.map(({ sql }) => sql)].join(', ')
    return `INSERT INTO ${table} (${names}) VALUES (${marks}) USING TIMESTAMP ?`
  }

  /**
   * The columns of a row's values, counters left out; `null`: all empty. Columns that the writer does not know are left as they are, unless
   * the row begins anew.
   */
  slots({ plain, values, table }: DictLayout, set: Values | null, isAnew = false): Slot[] {
    if (set) requireWidth(table, set)
    const known = set && set.length < values.length && !isAnew ? plain.filter((i) => i < set.length) : plain
    return known.map((i) => {
      const { cql, type } = values[i]!
      const cell = set?.[i]
      if (cell !== undefined && cell !== null) return slot(cql, this.values.toCql(type, cell, 'value'))
      // The driver cannot write an empty vector as a parameter.
      return isVector(type) ? { name: cql, sql: 'null', params: [] } : slot(cql, null)
    })
  }

  /** A microsecond before, so that a row that the same group writes after it stands. Counters have ends of their own. */
  remove(layout: DictLayout, key: Key, atMicros: bigint): Statement {
    const { plain, values, counters, notes } = layout
    const names = [...plain.map((i) => values[i]!.cql), '~at', ...notes.map(({ cql }) => cql)]
    const columns = counters.length > 0 ? names.map(quoted).join(', ') : ''
    const query = `DELETE ${columns} FROM ${this.link.table(layout.name)} USING TIMESTAMP ? WHERE ${this.whereKey(layout)}`
    return { query, params: [atMicros - 1n, ...this.keyParams(layout, key)] }
  }

  /** Ends a share of a counter; for good, unless said otherwise: a commit's share is never another one. */
  endShare(layout: DictLayout, key: Key, column: number, share: string, atMicros = BEYOND_ALL_CLOCKS): Statement {
    const name = quoted(layout.values[column]!.cql)
    const query = `DELETE ${name}[?] FROM ${this.link.table(layout.name)} USING TIMESTAMP ? WHERE ${this.whereKey(layout)}`
    return { query, params: [share, atMicros, ...this.keyParams(layout, key)] }
  }

  /** A share of a counter, by the commit that adds it: adding it again changes nothing. */
  add(layout: DictLayout, key: Key, column: number, commit: CommitId, by: bigint, atMicros: bigint): Statement {
    const query = this.#text(layout, `add ${column}`, () => {
      const name = quoted(layout.values[column]!.cql)
      return `UPDATE ${this.link.table(layout.name)} USING TIMESTAMP ? SET ${name}[?] = ? WHERE ${this.whereKey(layout)}`
    })
    return { query, params: [atMicros, commit, by, ...this.keyParams(layout, key)] }
  }

  /** To a counter of Cassandra's own. */
  count(layout: DictLayout, key: Key, column: number, by: bigint): Statement {
    const query = this.#text(layout, `count ${column}`, () => {
      const name = quoted(layout.values[column]!.cql)
      return `UPDATE ${this.link.table(layout.name)} SET ${name} = ${name} + ? WHERE ${this.whereKey(layout)}`
    })
    return { query, params: [by, ...this.keyParams(layout, key)] }
  }

  requireCounter({ table, counters, isNative }: DictLayout, column: number): void {
    if (counters.includes(column) || (isNative && table.values[column])) return
    throw new ValidationError(`Column ${column} of table ${table.id} is no counter.`, { table: table.id, column })
  }

  keyFrom({ keys }: DictLayout, row: Row): Key {
    return keys.map((column) => this.columnFrom(column, row))
  }

  columnFrom({ cql, type, position }: KeyColumn, row: Row): Cell {
    return this.#cellFrom(cql, type, row[cql], position)
  }

  /** @throws CorruptError that names the column */
  #cellFrom(cql: string, type: ColumnType, value: unknown, position: Position): Cell {
    try {
      return this.values.fromCql(type, value, position)
    } catch (cause) {
      throw new CorruptError(`Column ${cql} holds no ${JSON.stringify(type)} that can be read: ${(cause as Error).message}.`, { cause })
    }
  }

  columnTo({ type, position }: KeyColumn, cell: Cell): Param {
    return this.values.toCql(type, cell, position)
  }

  /** Of a row without a time: whether nothing else of it is left either. What others add to may have come later than the layout. */
  #isGone(layout: DictLayout, row: Row, sums: readonly (bigint | undefined)[]): boolean {
    const { isCas, plain, values } = layout
    if (sums.some((sum) => sum !== undefined) || !(isCas || plain.every((i) => isEmpty(row[values[i]!.cql])))) return false
    const known = new Set([...layout.keys, ...values].map(({ cql }) => cql))
    return row.keys().every((name) => known.has(name) || isOwn(name) || isEmpty(row[name]))
  }

  /** `undefined` for what is left of a removed row. */
  rowFrom(layout: DictLayout, row: Row): StoredRow | undefined {
    const at = (row['~at'] as bigint | null | undefined) ?? null
    const sums = layout.counters.length === 0 ? NO_SUMS : layout.counters.map((i) => sumOf(row[layout.values[i]!.cql]))
    if ((layout.isCas || layout.counters.length > 0) && at === null && this.#isGone(layout, row, sums)) return undefined
    const notes = notesFrom(layout.notes, row)
    const values = layout.values.map(({ cql, type }, i): Cell | undefined => {
      if (layout.isNative) return (row[cql] as bigint | null | undefined) ?? undefined
      if (type === 'counter') return sums[layout.counters.indexOf(i)]
      const value: unknown = row[cql]
      if (value !== null && value !== undefined) return this.#cellFrom(cql, type, value, 'value')
      const note = notes.get(i)
      return note === 'null' ? null : note === 'empty' ? [] : undefined
    })
    // Of counters that began anew in a row that was removed: others know when that was.
    const gone = (row['~gone'] as bigint | null | undefined) ?? 0n
    return { key: this.keyFrom(layout, row), values, atMicros: at ?? gone }
  }
}

function requireWidth({ id, values }: Table, set: Values): void {
  if (set.length > values.length)
    throw new ValidationError(`A row of ${set.length} values is for no table of ${values.length} columns.`, { table: id })
}

const NO_SUMS: readonly (bigint | undefined)[] = []

/** Notes of columns that the writer does not know stay as they are. */
const isKnown = (note: NoteColumn, set: Values): boolean => note.values.every((i) => i < set.length)

/** Cassandra knows no difference between no value and null, nor the driver between null and an empty collection: `n3` and `e4` say it. */
function noteOf({ values }: DictLayout, note: NoteColumn, set: Values): string | null {
  let notes = ''
  for (const i of note.values) {
    const cell = set[i]
    if (cell === null) notes += ` n${i}`
    else if (cell !== undefined && isCollection(values[i]!.type) && (cell as readonly Cell[]).length === 0) notes += ` e${i}`
  }
  return notes === '' ? null : notes.slice(1)
}

/**
 * Notes are looked at only where a column has no value. So where each has one, those of the row before may stay: to remove them would
 * cost a tombstone in each row that never had any, for the server to write, to read and to count.
 */
const noteOver = (layout: DictLayout, note: NoteColumn, set: Values): string | null | undefined =>
  noteOf(layout, note, set) ?? (note.values.every((i) => !isEmpty(set[i])) ? undefined : null)

/** Of a row that is written whole, or removed; those that the writer does not know stay, unless the row begins anew. */
export const noteSlots = (layout: DictLayout, set: Values | null, isAnew: boolean): Slot[] =>
  layout.notes.filter((note) => !set || isAnew || isKnown(note, set)).map((note) => slot(note.cql, set && noteOf(layout, note, set)))

function notesFrom(columns: readonly NoteColumn[], row: Row): ReadonlyMap<number, 'null' | 'empty'> {
  let text = ''
  for (const { cql } of columns) if (row[cql]) text += ` ${row[cql] as string}`
  if (text === '') return NO_NOTES
  return new Map(
    text
      .slice(1)
      .split(' ')
      .map((note) => [Number(note.slice(1)), note.startsWith('n') ? 'null' : 'empty']),
  )
}

/** Columns that are not of a dict. */
const isOwn = (name: string): boolean => name === DICT || /^~(at|gone|receipts|intent|notes?\d*)$/.test(name)

const NO_NOTES: ReadonlyMap<number, 'null' | 'empty'> = new Map()

const isEmpty = (value: unknown): boolean => value === null || value === undefined

/** Sums wrap at 64 bits. */
function sumOf(shares: unknown): bigint | undefined {
  if (!(shares instanceof Map) || shares.size === 0) return undefined
  let sum = 0n
  for (const by of (shares as Map<unknown, bigint>).values()) sum += by
  return BigInt.asIntN(64, sum)
}
