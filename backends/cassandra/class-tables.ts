/**
 * A table for each class, with a column for each field whose values have a type of Cassandra's. What a field is for, a column or the
 * rest, is decided once for the class, by a compare-and-set, and never changes: so nobody can look for a value in the wrong place,
 * however old what he knows of the class is.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Cell } from '../../src/backend.js'
import type { ClassId } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { columnTypeOf, type FieldKind } from './cell-forms.js'
import { classLabel, isColumnName, quoted, tableName } from './identifiers.js'
import { isSameType, type SchemaKeeper } from './schema-keeper.js'

export const FIELDS = 'insitu_fields'
export const FIELDS_COLUMNS = 'class text, field text, kind text, PRIMARY KEY ((class), field)'
export const CLASSES = 'insitu_classes'
export const CLASSES_COLUMNS = 'class text PRIMARY KEY, table_name text'

/** Each column is work for every node; what has more fields is a map, and lies in the rest. */
const COLUMNS_MAX = 100
const DECIDE_AGAIN_MS = 5

export const ID = 'object_id'

/** Beside the columns of fields: the stamp, an intent, the version of the partition; then rows for marks, redo and receipts. */
const CREATE = `"${ID}" uuid, "~part" text, "~revision" int static, "~commit" uuid static, "~made" uuid static, "~intent" blob static, "~version" uuid static, "~rest" map<text, blob> static, "~data" blob`

export interface ClassTable {
  readonly classId: ClassId
  readonly table: string
  /** Of the fields that are decided. */
  readonly kinds: ReadonlyMap<string, FieldKind>
}

export class ClassTables {
  readonly #known = new Map<ClassId, ClassTable>()
  readonly #underWay = new Map<ClassId, Promise<ClassTable>>()

  constructor(
    readonly link: CassandraLink,
    readonly keeper: SchemaKeeper,
  ) {}

  /** The table of a class, which stands; made if nobody has yet. */
  require(classId: ClassId, cells: ReadonlyMap<string, Cell> = NOTHING): ClassTable | Promise<ClassTable> {
    return this.ready(classId, cells) ?? this.#inTurn(classId, cells)
  }

  /** At once, if this process has used the class with such cells. */
  ready(classId: ClassId, cells: ReadonlyMap<string, Cell>): ClassTable | undefined {
    const known = this.#known.get(classId)
    return known && undecided(known, cells).size === 0 ? known : undefined
  }

  /** At once, if this process has used the class. */
  known(classId: ClassId): ClassTable | undefined {
    return this.#known.get(classId)
  }

  /** The table of a class if there is one. */
  async find(classId: ClassId): Promise<ClassTable | undefined> {
    const known = this.#known.get(classId)
    if (known) return known
    const [row] = await this.link.all(`SELECT table_name FROM ${this.link.table(CLASSES)} WHERE class = ?`, [classId])
    return row && this.require(classId)
  }

  /** All classes that have objects, or had. */
  async all(): Promise<readonly ClassTable[]> {
    const rows = await this.link.all(`SELECT class FROM ${this.link.table(CLASSES)}`, [])
    return Promise.all(rows.map(async (row: Row) => this.require(row.class as ClassId)))
  }

  /** What is decided of a class by now, whoever decided it. */
  async refresh(classId: ClassId, cells: ReadonlyMap<string, Cell> = NOTHING): Promise<ClassTable> {
    this.#known.delete(classId)
    return this.require(classId, cells)
  }

  /** One after the other for each class, each on what the one before has found. */
  #inTurn(classId: ClassId, cells: ReadonlyMap<string, Cell>): Promise<ClassTable> {
    const before = this.#underWay.get(classId)
    const work = (before ? before.catch(() => {}) : Promise.resolve()).then(() => this.#make(classId, cells))
    this.#underWay.set(classId, work)
    work
      .finally(() => {
        if (this.#underWay.get(classId) === work) this.#underWay.delete(classId)
      })
      .catch(() => {})
    return work
  }

  async #make(classId: ClassId, cells: ReadonlyMap<string, Cell>): Promise<ClassTable> {
    const known = this.#known.get(classId)
    if (known && undecided(known, cells).size === 0) return known
    const kinds = await this.#decide(classId, cells)
    const table = tableName(classLabel(classId), classId)
    const columns = new Map([...kinds].flatMap(([field, kind]) => (kind === 'packed' ? [] : [[field, `${quoted(field)} ${kind} static`]])))
    const create = `${[CREATE, ...columns.values()].join(', ')}, PRIMARY KEY (("${ID}"), "~part")) WITH comment = '${classId.replaceAll("'", "''")}'`
    // Who hears of a class before its table stands waits for that, as this does.
    const noted = known || this.link.write(`INSERT INTO ${this.link.table(CLASSES)} (class, table_name) VALUES (?, ?)`, [classId, table])
    await Promise.all([this.keeper.ensure({ table, create, columns }), noted])
    const made = { classId, table, kinds }
    this.#known.set(classId, made)
    return made
  }

  async #decide(classId: ClassId, cells: ReadonlyMap<string, Cell>): Promise<ReadonlyMap<string, FieldKind>> {
    const insert = `INSERT INTO ${this.link.table(FIELDS)} (class, field, kind) VALUES (?, ?, ?) IF NOT EXISTS`
    for (;;) {
      const kinds = await this.#decided(classId)
      const open = undecided({ kinds }, cells)
      if (open.size === 0) return kinds
      const decided = kindsFor(open, kinds.size, await this.keeper.columns(tableOf(classId)))
      const statements = [...decided].map(([field, kind]) => ({ query: insert, params: [classId, field, kind] }))
      if (await this.link.cas(statements)) return new Map([...kinds, ...decided])
      await delay(Math.random() * DECIDE_AGAIN_MS) // somebody else decides as well
    }
  }

  async #decided(classId: ClassId): Promise<ReadonlyMap<string, FieldKind>> {
    const query = `SELECT field, kind FROM ${this.link.table(FIELDS)} WHERE class = ?`
    const rows = await this.link.all(query, [classId], { consistency: 'serial' })
    return new Map(rows.map((row) => [row.field as string, row.kind as FieldKind]))
  }
}

const NOTHING: ReadonlyMap<string, Cell> = new Map()

/** Fields about which nobody has decided. Names that no column can have, and null, which says nothing, are not decided about. */
function undecided({ kinds }: Pick<ClassTable, 'kinds'>, cells: ReadonlyMap<string, Cell>): ReadonlyMap<string, Cell> {
  let open: Map<string, Cell> | undefined
  for (const [name, cell] of cells) if (cell !== null && !kinds.has(name) && mayBeColumn(name)) (open ??= new Map()).set(name, cell)
  return open ?? NOTHING
}

/** In lower case, since two columns that differ in case alone would trouble clients that do not quote. */
export const mayBeColumn = (name: string): boolean => isColumnName(name) && name !== ID

const tableOf = (classId: ClassId): string => tableName(classLabel(classId), classId)

/** By the type of the values, however large the first one is. `standing`: what the table has; other clients may have added to it. */
function kindsFor(open: ReadonlyMap<string, Cell>, columns: number, standing: ReadonlyMap<string, string>): Map<string, FieldKind> {
  const kinds = new Map<string, FieldKind>()
  for (const [name, cell] of open) {
    const type = columns + kinds.size < COLUMNS_MAX ? columnTypeOf(cell) : undefined
    const theirs = standing.get(name)
    kinds.set(name, type !== undefined && (theirs === undefined || isSameType(theirs, type)) ? type : 'packed')
  }
  return kinds
}
