/** Dicts of which only the stored columns are known: what a class does not make, and what travels to a task. */
import type { ColumnSpec } from '../backend.js'
import { Column, type Columns } from './column.js'
import { columnOf } from './columns.js'
import type { DictSpec } from './dict-schema.js'
import { StorageDict } from './storage-dict.js'
import { StorageSets } from './storage-sets.js'

/** A dict with stored columns; with the methods of sets where they are those of sets. References then come back as whatever class they are of. */
export function dictFromSchema({ keys, partition, values, writes }: DictSpec): StorageDict<any, any> {
  const options = { partition: keys.slice(0, partition).map(({ name }) => name), writes }
  const last = keys.at(-1)!
  if (values.length === 0 && keys.length > 1 && last.name === 'element') {
    const { kind, isIndexed } = columnOf(last)
    return new StorageSets(columns(keys.slice(0, -1)), new Column(kind, false, isIndexed), options)
  }
  return new StorageDict(columns(keys), columns(values), options)
}

const columns = (specs: readonly ColumnSpec[]): Columns => Object.fromEntries(specs.map((spec) => [spec.name, columnOf(spec)]))
