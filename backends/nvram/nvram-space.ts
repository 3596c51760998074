import type { Mark, Op, Stored, Table } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { copyOut } from '../../src/codec/slab.js'
import { type ClassId, type CommitId, type Id, type TableId, writeUuid } from '../../src/ids.js'
import { type AliasRecord, decodeCells, type ObjectRecord, type RowRecord, type Space } from '../memory/space.js'
import { Ascending } from './ascending.js'
import { ClassIndex } from './class-index.js'
import type { Environment } from './environment.js'
import { aliasKey, classByName, classByNumber, graveKey, idKey, markKey, objectAliasKey, rowKey, stagedKey } from './keys.js'
import {
  damaged,
  type OpenObject,
  openMark,
  openObject,
  openReceipt,
  openRow,
  openValue,
  recordOf,
  sealMark,
  sealObject,
  sealReceipt,
  sealRow,
  sealValue,
} from './record.js'
import type { Records } from './records.js'

/** The value of an index entry, whose key says it all. lmdb wants at least an address. */
const PRESENT = Uint8Array.of(1)

/** lmdb gives every value in one buffer that the next get overwrites: what is to last is copied out of it here. */
const copied = (bytes: Uint8Array): Uint8Array => copyOut(bytes, 0, bytes.length)

/**
 * Records in the file. Reads see what the transaction around them has written, or else the last commit; writes need one around them.
 * Every record is checked as it is read: damage is a CorruptError that names what was asked for.
 */
export class NvramSpace implements Space {
  /** Writes since the space was made, so that a caller can tell whether a failure came before the first. */
  writes = 0
  /** Their values' bytes. */
  bytes = 0
  readonly #env: Environment
  readonly #classNames = new Map<number, ClassId>()
  readonly #classNumbers = new Map<ClassId, number>()
  /** Numbered in the running transaction; forgotten when that is rolled back. */
  readonly #newClasses: ClassId[] = []
  readonly #objects: Ascending
  readonly #rows: Ascending
  #lastRow: { readonly table: TableId; readonly key: Uint8Array; readonly whole: Uint8Array } | undefined
  // Filled anew for each record: lmdb copies a key before `get` or `put` returns.
  readonly #objectKey = new Uint8Array(16)
  readonly #tables = new Map<TableId, { readonly sealed: Buffer; readonly table: Table }>()
  readonly #byClass: ClassIndex

  constructor(env: Environment) {
    this.#env = env
    this.#objects = new Ascending(env.objects)
    this.#rows = new Ascending(env.rows)
    this.#byClass = new ClassIndex(env.objectsByClass, this)
  }

  /** To be called when a write transaction begins: what is read until its end is what it writes upon. */
  began(): void {
    this.#objects.began()
    this.#rows.began()
  }

  /** To be called before a write transaction ends, after all that it writes. */
  finish(): void {
    this.#byClass.finish()
  }

  /** To be called when a write transaction has ended. */
  ended(committed: boolean): void {
    this.#byClass.forget()
    this.#objects.ended()
    this.#rows.ended()
    if (!committed) for (const name of this.#newClasses) this.#forgetClass(name)
    this.#newClasses.length = 0
  }

  receipt(commit: CommitId): readonly number[] | undefined {
    const key = idKey(commit)
    const bytes = this.#env.receipts.look(key)
    return bytes && openReceipt(key, bytes, () => `The receipt of commit ${commit}`)
  }

  keepReceipt(commit: CommitId, revisions: readonly number[]): void {
    const key = idKey(commit)
    this.put(this.#env.receipts, key, sealReceipt(key, revisions))
  }

  object(id: Id): ObjectRecord | undefined {
    const key = this.#keyOf(id)
    if (this.#objects.isBeyond(key)) return undefined
    const bytes = this.#env.objects.look(key)
    if (!bytes) return undefined
    const open = openObject(key, bytes, () => `Object ${id}`)
    const body = copyOut(bytes, open.bodyAt, bytes.length)
    return recordOf(open, this.#refOf(id, open), body)
  }

  /** For readers. */
  stored(id: Id): Stored | undefined {
    const key = this.#keyOf(id)
    const found = this.#env.objects.look(key)
    if (!found) return undefined
    const { stamp, intent, bodyAt, classNumber } = openObject(key, found, () => `Object ${id}`)
    if (!stamp) return undefined
    const bytes = found.length
    const cells = decodeCells(found, bodyAt)
    // Last: the name of a class seen first is read from the store, over what was found.
    const ref = new Ref(id, this.className(classNumber))
    return intent ? { ref, stamp, bytes, cells, intent } : { ref, stamp, bytes, cells }
  }

  /** Without its cells. */
  objectHead(id: Id): { readonly record: ObjectRecord; readonly bytes: number } | undefined {
    const key = this.#keyOf(id)
    const bytes = this.#env.objects.look(key)
    if (!bytes) return undefined
    const size = bytes.length
    const open = openObject(key, bytes, () => `Object ${id}`)
    return { record: recordOf(open, this.#refOf(id, open), NOTHING), bytes: size }
  }

  setObject(id: Id, record: ObjectRecord | undefined, before: ObjectRecord | undefined): void {
    const key = this.#keyOf(id)
    const classBefore = before?.stamp ? before.ref.classId : undefined
    const classNow = record?.stamp ? record.ref.classId : undefined
    if (record) this.#append(this.#objects, key, sealObject(key, record, this.#numberOf(record.ref.classId)))
    else this.remove(this.#env.objects, key)
    if (classBefore === classNow) return
    if (classBefore !== undefined) this.#byClass.remove(this.#numberOf(classBefore), id)
    if (classNow !== undefined) this.#byClass.add(this.#numberOf(classNow), id)
  }

  #append(to: Ascending, key: Uint8Array, sealed: Uint8Array): void {
    this.#count(sealed)
    to.put(key, sealed)
  }

  alias(alias: string): AliasRecord | undefined {
    return this.#value(this.#env.names, aliasKey(alias), () => `Alias ${JSON.stringify(alias)}`) as AliasRecord | undefined
  }

  setAlias(alias: string, record: AliasRecord | undefined): void {
    const before = this.alias(alias)?.to?.id
    const now = record?.to?.id
    this.#setValue(this.#env.names, aliasKey(alias), record)
    if (before === now) return
    if (before) this.remove(this.#env.namesByObject, objectAliasKey(before, alias))
    if (now) this.put(this.#env.namesByObject, objectAliasKey(now, alias), PRESENT)
  }

  /** Looked up for every row, hence kept; but asked for again each time, since any process may drop it. */
  table(id: TableId): Table | undefined {
    const key = idKey(id)
    const bytes = this.#env.tables.look(key)
    if (!bytes) {
      this.#tables.delete(id)
      return undefined
    }
    const known = this.#tables.get(id)
    if (known && known.sealed.length === bytes.length && known.sealed.compare(bytes, 0, bytes.length) === 0) return known.table
    const sealed = Buffer.from(copied(bytes))
    const table = openValue(key, sealed, () => `Table ${id}`) as Table
    this.#tables.set(id, { sealed, table })
    return table
  }

  setTable(id: TableId, table: Table | undefined): void {
    this.#setValue(this.#env.tables, idKey(id), table)
  }

  row(table: Table, key: Uint8Array): RowRecord | undefined {
    if (this.#rows.isBeyond(this.#rowKey(table.id, key))) return undefined
    const record = this.rowNow(table, key)
    return record?.values ? { ...record, values: copied(record.values) } : record
  }

  /** As `row`, for readers: they must be done with it before they read anything else of the store. */
  rowNow(table: Table, key: Uint8Array): RowRecord | undefined {
    const whole = this.#rowKey(table.id, key)
    const bytes = this.#env.rows.look(whole)
    return bytes && openRow(whole, bytes, () => rowName(table.id, key))
  }

  setRow(table: Table, key: Uint8Array, record: RowRecord): void {
    const whole = this.#rowKey(table.id, key)
    this.#append(this.#rows, whole, sealRow(whole, record))
    if (record.values === null && record.sums.size === 0) this.put(this.#env.graves, graveKey(Date.now(), whole), PRESENT)
  }

  /** A row is looked at and then written, in this order, under one and the same key. */
  #rowKey(table: TableId, key: Uint8Array): Uint8Array {
    const last = this.#lastRow
    if (last?.key === key && last.table === table) return last.whole
    const whole = rowKey(table, key)
    this.#lastRow = { table, key, whole }
    return whole
  }

  mark(home: Id, key: string): Mark | undefined {
    const at = markKey(home, key)
    const bytes = this.#env.marks.look(at)
    return bytes && openMark(at, bytes, () => `Mark ${JSON.stringify(key)} at ${home}`)
  }

  setMark(home: Id, key: string, mark: Mark | undefined): void {
    const at = markKey(home, key)
    if (mark) this.put(this.#env.marks, at, sealMark(at, mark))
    else this.remove(this.#env.marks, at)
  }

  staged(home: Id, commit: CommitId): readonly Op[] | undefined {
    return this.#value(this.#env.staged, stagedKey(home, commit), () => `What is staged for commit ${commit}`) as readonly Op[] | undefined
  }

  setStaged(home: Id, commit: CommitId, redo: readonly Op[] | null): void {
    this.#setValue(this.#env.staged, stagedKey(home, commit), redo ?? undefined)
  }

  streamRecord(key: Uint8Array, stream: Id): unknown {
    return this.#value(this.#env.streams, key, () => `A record of stream ${stream}`)
  }

  setStreamRecord(key: Uint8Array, value: object | number): void {
    this.#setValue(this.#env.streams, key, value)
  }

  /** The number of a class, if any object of it was ever stored. */
  classNumber(name: ClassId): number | undefined {
    const known = this.#classNumbers.get(name)
    if (known !== undefined) return known
    const found = this.#value(this.#env.classes, classByName(name), () => `Class ${name}`) as number | undefined
    if (found !== undefined) this.#learnClass(name, found)
    return found
  }

  className(number: number): ClassId {
    const known = this.#classNames.get(number)
    if (known !== undefined) return known
    const what = (): string => `Class number ${number}`
    const name = this.#value(this.#env.classes, classByNumber(number), what) as ClassId | undefined
    if (name === undefined) throw damaged(what, 'it has no name')
    this.#learnClass(name, number)
    return name
  }

  #numberOf(name: ClassId): number {
    return this.classNumber(name) ?? this.#numberClass(name)
  }

  /** Numbers count up from 1 and are never given twice. */
  #numberClass(name: ClassId): number {
    const { classes } = this.#env
    const [last] = classes.keys({ reverse: true, start: classByNumber(0xffffffff), end: classByNumber(0), limit: 1 })
    const number = (last ? Buffer.from(last).readUInt32BE(1) : 0) + 1
    this.#setValue(classes, classByNumber(number), name)
    this.#setValue(classes, classByName(name), number)
    this.#newClasses.push(name)
    this.#learnClass(name, number)
    return number
  }

  #learnClass(name: ClassId, number: number): void {
    this.#classNames.set(number, name)
    this.#classNumbers.set(name, number)
  }

  #forgetClass(name: ClassId): void {
    const number = this.#classNumbers.get(name)
    this.#classNumbers.delete(name)
    if (number !== undefined) this.#classNames.delete(number)
  }

  /** An object's key, until the next object's. */
  #keyOf(id: Id): Uint8Array {
    writeUuid(this.#objectKey, 0, id)
    return this.#objectKey
  }

  #refOf(id: Id, { classNumber }: OpenObject): Ref {
    return new Ref(id, this.className(classNumber))
  }

  #value(records: Records, key: Uint8Array, what: () => string): unknown {
    const bytes = records.look(key)
    return bytes && openValue(key, bytes, what)
  }

  #setValue(records: Records, key: Uint8Array, value: object | string | number | undefined): void {
    if (value === undefined) this.remove(records, key)
    else this.put(records, key, sealValue(key, value))
  }

  /** Every write of a record is counted. */
  put(records: Records, key: Uint8Array, sealed: Uint8Array): void {
    this.#count(sealed)
    records.put(key, sealed)
  }

  #count(sealed: Uint8Array): void {
    this.writes++
    this.bytes += sealed.length
  }

  remove(records: Records, key: Uint8Array): void {
    this.writes++
    records.remove(key)
  }
}
const NOTHING = new Uint8Array(0)

export const rowName = (table: TableId, key: Uint8Array): string => `Row ${Buffer.from(key).toString('hex')} of table ${table}`
