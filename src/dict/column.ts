import type { ColumnSpec } from '../backend.js'
import { ValidationError } from '../errors.js'
import { type Kind, shown } from './kind.js'

/** Phantom: what a column reads as, is written as, and whether it may be left out. Types only, never there at run time. */
declare const face: unique symbol

/**
 * A typed column of a StorageDict: reads as one type and is written as another (`t.i64` reads bigint, takes bigint or number).
 * Every value is checked before it is buffered, so that no driver coerces 3.7, "5" or 2^31 into an i32.
 */
export class Column<Read, Write = Read, Optional extends boolean = false> {
  declare readonly [face]: readonly [Read, Write, Optional]
  /** @internal */
  readonly kind: Kind
  /** @internal */
  readonly mayBeAbsent: boolean
  /** @internal */
  readonly isIndexed: boolean

  constructor(kind: Kind, mayBeAbsent = false, isIndexed = false) {
    this.kind = kind
    this.mayBeAbsent = mayBeAbsent
    this.isIndexed = isIndexed
  }

  /** A column that a row may leave out; it then reads as undefined. */
  optional(): Column<Read | undefined, Write | undefined, true> {
    return new Column(this.kind, true, this.isIndexed)
  }

  /** A column that may hold null. Every store can keep null in any column; this only says so in the types. */
  nullable(): Column<Read | null, Write | null, Optional> {
    return new Column(this.kind, this.mayBeAbsent, this.isIndexed)
  }

  /**
   * A column that `where` asks for without saying where the rows lie: `{ mood: t.text.indexed() }`. Cassandra makes an index of it; other
   * stores read the rows. May be declared of a stored dict at any time. Errors, once it is part of a dict: ValidationError for what has
   * no index (blobs, references, counters, collections).
   */
  indexed(): Column<Read, Write, Optional> {
    return new Column(this.kind, this.mayBeAbsent, true)
  }
}

/** How a column stands in a Table. */
export function specOf(name: string, column: AnyColumn): ColumnSpec {
  const { type, records } = column.kind
  return {
    name,
    type,
    ...(column.mayBeAbsent && { optional: true }),
    ...(column.isIndexed && { indexed: true }),
    ...(records && { records }),
  }
}

/** By its shape: it may come from another install of this package. */
export const isColumn = (value: unknown): value is AnyColumn =>
  typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'object' && value.kind !== null

/** Errors: ValidationError for what is no column, which only a program without types can say. */
export function requireColumn(name: string, column: unknown): void {
  if (!isColumn(column))
    throw new ValidationError(`'${name}' is no column: write \`${name}: t.text\` or another type of t, not ${shown(column)}`, {
      path: name,
    })
}

export type AnyColumn = Column<any, any, boolean>
export type Columns = Record<string, AnyColumn>

type ReadOf<C> = C extends Column<infer Read, any, boolean> ? Read : never
type WriteOf<C> = C extends Column<any, infer Write, boolean> ? Write : never
type Show<T> = { [K in keyof T]: T[K] } & {}
type OptionalNames<C extends Columns> = { [K in keyof C]: C[K] extends Column<any, any, true> ? K : never }[keyof C]
/** Columns that are never written whole, only added to. */
export type CounterNames<C extends Columns> = { [K in keyof C]: [WriteOf<C[K]>] extends [never] ? K : never }[keyof C]

/** What a row of these columns reads as. */
export type Row<C extends Columns> = Show<{ [K in keyof C]: ReadOf<C[K]> }>
/** What is written: optional columns may be left out, counters are only changed by `add`. */
export type NewRow<C extends Columns> = Show<
  { [K in Exclude<keyof C, OptionalNames<C> | CounterNames<C>>]: WriteOf<C[K]> } & {
    [K in Exclude<OptionalNames<C>, CounterNames<C>>]?: WriteOf<C[K]>
  } & { [K in CounterNames<C>]?: never }
>
