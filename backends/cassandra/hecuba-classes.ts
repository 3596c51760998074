/**
 * Classes whose objects lie as Hecuba keeps its StorageObj (`?layout=hecuba`): those that say what type each field has (`static columns`). A
 * class is a table named after it in lower case, a row for each object, a column for each field. What insitu keeps of an object
 * stands in the same row, in columns that Hecuba does not ask for: a compare-and-set covers one partition (docs/decisions/008).
 */
import type { FieldSpec } from '../../src/backend.js'
import { SchemaMismatchError } from '../../src/errors.js'
import type { ClassId } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { CLASSES } from './class-tables.js'
import { cannot, isHecubaName, pythonPath, typeOf } from './hecuba-layout.js'
import { classLabel, quoted } from './identifiers.js'
import type { SchemaKeeper } from './schema-keeper.js'

/** By which programs that have not loaded a class know that it is one of these. */
export const HECUBA_CLASSES = 'insitu_hecuba'
export const HECUBA_CLASSES_COLUMNS = 'class text PRIMARY KEY, table_name text, fields text'

export const STORAGE_ID = 'storage_id'

/** `~seen` is a digest of the fields as insitu wrote them, `~gone` the commit that removed the object, `~noted` says that `istorage` has it. */
const OWN_COLUMNS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '~revision': 'int',
    '~commit': 'uuid',
    '~made': 'uuid',
    '~seen': 'text',
    '~version': 'uuid',
    '~intent': 'blob',
    '~name': 'text',
    '~noted': 'boolean',
    '~gone': 'uuid',
    '~parts': 'map<text, blob>',
  }),
)

export interface HecubaClass {
  readonly classId: ClassId
  readonly table: string
  readonly fields: readonly FieldSpec[]
}

export class HecubaClasses {
  readonly #declared = new Map<ClassId, HecubaClass>()
  readonly #none = new Set<ClassId>()
  readonly #ready = new Map<ClassId, Promise<HecubaClass>>()

  constructor(
    readonly link: CassandraLink,
    readonly keeper: SchemaKeeper,
  ) {}

  /** Errors: UnsupportedError, SchemaMismatchError */
  declare(classId: ClassId, fields: readonly FieldSpec[]): void {
    const table = classLabel(classId).toLowerCase()
    if (!isHecubaName(table))
      throw cannot(`a class called ${classLabel(classId)}: its table is named after it; rename it, or drop its static columns`)
    for (const field of fields) requireHolds(classId, field)
    const other = this.#ofTable(table)
    if (other && other.classId !== classId) throw sameTable(classId, other.classId, table)
    this.#none.delete(classId)
    this.#ready.delete(classId)
    this.#declared.set(classId, { classId, table, fields })
  }

  #ofTable(table: string): HecubaClass | undefined {
    return [...this.#declared.values()].find((one) => one.table === table)
  }

  /** Whether a class is one of these, as far as can be told at once. */
  known(classId: ClassId): HecubaClass | undefined {
    return this.#declared.get(classId)
  }

  async find(classId: ClassId): Promise<HecubaClass | undefined> {
    const known = this.#declared.get(classId)
    if (known || this.#none.has(classId)) return known
    const [row] = await this.link.all(`SELECT * FROM ${this.link.table(HECUBA_CLASSES)} WHERE class = ?`, [classId])
    if (row) this.#declared.set(classId, classOf(row))
    else this.#none.add(classId)
    return this.#declared.get(classId)
  }

  /** The class of what Hecuba notes as `shop.model.Order`: it takes no notice of the module, and neither does this. */
  async ofName(className: string): Promise<HecubaClass | undefined> {
    const table = className.slice(className.lastIndexOf('.') + 1).toLowerCase()
    return this.#ofTable(table) ?? (await this.all()).find((one) => one.table === table)
  }

  /** Those that have a table. */
  async all(): Promise<readonly HecubaClass[]> {
    const rows = await this.link.all(`SELECT * FROM ${this.link.table(HECUBA_CLASSES)}`, [])
    const stored = rows.map(classOf).filter(({ classId }) => !this.#declared.has(classId))
    const standing = await Promise.all(
      [...this.#declared.values()].map(async (one) => ((await this.#stands(one)) ? [await this.ready(one.classId)] : [])),
    )
    return [...standing.flat(), ...stored]
  }

  /** Nobody has stored an object of it before. */
  async #stands({ classId, table }: HecubaClass): Promise<boolean> {
    return this.#ready.has(classId) || (await this.keeper.columns(table)).size > 0
  }

  /** The class, whose table stands with its columns. Errors: SchemaMismatchError */
  async ready(classId: ClassId): Promise<HecubaClass> {
    const underWay = this.#ready.get(classId)
    if (underWay) return underWay
    const work = this.#make(this.#declared.get(classId)!)
    this.#ready.set(classId, work)
    work.catch(() => this.#ready.delete(classId))
    return work
  }

  async #make(made: HecubaClass): Promise<HecubaClass> {
    const { classId, table, fields } = made
    const columns = new Map([...fields.map((field) => [field.name, columnOf(field)] as const), ...OWN_COLUMNS])
    const definitions = new Map([...columns].map(([name, type]) => [name, `${quoted(name)} ${type}`]))
    const create = `${STORAGE_ID} uuid PRIMARY KEY, ${[...definitions.values()].join(', ')})`
    await this.#requireFree(made)
    await this.#requireColumns(made)
    await this.keeper.ensure({ table, create, columns: definitions })
    await this.#requireColumns(made)
    const note = `INSERT INTO ${this.link.table(HECUBA_CLASSES)} (class, table_name, fields) VALUES (?, ?, ?)`
    await this.link.write(note, [classId, table, JSON.stringify(fields)])
    return made
  }

  async #requireFree({ classId, table }: HecubaClass): Promise<void> {
    const rows = await this.link.all(`SELECT class, table_name FROM ${this.link.table(HECUBA_CLASSES)}`, [])
    const other = rows.find((row) => row.table_name === table && row.class !== classId)
    if (other) throw sameTable(classId, other.class as string, table)
    const [before] = await this.link.all(`SELECT class FROM ${this.link.table(CLASSES)} WHERE class = ?`, [classId])
    if (before)
      throw new SchemaMismatchError(
        `Class ${classId} has objects in insitu's own tables, from before it had static columns: copy them to a class of another name that has them.`,
        { classId },
      )
  }

  /** Against what stands, whoever made it; what is missing is added. */
  async #requireColumns({ classId, table, fields }: HecubaClass): Promise<void> {
    const standing = await this.keeper.columns(table)
    if (standing.size === 0) return
    const wanted = new Map([[STORAGE_ID, 'uuid'], ...fields.map((field) => [field.name, columnOf(field)] as const)])
    for (const [name, type] of wanted) {
      const found = standing.get(name)
      if (found === type || (found === undefined && name !== STORAGE_ID)) continue
      throw new SchemaMismatchError(
        `Class ${classId} has ${name}: ${type}, and table ${table} has ${found ?? 'no such column: it is none of objects'}. Declare what the table has, or rename the class.`,
        { classId, field: name, stored: found, wanted: type },
      )
    }
  }
}

const classOf = (row: Row): HecubaClass => ({
  classId: row.class as ClassId,
  table: row.table_name as string,
  fields: JSON.parse(row.fields as string) as readonly FieldSpec[],
})

const sameTable = (classId: string, other: string, table: string): Error =>
  new SchemaMismatchError(`Classes ${classId} and ${other} are both table ${table} to Hecuba, which knows no modules: rename one.`, {
    classId,
    other,
    table,
  })

/** The type of a field's column. */
export const columnOf = ({ type }: FieldSpec): string => (type === 'dict' || type === 'ref' ? 'uuid' : typeOf(type))

/** What Hecuba notes of a field. */
export const notedType = ({ type, of }: FieldSpec): string =>
  type === 'dict' ? 'StorageDict' : type === 'ref' ? pythonPath(of!) : typeOf(type)

function requireHolds(classId: ClassId, field: FieldSpec): void {
  const { name, type, of } = field
  if (!isHecubaName(name) || name === STORAGE_ID)
    throw cannot(`field ${classId}.${name}: lower case letters, digits and underscores, no word of CQL, not storage_id`)
  if (type === 'ref' && of === undefined) throw cannot(`field ${classId}.${name}, a reference to any class: say which, t.ref(() => Author)`)
  if (typeof type !== 'string') throw cannot(`field ${classId}.${name} of ${JSON.stringify(type)}: keep it in a StorageDict, or as text`)
  try {
    columnOf(field)
  } catch {
    throw cannot(
      `field ${classId}.${name} of type ${type}; it has text, bool, i32, i64, f32, f64, blob, date, time, timestamp, references and StorageDicts`,
    )
  }
}
