/** What a dict must show, as plain as it can be written: rows in a Map, and for each program the changes that it has not saved. */
import { type ModelColumn, type Shape, within } from './dict-shape.js'
import { show } from './dict-types.js'

export type Fields = Readonly<Record<string, unknown>>
export interface Row {
  readonly key: Fields
  /** Without what is not set; counters that were never added to are left out. */
  readonly values: Fields
}

export type Change =
  /** `as`: what the class of who writes it is like. */
  | { readonly do: 'set'; readonly key: Fields; readonly values: Fields; readonly as: Shape }
  | { readonly do: 'delete'; readonly key: Fields }
  | { readonly do: 'add'; readonly key: Fields; readonly counter: string; readonly by: bigint }

/** A key that was written, in the form in which it comes back. */
export const readKey = (columns: readonly ModelColumn[], written: Fields): Fields =>
  Object.fromEntries(
    columns.filter(({ name }) => Object.hasOwn(written, name)).map(({ name, type }) => [name, type.key(type.reads(written[name]))]),
  )

export const readValues = ({ values }: Shape, written: Fields): Fields =>
  Object.fromEntries(
    values
      .filter(({ name }) => Object.hasOwn(written, name) && written[name] !== undefined)
      .map(({ name, type }) => [name, written[name] === null ? null : type.reads(written[name])]),
  )

/** Rows by the text of their key. */
export class Rows {
  readonly #rows: Map<string, Row>

  constructor(
    readonly shape: Shape,
    rows: Iterable<[string, Row]> = [],
  ) {
    this.#rows = new Map(rows)
  }

  get(key: Fields): Row | undefined {
    return this.#rows.get(show(key))
  }

  apply(change: Change): void {
    const text = show(change.key)
    if (change.do === 'delete') this.#rows.delete(text)
    else this.#rows.set(text, this.#changed(change, this.#rows.get(text)))
  }

  #changed(change: Exclude<Change, { do: 'delete' }>, old: Row | undefined): Row {
    const { key } = change
    if (change.do === 'set') return { key, values: { ...this.#keptOf(change.as, old), ...change.values } }
    const sum = BigInt.asIntN(64, ((old?.values[change.counter] as bigint | undefined) ?? 0n) + change.by)
    return { key, values: { ...old?.values, [change.counter]: sum } }
  }

  /** A row that is written whole keeps its counters, and what its writer does not know. */
  #keptOf({ values }: Shape, row: Row | undefined): Fields {
    const isKept = (name: string): boolean => !values.some((one) => one.name === name && !one.isCounter)
    return Object.fromEntries(Object.entries(row?.values ?? {}).filter(([name]) => isKept(name)))
  }

  /** As they are with some more changes. */
  with(changes: readonly Change[]): Rows {
    const rows = new Rows(this.shape, this.#rows)
    for (const change of changes) rows.apply(change)
    return rows
  }

  /** As a class with some of the columns shows them. */
  as(shape: Shape): Rows {
    return new Rows(
      shape,
      Array.from(this.#rows, ([text, { key, values }]): [string, Row] => [text, { key, values: within(shape, values) }]),
    )
  }

  inOrder(): Row[] {
    return [...this.#rows.values()].sort((a, b) => compareKeys(this.shape.keys, a.key, b.key))
  }
}

/** By the columns that both have, one after the other. */
export function compareKeys(columns: readonly ModelColumn[], a: Fields, b: Fields): number {
  for (const { name, type } of columns) {
    if (!Object.hasOwn(a, name) || !Object.hasOwn(b, name)) return 0
    const order = type.order!(a[name], b[name])
    if (order !== 0) return order
  }
  return 0
}

/** What a row's values read as: a counter that was never added to is 0n. */
export const shownValues = ({ values }: Shape, row: Row): Fields => ({
  ...Object.fromEntries(values.filter(({ isCounter }) => isCounter).map(({ name }) => [name, 0n])),
  ...row.values,
})
