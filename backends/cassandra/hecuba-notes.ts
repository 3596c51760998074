/** What Hecuba's own table says of its objects: `hecuba.istorage`, a row under the id of each. It is written after the object, and removed after it. */
import { v5 } from 'uuid'
import type { CassandraLink, Row, Statement } from './cassandra-link.js'
import { type HecubaClass, notedType } from './hecuba-classes.js'
import { ISTORAGE, isHecubaName, pythonPath, ringOf } from './hecuba-layout.js'

export interface ObjectNote {
  readonly className: string
  /** `keyspace.table`. */
  readonly name: string
  readonly columns: readonly (readonly [name: string, type: string])[]
  /** The commit that has removed the object, or is about to. */
  readonly gone: string | undefined
}

export class HecubaNotes {
  constructor(readonly link: CassandraLink) {}

  /** The id that Hecuba makes of a name. */
  idOf(alias: string): string {
    return v5(this.fullName(alias), v5.DNS)
  }

  fullName(alias: string): string {
    const { keyspace } = this.link.config
    const text = alias.toLowerCase()
    return text.startsWith(`${keyspace}.`) ? text : `${keyspace}.${text}`
  }

  /** Whether Hecuba can have a name, in this keyspace. */
  isName(alias: string): boolean {
    return isHecubaName(this.fullName(alias).slice(this.link.config.keyspace.length + 1))
  }

  /** What is noted of an object; `undefined` for nothing, or for something else than an object. */
  async of(id: string): Promise<ObjectNote | undefined> {
    const [row] = await this.link.all(`SELECT * FROM ${ISTORAGE} WHERE storage_id = ?`, [id], { consistency: 'serial' })
    return row && this.noteIn(row)
  }

  /** Whether anything has this id: a dict or an array of the same name. */
  async isTaken(id: string): Promise<boolean> {
    return (await this.link.all(`SELECT storage_id FROM ${ISTORAGE} WHERE storage_id = ?`, [id], { consistency: 'serial' })).length > 0
  }

  noteIn(row: Row): ObjectNote | undefined {
    const isObject = !row.primary_keys && !row.numpy_meta && !row.base_numpy && row.columns && row.class_name
    if (!isObject || !String(row.name).startsWith(`${this.link.config.keyspace}.`)) return undefined
    const pairs = row.columns as readonly { readonly elements: readonly [string, string] }[]
    const props = row.istorage_props as ReadonlyMap<string, string> | null
    return {
      className: row.class_name as string,
      name: row.name as string,
      columns: pairs.map(({ elements }) => elements),
      gone: props?.get('gone'),
    }
  }

  /** Pages of all objects in this keyspace. */
  async *all(): AsyncGenerator<readonly (readonly [id: string, note: ObjectNote])[], void, void> {
    for await (const rows of this.link.pages(`SELECT * FROM ${ISTORAGE}`))
      yield rows.flatMap((row) => {
        const note = this.noteIn(row)
        return note ? [[String(row.storage_id), note] as const] : []
      })
  }

  async put({ classId, fields }: HecubaClass, id: string, name: string): Promise<void> {
    const { Tuple } = this.link.driver.types
    const query = `INSERT INTO ${ISTORAGE} (storage_id, class_name, name, istorage_props, tokens, columns) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS`
    const params = [
      id,
      pythonPath(classId),
      name,
      new Map([['insitu_class', classId]]),
      ringOf(this.link).map(([from, to]) => new Tuple(from, to)),
      fields.map((field) => new Tuple(field.name, notedType(field))),
    ]
    await this.#surely({ query, params })
  }

  /** Says by which commit an object goes, so that its note is told from one of an object of this name that Hecuba makes afterwards. */
  async announceEnd(id: string, commit: string): Promise<void> {
    await this.#surely({ query: `UPDATE ${ISTORAGE} SET istorage_props['gone'] = ? WHERE storage_id = ? IF EXISTS`, params: [commit, id] })
  }

  async remove(id: string, gone: string): Promise<void> {
    await this.#surely({ query: `DELETE FROM ${ISTORAGE} WHERE storage_id = ? IF istorage_props['gone'] = ?`, params: [id, gone] })
  }

  /** A compare-and-set that may be done again, and whose condition need not hold. */
  async #surely(statement: Statement): Promise<void> {
    for (let nth = 0; nth < TRIES; nth++) if ((await this.link.cas([statement])) !== undefined) return
    throw this.link.unknownOutcome()
  }
}

const TRIES = 5
