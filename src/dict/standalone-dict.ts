/** Dicts that stand alone: objects of their own, with an id and aliases. */
import { StorageObject } from '../objects/storage-object.js'
import type { Columns } from './column.js'
import type { StorageDict } from './storage-dict.js'

/** The methods of a dict that an object can have as its own. Its `rows` are the dict itself. */
type Forwarded<K extends Columns, V extends Columns> = Omit<StorageDict<K, V>, never>

/** An object that is a dict: what `StorageDict.of` makes classes of. */
export type DictObject<K extends Columns, V extends Columns> = StorageObject &
  Forwarded<K, V> & {
    readonly rows: StorageDict<K, V>
  }

// Without its construct signature, which would give an object without rows.
type Statics = Omit<typeof StorageObject, 'prototype'>

export type DictClass<K extends Columns, V extends Columns> = Statics & (abstract new () => DictObject<K, V>)

const FORWARDED = [
  'get',
  'getMany',
  'has',
  'set',
  'setMany',
  'add',
  'increment',
  'delete',
  'clear',
  'count',
  'entries',
  'keys',
  'values',
  'range',
  'where',
  'aggregate',
  'groupBy',
  'bulk',
  'split',
  Symbol.asyncIterator,
] as const

/** What `StorageDict.of` gives. `rows` makes the dict of an instance: this file knows of StorageDict by its type alone, which needs it. */
export function dictClass<K extends Columns, V extends Columns>(rows: () => StorageDict<K, V>): DictClass<K, V> {
  class DictObject extends StorageObject {
    readonly rows = rows()
  }
  for (const name of FORWARDED)
    Object.defineProperty(DictObject.prototype, name, {
      value(this: DictObject, ...args: never[]) {
        return (this.rows[name] as (...args: never[]) => unknown).apply(this.rows, args)
      },
      configurable: true,
      writable: true,
    })
  // The compiler cannot see what the loop defined.
  const made: object = DictObject
  return made as DictClass<K, V>
}
