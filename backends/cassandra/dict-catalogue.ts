/** Which dicts there are, and where: a row each, by which any of them is found from its id alone. */
import { randomUUID } from 'node:crypto'
import { type Op, Ref, type RowFilter, type Table } from '../../src/backend.js'
import { joinColumns, type TableColumns } from '../../src/dict/table-columns.js'
import { CorruptError, NotFoundError } from '../../src/errors.js'
import type { ClassId, Id, TableId } from '../../src/ids.js'
import { isTableGone } from './cassandra-errors.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { indexesOf } from './column-filters.js'
import { createOf, type DictLayout, laterColumns, layoutOf, shapeOf } from './dict-layout.js'
import { cannot, claimHecuba, forgetHecuba, releaseHecuba } from './hecuba-layout.js'
import { classLabel, tableName } from './identifiers.js'
import type { SchemaKeeper } from './schema-keeper.js'

export const DICTS = 'insitu_dicts'
export const DICTS_COLUMNS =
  'id uuid PRIMARY KEY, owner_id uuid, owner_class text, table_name text, place uuid, definition text, is_dropped boolean'
/** The dicts of a shape that have tables of their own. */
export const SHAPES = 'insitu_shapes'
export const SHAPES_COLUMNS = 'shape text, dict uuid, PRIMARY KEY ((shape), dict)'

export class DictCatalogue {
  readonly #known = new Map<TableId, DictLayout>()

  constructor(
    readonly link: CassandraLink,
    readonly keeper: SchemaKeeper,
  ) {}

  get #isHecuba(): boolean {
    return this.link.config.layout === 'hecuba'
  }

  /** `isField`: it belongs to an object that Hecuba sees as such, and has no name of its own. */
  async define(table: Table, alias?: string, isField = false): Promise<void> {
    const standing = await this.#load(table.id)
    if (standing) return this.#join(standing, table)
    const { name, place } = await this.#placeFor(table, isField ? undefined : alias, isField)
    await this.#join(await this.#note(table, name, place), table)
  }

  /** A dict that another program made, under the name of its table. */
  async adopt(table: Table, name: string): Promise<Table> {
    return ((await this.#load(table.id)) ?? (await this.#note(table, name, undefined))).table
  }

  async #note(table: Table, name: string, place: string | undefined): Promise<DictLayout> {
    const query = `INSERT INTO ${this.link.table(DICTS)} (id, owner_id, owner_class, table_name, place, definition) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS`
    const { id, owner } = table
    const params = [id, owner.id, owner.classId, name, place ?? null, definitionOf(table)]
    await this.link.cas([{ query, params }]) // whether it was ours or not, what stands is what counts
    const made = await this.#load(id, true)
    if (!made) throw this.link.unknownOutcome()
    return made
  }

  /** Columns that it gains stand in the table before the catalogue tells of them, so that whoever hears of them can use them. */
  async #join(standing: DictLayout, wanted: Table): Promise<void> {
    const endMs = Date.now() + this.link.config.patienceMs
    for (let before: DictLayout | undefined = standing; before; before = await this.#load(wanted.id, true)) {
      const joined = joinColumns(before.table, wanted)
      if (joined === before.table) return
      if (this.#isHecuba) throw cannot('columns that came later')
      const after = layoutOf(joined, before.name, before.place, before.base)
      await this.keeper.ensure({ table: after.name, create: createOf(after), columns: laterColumns(after) })
      const query = `UPDATE ${this.link.table(DICTS)} SET definition = ? WHERE id = ? IF definition = ?`
      await this.link.cas([{ query, params: [definitionOf(joined, before.base), wanted.id, standingDefinition(before)] }]) // what stands is what counts
      if (Date.now() > endMs) throw this.link.unknownOutcome()
    }
    throw new NotFoundError(`There is no table ${wanted.id}.`, { table: wanted.id })
  }

  /** A dict that is new has no rows: in a shared table if enough of its shape have tables of their own. */
  async #placeFor(
    table: Table,
    alias: string | undefined,
    isField: boolean,
  ): Promise<{ readonly name: string; readonly place: string | undefined }> {
    if (this.#isHecuba) return { name: await claimHecuba(this.link, table, alias, isField), place: undefined }
    const shape = shapeOf(table)
    const max = this.link.config.ownTables
    const query = `SELECT dict FROM ${this.link.table(SHAPES)} WHERE shape = ? LIMIT ${max + 1}`
    const own = max > 0 ? await this.link.all(query, [shape]) : []
    if (own.length >= max) return { name: tableName('dicts', shape), place: randomUUID() }
    await this.link.write(`INSERT INTO ${this.link.table(SHAPES)} (shape, dict) VALUES (?, ?)`, [shape, table.id])
    // Another name each time: to make a table again under the name of one that is being dropped is asking for trouble.
    return { name: tableName(`${classLabel(table.owner.classId)}_dict`, `${table.id} ${randomUUID()}`), place: undefined }
  }

  async find(id: TableId): Promise<DictLayout | undefined> {
    return this.#load(id)
  }

  /** @throws NotFoundError */
  async require(id: TableId): Promise<DictLayout> {
    const layout = this.#known.get(id) ?? (await this.#load(id))
    if (!layout) throw new NotFoundError(`There is no table ${id}.`, { table: id })
    return layout
  }

  /** Does something with tables. One that is gone together with its dict was removed by somebody who may. @throws NotFoundError */
  async standing<T>(layouts: readonly DictLayout[], work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (cause) {
      if (!isTableGone(cause)) throw cause
      for (const { table } of layouts)
        if (!(await this.#load(table.id, true))) throw new NotFoundError(`There is no table ${table.id}.`, { table: table.id, cause })
      throw cause
    }
  }

  /** Indexes that somebody asks by, whether the dict was made with them or they were declared later. */
  async ensureIndexes(layout: DictLayout, asked: readonly RowFilter[]): Promise<void> {
    await this.keeper.ensure({ table: layout.name, create: createOf(layout), indexes: indexesOf(layout, asked) })
  }

  /** For a group of rows. One that removes some must know all columns, also those that others have added meanwhile. */
  async requireFor(id: TableId, ops: readonly Op[]): Promise<DictLayout> {
    const layout = await this.require(id)
    const isCareful = layout.isCas || layout.counters.length > 0
    const removes = isCareful && ops.some((op) => op.do === 'row' && op.table === id && op.set === null)
    return removes ? ((await this.#load(id)) ?? this.require(id)) : layout
  }

  /** At once, if it is known. */
  known(id: TableId): DictLayout | undefined {
    return this.#known.get(id)
  }

  forget(id: TableId): void {
    const layout = this.#known.get(id)
    this.#known.delete(id)
    if (layout && layout.place === undefined) this.keeper.forget(layout.name)
  }

  async #load(id: TableId, isSerial = false): Promise<DictLayout | undefined> {
    const query = `SELECT * FROM ${this.link.table(DICTS)} WHERE id = ?`
    const [row] = await this.link.all(query, [id], isSerial ? { consistency: 'serial' } : {})
    if (!row || row.is_dropped === true) {
      this.forget(id)
      return undefined
    }
    const layout = layoutFrom(row, this.#isHecuba)
    await this.keeper.ensure({ table: layout.name, create: createOf(layout), columns: laterColumns(layout), indexes: indexesOf(layout) })
    this.#known.set(id, layout)
    return layout
  }

  /** Gone for everybody first; then its table, or its rows. Who dies in between leaves a row that says so (see `finishDrops`). */
  async drop(id: TableId): Promise<void> {
    const [row] = await this.link.all(`SELECT * FROM ${this.link.table(DICTS)} WHERE id = ?`, [id], { consistency: 'serial' })
    this.forget(id)
    if (!row) return
    const mark = { query: `UPDATE ${this.link.table(DICTS)} SET is_dropped = true WHERE id = ? IF EXISTS`, params: [id] }
    if ((await this.link.cas([mark])) === undefined) throw this.link.unknownOutcome()
    await this.#finishDrop(layoutFrom(row, this.#isHecuba))
  }

  async #finishDrop({ table, name, place, base }: DictLayout): Promise<void> {
    if (this.#isHecuba) {
      // A table that Hecuba made stays, and so does one that a dict of the same name has.
      if (await releaseHecuba(this.link, name, table.id)) {
        await this.link.define(`DROP TABLE IF EXISTS ${this.link.table(name)}`)
        await forgetHecuba(this.link, name)
      }
    } else if (place === undefined) {
      await this.link.define(`DROP TABLE IF EXISTS ${this.link.table(name)}`)
      await this.link.write(`DELETE FROM ${this.link.table(SHAPES)} WHERE shape = ? AND dict = ?`, [shapeOf(table, base), table.id])
    } else await this.link.write(`DELETE FROM ${this.link.table(name)} WHERE "~dict" = ?`, [place])
    await this.link.cas([{ query: `DELETE FROM ${this.link.table(DICTS)} WHERE id = ? IF is_dropped = true`, params: [table.id] }])
  }

  /** Pages of all dicts, those that are being dropped left out, and finished. */
  async *all(): AsyncGenerator<readonly Table[], void, void> {
    let next: string | undefined
    do {
      const page = await this.link.read(`SELECT * FROM ${this.link.table(DICTS)}`, [], { pageState: next, fetchSize: 500 })
      const gone = page.rows.filter((row) => row.is_dropped === true)
      for (const row of gone) await this.#finishDrop(layoutFrom(row, this.#isHecuba))
      yield page.rows.filter((row) => row.is_dropped !== true).map((row) => layoutFrom(row, this.#isHecuba).table)
      next = page.next
    } while (next !== undefined)
  }
}

/** `base`: with how many columns of values it was made, if it has more now. */
const definitionOf = ({ keys, partition, values, writes }: Table, base?: number): string =>
  JSON.stringify({ keys, partition, values, writes, base })

/** The definition that a layout was read from: without `base` until it gains columns. */
const standingDefinition = ({ table, base }: DictLayout): string => definitionOf(table, base < table.values.length ? base : undefined)

function layoutFrom(row: Row, isHecuba: boolean): DictLayout {
  const { base, ...columns } = columnsFrom(row)
  const owner = new Ref(String(row.owner_id) as Id, row.owner_class as ClassId)
  const table: Table = { id: String(row.id) as TableId, owner, ...columns }
  return layoutOf(table, row.table_name as string, row.place ? String(row.place) : undefined, base, isHecuba)
}

function columnsFrom({ id, definition }: Row): TableColumns & { readonly base?: number } {
  try {
    const columns = JSON.parse(definition as string) as TableColumns & { readonly base?: number }
    if (Array.isArray(columns.keys) && Array.isArray(columns.values)) return columns
  } catch {}
  throw new CorruptError(
    `What ${DICTS} says of the columns of table ${String(id)} cannot be read: restore it from a backup of the keyspace.`,
    {
      table: String(id),
    },
  )
}
