/**
 * Objects of Hecuba's as they stand. Hecuba writes a column at a time and compares nothing, so that its writes leave no stamp: where the
 * fields are not those that insitu wrote last, a stamp is made of them. So what Hecuba has changed is a conflict to whoever read it before.
 */
import { createHash } from 'node:crypto'
import type { types } from 'cassandra-driver'
import { type Intent, Ref, type Stamp } from '../../src/backend.js'
import type { CommitId, Id } from '../../src/ids.js'
import type { Row } from './cassandra-link.js'
import { type HecubaClass, STORAGE_ID } from './hecuba-classes.js'
import type { HecubaNotes, ObjectNote } from './hecuba-notes.js'
import { digestOf, type HecubaValues, type Plain } from './hecuba-values.js'
import type { PlaceReader, PlaceState } from './place-state.js'

export interface HecubaState extends PlaceState {
  readonly plains: ReadonlyMap<string, Plain>
  readonly parts: ReadonlyMap<string, Buffer | null>
  /** `keyspace.table`, where `istorage` or the row says it. */
  readonly name: string | undefined
  /** An object that insitu made, and of which `istorage` is not known to tell. */
  readonly isUnnoted: boolean
  /** An object that is gone, and of which `istorage` still tells: the commit that removed it. */
  readonly leftBy: string | undefined
}

export class HecubaRows {
  constructor(
    readonly values: HecubaValues,
    readonly notes: HecubaNotes,
    readonly reader: PlaceReader,
  ) {}

  async state(of: HecubaClass, id: Id, isSerial: boolean): Promise<HecubaState> {
    const { link } = this.notes
    const query = `SELECT * FROM ${link.table(of.table)} WHERE ${STORAGE_ID} = ?`
    const [row] = await link.all(query, [id], isSerial ? { consistency: 'serial' } : {})
    const isOurs = typeof row?.['~revision'] === 'number'
    const note = isOurs ? undefined : await this.notes.of(id)
    return this.#stateOf(of, id, row, note)
  }

  async #stateOf(of: HecubaClass, id: Id, row: Row | undefined, note: ObjectNote | undefined): Promise<HecubaState> {
    const plains = this.values.plainsIn(of, row)
    const gone = row?.['~gone'] ? String(row['~gone']) : undefined
    const isLeft = note?.gone !== undefined && note.gone === gone
    const stamp = stampOf(row, plains, note !== undefined && !isLeft)
    return {
      version: (row?.['~version'] as types.Uuid | null | undefined) ?? null,
      stamp,
      to: stamp ? new Ref(id, of.classId) : null,
      intent: row?.['~intent'] ? ((await this.reader.unpacked(row['~intent'] as Buffer)) as Intent) : undefined,
      made: row?.['~made'] ? (String(row['~made']) as CommitId) : null,
      row,
      plains,
      parts: partsIn(row),
      name: (row?.['~name'] as string | null | undefined) ?? note?.name,
      isUnnoted: stamp !== null && note === undefined && row?.['~noted'] !== true,
      leftBy: isLeft ? gone : undefined,
    }
  }
}

/** An empty value stands for none, which a map cannot hold. */
function partsIn(row: Row | undefined): ReadonlyMap<string, Buffer | null> {
  const parts = (row?.['~parts'] as ReadonlyMap<string, Buffer> | null | undefined) ?? new Map<string, Buffer>()
  return new Map([...parts].map(([name, data]) => [name, data.length > 0 ? data : null]))
}

function stampOf(row: Row | undefined, plains: ReadonlyMap<string, Plain>, isNoted: boolean): Stamp | null {
  const revision = row?.['~revision'] as number | null | undefined
  if (typeof revision !== 'number') return isNoted ? { revision: 1, commit: foreignCommit(NOBODY, digestOf(plains)) } : null
  const [commit, digest] = [String(row!['~commit']), digestOf(plains)]
  return { revision, commit: row!['~seen'] === digest ? (commit as CommitId) : foreignCommit(commit, digest) }
}

const NOBODY = '00000000-0000-7000-8000-000000000000'
/** How much of an id says when it was made. */
const TIME_LENGTH = 15

/** What stands in place of a commit's id where nobody committed: always the same for the same fields, as old as what insitu wrote last. */
function foreignCommit(base: string, digest: string): CommitId {
  const hash = createHash('sha256').update(`${base} ${digest}`).digest('hex')
  return `${base.slice(0, TIME_LENGTH)}${hash.slice(0, 3)}-8${hash.slice(3, 6)}-${hash.slice(6, 18)}` as CommitId
}
