import type { Op } from '../../src/backend.js'
import type { Id } from '../../src/ids.js'
import { type Partition, partitionOfAlias, partitionOfId } from './redis-keys.js'
import { partitionOfRow } from './spread.js'

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
