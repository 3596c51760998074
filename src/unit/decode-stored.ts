import type { Cells, Ref, Stored } from '../backend.js'
import type { Constructor } from '../classes/class-locator.js'
import { nestedClassesOf } from '../codec/nested-classes.js'
import { decodeFields } from '../codec/values.js'
import type { StorageDict } from '../dict/storage-dict.js'
import type { StoredFields } from '../objects/fields.js'
import { fieldShowing } from '../objects/schema-drift.js'
import type { StorageObject } from '../objects/storage-object.js'
import { type DictCell, isDeleted } from './persist-plan.js'

/** The fields of a stored object that are all primitives, as those of most objects: each is its own cell. */
export function plainStored({ cells }: Stored): StoredFields | undefined {
  for (const cell of cells.values()) if (typeof cell === 'object' && cell !== null) return undefined
  return { values: cells, deleted: NO_NAMES }
}

const NO_NAMES: readonly string[] = []

/** The fields of a stored object, and those of its class that it has no longer. */
export function decodeStored(
  ctor: Constructor,
  stored: Stored,
  resolve: (ref: Ref) => StorageObject,
  collection: (cell: DictCell, path: string) => StorageDict<any, any>,
  comesFirst: (field: string) => boolean,
): StoredFields {
  const deleted: string[] = []
  for (const [name, cell] of stored.cells) if (isDeleted(cell)) deleted.push(name)
  const cells = deleted.length === 0 ? stored.cells : new Map([...stored.cells].filter(([, cell]) => !isDeleted(cell)))
  const { nested } = nestedClassesOf(ctor)
  const shown = (name: string): string => fieldShowing(ctor, name, stored.cells)
  const isFirst = (name: string): boolean => comesFirst(shown(name))
  const order = isOrdered(cells, isFirst) ? cells : new Map([...cells].sort(([a], [b]) => Number(isFirst(b)) - Number(isFirst(a))))
  return {
    values: decodeFields(order, { resolve, collection: (cell, path) => collection(cell as unknown as DictCell, shown(path)), nested }),
    deleted,
  }
}

/** Whether no field that comes first stands behind another: that is so for most objects. */
function isOrdered(cells: Cells, comesFirst: (field: string) => boolean): boolean {
  let isBehind = false
  for (const name of cells.keys()) {
    if (!comesFirst(name)) isBehind = true
    else if (isBehind) return false
  }
  return true
}
