/** Which dicts there are, and where: a row each, by which any of them is found from its id alone. */
import { randomUUID } from 'node:crypto'
import { Ref, type Table } from '../../src/backend.js'
import { NotFoundError } from '../../src/errors.js'
import type { ClassId, Id, TableId } from '../../src/ids.js'
import { requireSameColumns } from '../memory/same-columns.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { createOf, type DictLayout, layoutOf, shapeOf } from './dict-layout.js'
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

  async define(table: Table): Promise<void> {
    const standing = await this.#load(table.id)
    if (standing) return requireSameColumns(standing.table, table)
    const { name, place } = await this.#placeFor(table)
    const query = `INSERT INTO ${this.link.table(DICTS)} (id, owner_id, owner_class, table_name, place, definition) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS`
    const { id, owner } = table
    const params = [id, owner.id, owner.classId, name, place ?? null, definitionOf(table)]
    await this.link.cas([{ query, params }]) // whether it was ours or not, what stands is what counts
    const made = await this.#load(id, true)
    if (!made) throw this.link.unknownOutcome()
    requireSameColumns(made.table, table)
  }

  /** A dict that is new has no rows: in a shared table if enough of its shape have tables of their own. */
  async #placeFor(table: Table): Promise<{ readonly name: string; readonly place: string | undefined }> {
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
    const layout = layoutFrom(row)
    await this.keeper.ensure({ table: layout.name, create: createOf(layout) })
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
    await this.#finishDrop(layoutFrom(row))
  }

  async #finishDrop({ table, name, place }: DictLayout): Promise<void> {
    if (place === undefined) {
      await this.link.define(`DROP TABLE IF EXISTS ${this.link.table(name)}`)
      await this.link.write(`DELETE FROM ${this.link.table(SHAPES)} WHERE shape = ? AND dict = ?`, [shapeOf(table), table.id])
    } else await this.link.write(`DELETE FROM ${this.link.table(name)} WHERE "~dict" = ?`, [place])
    await this.link.cas([{ query: `DELETE FROM ${this.link.table(DICTS)} WHERE id = ? IF is_dropped = true`, params: [table.id] }])
  }

  /** Pages of all dicts, those that are being dropped left out, and finished. */
  async *all(): AsyncGenerator<readonly Table[], void, void> {
    let next: string | undefined
    do {
      const page = await this.link.read(`SELECT * FROM ${this.link.table(DICTS)}`, [], { pageState: next, fetchSize: 500 })
      const gone = page.rows.filter((row) => row.is_dropped === true)
      for (const row of gone) await this.#finishDrop(layoutFrom(row))
      yield page.rows.filter((row) => row.is_dropped !== true).map((row) => layoutFrom(row).table)
      next = page.next
    } while (next !== undefined)
  }
}

const definitionOf = ({ keys, partition, values, writes }: Table): string => JSON.stringify({ keys, partition, values, writes })

function layoutFrom(row: Row): DictLayout {
  const definition = JSON.parse(row.definition as string) as Pick<Table, 'keys' | 'partition' | 'values' | 'writes'>
  const owner = new Ref(String(row.owner_id) as Id, row.owner_class as ClassId)
  const table: Table = { id: String(row.id) as TableId, owner, ...definition }
  return layoutOf(table, row.table_name as string, row.place ? String(row.place) : undefined)
}
