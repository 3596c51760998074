/** Fields of Hecuba's objects: cells as columns, and back. Between the two stands what the column says alone: references are ids there. */
import { createHash } from 'node:crypto'
import { type Cell, type FieldSpec, Packed, Ref } from '../../src/backend.js'
import { collectionsIn, encodeFields, fingerprint } from '../../src/codec/values.js'
import { nanosOf, nanosText } from '../../src/dict/calendar.js'
import { ValidationError } from '../../src/errors.js'
import type { TableId } from '../../src/ids.js'
import type { Row } from './cassandra-link.js'
import { ColumnValues } from './column-types.js'
import type { HecubaClass, HecubaClasses } from './hecuba-classes.js'
import type { HecubaDicts } from './hecuba-dicts.js'
import { cannot } from './hecuba-layout.js'

/** What a column holds; ids as text. */
export type Plain = Exclude<Cell, Ref | Packed | readonly Cell[]>

export class HecubaValues {
  constructor(
    readonly classes: HecubaClasses,
    readonly dicts: HecubaDicts,
  ) {}

  get #columns(): ColumnValues {
    return new ColumnValues(this.classes.link.driver)
  }

  /** Errors: ValidationError, UnsupportedError: each names the field. */
  async plainOf({ classId, fields }: HecubaClass, name: string, cell: Cell | undefined): Promise<readonly [FieldSpec, Plain]> {
    const field = fields.find((one) => one.name === name)
    if (!field) throw refusal(classId, name, 'is not among the static columns of its class: add it there')
    if (cell === undefined || cell === null || isDeleted(cell)) return [field, null]
    if (field.type === 'ref') return [field, await this.#target(classId, field, cell)]
    if (field.type === 'dict') return [field, await this.#dict(classId, field, cell)]
    const plain = asType(field.type as string, cell)
    if (plain === undefined) throw refusal(classId, name, `is declared ${String(field.type)} and holds something else`)
    return [field, plain]
  }

  async #target(classId: string, { name, of }: FieldSpec, cell: Cell): Promise<string> {
    if (!(cell instanceof Ref)) throw refusal(classId, name, 'is declared a reference and holds something else')
    if (cell.store !== undefined) throw cannot(`field ${classId}.${name}: an object of another store; keep its url and id as text`)
    if (cell.classId !== of) throw cannot(`field ${classId}.${name}: a ${cell.classId}; Hecuba opens it as the declared ${of}`)
    if (!(await this.classes.find(cell.classId)))
      throw cannot(`field ${classId}.${name}: a ${cell.classId} has no static columns, so that it is no object of Hecuba's; declare them`)
    return cell.id
  }

  async #dict(classId: string, { name }: FieldSpec, cell: Cell): Promise<string> {
    const [dict] = cell instanceof Packed ? collectionsIn(new Map([[name, cell]])) : []
    if (dict?.kind !== 'dict') throw refusal(classId, name, 'is declared a StorageDict and holds something else')
    return this.dicts.storageIdOf(dict.table as TableId)
  }

  /** As a parameter. */
  toColumn({ type }: FieldSpec, plain: Plain): unknown {
    if (plain === null) return null
    if (type === 'dict' || type === 'ref') return this.classes.link.driver.types.Uuid.fromString(plain as string)
    return this.#columns.toCql(type, plain, 'value')
  }

  /** All fields of a row; what is not set is null. */
  plainsIn({ fields }: HecubaClass, row: Row | undefined): Map<string, Plain> {
    return new Map(fields.map((field) => [field.name, this.#fromColumn(field, row?.[field.name])]))
  }

  #fromColumn({ type }: FieldSpec, value: unknown): Plain {
    if (value === null || value === undefined) return null
    if (type === 'dict' || type === 'ref') return String(value)
    return this.#columns.fromCql(type, value, 'value') as Plain
  }

  /** Collections that are not set are left out: the class makes its own. */
  async cellsOf({ fields }: HecubaClass, plains: ReadonlyMap<string, Plain>, owner: Ref): Promise<Map<string, Cell>> {
    const cells = new Map<string, Cell>()
    for (const field of fields) {
      const plain = plains.get(field.name) ?? null
      if (field.type === 'dict') await this.#addDict(cells, field, plain, owner)
      else cells.set(field.name, plain === null || field.type !== 'ref' ? plain : new Ref(plain as Ref['id'], field.of!))
    }
    return cells
  }

  async #addDict(cells: Map<string, Cell>, field: FieldSpec, plain: Plain, owner: Ref): Promise<void> {
    const table = plain === null ? undefined : await this.dicts.tableOf(plain as string, field, owner)
    if (!table) return
    const { id, keys, partition, values, writes } = table
    const collection = { kind: 'dict', table: id, owner: table.owner, keys, partition, values, writes }
    const context = { refOf: () => undefined, collectionOf: () => collection, classOf: () => undefined }
    cells.set(field.name, encodeFields(new Map([[field.name, new Stand()]]), context).get(field.name)!)
  }
}

/** Stands for a collection while its cell is made. */
class Stand {}

/** What the fields say, in short: so a write of Hecuba's, which tells nobody, is seen by the next who reads. */
export function digestOf(plains: ReadonlyMap<string, Plain>): string {
  const all = [...plains].filter(([, plain]) => plain !== null).sort(([a], [b]) => (a < b ? -1 : 1))
  const marks = all.map(([name, plain]) => [name, typeof plain, String(fingerprint(plain))])
  return createHash('sha256').update(JSON.stringify(marks)).digest('hex')
}

const isDeleted = (cell: Cell): boolean => cell instanceof Packed && cell.bytes.length === 0

/** In the form in which it is read again; `undefined` for what is not of the type. */
function asType(type: string, cell: Cell): Plain | undefined {
  switch (type) {
    case 'i64':
      return typeof cell === 'number' && Number.isSafeInteger(cell) ? BigInt(cell) : ofKind(cell, 'bigint')
    case 'f32':
      return typeof cell === 'number' ? Math.fround(cell) : undefined
    case 'i32':
      return typeof cell === 'number' && (cell | 0) === cell ? cell | 0 : undefined
    case 'f64':
      return ofKind(cell, 'number')
    case 'bool':
      return ofKind(cell, 'boolean')
    case 'time':
      return typeof cell === 'string' && nanosOf(cell) !== undefined ? nanosText(nanosOf(cell)!) : undefined
    case 'timestamp':
      return cell instanceof Date ? cell : undefined
    case 'blob':
      return cell instanceof Uint8Array ? cell : undefined
    default:
      return ofKind(cell, 'string')
  }
}

const ofKind = (cell: Cell, kind: 'bigint' | 'number' | 'boolean' | 'string'): Plain | undefined =>
  typeof cell === kind ? (cell as Plain) : undefined

const refusal = (classId: string, name: string, what: string): Error =>
  new ValidationError(`Hecuba's layout: field ${classId}.${name} ${what}.`, { code: 'ERR_HECUBA_LAYOUT', path: name })
