/** Rows and counters of groups, partition by partition. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Group, Intent, Key, Op, Receipt, StoredRow } from '../../src/backend.js'
import { decodeWire, encodeWire } from '../../src/codec/wire.js'
import { staleRow } from '../../src/conflicts.js'
import { encodeKeyText } from '../../src/dict/row-key.js'
import { ConflictError, UnavailableError, UnsupportedError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import type { CassandraLink, Param, ReadOptions, Row, Statement } from './cassandra-link.js'
import { ensureCopies } from './copies.js'
import { clusteringOf, type DictLayout, partitionColumns } from './dict-layout.js'
import { fewAtOnce } from './few-at-once.js'
import { quoted } from './identifiers.js'
import { Lines } from './lines.js'
import type { PartitionWriter, Writes } from './partition-writer.js'
import { noteSlots, type RowForms, type Slot, slot } from './row-forms.js'
import { partitionKey } from './token.js'

export type RowOp = Extract<Op, { do: 'row' | 'checkRow' | 'add' | 'reserveRow' | 'settleRow' }>

const AGAIN_MS_MAX = 40
/** Of one group; others are under way meanwhile, eight where rows are loaded. Each holds some partitions. */
const SHARES_AT_ONCE = 8

/** Ids of commits are uuids of version 7, which tell when they were made. */
const isOfCommit = (share: string): boolean => share[14] === '7'

const APPLIED: Receipt = { applied: true, stamps: new Map() }

/** What a group does in one partition. */
interface PartitionOps {
  readonly name: string
  readonly layout: DictLayout
  readonly ops: RowOp[]
}

export class RowWriter {
  readonly #lines = new Lines()

  constructor(
    readonly link: CassandraLink,
    readonly forms: RowForms,
    readonly writer: PartitionWriter,
    readonly receiptsKeptS: number,
  ) {}

  /** Whole in each partition: a group that has to be whole lies in one, since its ops say by how many columns. */
  async write(group: Group, ops: readonly RowOp[], layouts: ReadonlyMap<string, DictLayout>): Promise<Receipt> {
    const partitions = new Map<string, PartitionOps>()
    for (const op of ops) {
      const layout = layouts.get(op.table)!
      const checked: RowOp = { ...op, key: this.forms.keyOf(layout, op.key) }
      if (checked.do === 'add') this.forms.requireCounter(layout, checked.column)
      const name = partitionName(layout, checked.key)
      const partition = partitions.get(name)
      if (partition) partition.ops.push(checked)
      else partitions.set(name, { name, layout, ops: [checked] })
    }
    const all = [...partitions.values()]
    if (all.some(({ layout }) => layout.isNative)) return this.#count(all)
    await this.#plainly(
      group,
      all.filter(({ layout }) => !layout.isCas),
    )
    for (const { name, layout, ops: some } of all.filter((one) => one.layout.isCas))
      await this.#lines.stand(name, () => this.#checked(group, layout, some))
    return APPLIED
  }

  /** Of a group of one partition more may come in the same turn; of one of many hardly. What waits there has nothing made ready. */
  async #plainly(group: Group, partitions: readonly PartitionOps[]): Promise<void> {
    const [first] = partitions
    if (partitions.length <= 1) return first && this.writer.write(await this.#writesOf(group, first))
    const shares = this.writer.sharesOf(partitions, ({ layout, ops }) => partitionKey(layout, ops[0]!.key))
    await fewAtOnce(shares, SHARES_AT_ONCE, async (share) =>
      this.writer.writeShare(await Promise.all(share.map((one) => this.#writesOf(group, one)))),
    )
  }

  /** One add, sent once: of several some might count and others not. */
  async #count(partitions: readonly PartitionOps[]): Promise<Receipt> {
    const [{ layout, ops }, ...more] = partitions as readonly [(typeof partitions)[0], ...typeof partitions]
    const op = ops[0]!
    if (more.length > 0 || ops.length > 1 || op.do !== 'add')
      throw new UnsupportedError(
        `Rows of table ${op.table} are counters of Cassandra's own: each is added to by itself, and never written, removed, or sent again.`,
        { code: 'ERR_COUNTERS_ONLY', table: op.table },
      )
    await this.link.writeOnce(this.forms.count(layout, op.key, op.column, op.by))
    return APPLIED
  }

  /** The writer's time decides between rows, and a counter's share is known by its commit: so no compare-and-set is needed. */
  async #writesOf(group: Group, { name, layout, ops }: PartitionOps): Promise<Writes> {
    const { commit, atMicros } = group
    const statements: Statement[] = []
    for (const op of ops) {
      if (op.do !== 'row') continue
      statements.push(op.set ? this.forms.insert(layout, op.key, op.set, atMicros) : this.forms.remove(layout, op.key, atMicros))
      if (!op.set && layout.counters.length > 0) statements.push(...(await this.#endings(group, layout, op.key)))
    }
    for (const { key, column, by } of summed(layout, ops)) statements.push(this.forms.add(layout, key, column, commit, by, atMicros))
    return { partition: name, key: () => partitionKey(layout, ops[0]!.key), statements }
  }

  /**
   * A removal ends the shares that were added before it was made, which their commits' ids tell, whatever the clocks of their groups say;
   * sent again it finds no others. One that comes late, behind a later row, ends nothing.
   */
  async #endings({ commit, atMicros }: Group, layout: DictLayout, key: Key): Promise<Statement[]> {
    const columns = ['~at', ...layout.counters.map((i) => layout.values[i]!.cql)].map(quoted).join(', ')
    const query = `SELECT ${columns} FROM ${this.link.table(layout.name)} WHERE ${this.forms.whereKey(layout)}`
    const [row] = await this.link.all(query, this.forms.keyParams(layout, key))
    const at = row?.['~at'] as bigint | null | undefined
    if (!row || (at !== null && at !== undefined && at >= atMicros)) return []
    return layout.counters.flatMap((column) => {
      const shares = row[layout.values[column]!.cql] as ReadonlyMap<unknown, bigint> | null
      return [...(shares?.keys() ?? [])].map(String).flatMap((one) => {
        // What another client has added tells its time as its other cells do, and by nothing else.
        if (!isOfCommit(one)) return [this.forms.endShare(layout, key, column, one, atMicros - 1n)]
        return one < commit ? [this.forms.endShare(layout, key, column, one)] : []
      })
    })
  }

  /** Reads the rows, and writes them if they have not changed meanwhile. */
  async #checked(group: Group, layout: DictLayout, ops: readonly RowOp[]): Promise<void> {
    const endMs = Date.now() + this.link.config.patienceMs
    let isUnknown = false
    for (let nth = 0; ; nth++) {
      if (await this.#hasReceipt(layout, ops[0]!.key, receiptOf(group, layout, ops[0]!.key)))
        return ensureCopies(this.link, () => this.#rows(layout, ops, {}))
      const rows = await this.#rows(layout, ops)
      const conflict = conflictIn(group, layout, ops, rows, this.forms)
      if (conflict) throw isUnknown ? this.link.unknownOutcome(conflict) : conflict
      const applied = await this.link.cas(this.#statements(group, layout, ops, rows))
      if (applied) return
      isUnknown ||= applied === undefined
      if (Date.now() > endMs) throw isUnknown ? this.link.unknownOutcome() : busy(layout, this.link.config.url)
      await delay(Math.random() * Math.min(AGAIN_MS_MAX, 2 ** nth))
    }
  }

  async #rows(
    layout: DictLayout,
    ops: readonly RowOp[],
    options: ReadOptions = { consistency: 'serial' },
  ): Promise<ReadonlyMap<string, Row | undefined>> {
    const keys = new Map(ops.map((op) => [encodeKeyText(layout.table, op.key), op.key]))
    const query = `SELECT * FROM ${this.link.table(layout.name)} WHERE ${this.forms.whereKey(layout)}`
    const read = async ([text, key]: [string, Key]): Promise<[string, Row | undefined]> => {
      const [row] = await this.link.all(query, this.forms.keyParams(layout, key), options)
      return [text, row]
    }
    return new Map(await Promise.all([...keys].map(read)))
  }

  async #hasReceipt(layout: DictLayout, key: Key, receipt: string): Promise<boolean> {
    const columns = partitionColumns(layout)
    const where = columns.map((name) => `${quoted(name)} = ?`).join(' AND ')
    const distinct = clusteringOf(layout).length > 0 ? `DISTINCT ${columns.map(quoted).join(', ')}, ` : ''
    const query = `SELECT ${distinct}"~receipts" FROM ${this.link.table(layout.name)} WHERE ${where}`
    const params = this.forms.keyParams(layout, key).slice(0, columns.length)
    const [row] = await this.link.all(query, params, { consistency: 'serial' })
    const receipts = row?.['~receipts'] as ReadonlySet<unknown> | null | undefined
    return receipts ? [...receipts].some((one) => String(one) === receipt) : false
  }

  #statements(group: Group, layout: DictLayout, ops: readonly RowOp[], before: ReadonlyMap<string, Row | undefined>): Statement[] {
    const after = new Map<string, Change>()
    for (const op of ops) {
      const text = encodeKeyText(layout.table, op.key)
      const change = after.get(text) ?? new Change(op.key, before.get(text))
      after.set(text, change)
      if (op.do === 'row') change.write(op, group.atMicros)
      else if (op.do === 'checkRow') change.isChecked = true
      else if (op.do === 'reserveRow') change.reserve(op.intent)
      else if (op.do === 'settleRow') change.settle(op.commit)
    }
    for (const { key, column, by } of summed(layout, ops)) after.get(encodeKeyText(layout.table, key))!.adds.push([column, by])
    return [...[...after.values()].flatMap((change) => this.#changed(group, layout, change)), this.#receipt(group, layout, ops[0]!.key)]
  }

  #changed({ commit }: Group, layout: DictLayout, change: Change): Statement[] {
    const { values, counters } = layout
    const set: Slot[] = []
    let ttl = ''
    if (change.written) {
      const { set: row, atMicros, isAnew } = change.written
      set.push(...this.forms.slots(layout, row, isAnew))
      set.push(slot('~at', row ? atMicros : null), ...noteSlots(layout, row, isAnew), slot('~gone', row ? null : atMicros))
      if (isAnew) for (const i of counters) set.push(slot(values[i]!.cql, null))
      if (!row) ttl = ` USING TTL ${this.receiptsKeptS}`
    }
    if (change.intentNow !== undefined) set.push(slot('~intent', change.intentNow))
    // Nothing is compared that is not written as well.
    else if (change.isChecked && set.length === 0) set.push(slot('~intent', change.intentForm))
    const where = `WHERE ${this.forms.whereKey(layout)}`
    const condition = { query: 'IF "~at" = ? AND "~gone" = ? AND "~intent" = ?', params: [change.at, change.gone, change.intentForm] }
    const key = this.forms.keyParams(layout, change.key)
    const table = this.link.table(layout.name)
    const adds = change.adds.map(([column, by]) => ({
      query: `UPDATE ${table} SET ${quoted(values[column]!.cql)}[?] = ? ${where} ${condition.query}`,
      params: [commit, by, ...key, ...condition.params],
    }))
    if (set.length === 0) return adds
    const query = `UPDATE ${table}${ttl} SET ${set.map(({ name, sql }) => `${quoted(name)} = ${sql}`).join(', ')} ${where} ${condition.query}`
    return [{ query, params: [...set.flatMap(({ params }) => params), ...key, ...condition.params] }, ...adds]
  }

  #receipt(group: Group, layout: DictLayout, key: Key): Statement {
    const columns = partitionColumns(layout)
    const where = columns.map((name) => `${quoted(name)} = ?`).join(' AND ')
    return {
      query: `UPDATE ${this.link.table(layout.name)} USING TTL ${this.receiptsKeptS} SET "~receipts" = "~receipts" + ? WHERE ${where}`,
      params: [new Set([receiptOf(group, layout, key)]), ...this.forms.keyParams(layout, key).slice(0, columns.length)],
    }
  }
}

/**
 * A commit id may stand for several groups, one in each domain; the domains of a dict in a shared table, which are its partitions, or would
 * be in a table of its own, have one: so their receipts must differ.
 */
function receiptOf({ commit }: Group, { place, table }: DictLayout, key: Key): string {
  if (place === undefined) return commit
  const hash = createHash('sha256').update(
    `${commit} ${encodeKeyText({ keys: table.keys.slice(0, table.partition) }, key.slice(0, table.partition))}`,
  )
  return hash.digest('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5')
}

function intentIn(row: Row | undefined): Intent | undefined {
  const form = row?.['~intent'] as Buffer | null | undefined
  return form ? (decodeWire(Uint8Array.from(form)) as Intent) : undefined
}

/** What becomes of one row. */
class Change {
  readonly at: bigint | null
  readonly gone: bigint | null
  readonly intent: Intent | undefined
  readonly intentForm: Param
  /** `null`: none any more; `undefined`: as before. */
  intentNow: Buffer | null | undefined
  readonly adds: [number, bigint][] = []
  isChecked = false
  /** `isAnew`: nothing is left of the row before. */
  written: { readonly set: Extract<Op, { do: 'row' }>['set']; readonly atMicros: bigint; readonly isAnew: boolean } | undefined

  constructor(
    readonly key: Key,
    before: Row | undefined,
  ) {
    this.at = (before?.['~at'] as bigint | null | undefined) ?? null
    this.gone = (before?.['~gone'] as bigint | null | undefined) ?? null
    this.intent = intentIn(before)
    this.intentForm = (before?.['~intent'] as Buffer | null | undefined) ?? null
  }

  reserve(intent: Intent): void {
    if (!this.intent) this.intentNow = Buffer.from(encodeWire(intent))
  }

  settle(commit: CommitId): void {
    if (this.intent?.commit === commit) this.intentNow = null
  }

  write({ set, expect, ends }: Extract<Op, { do: 'row' }>, atMicros: bigint): void {
    if (ends !== undefined) this.settle(ends)
    const last = this.at ?? this.gone ?? -1n
    const isChecked = expect !== undefined || this.intentNow === null
    // A checked write happens whatever the clocks say, and must be told from the one it replaces.
    const time = isChecked && last >= atMicros ? last + 1n : atMicros
    const isLate = !isChecked && (last > time || (last === time && this.at !== null && set === null))
    if (isLate) return
    this.written = { set, atMicros: time, isAnew: set === null || (this.written?.isAnew ?? false) }
  }
}

function conflictIn(
  { commit }: Group,
  layout: DictLayout,
  ops: readonly RowOp[],
  rows: ReadonlyMap<string, Row | undefined>,
  forms: RowForms,
): Error | undefined {
  for (const op of ops) {
    if (op.do !== 'row' && op.do !== 'checkRow' && op.do !== 'reserveRow') continue
    const row = rows.get(encodeKeyText(layout.table, op.key))
    const intent = intentIn(row)
    const own = op.do === 'row' ? op.ends : op.do === 'checkRow' ? commit : op.intent.commit
    if (intent && intent.commit !== own)
      return new ConflictError(`Commit ${intent.commit} holds a row of table ${op.table} that this group needs.`, {
        table: op.table,
        key: op.key,
        intent,
      })
    if (intent || op.expect === undefined) continue
    const stored: StoredRow | undefined = row && forms.rowFrom(layout, row)
    const found = stored?.atMicros ?? null
    if (found !== op.expect) return staleRow(op.table, op.key, op.expect, found)
  }
  return undefined
}

/** One share for each counter of a row, since it is known by the commit. */
function summed(layout: DictLayout, ops: readonly RowOp[]): readonly { readonly key: Key; readonly column: number; readonly by: bigint }[] {
  const sums = new Map<string, { key: Key; column: number; by: bigint }>()
  for (const op of ops) {
    if (op.do !== 'add') continue
    const name = `${op.column} ${encodeKeyText(layout.table, op.key)}`
    const sum = sums.get(name)
    if (sum) sum.by = BigInt.asIntN(64, sum.by + op.by)
    else sums.set(name, { key: op.key, column: op.column, by: op.by })
  }
  return [...sums.values()]
}

const partitionName = ({ table, place }: DictLayout, key: Key): string =>
  place === undefined
    ? `${table.id} ${encodeKeyText({ keys: table.keys.slice(0, table.partition) }, key.slice(0, table.partition))}`
    : table.id

const busy = ({ table }: DictLayout, url: string): Error =>
  new UnavailableError(`${url}: table ${table.id} is being changed by so many at once that this change did not get its turn; try again`, {
    retryable: true,
  })
