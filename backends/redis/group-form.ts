/** Groups as keys and arguments of commit.lua and save.lua. */
import { type Cell, type Cells, type Group, type Op, Packed, Ref, type Stamp, type Values } from '../../src/backend.js'
import { encodeWire } from '../../src/codec/wire.js'
import { InsituError } from '../../src/errors.js'
import type { ClassId, CommitId, Id, TableId } from '../../src/ids.js'
import { markForm } from '../../src/mark-form.js'
import type { ArgumentPack } from './argument-pack.js'
import type { ArgumentRoom } from './argument-room.js'
import { netstrings } from './netstrings.js'
import { headOf, LARGE_CELL_BYTES, SENT_CELL_BYTES } from './object-form.js'
import { type TablePart, tablesIn } from './op-partition.js'
import { encodeCell, fieldOf } from './redis-cells.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import type { Argument, LargeCell } from './redis-link.js'
import { encodeRow, type KnownTable, keyOfRow, requireCounter } from './redis-rows.js'
import { partitionOfRow, spreadOf } from './spread.js'

type Do<Kind extends Op['do']> = Extract<Op, { do: Kind }>
type Expect = Do<'reserve'>['expect']

/** What a group becomes; `tables` in the order in which the reply numbers them, `mainOps` likewise. */
export interface GroupForm {
  readonly group: Group
  /** Whether save.lua can do it. */
  readonly isSimple: boolean
  readonly mainOps: readonly Op[]
  readonly marks: readonly Do<'mark'>[]
  readonly tables: readonly TablePart[]
  readonly cells: readonly LargeCell[]
}

/** The keys of one call, each once. Scripts count from 1; `before` of them are not in the list. */
export class KeyList {
  readonly keys: string[] = []
  readonly #numbers = new Map<string, number>()

  constructor(readonly before: number) {}

  numberOf(key: string): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.keys.push(key)
    const number = this.keys.length + this.before
    this.#numbers.set(key, number)
    return number
  }

  /** Several that the script counts on from the first. */
  numberOfAll(keys: readonly string[]): number {
    const known = this.#numbers.get(keys[0]!)
    if (known !== undefined) return known
    for (const key of keys) this.keys.push(key)
    const number = this.keys.length - keys.length + 1 + this.before
    this.#numbers.set(keys[0]!, number)
    return number
  }
}

/** What groups in one pack may come to before the last of them. */
export const BATCH_BYTES = 128 * 1024

/** Writes groups into the pack of a call. Not a buffer of a group's is held on to, unless it is large: those are borrowed until the reply. */
export class GroupWriter {
  #mainOps: Op[] = []
  #commit = '' as CommitId
  #isSimple = true
  /** Cells of a group that is sent twice have different names: those of the one that was refused go. */
  readonly #send = `${Math.random().toString(36).slice(2)}-`
  /** Of all groups so far: to be sent before the script. */
  readonly cells: LargeCell[] = []

  constructor(
    readonly keys: RedisKeys,
    readonly list: KeyList,
    readonly objects: KeyList,
    readonly pack: ArgumentPack,
    readonly domain: Partition,
    readonly hintsHere: boolean,
    readonly room: ArgumentRoom,
  ) {}

  /** Leaves the pack as it was when the group cannot be written. */
  write(group: Group, tables: ReadonlyMap<TableId, KnownTable>): GroupForm {
    const before = this.pack.mark()
    const cells = this.cells.length
    try {
      const form = { ...this.#group(group, tables), cells: this.cells.slice(cells) }
      this.room.requireGroup(this.pack.listBytes - before.at + BATCH_BYTES, this.pack.largeSince(before))
      return form
    } catch (error) {
      this.pack.reset(before)
      this.cells.length = cells
      throw error
    }
  }

  #group(group: Group, tables: ReadonlyMap<TableId, KnownTable>): Omit<GroupForm, 'cells'> {
    const { pack } = this
    this.#commit = group.commit
    this.#mainOps = []
    this.#isSimple = true
    this.#put(group.commit, String(group.atMicros), this.#key(this.keys.receipts(this.domain, group.commit)))
    const length = pack.leave()
    const start = pack.count
    const marks = this.#marks(group.ops)
    const named = this.#tables(group.ops, tables)
    const count = pack.leave()
    pack.tell(count, this.#ops(group.ops, tables))
    pack.tell(length, pack.count - start)
    const isSimple = this.#isSimple && marks.length === 0 && named.length === 0 && areEachOnce(group.ops)
    return { group, isSimple, mainOps: this.#mainOps, marks, tables: named }
  }

  #marks(ops: readonly Op[]): readonly Do<'mark'>[] {
    const marks = ops.filter((op): op is Do<'mark'> => op.do === 'mark')
    this.#put(marks.length)
    for (const { home, mark } of marks) this.#put(this.#key(this.keys.marks(home.id)), mark.key, mark.attempt, markForm(mark))
    return marks
  }

  #tables(ops: readonly Op[], known: ReadonlyMap<TableId, KnownTable>): readonly TablePart[] {
    const parts = tablesIn(ops)
    this.#put(parts.length)
    for (const { table, partition } of parts) this.#put(this.#table(table, partition), known.get(table)!.tag)
    return parts
  }

  /** How many ops of the script they became. */
  #ops(ops: readonly Op[], tables: ReadonlyMap<TableId, KnownTable>): number {
    let count = 0
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i]!
      if (op.do === 'mark') continue
      if (isFresh(op)) {
        const end = endOf(ops, i, isFresh)
        count += this.#fresh(ops, i, end)
        i = end - 1
      } else if (isPlainRow(op)) {
        const end = endOf(ops, i, (other) => isPlainRow(other) && areTogether(op, other))
        count += this.#rows(ops.slice(i, end) as Do<'row'>[], tables.get(op.table)!)
        i = end - 1
      } else count += this.#op(op, tables)
    }
    return count
  }

  /** How many ops of the script it became. */
  #op(op: Exclude<Op, Do<'mark'>>, tables: ReadonlyMap<TableId, KnownTable>): number {
    this.#mainOps.push(op)
    if (op.do !== 'put') this.#isSimple = false
    switch (op.do) {
      case 'put':
        return this.#object(op)
      case 'remove':
        return this.#put('remove', this.#objectNumber(op.ref.id), expectForm(op.expect), this.#key(this.keys.hints(op.ref.id)))
      case 'check':
        return this.#put('check', this.#objectNumber(op.ref.id), expectForm(op.expect))
      case 'name':
        this.#put('name', this.#key(this.keys.alias(op.alias)), expectForm(op.expect), refForm(op.to))
        return this.hintsHere && op.to ? 1 + this.#hint(op, op.to, op.alias) : 1
      case 'row':
        return this.#row(op, tables.get(op.table)!)
      case 'checkRow':
        return this.#put('checkRow', this.#tableOf(op), clockForm(op.expect), bytesOf(keyOfRow(tables.get(op.table)!, op.key)))
      case 'add':
        return this.#add(op, tables.get(op.table)!)
      case 'forget':
        return this.#put('forget', this.#key(this.keys.marks(op.home.id)), op.what, op.keys.length, ...op.keys)
      case 'reserve':
        return this.#reserve(op)
      case 'settle':
        return this.#settle(op)
      case 'stage':
        return this.#put('stage', this.#key(this.keys.staged(op.home.id)), op.commit, op.redo ? '1' : '0', op.redo ? wire(op.redo) : '')
      case 'reserveRow':
      case 'settleRow':
        throw new InsituError('Rows take no intents here: those that exclude each other lie beside their owner.', { code: 'ERR_INTERNAL' })
      default:
        throw new InsituError(`A group holds an unknown op ${JSON.stringify(op satisfies never)}.`, { code: 'ERR_INTERNAL' })
    }
  }

  /** New objects, as they are to stand: the script has nothing to think about. Each counts as an op. */
  #fresh(ops: readonly Op[], from: number, to: number): number {
    this.#put('new', (to - from) * 2)
    for (let i = from; i < to; i++) {
      const op = ops[i] as Do<'put'>
      this.#mainOps.push(op)
      this.pack.add(this.keys.object(op.ref.id))
      this.pack.addObject(headOf(1, this.#commit, op.ref.classId), op.set)
    }
    return to - from
  }

  #object({ ref, set, unset = [], expect }: Do<'put'>): 1 {
    const head = headOf(expect === 'absent' ? 1 : expect.revision + 1, this.#commit, ref.classId)
    const cells = [...set].map(([name, cell]) => [fieldOf(name), this.#cell(ref.id, name, encodeCell(cell))] as const)
    const isChange = expect !== 'absent' && unset.length === 0 && !cells.some(([, cell]) => isSent(cell))
    const expected = isChange ? `.${stampForm(expect)} ` : expectForm(expect)
    if (!isChange || hasLargeCell(set)) this.#isSimple = false
    this.#put(isChange ? 'change' : 'put', this.#objectNumber(ref.id), expected, head, set.size * 2)
    for (const [field, cell] of cells) {
      this.pack.add(field)
      this.pack.add(cell)
    }
    if (isChange) return 1
    this.#put(unset.length)
    for (const name of unset) this.#put(fieldOf(name))
    return 1
  }

  /** What the script is given of a cell: of a large one where it finds it. */
  #cell(id: Id, field: string, cell: string | Buffer): string | Buffer {
    if (cell.length * UTF8_BYTES_MAX < SENT_CELL_BYTES) return cell
    const bytes = Buffer.byteLength(cell)
    if (bytes < SENT_CELL_BYTES) return cell
    this.room.require(cell, () => `Field ${JSON.stringify(field)} of object ${id}`)
    const name = `${this.#commit}.${this.#send}${this.cells.length}`
    this.cells.push([this.keys.cell(id, name), cell])
    return `${SENT}${name} ${bytes}`
  }

  /** Unconditional rows of one table. */
  #rows(ops: readonly Do<'row'>[], table: KnownTable): 1 {
    this.#mainOps.push(ops[0]!)
    this.#put('rows', this.#tableOf(ops[0]!), table.counters.length, ...table.counters, ops.length * 2)
    for (const { key, set } of ops) {
      this.pack.add(bytesOf(keyOfRow(table, key)))
      this.pack.add(set ? this.#values(table, set) : '')
    }
    return 1
  }

  #row(op: Do<'row'>, table: KnownTable): number {
    const values = op.set ? this.#values(table, op.set) : ''
    return this.#put(
      'row',
      this.#tableOf(op),
      clockForm(op.expect!),
      bytesOf(keyOfRow(table, op.key)),
      values,
      table.counters.length,
      ...table.counters,
    )
  }

  #values(table: KnownTable, set: Values): string {
    const values = encodeRow(table, set)
    this.room.require(values, () => `A row of table ${table.table.id}`)
    return values
  }

  #add(op: Do<'add'>, table: KnownTable): number {
    requireCounter(table, op.column)
    const key = bytesOf(keyOfRow(table, op.key))
    return this.#put('add', this.#tableOf(op), key, Buffer.concat([Buffer.from(`${op.column} `), key]), String(op.by))
  }

  #reserve(op: Do<'reserve'>): number {
    const { target, expect, intent } = op
    const form = Buffer.concat([Buffer.from(intent.commit), wire(intent)])
    const redo = netstrings(intent.redo.map(redoForm))
    if ('ref' in target) this.#put('reserve', this.#objectNumber(target.ref.id), expectForm(expect), form, redo)
    else this.#put('reserveName', this.#key(this.keys.alias(target.alias)), expectForm(expect), form, redo)
    return 1 + (this.hintsHere ? namesIn(op).reduce((sum, { to, alias }) => sum + this.#hint(op, to, alias), 0) : 0)
  }

  /** Leads from an object to a name that it may have. In a Cluster it lies in another slot, and is written beforehand. */
  #hint(op: Op, to: Ref, alias: string): number {
    this.#mainOps.push(op)
    return this.#put('hint', this.#key(this.keys.hints(to.id)), alias)
  }

  #settle({ target, commit, take }: Do<'settle'>): 1 {
    if ('ref' in target) return this.#put('settle', this.#objectNumber(target.ref.id), commit, take ? '1' : '0')
    return this.#put('settleName', this.#key(this.keys.alias(target.alias)), commit, take ? '1' : '0')
  }

  #objectNumber(id: Id): number {
    return this.objects.numberOf(this.keys.object(id))
  }

  #key(key: string): number {
    return this.list.numberOf(key)
  }

  #tableOf({ table, key }: Do<'row' | 'checkRow' | 'add'>): number {
    return this.#table(table, partitionOfRow(table, key))
  }

  #table(id: TableId, partition: Partition): number {
    return this.list.numberOfAll(spreadOf(id) ? this.keys.tablePart(id, partition) : this.keys.table(id))
  }

  #put(...args: readonly Argument[]): 1 {
    this.pack.addAll(args)
    return 1
  }
}

/** What save.lua takes at once: half of what Lua can hand to a command. */
const SIMPLE_OPS_MAX = 2000

/** Whether new objects are one run, and no object is met twice. */
function areEachOnce(ops: readonly Op[]): boolean {
  if (ops.length === 1) return true
  if (ops.length > SIMPLE_OPS_MAX) return false
  const ids = new Set<Id>()
  let runs = 0
  ops.forEach((op, i) => {
    if (op.do !== 'put') return
    ids.add(op.ref.id)
    if (isFresh(op) && (i === 0 || !isFresh(ops[i - 1]!))) runs++
  })
  return ids.size === ops.length && runs < 2
}

/** Where a run of ops of one kind ends. */
function endOf(ops: readonly Op[], start: number, isAlike: (op: Op) => boolean): number {
  let end = start + 1
  while (end < ops.length && isAlike(ops[end]!)) end++
  return end
}

const isPlainRow = (op: Op): op is Do<'row'> => op.do === 'row' && op.expect === undefined
const isFresh = (op: Op): op is Do<'put'> => op.do === 'put' && op.expect === 'absent' && !hasLargeCell(op.set)

/** Whether a cell may need a key of its own; the script decides. */
function hasLargeCell(cells: Cells): boolean {
  for (const cell of cells.values()) if (sizeOf(cell) * UTF8_BYTES_MAX >= LARGE_CELL_BYTES) return true
  return false
}

const UTF8_BYTES_MAX = 3
/** In front of what stands for a cell that was sent past the script. */
const SENT = '\x03'

const isSent = (cell: string | Buffer): boolean => typeof cell === 'string' && cell.startsWith(SENT)

function sizeOf(cell: Cell): number {
  if (typeof cell === 'string' || cell instanceof Uint8Array) return cell.length
  if (Array.isArray(cell)) return LARGE_CELL_BYTES // who knows
  return cell instanceof Packed ? cell.bytes.length : 0
}

/** Whether rows lie in one table, and in one part of it. */
const areTogether = (a: Do<'row'>, b: Do<'row'>): boolean =>
  a.table === b.table && (!spreadOf(a.table) || partitionOfRow(a.table, a.key) === partitionOfRow(b.table, b.key))

/** The names that an op gives, or may give when it is settled. */
export function namesIn(op: Op): readonly { readonly alias: string; readonly to: Ref }[] {
  if (op.do === 'reserve') return op.intent.redo.flatMap(namesIn)
  return op.do === 'name' && op.to ? [{ alias: op.alias, to: op.to }] : []
}

const bytesOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
const wire = (value: object): Buffer => bytesOf(encodeWire(value))

const stampForm = ({ revision, commit }: Stamp): string => `${revision} ${commit}`
const clockForm = (expect: bigint | null): string => (expect === null ? 'none' : String(expect))
const refForm = (ref: Ref | null): string => (ref ? `${ref.id} ${ref.classId}` : '')

function expectForm(expect: Expect): string {
  if (expect === null) return 'absent'
  if (typeof expect === 'string') return expect
  return expect instanceof Ref ? expect.id : stampForm(expect)
}

/** What settling applies, as the script reads it. */
function redoForm(op: Op): Buffer {
  if (op.do === 'put') {
    const cells = [...op.set].flatMap(([name, cell]) => [fieldOf(name), encodeCell(cell)])
    return netstrings(['put', op.ref.classId, String(cells.length), ...cells, ...(op.unset ?? []).map(fieldOf)])
  }
  if (op.do === 'remove') return netstrings(['remove'])
  if (op.do === 'name') return netstrings(['name', refForm(op.to)])
  throw new InsituError(`An intent cannot apply an op ${op.do}.`, { code: 'ERR_INTERNAL' })
}

const ID_LENGTH = 36

export function refOf(form: Buffer): Ref {
  const text = form.toString()
  return new Ref(text.slice(0, ID_LENGTH) as Id, text.slice(ID_LENGTH + 1) as ClassId)
}
