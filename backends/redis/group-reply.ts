/** What commit.lua says of a group, as its receipt or the error that it means. */

import type { Group, Mark, Op, Receipt, Ref, Stamp } from '../../src/backend.js'
import { staleObject, staleRow } from '../../src/conflicts.js'
import { AliasTakenError, ConflictError, InsituError } from '../../src/errors.js'
import type { Id } from '../../src/ids.js'
import { markOf } from '../../src/mark-form.js'
import { type GroupForm, refOf } from './group-form.js'
import { intentOf, metaOf } from './object-form.js'
import type { Reply } from './redis-link.js'
import { damagedTable, missingTable } from './redis-rows.js'

type Do<Kind extends Op['do']> = Extract<Op, { do: Kind }>

/** Whether a group is to be sent again: save.lua has left it alone, or a large cell that it needs is not there. */
export const isLeft = (reply: Reply): boolean => Array.isArray(reply) && String(reply[0]) === 'again'

/** What bar.lua says: the receipt of the group, if it was applied. */
export const receiptIfAny = (group: Group, reply: Reply): Receipt | undefined => (String(reply) === '' ? applied(group) : undefined)

/** @throws what stood in the way of the group */
export function receiptOf({ group, mainOps, marks, tables }: GroupForm, reply: Reply, whole: Group = group): Receipt {
  if (reply instanceof Buffer) return applied(whole)
  const [what, ...rest] = reply as readonly Reply[]
  switch (String(what)) {
    case 'mark':
      return { applied: false, stamps: new Map(), mark: markOf(marks[Number(rest[0])]!.mark.key, rest[1] as Buffer) }
    case 'table':
      throw missingTable(tables[Number(rest[0])]!.table)
    case 'damaged':
      throw damagedTable((mainOps[Number(rest[0])] as Do<'add'>).table, 'a counter of it is no number')
    case 'row':
      throw rowConflict(mainOps[Number(rest[0])] as Do<'row' | 'checkRow'>, rest[1] as Buffer | null)
    case 'held':
    case 'stale':
      throw conflict(mainOps[Number(rest[0])]!, rest[1] as Buffer | null, rest[2] as Buffer | null)
    case 'refused':
      throw new ConflictError(`Commit ${group.commit} was refused before, or given up; make a new one.`, { barred: group.commit })
    default:
      throw new InsituError(`Redis gave a reply ${String(what)} that nobody knows.`, { code: 'ERR_INTERNAL' })
  }
}

/** Stamps follow from the group: what it put was as it expected. */
function applied({ ops, commit }: Group): Receipt {
  const stamps = new Map<Id, Stamp>()
  let mark: Mark | undefined
  for (const op of ops) {
    if (op.do === 'put') stamps.set(op.ref.id, { revision: op.expect === 'absent' ? 1 : op.expect.revision + 1, commit })
    else if (op.do === 'mark') mark ??= { ...op.mark, outcome: op.mark.outcome && Uint8Array.from(op.mark.outcome) }
  }
  return mark ? { applied: true, stamps, mark } : { applied: true, stamps }
}

function rowConflict(op: Do<'row' | 'checkRow'>, found: Buffer | null): ConflictError {
  return staleRow(op.table, op.key, op.expect, found && BigInt(found.toString()))
}

function conflict(op: Op, meta: Buffer | null, intentForm: Buffer | null): Error {
  const target = op.do === 'name' ? { alias: op.alias } : op.do === 'reserve' ? op.target : { ref: (op as Do<'put'>).ref }
  const expected = (op as Do<'put'>).expect
  const intent = intentForm && intentOf(intentForm)
  const found = meta && ('alias' in target ? refOf(meta) : metaOf(meta.toString()).stamp)
  if (intent) return new ConflictError(`Commit ${intent.commit} holds what this group needs.`, { ...target, expected, found, intent })
  if ('alias' in target) {
    const where = found ? `names object ${(found as Ref).id}` : 'names nothing'
    return new AliasTakenError(`Alias ${JSON.stringify(target.alias)} ${where}.`, { alias: target.alias, expected, found })
  }
  return staleObject(target.ref, expected, found as Stamp | null)
}
