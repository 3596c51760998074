/** What nothing leads to, listed: `insitu gc` looks through it. Scans of whole tables, a page at a time. */

import { type Intent, type Mark, Ref, type Table, type Target, type Upkeep } from '../../src/backend.js'
import { type Id, madeAtMs } from '../../src/ids.js'
import { markOf } from '../../src/mark-form.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { type ClassTables, ID } from './class-tables.js'
import type { DictCatalogue } from './dict-catalogue.js'
import type { HecubaObjects } from './hecuba-objects.js'
import { quoted } from './identifiers.js'
import type { PlaceReader } from './place-state.js'
import { ALIASES, MARK_PREFIX, textOfKey } from './places.js'

/** The first text above all that begin with the prefix of marks. */
const MARKS_END = 'mark0'

export class CassandraUpkeep implements Upkeep {
  constructor(
    readonly link: CassandraLink,
    readonly classes: ClassTables,
    readonly catalogue: DictCatalogue,
    readonly reader: PlaceReader,
    readonly hecuba: HecubaObjects | undefined,
  ) {}

  tables(): AsyncIterable<readonly Table[]> {
    return this.catalogue.all()
  }

  async *marksBefore(beforeMs: number): AsyncGenerator<readonly { readonly home: Ref; readonly mark: Mark }[], void, void> {
    if (this.hecuba) yield* this.hecuba.marksBefore(beforeMs)
    for (const { classId, table } of await this.classes.all()) {
      const where = `"~part" >= '${MARK_PREFIX}' AND "~part" < '${MARKS_END}' ALLOW FILTERING`
      for await (const rows of this.link.pages(`SELECT ${quoted(ID)}, "~part", "~data" FROM ${this.link.table(table)} WHERE ${where}`)) {
        const found = rows.map((row) => ({ home: new Ref(String(row[ID]) as Id, classId), mark: markIn(row) }))
        const old = found.filter(({ mark }) => madeAtMs(mark.attempt) < beforeMs)
        if (old.length > 0) yield old
      }
    }
  }

  async *intents(): AsyncGenerator<readonly { readonly target: Target; readonly intent: Intent }[], void, void> {
    if (this.hecuba) yield* this.hecuba.intents()
    for (const { classId, table } of await this.classes.all())
      yield* this.#intentsIn(table, ID, (key) => ({ ref: new Ref(key as Id, classId) }))
    yield* this.#intentsIn(ALIASES, 'alias', (key) => ({ alias: textOfKey(key) }))
  }

  async *#intentsIn(
    table: string,
    column: string,
    target: (key: string) => Target,
  ): AsyncGenerator<readonly { readonly target: Target; readonly intent: Intent }[], void, void> {
    for await (const rows of this.link.pages(`SELECT DISTINCT ${quoted(column)}, "~intent" FROM ${this.link.table(table)}`)) {
      const held = rows.filter((row) => row['~intent'])
      const found = await Promise.all(
        held.map(async (row) => ({
          target: target(String(row[column])),
          intent: (await this.reader.unpacked(row['~intent'] as Buffer)) as Intent,
        })),
      )
      // One whose chunks are gone was settled meanwhile.
      const whole = found.filter(({ intent }) => intent)
      if (whole.length > 0) yield whole
    }
  }
}

const markIn = (row: Row): Mark => markOf((row['~part'] as string).slice(MARK_PREFIX.length), row['~data'] as Buffer)
