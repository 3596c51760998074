import type { Cell, Cells, Found, Group, Intent, Key, Mark, Op, Receipt, Ref, Stamp, Stored, StoredRow, Target } from '../../src/backend.js'
import { AliasTakenError, ConflictError } from '../../src/errors.js'
import type { CommitId, Domain, Id, TableId } from '../../src/ids.js'

interface Thing {
  readonly ref: Ref
  readonly stamp: Stamp
  readonly cells: Cells
}

export interface ModelRow {
  readonly set: readonly (Cell | undefined)[] | null
  readonly atMicros: bigint
}

/**
 * What a store keeps, by domain: each domain is a world of its own, and `apply` is the one atomic step there is. The contract in its
 * strict reading and nothing more.
 */
export class ModelStore {
  readonly things = new Map<string, Thing>()
  readonly names = new Map<string, Ref>()
  readonly intents = new Map<string, Intent>()
  /** Those that only ask that an object stays, where the store takes several. */
  readonly shared = new Map<string, readonly Intent[]>()
  readonly marks = new Map<string, Mark>()
  readonly staged = new Map<string, readonly Op[]>()
  readonly rows = new Map<string, ModelRow>()
  readonly counters = new Map<string, bigint>()
  readonly receipts = new Map<string, Receipt>()
  readonly barred = new Set<string>()
  /** Told each group at the moment it takes effect. */
  onApplied: (group: Group) => void = () => {}

  /** Where things lie: objects by id, aliases and rows by their text. Without receipts it breaks the contract, for a canary. */
  constructor(
    readonly domainOf: (place: string) => Domain,
    readonly keepsReceipts = true,
    /** Whether it can end groups of unknown outcome. */
    readonly bars = false,
    /** Whether rows take intents. */
    readonly reservesRows = false,
    readonly sharesIntents = false,
  ) {}

  domain(op: Op): Domain {
    return this.domainOf(placeOf(op))
  }

  apply(group: Group): Receipt {
    const domain = this.domain(group.ops[0]!)
    if (group.ops.some((op) => this.domain(op) !== domain)) throw new Error(`group ${group.commit} has ops of several domains`)
    const known = `${domain} ${group.commit}`
    const earlier = this.receipts.get(known)
    if (earlier) return earlier
    if (this.barred.has(known)) throw new ConflictError('barred', { barred: group.commit })
    const inTheWay = this.#markInTheWay(group)
    if (inTheWay) return { applied: false, stamps: new Map(), mark: inTheWay }
    for (const op of group.ops) this.#check(op, group)
    const stamps = new Map<Id, Stamp>()
    for (const op of group.ops) this.#do(op, group.commit, group.atMicros, stamps)
    const mark = group.ops.findLast((op) => op.do === 'mark')
    const receipt: Receipt = { applied: true, stamps, ...(mark && { mark: this.marks.get(markKey(mark.home, mark.mark.key))! }) }
    if (this.keepsReceipts) this.receipts.set(known, receipt)
    this.onApplied(group)
    return receipt
  }

  /** Ends a group of unknown outcome, where the store can. */
  bar(group: Group): Receipt | undefined {
    const known = `${this.domain(group.ops[0]!)} ${group.commit}`
    const receipt = this.receipts.get(known)
    if (!receipt) this.barred.add(known)
    return receipt
  }

  stored(ref: Ref): Stored | undefined {
    const thing = this.things.get(ref.id)
    const intent = this.#standing(ref.id)
    return thing && { ...thing, bytes: 0, ...(intent && { intent }) }
  }

  found(what: Id | { readonly alias: string }): Found | undefined {
    if (typeof what !== 'string') return foundOf(this.names.get(what.alias), this.intents.get(aliasKey(what.alias)))
    const ref = this.things.get(what)?.ref
    return ref && foundOf(ref, this.#standing(what))
  }

  /** All intents on an object, as they are read: one that carries the others. */
  #standing(id: string): Intent | undefined {
    const exclusive = this.intents.get(id)
    const [first, ...beside] = [...(exclusive ? [exclusive] : []), ...(this.shared.get(id) ?? [])]
    return first && beside.length > 0 ? { ...first, beside } : first
  }

  mark(home: Ref, key: string): Mark | undefined {
    return this.marks.get(markKey(home, key))
  }

  redo(home: Ref, commit: CommitId): readonly Op[] | undefined {
    return this.staged.get(markKey(home, commit))
  }

  row(table: TableId, key: Key): StoredRow | undefined {
    const row = this.rows.get(rowKey(table, key))
    return row?.set ? { key, values: row.set, atMicros: row.atMicros } : undefined
  }

  #markInTheWay(group: Group): Mark | undefined {
    for (const op of group.ops) {
      if (op.do !== 'mark') continue
      const standing = this.marks.get(markKey(op.home, op.mark.key))
      if (standing && standing.attempt !== op.mark.attempt) return standing
    }
    return undefined
  }

  #check(op: Op, group: Group): void {
    const target = targetOf(op)
    if (target) this.#checkTarget(op, target, op.do === 'reserve' ? op.intent.commit : group.commit)
    if (op.do === 'row' || op.do === 'checkRow' || op.do === 'reserveRow') this.#checkRow(op, group)
  }

  #checkRow(op: Extract<Op, { do: 'row' | 'checkRow' | 'reserveRow' }>, group: Group): void {
    const { table, key } = op
    const intent = this.intents.get(rowKey(table, key))
    const own = op.do === 'row' ? op.ends : op.do === 'checkRow' ? group.commit : op.intent.commit
    if (intent && intent.commit !== own) throw new ConflictError('reserved', { table, key, intent })
    if (op.expect !== undefined && !intent) {
      const found = this.row(op.table, op.key)?.atMicros ?? null
      if (found !== op.expect) throw new ConflictError('row changed', { table: op.table, key: op.key, expected: op.expect, found })
    }
  }

  #checkTarget(op: Op, target: Target, commit: CommitId): void {
    const intent = this.#inTheWay(op, target, commit)
    if (intent) throw new ConflictError('reserved', { ...target, intent })
    if (!('expect' in op) || (op.do === 'reserve' && this.intents.get(targetKey(target))?.commit === commit)) return
    if ('alias' in target) this.#checkName(target.alias, op.expect as Ref | null)
    else this.#checkThing(target.ref, op.expect as Stamp | 'present' | 'absent')
  }

  #inTheWay(op: Op, target: Target, commit: CommitId): Intent | undefined {
    const exclusive = this.intents.get(targetKey(target))
    const own = op.do === 'reserve' ? op.intent : undefined
    const passes = own && (exclusive?.commit === commit || (this.sharesIntents && own.isShared && !isRemoval(exclusive?.redo)))
    if (exclusive && !passes) return exclusive
    if (op.do !== 'remove' && (!isRemoval(own?.redo) || own?.passesShared)) return undefined
    return this.shared.get(targetKey(target))?.find((one) => one.commit !== commit)
  }

  #checkName(alias: string, expect: Ref | null): void {
    if (this.names.get(alias)?.id !== expect?.id) throw new AliasTakenError(`${alias} is taken`, { alias })
  }

  #checkThing(ref: Ref, expected: Stamp | 'present' | 'absent'): void {
    const found = this.things.get(ref.id)?.stamp
    const fits =
      typeof expected === 'string'
        ? (expected === 'present') === (found !== undefined)
        : found?.revision === expected.revision && found.commit === expected.commit
    if (!fits) throw new ConflictError(`${ref.id} changed`, { ref, expected, found })
  }

  #do(op: Op, commit: CommitId, atMicros: bigint, stamps: Map<Id, Stamp>): void {
    switch (op.do) {
      case 'put':
        stamps.set(op.ref.id, this.#put(op, commit))
        return
      case 'remove':
        this.things.delete(op.ref.id)
        return
      case 'check':
      case 'checkRow':
        return
      case 'name':
        if (op.to) this.names.set(op.alias, op.to)
        else this.names.delete(op.alias)
        return
      case 'row': {
        const key = rowKey(op.table, op.key)
        if (op.ends && this.intents.get(key)?.commit === op.ends) this.intents.delete(key)
        this.#row(key, { set: op.set, atMicros })
        return
      }
      case 'reserveRow':
        this.intents.set(rowKey(op.table, op.key), op.intent)
        return
      case 'settleRow': {
        const key = rowKey(op.table, op.key)
        if (this.intents.get(key)?.commit === op.commit) this.intents.delete(key)
        return
      }
      case 'add': {
        const key = rowKey(op.table, op.key)
        this.counters.set(key, (this.counters.get(key) ?? 0n) + op.by)
        return
      }
      case 'mark': {
        const key = markKey(op.home, op.mark.key)
        if (!this.marks.has(key)) this.marks.set(key, op.mark)
        return
      }
      case 'forget':
        for (const key of op.keys) this.marks.delete(markKey(op.home, key))
        return
      case 'reserve':
        this.#reserve(targetKey(op.target), op.intent)
        return
      case 'settle':
        this.#settle(op, stamps)
        return
      case 'stage':
        if (op.redo) this.staged.set(markKey(op.home, op.commit), op.redo)
        else this.staged.delete(markKey(op.home, op.commit))
        return
      default:
        op satisfies never
    }
  }

  #reserve(key: string, intent: Intent): void {
    if (!intent.isShared || !this.sharesIntents) {
      this.intents.set(key, intent)
      return
    }
    const before = this.shared.get(key) ?? []
    if (!before.some(({ commit }) => commit === intent.commit)) this.shared.set(key, [...before, intent])
  }

  #put(op: Extract<Op, { do: 'put' }>, commit: CommitId): Stamp {
    const old = this.things.get(op.ref.id)
    const cells = new Map([...(old?.cells ?? []), ...op.set])
    for (const name of op.unset ?? []) cells.delete(name)
    const stamp = { revision: (old?.stamp.revision ?? 0) + 1, commit }
    this.things.set(op.ref.id, { ref: op.ref, stamp, cells })
    return stamp
  }

  #row(key: string, row: ModelRow): void {
    const standing = this.rows.get(key)
    if (!standing || standing.atMicros <= row.atMicros) this.rows.set(key, row)
  }

  #settle(op: Extract<Op, { do: 'settle' }>, stamps: Map<Id, Stamp>): void {
    const key = targetKey(op.target)
    const shared = this.shared.get(key)?.filter(({ commit }) => commit !== op.commit) ?? []
    if (shared.length > 0) this.shared.set(key, shared)
    else this.shared.delete(key)
    const intent = this.intents.get(key)
    if (intent?.commit !== op.commit) return
    this.intents.delete(key)
    if (op.take) for (const redo of intent.redo) this.#do(redo, intent.commit, 0n, stamps)
  }
}

const isRemoval = (redo: readonly Op[] | undefined): boolean => redo?.some((op) => op.do === 'remove') ?? false

const foundOf = (ref: Ref | undefined, intent: Intent | undefined): Found | undefined =>
  ref || intent ? { ref: ref ?? null, ...(intent && { intent }) } : undefined

export const aliasKey = (alias: string): string => `alias:${alias}`
export const rowKey = (table: TableId, key: Key): string => `row:${table}:${key.join(':')}`
const markKey = (home: Ref, key: string): string => `${home.id}/${key}`
export const targetKey = (target: Target): string => ('alias' in target ? aliasKey(target.alias) : target.ref.id)

function targetOf(op: Op): Target | undefined {
  if (op.do === 'reserve') return op.target
  if (op.do === 'name') return { alias: op.alias }
  return op.do === 'put' || op.do === 'remove' || op.do === 'check' ? { ref: op.ref } : undefined
}

/** The text that says where an op belongs; a row's partition is its first key column. */
export function placeOf(op: Op): string {
  if ('key' in op) return rowKey(op.table, op.key.slice(0, 1))
  if (op.do === 'mark' || op.do === 'forget' || op.do === 'stage') return op.home.id
  if (op.do === 'reserve' || op.do === 'settle') return targetKey(op.target)
  return op.do === 'name' ? aliasKey(op.alias) : op.ref.id
}
