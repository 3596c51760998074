import { inspect } from 'node:util'
import type { Cell, ColumnType, RecordNames, Ref } from '../backend.js'
import { ValidationError } from '../errors.js'
import { isKeyType } from './row-key.js'

/** How references become objects and back; the session's part. */
export interface References {
  refOf(o: object): Ref
  resolve(ref: Ref): unknown
}

/** How the values of one column type are checked, become cells, and come back. Never sees null or undefined. */
export interface Kind {
  readonly type: ColumnType
  /** Of records in it, what the type does not say. */
  readonly records?: RecordNames
  /** Completes the sentence "column x wants …". */
  readonly wants: string
  /** Checks and copies: the cell shares nothing with the value. Errors: ValidationError naming `path`. */
  toCell(value: unknown, path: string, refs: References): Cell
  /** A fresh value: changing it changes nothing buffered or stored. */
  fromCell(cell: Cell, refs: References): unknown
  /** Of what a set or list holds, or what the keys of a map are. */
  readonly element?: Kind
  /** Of a reference: the class that it leads to, if one is said. */
  readonly refersTo?: () => { readonly prototype: object }
  /** Set for what has no order although its type would have one: a record may lack fields. */
  readonly isUnordered?: true
  /** The one form of equal values, where several are equal as a key (1.5 and 1.50, 0 and -0). */
  toKeyCell?(cell: Cell): Cell
}

/** Converts an element of a collection, where there is no null. */
export function elementCell(kind: Kind, value: unknown, path: string, refs: References): Cell {
  if (value === null || value === undefined) throw refusal(path, kind.wants, value)
  return kind.toCell(value, path, refs)
}

export const keyCell = (kind: Kind, cell: Cell): Cell => (kind.toKeyCell ? kind.toKeyCell(cell) : cell)

export function refusal(path: string, wants: string, value: unknown): Error {
  return new ValidationError(`column '${path}' wants ${wants}, got ${shown(value)}`, { path, wants })
}

const SHOWN_MAX = 80

/** Short, and without running code of the value: getters and custom inspection stay untouched, objects are only named. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)) return nameOf(value)
  const part = typeof value === 'string' ? value.slice(0, SHOWN_MAX) : value
  try {
    const text = inspect(part, { depth: 0, maxArrayLength: 5, breakLength: Number.POSITIVE_INFINITY, customInspect: false })
    return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
  } catch {
    return 'something that cannot be shown' // an array with a handle that is not loaded
  }
}

function nameOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  const made: unknown = typeof prototype === 'object' && prototype !== null ? prototype.constructor : undefined
  return typeof made === 'function' && made.name ? `an object of class ${made.name}` : 'an object'
}

/** Whether values of this kind can be keys, elements of a set, keys of a map, or bounds. */
export const hasOrder = (kind: Kind): boolean => isKeyType(kind.type) && !kind.isUnordered
