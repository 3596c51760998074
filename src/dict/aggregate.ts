/** Counts, sums, least and greatest values of rows, of all or by group: exact for whole numbers and decimals. */
import type { Cell } from '../backend.js'
import { UnsupportedError, ValidationError } from '../errors.js'
import type { ColumnCheck } from './column-check.js'
import { decimalSum } from './decimal.js'
import type { DictSchema } from './dict-schema.js'
import { type References, shown } from './kind.js'
import type { DictRow } from './merged-scan.js'

export type AggregateWord = 'count' | 'sum' | 'min' | 'max'
/** `'count'` counts rows, `['count', column]` those where it is set; nulls and what is not set are passed over. */
export type AggregateOp<C extends string = string> = 'count' | readonly [AggregateWord, C]
export type AggregateOps<C extends string = string> = Readonly<Record<string, AggregateOp<C>>>

/** Groups whose rows do not follow one another are held in memory until the end: so many at most. */
const GROUPS_MAX = 100_000

/** What a backend is asked, and how what it says is read. */
export interface AggregatePlan {
  readonly by: readonly ColumnCheck[]
  readonly ops: readonly { readonly name: string; readonly word: AggregateWord; readonly column: ColumnCheck | undefined }[]
}

export function planAggregate(schema: DictSchema, ops: AggregateOps, by: readonly string[]): AggregatePlan {
  if (!Array.isArray(by))
    throw new ValidationError(`groupBy() wants a list of columns: groupBy(['day'], { rows: 'count' }), not ${shown(by)}`, { path: 'by' })
  const planned = Object.entries(ops ?? {}).map(([name, op]) => planOp(schema, name, op))
  if (planned.length === 0) throw new ValidationError("aggregate() wants to be told what: { rows: 'count', total: ['sum', 'n'] }")
  const columns = by.map((name) => schema.check(name))
  const unordered = columns.find((column) => !column.hasOrder)
  if (unordered)
    throw new UnsupportedError(`rows cannot be grouped by '${unordered.name}': its values have no order`, { path: unordered.name })
  return { by: columns, ops: planned }
}

const SUMS = new Set<unknown>(['i32', 'i64', 'f32', 'f64', 'decimal'])

function planOp(schema: DictSchema, name: string, op: unknown): AggregatePlan['ops'][number] {
  if (op === 'count') return { name, word: 'count', column: undefined }
  const [word, of] = (Array.isArray(op) ? op : []) as unknown[]
  if (word !== 'count' && word !== 'sum' && word !== 'min' && word !== 'max')
    throw new ValidationError(`'${name}' wants 'count', or one of count, sum, min, max with a column: ['sum', 'n']`, { path: name })
  const column = schema.check(of)
  if (word === 'sum' && !SUMS.has(column.type))
    throw new UnsupportedError(`'${column.name}' has no sum: it is no number`, { path: column.name })
  if ((word === 'min' || word === 'max') && !column.hasOrder)
    throw new UnsupportedError(`'${column.name}' has no ${word}: its values have no order`, { path: column.name })
  return { name, word, column }
}

export type AnyRow = Record<string, unknown>
type Sum = bigint | number | string

/** The aggregates of one group, taken in row by row. */
export class Group {
  readonly #counts: number[]
  readonly #cells: (Cell | undefined)[]

  constructor(
    readonly plan: AggregatePlan,
    readonly key: readonly (Cell | undefined)[],
  ) {
    this.#counts = plan.ops.map(() => 0)
    this.#cells = plan.ops.map(({ word, column }) => (word === 'sum' ? nothing(column!) : undefined))
  }

  add(row: DictRow): void {
    this.plan.ops.forEach(({ word, column }, i) => {
      const cell = column ? column.cellOf(row) : true
      if (cell === undefined || cell === null) return
      this.#counts[i]!++
      if (word === 'sum') this.#cells[i] = plus(column!, this.#cells[i] as Sum, cell as Sum)
      else if (word !== 'count') this.#cells[i] = extreme(word, column!, this.#cells[i], cell)
    })
  }

  results(refs: References): AnyRow {
    return rowOfResults(
      this.plan,
      this.plan.ops.map(({ word }, i) => (word === 'count' ? this.#counts[i]! : this.#cells[i])),
      refs,
    )
  }
}

/** What a backend or a group found, as values of the program. */
export function rowOfResults({ ops }: AggregatePlan, cells: readonly (Cell | undefined)[], refs: References): AnyRow {
  // not by assignment: one of the names may be __proto__
  return Object.fromEntries(ops.map((op, i) => [op.name, resultOf(op, cells[i], refs)]))
}

function resultOf({ word, column }: AggregatePlan['ops'][number], cell: Cell | undefined, refs: References): unknown {
  if (word === 'count') return Number(cell ?? 0)
  if (word === 'sum') return cell ?? nothing(column!)
  return cell === undefined || cell === null ? undefined : column!.fromCell(cell, refs)
}

const isWhole = ({ type }: ColumnCheck): boolean => type === 'i32' || type === 'i64'

function nothing(column: ColumnCheck): Sum {
  return isWhole(column) ? 0n : column.type === 'decimal' ? '0' : 0
}

// Whole numbers are added as bigints: the sum of many i32 passes 32 bits, and of i64 even 64.
function plus(column: ColumnCheck, sum: Sum, by: Sum): Sum {
  if (isWhole(column)) return (sum as bigint) + BigInt(by)
  return column.type === 'decimal' ? decimalSum(sum as string, by as string) : (sum as number) + (by as number)
}

function extreme(word: 'min' | 'max', column: ColumnCheck, known: Cell | undefined, cell: Cell): Cell {
  if (known === undefined) return cell
  const isLess = column.order(cell) < column.order(known)
  return isLess === (word === 'min') ? cell : known
}

/** Groups of rows that come in key order. Groups end one after the other when they are made of the first columns, else all at the end. */
export class Groups {
  readonly #held = new Map<string, Group>()
  readonly #areInOrder: boolean
  #last: string | undefined

  constructor(
    readonly plan: AggregatePlan,
    schema: DictSchema,
    /** How many leading key columns are the same in all rows. */
    fixed: number,
    /** Whether rows come in the order of their keys. */
    areOrdered: boolean,
  ) {
    // Groups come in the order of their columns, which is that of the rows only where they name the same columns in the same order.
    const loose = plan.by.filter(({ name }) => !schema.keys.slice(0, fixed).some((key) => key.name === name))
    this.#areInOrder = areOrdered && loose.every(({ name }, i) => schema.keys[fixed + i]?.name === name)
  }

  /** Takes a row in; gives the group that is over because this row is not in it. */
  add(row: DictRow): Group | undefined {
    const cells = this.plan.by.map((column) => column.cellOf(row))
    const text = this.plan.by.map((column, i) => textOf(column, cells[i])).join('')
    const group = this.#held.get(text)
    if (group) {
      group.add(row)
      return undefined
    }
    const over = this.#areInOrder && this.#last !== undefined ? this.#held.get(this.#last) : undefined
    if (over) this.#held.delete(this.#last!)
    if (this.#held.size >= GROUPS_MAX) throw tooManyGroups(this.plan)
    const fresh = new Group(this.plan, cells)
    fresh.add(row)
    this.#held.set(text, fresh)
    this.#last = text
    return over
  }

  *rest(): Iterable<Group> {
    // Code units of the texts are bytes of the keys, so this is the order of the values; nothing comes first.
    for (const [, group] of [...this.#held].sort(([a], [b]) => (a < b ? -1 : 1))) yield group
  }
}

const textOf = (column: ColumnCheck, cell: Cell | undefined): string =>
  cell === undefined || cell === null ? '\0' : `\x01${column.keyText(cell)}`

function tooManyGroups({ by }: AggregatePlan): Error {
  return new UnsupportedError(
    `there are more than ${GROUPS_MAX} groups by ${by.map(({ name }) => name).join(', ')}, which do not come in key order: group by the first key columns, or one range at a time`,
    { code: 'ERR_TOO_MANY_GROUPS' },
  )
}
