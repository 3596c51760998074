/** Groups as keys and arguments of commit.lua, and its replies as receipts or errors. */
import type { Group, Intent, Mark, Op, Receipt, Stamp } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { decodeWire, encodeWire } from '../../src/codec/wire.js'
import { AliasTakenError, ConflictError, InsituError, NotFoundError } from '../../src/errors.js'
import type { ClassId, CommitId, Id, TableId } from '../../src/ids.js'
import { netstringOf, netstrings } from './netstrings.js'
import { encodeCell, fieldOf } from './redis-cells.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import type { Argument, Reply } from './redis-link.js'
import { encodeRow, type KnownTable, keyOfRow, requireCounter } from './redis-rows.js'

type Do<Kind extends Op['do']> = Extract<Op, { do: Kind }>
type Expect = Do<'reserve'>['expect']

/** What a group becomes; `tables` in the order in which the reply numbers them, `mainOps` likewise. */
export interface GroupForm {
  readonly group: Group
  readonly args: readonly Argument[]
  readonly mainOps: readonly Op[]
  readonly marks: readonly Do<'mark'>[]
  readonly tables: readonly TableId[]
  readonly bytes: number
}

/** The keys of one call, each once. Scripts count from 1, and the first is the sequence. */
export class KeyList {
  readonly keys: string[] = []
  readonly #numbers = new Map<string, number>()

  numberOf(key: string): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.keys.push(key)
    this.#numbers.set(key, this.keys.length + 1)
    return this.keys.length + 1
  }

  /** Several that the script counts on from the first. */
  numberOfAll(keys: readonly string[]): number {
    const known = this.#numbers.get(keys[0]!)
    if (known !== undefined) return known
    for (const key of keys) this.keys.push(key)
    const number = this.keys.length - keys.length + 2
    this.#numbers.set(keys[0]!, number)
    return number
  }
}

/** Writes one group. Not a buffer of the group's is held on to: ioredis copies when it sends, which is later, so bytes are copied here. */
export class GroupWriter {
  readonly #args: Argument[] = []
  readonly #mainOps: Op[] = []
  #bytes = 0
  #commit = '' as CommitId

  constructor(
    readonly keys: RedisKeys,
    readonly list: KeyList,
    readonly tables: ReadonlyMap<TableId, KnownTable>,
    readonly domain: Partition,
    readonly hintsHere: boolean,
  ) {}

  write(group: Group): GroupForm {
    this.#commit = group.commit
    const marks = group.ops.filter((op): op is Do<'mark'> => op.do === 'mark')
    const tables = [...new Set(group.ops.flatMap((op) => (op.do === 'row' || op.do === 'add' ? [op.table] : [])))]
    for (const op of marks) this.#put(this.#key(this.keys.marks(op.home.id)), op.mark.key, op.mark.attempt, markForm(op.mark))
    const markArgs = this.#args.splice(0)
    for (const id of tables) this.#put(this.#table(id), this.tables.get(id)!.tag)
    const tableArgs = this.#args.splice(0)
    let count = 0
    for (const op of group.ops) if (op.do !== 'mark') count += this.#op(op)
    const rest: Argument[] = [marks.length, ...markArgs, tables.length, ...tableArgs, count].concat(this.#args)
    const receipts = this.#key(this.keys.receipts(this.domain, group.commit))
    const head: Argument[] = [group.commit, String(group.atMicros), receipts, rest.length]
    const args = head.concat(rest)
    return { group, args, mainOps: this.#mainOps, marks, tables, bytes: this.#bytes }
  }

  /** How many ops of the script it became. */
  #op(op: Exclude<Op, Do<'mark'>>): number {
    this.#mainOps.push(op)
    switch (op.do) {
      case 'put':
        return op.expect === 'absent' ? this.#new(op) : this.#change(op, op.expect)
      case 'remove':
        return this.#put('remove', this.#key(this.keys.object(op.ref.id)), expectForm(op.expect), this.#key(this.keys.hints(op.ref.id)))
      case 'check':
        return this.#put('check', this.#key(this.keys.object(op.ref.id)), expectForm(op.expect))
      case 'name':
        this.#put('name', this.#key(this.keys.alias(op.alias)), expectForm(op.expect), refForm(op.to))
        return this.hintsHere && op.to ? 1 + this.#hint(op, op.to, op.alias) : 1
      case 'row':
        return this.#row(op)
      case 'add':
        return this.#add(op)
      case 'forget':
        return this.#put('forget', this.#key(this.keys.marks(op.home.id)), op.what, op.keys.length, ...op.keys)
      case 'reserve':
        return this.#reserve(op)
      case 'settle':
        return this.#put('settle', this.#target(op.target), op.commit, op.take ? '1' : '0')
      case 'stage':
        return this.#put('stage', this.#key(this.keys.staged(op.home.id)), op.commit, op.redo ? '1' : '0', op.redo ? wire(op.redo) : '')
      default:
        throw new InsituError(`A group holds an unknown op ${JSON.stringify(op satisfies never)}.`, { code: 'ERR_INTERNAL' })
    }
  }

  /** All that is to stand under the key, so that the script has nothing to think about. */
  #new({ ref, set }: Do<'put'>): number {
    const fields: string[] = []
    const args: Argument[] = []
    for (const [name, cell] of set) {
      const field = fieldOf(name)
      fields.push(field)
      args.push(field, encodeCell(cell))
    }
    const meta = `1 ${this.#commit} ${ref.classId}`
    return this.#putAll(['new', this.#key(this.keys.object(ref.id)), args.length + 4, '@', meta, '#', netstringOf(fields)], args)
  }

  #change(op: Do<'put'>, expect: Stamp): number {
    return this.#putAll(['put', this.#key(this.keys.object(op.ref.id)), stampForm(expect), op.ref.classId], cellsForm(op))
  }

  #row(op: Do<'row'>): number {
    const table = this.tables.get(op.table)!
    const expect = op.expect === undefined ? '' : op.expect === null ? 'none' : String(op.expect)
    const values = op.set ? encodeRow(table, op.set) : ''
    return this.#put(
      'row',
      this.#table(op.table),
      expect,
      bytesOf(keyOfRow(table, op.key)),
      values,
      table.counters.length,
      ...table.counters,
    )
  }

  #add(op: Do<'add'>): number {
    const table = this.tables.get(op.table)!
    requireCounter(table, op.column)
    const key = bytesOf(keyOfRow(table, op.key))
    return this.#put('add', this.#table(op.table), key, Buffer.concat([Buffer.from(`${op.column} `), key]), String(op.by))
  }

  #reserve(op: Do<'reserve'>): number {
    const { target, expect, intent } = op
    const form = Buffer.concat([Buffer.from(intent.commit), wire(intent)])
    const redo = netstrings(intent.redo.map(redoForm))
    this.#put('reserve', this.#target(target), 'ref' in target ? 'o' : 'a', expectForm(expect), form, redo)
    return 1 + (this.hintsHere ? namesIn(op).reduce((sum, { to, alias }) => sum + this.#hint(op, to, alias), 0) : 0)
  }

  /** Leads from an object to a name that it may have. In a Cluster it lies in another slot, and is written beforehand. */
  #hint(op: Op, to: Ref, alias: string): number {
    this.#mainOps.push(op)
    return this.#put('hint', this.#key(this.keys.hints(to.id)), alias)
  }

  #target(target: Do<'reserve'>['target']): number {
    return this.#key('ref' in target ? this.keys.object(target.ref.id) : this.keys.alias(target.alias))
  }

  #key(key: string): number {
    return this.list.numberOf(key)
  }

  #table(id: TableId): number {
    return this.list.numberOfAll(this.keys.table(id))
  }

  #put(...args: readonly Argument[]): 1 {
    return this.#putAll(args)
  }

  #putAll(args: readonly Argument[], more: readonly Argument[] = []): 1 {
    this.#append(args)
    this.#append(more)
    return 1
  }

  #append(args: readonly Argument[]): void {
    for (const arg of args) {
      this.#args.push(arg)
      this.#bytes += typeof arg === 'number' ? 4 : arg.length
    }
  }
}

/** The names that an op gives, or may give when it is settled. */
export function namesIn(op: Op): readonly { readonly alias: string; readonly to: Ref }[] {
  if (op.do === 'reserve') return op.intent.redo.flatMap(namesIn)
  return op.do === 'name' && op.to ? [{ alias: op.alias, to: op.to }] : []
}

const bytesOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
const wire = (value: object): Buffer => bytesOf(encodeWire(value))

export const stampForm = ({ revision, commit }: Stamp): string => `${revision} ${commit}`
const refForm = (ref: Ref | null): string => (ref ? `${ref.id} ${ref.classId}` : '')

function expectForm(expect: Expect): string {
  if (expect === null) return 'absent'
  if (typeof expect === 'string') return expect
  return expect instanceof Ref ? expect.id : stampForm(expect)
}

function cellsForm({ set, unset = [] }: Pick<Do<'put'>, 'set' | 'unset'>): Argument[] {
  const args: Argument[] = [set.size * 2]
  for (const [name, cell] of set) args.push(fieldOf(name), encodeCell(cell))
  args.push(unset.length)
  for (const name of unset) args.push(fieldOf(name))
  return args
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

/** A mark's outcome follows 36 characters of attempt, its state and whether there is one. */
const markForm = ({ attempt, state, outcome }: Mark): Buffer =>
  Buffer.concat([Buffer.from(`${attempt}${state === 'committed' ? 'c' : 'a'}${outcome ? '1' : '0'}`), outcome ?? Buffer.alloc(0)])

const MARK_HEAD = 38

export const markOf = (key: string, form: Buffer): Mark => ({
  key,
  attempt: form.toString('latin1', 0, MARK_HEAD - 2) as CommitId,
  state: form[MARK_HEAD - 2] === 0x63 ? 'committed' : 'aborted',
  outcome: form[MARK_HEAD - 1] === 0x31 ? Uint8Array.from(form.subarray(MARK_HEAD)) : null,
})

const COMMIT_LENGTH = 36

export const intentOf = (form: Buffer): Intent => decodeWire(Uint8Array.from(form.subarray(COMMIT_LENGTH))) as Intent

/** `revision commit class` */
export function metaOf(form: Buffer): { readonly stamp: Stamp; readonly classId: ClassId } {
  const [revision = '', commit = '', ...classId] = form.toString().split(' ')
  return { stamp: { revision: Number(revision), commit: commit as CommitId }, classId: classId.join(' ') as ClassId }
}

export function refOf(form: Buffer): Ref {
  const text = form.toString()
  return new Ref(text.slice(0, COMMIT_LENGTH) as Id, text.slice(COMMIT_LENGTH + 1) as ClassId)
}

// Replies ----------------------------------------------------------------------------------------------------------------------

/** @throws what stood in the way of the group */
export function receiptOf({ group, mainOps, marks, tables }: GroupForm, reply: Reply): Receipt {
  if (reply instanceof Buffer) return applied(group, reply.toString('latin1'))
  const [what, ...rest] = reply as readonly Reply[]
  switch (String(what)) {
    case 'mark':
      return { applied: false, stamps: new Map(), mark: markOf(marks[Number(rest[0])]!.mark.key, rest[1] as Buffer) }
    case 'table':
      throw new NotFoundError(`There is no table ${tables[Number(rest[0])]}.`, { table: tables[Number(rest[0])] })
    case 'row':
      throw rowConflict(mainOps[Number(rest[0])] as Do<'row'>, rest[1] as Buffer | null)
    case 'held':
    case 'stale':
      throw conflict(mainOps[Number(rest[0])]!, rest[1] as Buffer | null, rest[2] as Buffer | null)
    case 'refused':
      throw new ConflictError('The group was refused before; make a new one.', { commit: group.commit })
    default:
      throw new InsituError(`Redis gave a reply ${String(what)} that nobody knows.`, { code: 'ERR_INTERNAL' })
  }
}

/** A receipt is kept as revisions alone: one commit id has one content, so that the group sent again names the rest. */
function applied(group: Group, text: string): Receipt {
  const revisions = text === '' ? [] : text.split(' ').map(Number)
  const stamps = new Map<Id, Stamp>()
  let nth = 0
  let mark: Mark | undefined
  for (const op of group.ops) {
    if (op.do === 'put') stamps.set(op.ref.id, { revision: revisions[nth++] ?? 0, commit: group.commit })
    else if (op.do === 'mark') mark ??= { ...op.mark, outcome: op.mark.outcome && Uint8Array.from(op.mark.outcome) }
  }
  return mark ? { applied: true, stamps, mark } : { applied: true, stamps }
}

function rowConflict(op: Do<'row'>, found: Buffer | null): ConflictError {
  return new ConflictError(`A row of table ${op.table} changed since it was read.`, {
    table: op.table,
    key: op.key,
    expected: op.expect,
    found: found && BigInt(found.toString()),
  })
}

function conflict(op: Op, meta: Buffer | null, intentForm: Buffer | null): Error {
  const target = op.do === 'name' ? { alias: op.alias } : op.do === 'reserve' ? op.target : { ref: (op as Do<'put'>).ref }
  const expected = (op as Do<'put'>).expect
  const intent = intentForm && intentOf(intentForm)
  const found = meta && ('alias' in target ? refOf(meta) : metaOf(meta).stamp)
  if (intent) return new ConflictError(`Commit ${intent.commit} holds what this group needs.`, { ...target, expected, found, intent })
  if ('alias' in target) {
    const where = found ? `names object ${(found as Ref).id}` : 'names nothing'
    return new AliasTakenError(`Alias ${JSON.stringify(target.alias)} ${where}.`, { alias: target.alias, expected, found })
  }
  const where = found ? `at revision ${(found as Stamp).revision}` : 'it does not exist'
  return new ConflictError(`Object ${target.ref.id} is not as expected: ${where}.`, { ref: target.ref, expected, found })
}
