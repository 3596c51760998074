/** What leads from an id to where its object lies, and to the names it has: written first, so that nothing stands without, and only a hint. */
import type { Op, Ref } from '../../src/backend.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { CassandraLink, Param, Statement } from './cassandra-link.js'

export const OBJECTS = 'insitu_objects'
export const OBJECTS_COLUMNS = 'id uuid PRIMARY KEY, class text'
export const NAMES = 'insitu_names'
export const NAMES_COLUMNS = 'id uuid, alias text, PRIMARY KEY ((id), alias)'

export class NameIndex {
  #noteText: string | undefined

  constructor(readonly link: CassandraLink) {}

  async noteObject({ id, classId }: Ref): Promise<void> {
    await this.link.writeAll([this.noted(id, classId)])
  }

  noted(id: Param, classId: ClassId): Statement {
    this.#noteText ??= `INSERT INTO ${this.link.table(OBJECTS)} (id, class) VALUES (?, ?)`
    return { query: this.#noteText, params: [id, classId] }
  }

  async classOf(id: Id): Promise<ClassId | undefined> {
    const [row] = await this.link.all(`SELECT class FROM ${this.link.table(OBJECTS)} WHERE id = ?`, [id])
    return row?.class as ClassId | undefined
  }

  /** Names that the ops give, or may give when they are settled. */
  async note(ops: readonly Op[]): Promise<void> {
    const names = ops.flatMap(namesIn)
    if (names.length === 0) return
    const query = `INSERT INTO ${this.link.table(NAMES)} (id, alias) VALUES (?, ?)`
    await Promise.all(names.map(({ to, alias }) => this.link.write(query, [to.id, alias])))
  }

  /** Names that an object has, or once had. */
  async namesOf(id: Id): Promise<readonly string[]> {
    const rows = await this.link.all(`SELECT alias FROM ${this.link.table(NAMES)} WHERE id = ?`, [id])
    return rows.map((row) => row.alias as string)
  }

  /** An object that is gone leads nowhere; what a slower writer notes again is a hint, and checked. */
  async forget(id: Id): Promise<void> {
    await this.link.write(`DELETE FROM ${this.link.table(NAMES)} WHERE id = ?`, [id])
  }
}

export function namesIn(op: Op): readonly { readonly alias: string; readonly to: Ref }[] {
  if (op.do === 'reserve') return op.intent.redo.flatMap(namesIn)
  return op.do === 'name' && op.to ? [{ alias: op.alias, to: op.to }] : []
}
