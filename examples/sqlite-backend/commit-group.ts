import {
  AliasTakenError,
  type Cells,
  type CommitId,
  ConflictError,
  decodeWire,
  encodeKey,
  encodeWire,
  type Group,
  type Id,
  type Intent,
  NotFoundError,
  type Op,
  type Receipt,
  Ref,
  type Stamp,
  type Table,
  type TableId,
  ValidationError,
  type Values,
} from 'insitu'
import type { Database } from './database.js'
import {
  type AliasRecord,
  aliasAt,
  isVisible,
  markAt,
  type ObjectRecord,
  objectAt,
  type RowRecord,
  rowAt,
  tableAt,
  textKey,
} from './records.js'

type Do<Kind extends Op['do']> = Extract<Op, { do: Kind }>
type Expect = Stamp | Ref | 'present' | 'absent' | null

/**
 * Everything that changes comes through here. The order of the steps is the law:
 *
 * 1. A receipt of this commit id: it was applied before, and its sender did not hear of it. Nothing happens but the same answer.
 * 2. Another attempt's mark: the task is done already. That is an answer, no error, and comes before any conflict, since a later
 *    attempt of a task that has committed finds stale stamps as well.
 * 3. Every expectation, each against the state before the group. The first that is untrue throws, and the transaction is rolled back.
 * 4. Every write, and the receipt with them.
 */
export function commitGroup(db: Database, group: Group): Receipt {
  return db.transaction(() => {
    const before = db.one<[Uint8Array]>('SELECT receipt FROM receipts WHERE commit_id = ?', group.commit)
    if (before) return decodeWire(before[0]) as Receipt
    const marks = group.ops.flatMap((op) => (op.do === 'mark' ? [op] : []))
    const standing = marks.map(({ home, mark }) => markAt(db, home.id, mark.key))
    const inTheWay = standing.find((mark, i) => mark && mark.attempt !== marks[i]!.mark.attempt)
    if (inTheWay) return { applied: false, stamps: new Map(), mark: inTheWay }

    const change = new Change(db, group)
    for (const op of group.ops) change.check(op)
    for (const op of group.ops) change.write(op)
    const mark = standing[0] ?? marks[0]?.mark
    const receipt: Receipt = { applied: true, stamps: change.stamps, ...(mark && { mark }) }
    db.run('INSERT INTO receipts VALUES (?, ?, ?)', group.commit, Date.now(), encodeWire(receipt))
    return receipt
  })
}

class Change {
  readonly stamps = new Map<Id, Stamp>()
  readonly #tables = new Map<TableId, Table>()

  constructor(
    readonly db: Database,
    readonly group: Group,
  ) {}

  check(op: Op): void {
    switch (op.do) {
      case 'put':
      case 'remove':
      case 'check':
        return checkObject(objectAt(this.db, op.ref.id), op.ref, op.expect, this.group.commit)
      case 'name':
        return checkAlias(aliasAt(this.db, op.alias), op.alias, op.expect, this.group.commit)
      case 'reserve':
        return this.#checkReserve(op)
      case 'row':
      case 'checkRow':
        return this.#checkRow(op)
      case 'add':
        if (this.#table(op.table).values[op.column]?.type !== 'counter')
          throw new ValidationError(`Column ${op.column} of table ${op.table} is no counter.`, { table: op.table, column: op.column })
    }
  }

  write(op: Op): void {
    const { db } = this
    switch (op.do) {
      case 'put':
        return this.#put(op, this.group.commit)
      case 'remove':
        return this.#dropObject(op.ref)
      case 'name':
        return this.#setAlias(op.alias, op.to)
      case 'row':
        return this.#row(op)
      case 'add':
        return this.#add(op)
      case 'mark':
        return db.run('INSERT OR IGNORE INTO marks VALUES (?, ?, ?)', op.home.id, textKey(op.mark.key), encodeWire(op.mark))
      case 'forget':
        return this.#forget(op)
      case 'reserve':
        return 'ref' in op.target ? this.#reserveObject(op.target.ref, op.intent) : this.#reserveAlias(op.target.alias, op.intent)
      case 'settle':
        return 'ref' in op.target ? this.#settleObject(op.target.ref, op) : this.#settleAlias(op.target.alias, op)
      case 'stage':
        if (!op.redo) return db.run('DELETE FROM staged WHERE home = ? AND commit_id = ?', op.home.id, op.commit)
        return db.run('INSERT OR REPLACE INTO staged VALUES (?, ?, ?)', op.home.id, op.commit, encodeWire(op.redo))
    }
  }

  // ---- objects

  /** Reserving again finds the own intent, whatever else has changed its mind since. */
  #checkReserve({ target, expect, intent: { commit } }: Do<'reserve'>): void {
    if ('ref' in target) {
      const found = objectAt(this.db, target.ref.id)
      if (found?.intent?.commit !== commit) checkObject(found, target.ref, expect, commit)
    } else {
      const found = aliasAt(this.db, target.alias)
      if (found?.intent?.commit !== commit) checkAlias(found, target.alias, expect, commit)
    }
  }

  /** An intent stays whatever is put: only settling ends it. */
  #put(op: Do<'put'>, commit: CommitId): void {
    const found = objectAt(this.db, op.ref.id)
    const cells = new Map(found?.stamp ? (decodeWire(found.cells) as Cells) : [])
    for (const name of op.unset ?? []) cells.delete(name)
    for (const [name, cell] of op.set) cells.set(name, cell)
    const stamp = { revision: (found?.stamp?.revision ?? 0) + 1, commit }
    this.#setObject({ ref: op.ref, stamp, cells: encodeWire(cells), intent: found?.intent })
    this.stamps.set(op.ref.id, stamp)
  }

  #setObject({ ref, stamp, cells, intent }: ObjectRecord): void {
    const sql = 'INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)'
    this.db.run(sql, ref.id, ref.classId, stamp?.revision ?? null, stamp?.commit ?? null, cells, intent ? encodeWire(intent) : null)
  }

  #dropObject(ref: Ref): void {
    this.db.run('DELETE FROM objects WHERE id = ?', ref.id)
  }

  #reserveObject(ref: Ref, intent: Intent): void {
    const found = objectAt(this.db, ref.id) ?? { ref, stamp: null, cells: encodeWire(new Map()) }
    if (found.intent?.commit !== intent.commit) this.#setObject({ ...found, intent })
  }

  /** The redo is not checked again: the reservation was, and has kept everybody else away since. */
  #settleObject(ref: Ref, { commit, take }: Do<'settle'>): void {
    const found = objectAt(this.db, ref.id)
    if (found?.intent?.commit !== commit) return
    if (found.stamp) this.#setObject({ ...found, intent: undefined })
    else this.#dropObject(ref)
    if (!take) return
    for (const op of found.intent.redo) {
      if (op.do === 'put') this.#put(op, commit)
      else if (op.do === 'remove') this.#dropObject(ref)
    }
  }

  // ---- aliases

  #setAlias(alias: string, to: Ref | null, intent?: Intent): void {
    if (!to && !intent) return this.db.run('DELETE FROM aliases WHERE alias = ?', textKey(alias))
    const values = [to?.id ?? null, to && encodeWire(to), intent ? encodeWire(intent) : null]
    this.db.run('INSERT OR REPLACE INTO aliases VALUES (?, ?, ?, ?)', textKey(alias), ...values)
  }

  #reserveAlias(alias: string, intent: Intent): void {
    const found = aliasAt(this.db, alias)
    if (found?.intent?.commit !== intent.commit) this.#setAlias(alias, found?.to ?? null, intent)
  }

  #settleAlias(alias: string, { commit, take }: Do<'settle'>): void {
    const found = aliasAt(this.db, alias)
    if (found?.intent?.commit !== commit) return
    const redo = found.intent.redo.findLast((op) => op.do === 'name')
    this.#setAlias(alias, take && redo ? redo.to : found.to)
  }

  // ---- rows

  #table(id: TableId): Table {
    const table = this.#tables.get(id) ?? tableAt(this.db, id)
    if (!table) throw new NotFoundError(`There is no table ${id}.`, { table: id })
    this.#tables.set(id, table)
    return table
  }

  #setRow(table: Table, key: Uint8Array, { atMicros, values, sums }: RowRecord): void {
    const encoded = sums.size > 0 ? encodeWire(sums) : null
    this.db.run('INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?, ?)', table.id, key, atMicros, values, encoded)
  }

  #checkRow({ table: id, key, expect }: Do<'row' | 'checkRow'>): void {
    const table = this.#table(id)
    if (expect === undefined) return
    const record = rowAt(this.db, table, encodeKey(table, key))
    const found = isVisible(record) ? record.atMicros : null
    if (found !== expect)
      throw new ConflictError(`A row of table ${id} changed since it was read.`, { table: id, key, expected: expect, found })
  }

  #row(op: Do<'row'>): void {
    const table = this.#table(op.table)
    const key = encodeKey(table, op.key)
    const found = rowAt(this.db, table, key)
    const values = op.set && encodeValues(table, op.set, found)
    let { atMicros } = this.group
    if (op.expect === undefined) {
      if (found && !wins(atMicros, values, found)) return
    } else if (found && found.atMicros >= atMicros) {
      // A checked write happens whatever the clocks say, and must be told from the one that it replaces.
      atMicros = found.atMicros + 1n
    }
    this.#setRow(table, key, { atMicros, values, sums: (values && found?.sums) || new Map() })
  }

  #add(op: Do<'add'>): void {
    const table = this.#table(op.table)
    const key = encodeKey(table, op.key)
    const { atMicros, values, sums } = rowAt(this.db, table, key) ?? { atMicros: 0n, values: null, sums: new Map<number, bigint>() }
    // Wraps, as the 64-bit counters of other stores do.
    const sum = BigInt.asIntN(64, (sums.get(op.column) ?? 0n) + op.by)
    this.#setRow(table, key, { atMicros, values, sums: new Map(sums).set(op.column, sum) })
  }

  // ---- marks

  #forget({ home, keys, what }: Do<'forget'>): void {
    for (const key of keys) {
      const mark = markAt(this.db, home.id, key)
      if (mark && what === 'outcome')
        this.db.run('UPDATE marks SET mark = ? WHERE home = ? AND key = ?', encodeWire({ ...mark, outcome: null }), home.id, textKey(key))
      else if (mark) this.db.run('DELETE FROM marks WHERE home = ? AND key = ?', home.id, textKey(key))
    }
  }
}

/** Counters are kept apart, in `sums`: a row that is written whole keeps them, and the columns that its writer does not know. */
function encodeValues(table: Table, set: Values, found: RowRecord | undefined): Uint8Array {
  if (set.length > table.values.length)
    throw new ValidationError(`A row of ${set.length} values is for no table of ${table.values.length} columns.`, { table: table.id })
  const standing = found?.values && set.length < table.values.length ? (decodeWire(found.values) as Values) : []
  const values = [...set, ...standing.slice(set.length)]
  return encodeWire(table.values.map(({ type }, i) => (type === 'counter' ? undefined : values[i])))
}

/** The later clock; on a tie the larger bytes, a removal counting as none. So the order of arrival does not matter. */
function wins(atMicros: bigint, values: Uint8Array | null, found: RowRecord): boolean {
  if (atMicros !== found.atMicros) return atMicros > found.atMicros
  return Buffer.compare(values ?? NOTHING, found.values ?? NOTHING) > 0
}

const NOTHING = new Uint8Array(0)

function checkObject(found: ObjectRecord | undefined, ref: Ref, expect: Expect, commit: CommitId): void {
  const stamp = found?.stamp ?? null
  requireFree(found?.intent, commit, { ref, expected: expect, found: stamp })
  if (!isAsExpected(stamp, expect)) throw new ConflictError(`Object ${ref.id} is not as expected.`, { ref, expected: expect, found: stamp })
}

function checkAlias(found: AliasRecord | undefined, alias: string, expect: Expect, commit: CommitId): void {
  const to = found?.to ?? null
  requireFree(found?.intent, commit, { alias, expected: expect, found: to })
  if (expect instanceof Ref ? to?.id !== expect.id : (to !== null) !== (expect === 'present'))
    throw new AliasTakenError(`Alias ${JSON.stringify(alias)} is not as expected.`, { alias, expected: expect, found: to })
}

/** Another commit's intent may be decided already, so that nobody can tell the state under it: all others stand back, and learn of it. */
function requireFree(intent: Intent | undefined, commit: CommitId, details: object): void {
  if (intent && intent.commit !== commit)
    throw new ConflictError(`Commit ${intent.commit} holds what this group needs.`, { ...details, intent })
}

function isAsExpected(stamp: Stamp | null, expect: Expect): boolean {
  if (expect === 'absent' || expect === null) return stamp === null
  if (expect === 'present' || expect instanceof Ref) return stamp !== null
  // Both parts: a revision alone can repeat after a delete.
  return stamp !== null && stamp.revision === expect.revision && stamp.commit === expect.commit
}
