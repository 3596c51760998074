/** What a new collection's owner is going to be called, for stores whose tables have names. */
import type { Op, Table } from '../backend.js'

export function aliasOf({ owner }: Table, ops: readonly Op[]): string | undefined {
  for (const op of ops) if (op.do === 'name' && op.to?.id === owner.id) return op.alias
  return undefined
}
