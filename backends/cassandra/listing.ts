/** Objects and aliases, page by page. */
import { Ref } from '../../src/backend.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { type ClassTables, ID } from './class-tables.js'
import { quoted } from './identifiers.js'
import type { NameIndex } from './name-index.js'
import type { PlaceReader } from './place-state.js'
import { ALIASES, textOfKey } from './places.js'

const PAGE = 1000

export class Listing {
  constructor(
    readonly link: CassandraLink,
    readonly classes: ClassTables,
    readonly names: NameIndex,
    readonly reader: PlaceReader,
  ) {}

  async *objects(classId?: ClassId): AsyncGenerator<readonly Ref[], void, void> {
    const only = classId === undefined ? undefined : await this.classes.find(classId)
    const tables = classId === undefined ? await this.classes.all() : only ? [only] : []
    for (const { table, classId: one } of tables)
      for await (const rows of this.link.pages(`SELECT DISTINCT ${quoted(ID)}, "~revision" FROM ${this.link.table(table)}`)) {
        const found = rows.filter((row) => row['~revision'] !== null).map((row) => new Ref(String(row[ID]) as Id, one))
        if (found.length > 0) yield found
      }
  }

  async *aliases(prefix: string): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    for await (const rows of this.link.pages(`SELECT DISTINCT alias, to_id, to_class FROM ${this.link.table(ALIASES)}`)) {
      const found = rows.flatMap((row) => aliasIn(row)).filter(([alias]) => alias.startsWith(prefix))
      if (found.length > 0) yield found
    }
  }

  async *aliasesOf(id: Id): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    const names = await this.names.namesOf(id)
    for (let at = 0; at < names.length; at += PAGE) {
      const states = await Promise.all(
        names.slice(at, at + PAGE).map(async (alias) => [alias, await this.reader.state(ALIASES, { kind: 'alias', alias })] as const),
      )
      const found = states.flatMap(([alias, { to }]) => (to?.id === id ? [[alias, to] as const] : []))
      if (found.length > 0) yield found
    }
  }
}

const aliasIn = (row: Row): readonly (readonly [string, Ref])[] =>
  row.to_id ? [[textOfKey(row.alias as string), new Ref(String(row.to_id) as Id, row.to_class as ClassId)]] : []
