/**
 * What `where` understands: a condition per column, all of which must hold. Conditions on the first key columns become ranges of the
 * store; the others are checked row by row. Kept small: anything more is a filter of the program's own over `range`.
 */
import type { Cell, Key, RowFilter } from '../backend.js'
import { sameCell } from '../codec/values.js'
import { UnsupportedError, ValidationError } from '../errors.js'
import type { Columns, NewRow } from './column.js'
import type { ColumnCheck } from './column-check.js'
import { indexOf } from './column-index.js'
import type { DictSchema } from './dict-schema.js'
import type { DictState } from './dict-state.js'
import type { References } from './kind.js'
import { type DictRow, mergedPages, type ScanRange } from './merged-scan.js'

/** A value that the column equals, or what holds of it. `from` is inclusive and `to` exclusive, as in `range`. */
export type Condition<W> =
  | W
  | {
      readonly in?: Iterable<W>
      readonly from?: W
      readonly to?: W
      /** An element of a set or list, or a key of a map. */
      readonly has?: W extends Iterable<infer E> ? (E extends readonly [infer MapKey, unknown] ? MapKey : E) : never
      /** Whether the column is set, and not null. */
      readonly exists?: boolean
    }

/** `{ day: 'mon', at: { from: 5, to: 10 }, mood: { in: [1, 2] } }` */
export type Where<K extends Columns, V extends Columns> = {
  readonly [C in keyof K | keyof V]?: Condition<
    NonNullable<C extends keyof NewRow<K> ? NewRow<K>[C] : C extends keyof NewRow<V> ? NewRow<V>[C] : never>
  >
}

/** Ranges to be read one after the other, and what to check of their rows. */
export interface WherePlan {
  readonly ranges: readonly ScanRange[]
  readonly accepts: (row: DictRow) => boolean
}

/** Ranges that `in` on several key columns may make. */
const RANGES_MAX = 1000

interface Term {
  readonly check: ColumnCheck
  readonly equals: readonly Cell[] | undefined
  readonly from: Cell | undefined
  readonly to: Cell | undefined
  readonly has: Cell | undefined
  readonly exists: boolean | undefined
}

export function planWhere(
  schema: DictSchema,
  where: Readonly<Record<string, unknown>>,
  refs: References,
  { allowFiltering = false, reverse = false }: { readonly allowFiltering?: boolean; readonly reverse?: boolean },
): WherePlan {
  const terms = termsOf(schema, where, refs)
  const keys = schema.keys.map(({ name }) => terms.get(name))
  const fixed = keys.findIndex((term) => !term?.equals)
  const leading = keys.slice(0, fixed < 0 ? keys.length : fixed) as Term[]
  const checked = [...terms.values()].filter((term) => !leading.includes(term) || hasMore(term))
  requirePartition(schema, leading.length, allowFiltering || checked.some(isServed), checked)
  const bound = keys[leading.length]
  const bounds = bound ? boundsOf(bound) : {}
  const filters = checked.filter((term) => allowFiltering || isServed(term)).flatMap(filterOf)
  const narrowed = filters.length > 0 && { where: filters }
  const ranges = prefixes(leading, reverse).map((prefix) => ({ prefix, ...bounds, ...(reverse && { reverse }), ...narrowed }))
  return { ranges, accepts: (row) => checked.every((term) => holds(term, term.check.cellOf(row))) }
}

function termsOf(schema: DictSchema, where: unknown, refs: References): Map<string, Term> {
  if (typeof where === 'function')
    throw new UnsupportedError('where() takes conditions per column, not a function: a store cannot run one; filter the rows of range()', {
      code: 'ERR_WHERE',
    })
  if (typeof where !== 'object' || where === null) throw new ValidationError('where() takes an object of conditions per column')
  return new Map(
    Object.entries(where)
      .filter(([, condition]) => condition !== undefined)
      .map(([name, condition]) => [name, termOf(schema.check(name), condition, refs)]),
  )
}

const WORDS = new Set('in from to has exists'.split(' '))

function termOf(check: ColumnCheck, condition: unknown, refs: References): Term {
  const { name } = check
  const term = { check, equals: undefined, from: undefined, to: undefined, has: undefined, exists: undefined }
  if (condition === null) throw refusedFor(name, 'nothing equals null: write { exists: false }')
  if (!isWords(condition)) return { ...term, equals: [check.toCell(condition, refs)] }
  const unknown = Object.keys(condition).find((word) => !WORDS.has(word))
  if (unknown !== undefined || Object.keys(condition).length === 0)
    throw refusedFor(name, `there is no condition '${unknown ?? ''}': there are ${[...WORDS].join(', ')}, and plain values for equality`)
  const cell = (word: string): Cell | undefined => (condition[word] === undefined ? undefined : check.toCell(condition[word], refs))
  if ((condition.from !== undefined || condition.to !== undefined) && !check.hasOrder)
    throw refusedFor(name, 'its values have no order, so that `from` and `to` mean nothing')
  return {
    check,
    equals: condition.in === undefined ? undefined : membersOf(name, condition.in).map((value) => check.toCell(value, refs)),
    from: cell('from'),
    to: cell('to'),
    has: condition.has === undefined ? undefined : check.elementCell(condition.has, refs),
    exists: existsOf(name, condition.exists),
  }
}

// Values of columns are never plain objects, records apart: those are compared by `in`.
const isWords = (condition: unknown): condition is Record<string, unknown> =>
  typeof condition === 'object' &&
  condition !== null &&
  [null, Object.prototype].includes(Object.getPrototypeOf(condition) as null | object)

function membersOf(name: string, members: unknown): unknown[] {
  if (typeof members === 'object' && members !== null && Symbol.iterator in members) return [...(members as Iterable<unknown>)]
  throw refusedFor(name, '`in` takes a list of values')
}

function existsOf(name: string, exists: unknown): boolean | undefined {
  if (exists === undefined || typeof exists === 'boolean') return exists
  throw refusedFor(name, '`exists` is true or false')
}

const hasMore = (term: Term): boolean =>
  term.from !== undefined || term.to !== undefined || term.has !== undefined || term.exists !== undefined

/** Whether an index says which rows may be meant: the column is declared with one, which answers this. */
function isServed({ check, equals, from, to }: Term): boolean {
  if (!check.isIndexed) return false
  return equals !== undefined || ((from !== undefined || to !== undefined) && indexOf(check.type) === 'order')
}

/** What a store may leave rows out by. */
function filterOf({ check, equals, from, to }: Term): RowFilter[] {
  if (check.isCounter || (!equals && from === undefined && to === undefined)) return []
  const bounds = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
  return [{ column: check.name, indexed: check.isIndexed, ...(equals && { equals: distinct(equals, check) }), ...bounds }]
}

function requirePartition(schema: DictSchema, fixed: number, isAllowed: boolean, others: readonly Term[]): void {
  if (fixed >= schema.spec.partition || isAllowed) return
  const named = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(' and ')
  const missing = schema.keys.slice(fixed, schema.spec.partition).map(({ name }) => name)
  const why = others.map(({ check }) =>
    check.isIndexed
      ? `the index of '${check.name}' answers ${indexOf(check.type) === 'order' ? 'equality and ranges' : 'equality'} only`
      : `'${check.name}' has no index`,
  )
  throw new UnsupportedError(
    `where() would have to read every row: it does not say what ${named(missing)} equals (or is \`in\`)${why.map((one) => `, and ${one}`).join('')}; ` +
      'say more, declare an index (`t.text.indexed()`), or allow it by { allowFiltering: true }',
    { code: 'ERR_WHERE_SCANS', missing },
  )
}

const boundsOf = ({ from, to }: Term): { from?: Key; to?: Key } => ({
  ...(from !== undefined && { from: [from] }),
  ...(to !== undefined && { to: [to] }),
})

/** Every combination of the cells that the first key columns equal, in key order, each once. */
function prefixes(leading: readonly Term[], reverse: boolean): Key[] {
  let all: Key[] = [[]]
  for (const { equals, check } of leading) {
    if (all.length * equals!.length > RANGES_MAX)
      throw new UnsupportedError(`where() would make more than ${RANGES_MAX} ranges: give fewer values to \`in\``, { code: 'ERR_WHERE' })
    const cells = inOrder(equals!, check)
    all = all.flatMap((prefix) => cells.map((cell) => [...prefix, cell]))
  }
  return reverse ? all.reverse() : all
}

/** Each value once: a store may look for one after the other. What has no order has no index either, and is looked for row by row. */
function distinct(cells: readonly Cell[], check: ColumnCheck): readonly Cell[] {
  if (cells.length < 2 || !indexOf(check.type)) return cells
  return [...new Map(cells.map((cell) => [check.type === 'text' ? cell : check.keyText(cell), cell])).values()] // a text may be too long for a key
}

function inOrder(cells: readonly Cell[], check: ColumnCheck): Cell[] {
  const byText = new Map(cells.map((cell) => [check.keyText(cell), cell]))
  return [...byText].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, cell]) => cell)
}

function holds({ check, equals, from, to, has, exists }: Term, cell: Cell | undefined): boolean {
  const isSet = cell !== undefined && cell !== null
  if (exists !== undefined && exists !== isSet) return false
  if (!equals && from === undefined && to === undefined && has === undefined) return true
  if (!isSet) return false
  if (equals && !equals.some((one) => check.equal(one, cell))) return false
  if (from !== undefined && check.order(cell) < check.order(from)) return false
  if (to !== undefined && check.order(cell) >= check.order(to)) return false
  return has === undefined || (cell as readonly Cell[]).some((one) => sameCell(check.elementOf(one), has))
}

const refusedFor = (name: string, why: string): Error =>
  new UnsupportedError(`where: column '${name}': ${why}`, { code: 'ERR_WHERE', path: name })

/** The rows of a plan, range by range, up to a limit. */
export async function* wherePages(
  state: DictState,
  { ranges, accepts }: WherePlan,
  limit: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly DictRow[], void> {
  let left = limit
  for (const range of left > 0 ? ranges : [])
    for await (const page of mergedPages(state, range, signal)) {
      const rows = page.filter(accepts).slice(0, left)
      left -= rows.length
      if (rows.length > 0) yield rows
      if (left <= 0) return
    }
}
