/** What stands in a partition, read from its columns and rows. */
import type { types } from 'cassandra-driver'
import { type Intent, type Op, Ref, type Stamp } from '../../src/backend.js'
import { decodeWire, encodeWire } from '../../src/codec/wire.js'
import type { ClassId, CommitId, Id } from '../../src/ids.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import { LARGE_BYTES, type Manifest, manifestForm } from './cell-forms.js'
import type { ChunkStore } from './chunk-store.js'
import { ID } from './class-tables.js'
import { ensureCopies } from './copies.js'
import { quoted } from './identifiers.js'
import { keyColumn, keyText, PART, type Place } from './places.js'

export interface PlaceState {
  /** Changes with every group; what a compare-and-set compares. */
  readonly version: types.Uuid | null
  /** `null`: no object, or no alias. */
  readonly stamp: Stamp | null
  /** Of an alias. */
  readonly to: Ref | null
  readonly intent: Intent | undefined
  /** The commit that made the object, also for a while after it is gone. */
  readonly made: CommitId | null
  /** The columns as they are read. */
  readonly row: Row | undefined
}

export interface Whole {
  readonly state: PlaceState
  readonly parts: ReadonlyMap<string, Buffer | null>
}

export class PlaceReader {
  readonly #queries = new Map<string, string>()

  constructor(
    readonly link: CassandraLink,
    readonly chunks: ChunkStore,
  ) {}

  /** The columns of a partition. Everything in one row of one read, so that it is whole. A guess that finds nothing looks no further. */
  async columns(table: string, place: Place, { isSerial = false, isGuess = false } = {}): Promise<Row | undefined> {
    let query = this.#queries.get(table)
    if (query === undefined) {
      query = `SELECT * FROM ${this.link.table(table)} WHERE ${quoted(keyColumn(place))} = ? AND "~part" = ''`
      this.#queries.set(table, query)
    }
    const [row] = await this.link.all(query, [keyOf(place)], isSerial ? { consistency: 'serial' } : {})
    return row ?? (isGuess ? undefined : this.#bare(this.link.table(table), place, isSerial))
  }

  /** The same of many objects, given as a list of ids. */
  columnsOfMany(table: string, end: string): string {
    return `SELECT * FROM ${this.link.table(table)} WHERE ${quoted(ID)} IN ? AND "~part" = '' ${end}`
  }

  /** Without an anchor there is nothing, or what is left of a partition whose anchor has gone by itself. Whole as well. */
  async #bare(table: string, place: Place, isSerial: boolean): Promise<Row | undefined> {
    const query = `SELECT * FROM ${table} WHERE ${quoted(keyColumn(place))} = ? LIMIT 1`
    const [row] = await this.link.all(query, [keyOf(place)], isSerial ? { consistency: 'serial' } : {})
    return row
  }

  /** Of a group that was found to be applied: see `copies.ts`. */
  ensureCopies(table: string, place: Place): Promise<void> {
    const query = `SELECT * FROM ${this.link.table(table)} WHERE ${quoted(keyColumn(place))} = ?`
    return ensureCopies(this.link, () => this.link.all(query, [keyOf(place)]))
  }

  async state(table: string, place: Place, isSerial = false): Promise<PlaceState> {
    return this.stateOf(await this.columns(table, place, { isSerial }))
  }

  /**
   * Columns and rows in one read at `SERIAL`, for a compare-and-set that follows: the sooner it comes, the less often has somebody else been
   * there. One after the other they would see changes in between as well, and the compare-and-set would fail by them.
   */
  async whole(table: string, place: Place, names: readonly string[]): Promise<Whole> {
    if (names.length >= PARTS_MAX) {
      const state = await this.state(table, place, true)
      return { state, parts: await this.parts(table, place, names, true) }
    }
    const marks = ['', ...names].map(() => '?').join(', ')
    const query = `SELECT * FROM ${this.link.table(table)} WHERE ${quoted(keyColumn(place))} = ? AND "~part" IN (${marks})`
    const rows = await this.link.all(query, [keyOf(place), '', ...names], { consistency: 'serial' })
    const state = await this.stateOf(rows[0] ?? (await this.#bare(this.link.table(table), place, true)))
    return { state, parts: new Map(rows.flatMap((row) => (row['~part'] ? [[row['~part'] as string, row['~data'] as Buffer | null]] : []))) }
  }

  async stateOf(row: Row | undefined): Promise<PlaceState> {
    return {
      version: (row?.['~version'] as types.Uuid | null | undefined) ?? null,
      stamp: row ? stampOf(row) : null,
      to: row?.to_id ? new Ref(String(row.to_id) as Id, row.to_class as ClassId) : null,
      intent: row?.['~intent'] ? ((await this.unpacked(row['~intent'] as Buffer)) as Intent) : undefined,
      made: row?.['~made'] ? (String(row['~made']) as CommitId) : null,
      row,
    }
  }

  /** Rows of a partition by name. */
  async parts(table: string, place: Place, names: readonly string[], isSerial = false): Promise<ReadonlyMap<string, Buffer | null>> {
    const found = new Map<string, Buffer | null>()
    for (let at = 0; at < names.length; at += PARTS_MAX) {
      const some = names.slice(at, at + PARTS_MAX)
      const marks = some.map(() => '?').join(', ')
      const query = `SELECT "~part", "~data" FROM ${this.link.table(table)} WHERE ${quoted(keyColumn(place))} = ? AND "~part" IN (${marks})`
      const rows = await this.link.all(query, [keyOf(place), ...some], isSerial ? { consistency: 'serial' } : {})
      for (const row of rows) found.set(row['~part'] as string, row['~data'] as Buffer | null)
    }
    return found
  }

  /** Intents and redo as they are kept: in place, or as chunks of their own when they are large. */
  async packed(value: object): Promise<Buffer> {
    const bytes = encodeWire(value)
    if (bytes.length > LARGE_BYTES) return manifestForm(await this.chunks.keep(bytes, 'wire'))
    return Buffer.concat([Buffer.of(0), bytes])
  }

  async unpacked(form: Buffer): Promise<unknown> {
    if (form[0] === 0) return decodeWire(Uint8Array.from(form.subarray(1)))
    const [chunks, count, length] = JSON.parse(form.toString('utf8', 1)) as [string, number, number]
    const bytes = await this.chunks.fetch({ chunks, count, length, form: 'wire' } satisfies Manifest)
    return bytes && decodeWire(bytes)
  }

  async redoOf(form: Buffer): Promise<readonly Op[] | undefined> {
    return (await this.unpacked(form)) as readonly Op[] | undefined
  }
}

const PARTS_MAX = 64

function stampOf(row: Row): Stamp | null {
  const revision = row['~revision'] as number | null | undefined
  return typeof revision === 'number' ? { revision, commit: String(row['~commit']) as CommitId } : null
}

export const keyOf = (place: Place): string => (place.kind === 'object' ? place.ref.id : keyText(place.alias))

/** The rows that a group looks at or changes. */
export function partsOf(commit: CommitId, ops: readonly Op[]): string[] {
  const names = new Set([PART.receipt(commit)])
  for (const op of ops) {
    if (op.do === 'mark') names.add(PART.mark(op.mark.key))
    if (op.do === 'forget') for (const key of op.keys) names.add(PART.mark(key))
  }
  return [...names]
}
