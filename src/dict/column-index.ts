/** Which columns can have an index, and what one answers: the same on every store, so that a program may ask the same of all. */
import type { ColumnType } from '../backend.js'

export type IndexKind =
  /** Which rows have a value. */
  | 'equality'
  /** Also which have one between two others. */
  | 'order'

const INDEXES: Readonly<Record<string, IndexKind>> = {
  text: 'equality',
  bool: 'equality',
  uuid: 'equality',
  i32: 'order',
  i64: 'order',
  f32: 'order',
  f64: 'order',
  decimal: 'order',
  date: 'order',
  time: 'order',
  timestamp: 'order',
}

export const INDEXED_TYPES = Object.keys(INDEXES)

export const indexOf = (type: ColumnType): IndexKind | undefined => (typeof type === 'string' ? INDEXES[type] : undefined)
