/** Objects and aliases, page by page. */
import { type Backend, type Intent, Ref } from '../../src/backend.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { type ClassTables, ID } from './class-tables.js'
import { quoted } from './identifiers.js'
import type { NameIndex } from './name-index.js'
import type { PlaceReader, PlaceState } from './place-state.js'
import { ALIASES, textOfKey } from './places.js'

const PAGE = 1000

export class Listing {
  constructor(
    readonly link: CassandraLink,
    readonly classes: ClassTables,
    readonly names: NameIndex,
    readonly reader: PlaceReader,
    readonly marks: Backend['marks'],
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
      const ends = await Promise.all(names.slice(at, at + PAGE).map(async (alias) => [alias, await this.#endOf(alias)] as const))
      const found = ends.flatMap(([alias, to]) => (to?.id === id ? [[alias, to] as const] : []))
      if (found.length > 0) yield found
    }
  }

  /** What a name leads to. One that a unit which is decided holds leads where that unit says, settled or not. */
  async #endOf(alias: string): Promise<Ref | null> {
    const read = (): Promise<PlaceState> => this.reader.state(ALIASES, { kind: 'alias', alias })
    for (let state = await read(); ; ) {
      const { to, intent } = state
      if (!intent || intent.home.store !== undefined) return to // what is decided in another store cannot be seen from here
      const [mark] = await this.marks(intent.home, [intent.commit])
      if (mark) return mark.state === 'committed' ? endIn(intent, alias, to) : to
      state = await read() // settled units have no mark any more
      if (state.intent?.commit === intent.commit) return state.to
    }
  }
}

function endIn({ redo }: Intent, alias: string, before: Ref | null): Ref | null {
  const op = redo.find((one) => one.do === 'name' && one.alias === alias)
  return op?.do === 'name' ? op.to : before
}

const aliasIn = (row: Row): readonly (readonly [string, Ref])[] =>
  row.to_id ? [[textOfKey(row.alias as string), new Ref(String(row.to_id) as Id, row.to_class as ClassId)]] : []
