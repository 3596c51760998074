/**
 * What a group does inside one domain: the contract of `Backend.commit`, in code. First every op is looked at and turned into
 * writes, without changing anything; only when none of them fails are the writes done. So a group that is refused leaves nothing.
 */
import type { Group, Intent, Mark, Op, Receipt, Ref, Stamp, Table, Values } from '../../src/backend.js'
import { staleRow } from '../../src/conflicts.js'
import { compareBytes, encodeKey } from '../../src/dict/row-key.js'
import { ConflictError, InsituError, NotFoundError, ValidationError } from '../../src/errors.js'
import type { CommitId, Id, TableId } from '../../src/ids.js'
import { claimOf, intentOfCommit, withIntent, withoutIntent } from '../../src/intents.js'
import { type AliasStanding, type ObjectStanding, requireAlias, requireObject } from './expectations.js'
import {
  decodeCells,
  encodeCells,
  encodeValues,
  isCounter,
  isVisible,
  type ObjectRecord,
  type RowRecord,
  type Space,
  valuesOver,
} from './space.js'

type Do<Kind extends Op['do']> = Extract<Op, { do: Kind }>

export function applyGroup(space: Space, group: Group): Receipt {
  const before = space.receipt(group.commit)
  if (before) return receiptOf(group, before)
  const standing = new Set<Op>()
  const inTheWay = standingMark(space, group, standing)
  if (inTheWay) return { applied: false, stamps: new Map(), mark: inTheWay }
  const plan = new Plan(space, group, standing)
  for (const op of group.ops) plan.add(op)
  for (const write of plan.writes)
    if (typeof write === 'function') write()
    else space.setObject(write.next.ref.id, write.next, write.found)
  space.keepReceipt(group.commit, plan.revisions)
  return plan.receipt()
}

/** A receipt is kept as revisions alone: one commit id has one content, so that the group sent again names the rest. */
function receiptOf(group: Group, revisions: readonly number[]): Receipt {
  const stamps = new Map<Id, Stamp>()
  let nth = 0
  let mark: Mark | undefined
  for (const op of group.ops) {
    if (op.do === 'put') stamps.set(op.ref.id, { revision: revisions[nth++] ?? 0, commit: group.commit })
    else if (op.do === 'mark') mark ??= op.mark
  }
  return mark ? { applied: true, stamps, mark } : { applied: true, stamps }
}

/**
 * The first mark of another attempt. Before anything else, since a later attempt of a task that has committed finds stale stamps as well.
 * Those of the same attempt go to `own`.
 */
function standingMark(space: Space, group: Group, own: Set<Op>): Mark | undefined {
  for (const op of group.ops) {
    if (op.do !== 'mark') continue
    const standing = space.mark(op.home.id, op.mark.key)
    if (!standing) continue
    if (standing.attempt !== op.mark.attempt) return standing
    own.add(op)
  }
  return undefined
}

/** What most writes are. No closure: a group may have a thousand of them. */
interface ObjectWrite {
  readonly next: ObjectRecord
  readonly found: ObjectRecord | undefined
}

class Plan {
  readonly writes: (ObjectWrite | (() => void))[] = []
  readonly revisions: number[] = []
  readonly #stamps = new Map<Id, Stamp>()
  #marked: Mark | undefined
  readonly #space: Space
  readonly #commit: CommitId
  readonly #atMicros: bigint
  readonly #tables = new Map<TableId, Table>()
  #stamp: Stamp | undefined

  constructor(
    space: Space,
    group: Group,
    /** Marks that stand already. */
    readonly standing: ReadonlySet<Op>,
  ) {
    this.#space = space
    this.#commit = group.commit
    this.#atMicros = group.atMicros
  }

  add(op: Op): void {
    switch (op.do) {
      case 'put':
        return this.#put(op)
      case 'remove':
        return this.#remove(op)
      case 'check':
        requireObject(this.#space.object(op.ref.id) ?? NO_OBJECT, op.ref, op.expect, this.#commit)
        return
      case 'name':
        return this.#name(op)
      case 'row':
        return this.#row(op)
      case 'checkRow':
        return this.#checkRow(op)
      case 'add':
        return this.#add(op)
      case 'mark':
        return this.#mark(op)
      case 'forget':
        return this.#forget(op)
      case 'reserve':
        return 'ref' in op.target ? this.#reserveObject(op, op.target.ref) : this.#reserveAlias(op, op.target.alias)
      case 'settle':
        return 'ref' in op.target ? this.#settleObject(op, op.target.ref) : this.#settleAlias(op, op.target.alias)
      case 'reserveRow':
        return this.#reserveRow(op)
      case 'settleRow':
        return this.#settleRow(op)
      case 'stage':
        this.writes.push(() => this.#space.setStaged(op.home.id, op.commit, op.redo))
        return
      default:
        return unknownOp(op)
    }
  }

  #put(op: Do<'put'>): void {
    const found = this.#space.object(op.ref.id)
    requireObject(found ?? NO_OBJECT, op.ref, op.expect, this.#commit)
    const stamp = this.#stampAfter(found)
    this.revisions.push(stamp.revision)
    this.#stamps.set(op.ref.id, stamp)
    this.writes.push({ next: changed(found, op, stamp), found })
  }

  /** Objects of one group that have the same revision share it. */
  #stampAfter(found: ObjectRecord | undefined): Stamp {
    const revision = (found?.stamp?.revision ?? 0) + 1
    if (this.#stamp?.revision !== revision) this.#stamp = { revision, commit: this.#commit }
    return this.#stamp
  }

  #remove(op: Do<'remove'>): void {
    const found = this.#space.object(op.ref.id)
    requireObject(found ?? NO_OBJECT, op.ref, op.expect, this.#commit, 'goes')
    this.writes.push(() => this.#space.setObject(op.ref.id, undefined, found))
  }

  #name(op: Do<'name'>): void {
    requireAlias(this.#space.alias(op.alias) ?? NO_ALIAS, op.alias, op.expect, this.#commit)
    this.writes.push(() => this.#space.setAlias(op.alias, op.to ? { to: op.to } : undefined))
  }

  /** Looked up once a group: its ops change no table. */
  #table(id: TableId): Table {
    let table = this.#tables.get(id)
    if (!table) this.#tables.set(id, (table = requireTable(this.#space, id)))
    return table
  }

  #row(op: Do<'row'>): void {
    const table = this.#table(op.table)
    const key = encodeKey(table, op.key)
    const values = op.set && encodeValues(table, op.set)
    // Only there may an intent be in the way.
    const found = table.writes === 'cas' || op.expect !== undefined ? this.#space.row(table, key) : undefined
    if (found?.intent && found.intent.commit !== op.ends) throw reservedRow(op, found.intent)
    if (op.expect !== undefined) requireRow(op, found)
    const isChecked = op.expect !== undefined || found?.intent !== undefined
    // A checked write happens whatever the clocks say, and must be told from the one it replaces.
    const atMicros = isChecked && found && found.atMicros >= this.#atMicros ? found.atMicros + 1n : this.#atMicros
    this.writes.push(() => this.#writeRow(table, key, atMicros, op.set, values, isChecked))
  }

  /** Rows are read again here: earlier ops of the same group may have changed them. */
  #writeRow(table: Table, key: Uint8Array, atMicros: bigint, set: Values | null, encoded: Uint8Array | null, checked: boolean): void {
    const found = this.#space.row(table, key)
    const values = set && found?.values && set.length < table.values.length ? valuesOver(table, set, found.values) : encoded
    if (!checked && found && !wins(atMicros, values, found)) return
    this.#space.setRow(table, key, { atMicros, values, sums: (values && found?.sums) || NO_SUMS })
  }

  #checkRow(op: Do<'checkRow'>): void {
    const table = this.#table(op.table)
    const found = this.#space.row(table, encodeKey(table, op.key))
    if (found?.intent && found.intent.commit !== this.#commit) throw reservedRow(op, found.intent)
    requireRow(op, found)
  }

  #add(op: Do<'add'>): void {
    const table = this.#table(op.table)
    if (!isCounter(table, op.column))
      throw new ValidationError(`Column ${op.column} of table ${op.table} is no counter.`, { table: op.table, column: op.column })
    const key = encodeKey(table, op.key)
    this.writes.push(() => {
      const found = this.#space.row(table, key)
      const sums = new Map(found?.sums)
      // Wraps, as the 64-bit counters of other stores do.
      sums.set(op.column, BigInt.asIntN(64, (sums.get(op.column) ?? 0n) + op.by))
      this.#space.setRow(table, key, { ...(found ?? NO_ROW), sums })
    })
  }

  receipt(): Receipt {
    return this.#marked ? { applied: true, stamps: this.#stamps, mark: this.#marked } : { applied: true, stamps: this.#stamps }
  }

  #mark(op: Do<'mark'>): void {
    const { home, mark } = op
    this.#marked ??= mark
    if (this.standing.has(op)) return
    const { key, attempt, state, outcome } = mark
    const kept: Mark = { key, attempt, state, outcome: outcome && Uint8Array.from(outcome) }
    this.writes.push(() => this.#space.setMark(home.id, key, kept))
  }

  #forget({ home, keys, what }: Do<'forget'>): void {
    for (const key of keys) {
      const mark = this.#space.mark(home.id, key)
      if (!mark) continue
      this.writes.push(() => this.#space.setMark(home.id, key, what === 'mark' ? undefined : { ...mark, outcome: null }))
    }
  }

  #reserveObject({ expect, intent }: Do<'reserve'>, ref: Ref): void {
    const found = this.#space.object(ref.id)
    if (intentOfCommit(found?.intent, intent.commit)) return
    requireObject(found ?? NO_OBJECT, ref, expect, intent.commit, claimOf(intent))
    const next = { ...(found ?? nothingAt(ref)), intent: withIntent(found?.intent, intent) }
    this.writes.push(() => this.#space.setObject(ref.id, next, found))
  }

  #reserveAlias({ expect, intent }: Do<'reserve'>, alias: string): void {
    const found = this.#space.alias(alias)
    if (found?.intent?.commit === intent.commit) return
    requireAlias(found ?? NO_ALIAS, alias, expect, intent.commit)
    this.writes.push(() => this.#space.setAlias(alias, { to: found?.to ?? null, intent }))
  }

  #reserveRow(op: Do<'reserveRow'>): void {
    const table = this.#table(op.table)
    if (table.writes !== 'cas') throw new InsituError(`Table ${op.table} takes no intents.`, { code: 'ERR_INTERNAL' })
    const key = encodeKey(table, op.key)
    const found = this.#space.row(table, key)
    if (found?.intent?.commit === op.intent.commit) return
    if (found?.intent) throw reservedRow(op, found.intent)
    if (op.expect !== undefined) requireRow(op, found)
    this.writes.push(() => this.#space.setRow(table, key, { ...(found ?? NO_ROW), intent: op.intent }))
  }

  #settleRow(op: Do<'settleRow'>): void {
    const table = this.#table(op.table)
    const key = encodeKey(table, op.key)
    const found = this.#space.row(table, key)
    if (found?.intent?.commit !== op.commit) return
    this.writes.push(() => this.#space.setRow(table, key, { ...found, intent: undefined }))
  }

  #settleObject({ commit, take }: Do<'settle'>, ref: Ref): void {
    const found = this.#space.object(ref.id)
    const intent = intentOfCommit(found?.intent, commit)
    if (!found || !intent) return
    let next: ObjectRecord | undefined = found.stamp ? { ...found, intent: withoutIntent(found.intent, commit) } : undefined
    if (take) for (const redo of intent.redo) next = redone(next, redo, commit)
    this.writes.push(() => this.#space.setObject(ref.id, next, found))
  }

  #settleAlias({ commit, take }: Do<'settle'>, alias: string): void {
    const found = this.#space.alias(alias)
    if (found?.intent?.commit !== commit) return
    let to = found.to
    if (take) for (const redo of found.intent.redo) if (redo.do === 'name') to = redo.to
    this.writes.push(() => this.#space.setAlias(alias, to ? { to } : undefined))
  }
}

const NO_OBJECT: ObjectStanding = { stamp: null }
const NO_ALIAS: AliasStanding = { to: null }
const NO_SUMS: ReadonlyMap<number, bigint> = new Map()
const NO_BYTES = new Uint8Array(0)
const NO_ROW: RowRecord = { atMicros: 0n, values: null, sums: NO_SUMS }

/** The later clock; on a tie the larger bytes, a removal counting as none. So the order of arrival does not matter. */
function wins(atMicros: bigint, values: Uint8Array | null, found: RowRecord): boolean {
  if (atMicros !== found.atMicros) return atMicros > found.atMicros
  return compareBytes(values ?? NO_BYTES, found.values ?? NO_BYTES) > 0
}

const nothingAt = (ref: Ref): ObjectRecord => ({ ref, stamp: null, body: NO_BYTES })

/** What a put makes of a record. An intent stays: only settling ends it. */
function changed(found: ObjectRecord | undefined, op: Do<'put'>, stamp: Stamp): ObjectRecord {
  return { ref: op.ref, stamp, body: bodyOf(found, op), intent: found?.intent }
}

function bodyOf(found: ObjectRecord | undefined, op: Do<'put'>): Uint8Array {
  if (!found?.stamp) return encodeCells(op.set)
  const cells = decodeCells(found.body)
  for (const name of op.unset ?? []) cells.delete(name)
  for (const [name, cell] of op.set) cells.set(name, cell)
  return encodeCells(cells)
}

/** Redo is not checked again: the reservation did, and has kept everybody else away. */
function redone(record: ObjectRecord | undefined, op: Op, commit: CommitId): ObjectRecord | undefined {
  if (op.do === 'put') return changed(record, op, { revision: (record?.stamp?.revision ?? 0) + 1, commit })
  return op.do === 'remove' ? undefined : record
}

function requireRow(op: Do<'row' | 'checkRow' | 'reserveRow'>, record: RowRecord | undefined): void {
  const found = isVisible(record) ? record.atMicros : null
  if (found === op.expect) return
  throw staleRow(op.table, op.key, op.expect, found)
}

/** It may be decided already, so that nobody can tell what the row is under it: all others stand back. */
const reservedRow = ({ table, key }: Do<'row' | 'checkRow' | 'reserveRow'>, intent: Intent): ConflictError =>
  new ConflictError(`Commit ${intent.commit} holds a row of table ${table} that this group needs.`, { table, key, intent })

export function requireTable(space: Pick<Space, 'table'>, id: TableId): Table {
  const table = space.table(id)
  if (!table) throw new NotFoundError(`There is no table ${id}.`, { table: id })
  return table
}

function unknownOp(op: never): never {
  throw new InsituError(`A group holds an unknown op ${JSON.stringify(op)}.`, { code: 'ERR_INTERNAL' })
}
