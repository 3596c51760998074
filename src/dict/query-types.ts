/** What queries of a dict take and give. */
import type { Columns, NewRow, Row } from './column.js'

export interface RangeOptions<K extends Columns> {
  /** First key, inclusive: the columns that follow the prefix, or the first of them. */
  readonly from?: Partial<NewRow<K>>
  /** Last key, exclusive. */
  readonly to?: Partial<NewRow<K>>
  readonly limit?: number
  readonly reverse?: boolean
  readonly signal?: AbortSignal
}

export interface WhereOptions {
  readonly limit?: number
  readonly reverse?: boolean
  /** Allows conditions that no key and no index serves, for which every row is looked at: by the servers where they can, else here. */
  readonly allowFiltering?: boolean
  /** The same by its older name. */
  readonly scan?: boolean
  readonly signal?: AbortSignal
}

export interface AggregateRange<K extends Columns> {
  /** Only the rows whose first key columns are these. */
  readonly prefix?: Partial<NewRow<K>>
  readonly from?: Partial<NewRow<K>>
  readonly to?: Partial<NewRow<K>>
  readonly signal?: AbortSignal
}

export const RANGE_OPTIONS = ['limit', 'reverse', 'signal', 'to', 'from'] as const
export const WHERE_OPTIONS = ['limit', 'reverse', 'allowFiltering', 'scan', 'signal'] as const
export const AGGREGATE_OPTIONS = ['prefix', 'signal', 'to', 'from'] as const

/** Any column of a dict. */
export type ColumnName<K extends Columns, V extends Columns> = (keyof K | keyof V) & string
type ReadOf<K extends Columns, V extends Columns, C> = C extends keyof K
  ? Row<K>[C & keyof Row<K>]
  : C extends keyof V
    ? NonNullable<Row<V>[C & keyof Row<V>]>
    : never
/** Whole numbers sum up to a bigint, decimals to text, both exact. */
type SumOf<R> = R extends bigint ? bigint : R extends string ? string : R extends number ? number | bigint : never
/** What each op gives: `min` and `max` of no value are undefined. */
export type Aggregated<K extends Columns, V extends Columns, O> = {
  -readonly [N in keyof O]: O[N] extends readonly [infer Word, infer C]
    ? Word extends 'count'
      ? number
      : Word extends 'sum'
        ? SumOf<ReadOf<K, V, C>>
        : ReadOf<K, V, C> | undefined
    : number
}
/** The columns that groups were made by. */
export type GroupOf<K extends Columns, V extends Columns, C> = {
  [N in C & string]: ReadOf<K, V, N> | (N extends keyof V ? undefined : never)
}
