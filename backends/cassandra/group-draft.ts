/**
 * What a group makes of a partition: the rules of `Backend.commit`, pure. First the group is held against what stands, then the changes
 * are collected; writing them is a matter of one compare-and-set (group-sender.ts).
 */

import type { Cell, Group, Intent, Mark, Op, Receipt, Ref, Stamp } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import type { CommitId, Id } from '../../src/ids.js'
import { claimOf, intentOfCommit, withIntent, withoutIntent } from '../../src/intents.js'
import { markForm, markOf } from '../../src/mark-form.js'
import { requireAlias, requireObject } from '../memory/expectations.js'
import type { PlaceState } from './place-state.js'
import { PART } from './places.js'

type Do<Kind extends Op['do']> = Extract<Op, { do: Kind }>

/** Changes to a partition. What is `undefined` stays as it is. */
export interface Draft {
  stamp?: Stamp | null
  /** Cells to write; `undefined`: to drop. */
  readonly cells: Map<string, Cell | undefined>
  isRemoved: boolean
  to?: Ref | null
  intent?: Intent | null
  /** Rows to write; `null`: to drop. */
  readonly parts: Map<string, Buffer | null>
  readonly redo: Map<CommitId, readonly Op[]>
  receipt: Receipt
}

export type Verdict = { readonly receipt: Receipt } | { readonly draft: Draft }

/** Errors: ConflictError, AliasTakenError. */
export function draftOf(group: Group, state: PlaceState, parts: ReadonlyMap<string, Buffer | null>): Verdict {
  const standing = receiptOf(group, state, parts)
  if (standing === 'barred') throw new ConflictError(`Commit ${group.commit} was given up.`, { barred: group.commit })
  if (standing) return { receipt: standing }
  for (const op of group.ops) {
    const standing = op.do === 'mark' ? markAt(parts, op.mark.key) : undefined
    if (standing && op.do === 'mark' && standing.attempt !== op.mark.attempt)
      return { receipt: { applied: false, stamps: new Map(), mark: standing } }
  }
  for (const op of group.ops) check(op, state, group.commit)
  return { draft: new Drafting(group, state, parts).draft }
}

/** In place of the nothing that a receipt holds: the group was given up, and never applies. */
export const BARRED = Buffer.from('barred')

/** What stands of a group that was sent before. */
export function receiptOf(group: Group, state: PlaceState, parts: ReadonlyMap<string, Buffer | null>): Receipt | 'barred' | undefined {
  const part = parts.get(PART.receipt(group.commit))
  if (part) return 'barred'
  return part === null || state.made === group.commit ? receiptAgain(group, state) : undefined
}

/** One commit id has one content, so that the group sent again says what its receipt was. */
function receiptAgain(group: Group, state: PlaceState): Receipt {
  const stamps = new Map<Id, Stamp>()
  for (const op of group.ops)
    if (op.do === 'put') stamps.set(op.ref.id, { revision: op.expect === 'absent' ? 1 : op.expect.revision + 1, commit: group.commit })
  if (state.stamp?.commit === group.commit) for (const id of stamps.keys()) stamps.set(id, state.stamp)
  return withMark(group, { applied: true, stamps })
}

export function withMark(group: Group, receipt: Receipt): Receipt {
  const op = group.ops.find((one): one is Do<'mark'> => one.do === 'mark')
  return op ? { ...receipt, mark: op.mark } : receipt
}

function markAt(parts: ReadonlyMap<string, Buffer | null>, key: string): Mark | undefined {
  const form = parts.get(PART.mark(key))
  return form ? markOf(key, form) : undefined
}

function check(op: Op, state: PlaceState, commit: CommitId): void {
  switch (op.do) {
    case 'put':
    case 'remove':
    case 'check':
      return requireObject(state, op.ref, op.expect, commit, op.do === 'remove' ? 'goes' : 'changes')
    case 'name':
      return requireAlias(state, op.alias, op.expect, commit)
    case 'reserve':
      if (intentOfCommit(state.intent, op.intent.commit)) return
      if ('ref' in op.target) return requireObject(state, op.target.ref, op.expect, op.intent.commit, claimOf(op.intent))
      return requireAlias(state, op.target.alias, op.expect, op.intent.commit)
    default:
      return
  }
}

class Drafting {
  readonly draft: Draft
  readonly #stamps = new Map<Id, Stamp>()

  constructor(
    readonly group: Group,
    readonly state: PlaceState,
    readonly before: ReadonlyMap<string, Buffer | null>,
  ) {
    this.draft = { cells: new Map(), isRemoved: false, parts: new Map(), redo: new Map(), receipt: { applied: true, stamps: this.#stamps } }
    for (const op of group.ops) this.#add(op)
    this.draft.receipt = withMark(group, this.draft.receipt)
  }

  #add(op: Op): void {
    const { draft } = this
    switch (op.do) {
      case 'put':
        this.#put(op, this.group.commit)
        this.#stamps.set(op.ref.id, draft.stamp!)
        return
      case 'remove':
        return this.#remove()
      case 'name':
        draft.to = op.to
        return
      case 'mark':
        if (!this.before.get(PART.mark(op.mark.key))) draft.parts.set(PART.mark(op.mark.key), markForm(op.mark))
        return
      case 'forget':
        for (const key of op.keys) this.#forget(key, op.what)
        return
      case 'reserve':
        if (!intentOfCommit(this.#standing, op.intent.commit)) draft.intent = withIntent(this.#standing, op.intent)
        return
      case 'settle': {
        const intent = intentOfCommit(this.#standing, op.commit)
        if (intent) this.#settle(intent, op.take)
        return
      }
      case 'stage':
        if (op.redo) draft.redo.set(op.commit, op.redo)
        else draft.parts.set(PART.redo(op.commit), null)
        return
      default:
        return
    }
  }

  get #standing(): Intent | undefined {
    return this.draft.intent === undefined ? this.state.intent : (this.draft.intent ?? undefined)
  }

  #put({ set, unset = [] }: Do<'put'>, commit: CommitId): void {
    const { draft, state } = this
    const found = draft.stamp === undefined ? state.stamp : draft.stamp
    draft.stamp = { revision: (found?.revision ?? 0) + 1, commit }
    draft.isRemoved = false
    for (const name of unset) draft.cells.set(name, undefined)
    for (const [name, cell] of set) draft.cells.set(name, cell)
  }

  #remove(): void {
    this.draft.isRemoved = true
    this.draft.stamp = null
    this.draft.intent = null
    this.draft.cells.clear()
  }

  #forget(key: string, what: 'outcome' | 'mark'): void {
    const mark = markAt(this.before, key)
    if (mark) this.draft.parts.set(PART.mark(key), what === 'mark' ? null : markForm({ ...mark, outcome: null }))
  }

  /** Redo is not checked again: the reservation did, and has kept everybody else away. */
  #settle({ commit, redo }: Intent, take: boolean): void {
    this.draft.intent = withoutIntent(this.#standing, commit) ?? null
    for (const op of take ? redo : []) {
      if (op.do === 'put') this.#put(op, commit)
      else if (op.do === 'remove') this.#remove()
      else if (op.do === 'name') this.draft.to = op.to
    }
  }
}
