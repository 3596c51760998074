import type { Op } from '../../src/backend.js'
import type { Id, TableId } from '../../src/ids.js'
import { type Partition, partitionOfAlias, partitionOfId } from './redis-keys.js'
import { partitionOfRow, spreadOf } from './spread.js'

/** A table, or that part of one that lies in a partition. */
export interface TablePart {
  readonly table: TableId
  readonly partition: Partition
}

/** Objects, aliases and rows each lie somewhere; marks and redo where their home lies. */
export function partitionOf(op: Op): Partition {
  switch (op.do) {
    case 'put':
    case 'remove':
    case 'check':
      return partitionOfId(op.ref.id)
    case 'name':
      return partitionOfAlias(op.alias)
    case 'row':
    case 'checkRow':
    case 'add':
    case 'reserveRow':
    case 'settleRow':
      return partitionOfRow(op.table, op.key)
    case 'mark':
    case 'forget':
    case 'stage':
      return partitionOfId(op.home.id)
    case 'reserve':
    case 'settle':
      return partitionOfTarget('ref' in op.target ? op.target.ref.id : op.target)
  }
}

export const partitionOfTarget = (what: Id | { readonly alias: string }): Partition =>
  typeof what === 'string' ? partitionOfId(what) : partitionOfAlias(what.alias)

/** The tables that ops need to be written, and the parts of those that are spread. */
export function tablesIn(ops: readonly Op[]): readonly TablePart[] {
  let parts: Map<string, TablePart> | undefined
  for (const op of ops) {
    if (op.do !== 'row' && op.do !== 'checkRow' && op.do !== 'add') continue
    const isSpread = spreadOf(op.table) !== undefined
    const partition = isSpread ? partitionOfRow(op.table, op.key) : partitionOfId(op.table)
    const name = isSpread ? `${op.table} ${partition}` : op.table
    parts ??= new Map()
    if (!parts.has(name)) parts.set(name, { table: op.table, partition })
  }
  return parts ? [...parts.values()] : []
}
