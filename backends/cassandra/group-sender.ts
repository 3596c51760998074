/** Groups about one object or alias, as compare-and-sets of its partition. */

import { setTimeout as delay } from 'node:timers/promises'
import type { Cell, Group, Op, Receipt, Stamp } from '../../src/backend.js'
import { ConflictError, UnavailableError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import { markForm } from '../../src/mark-form.js'
import type { CassandraLink, Param, Statement } from './cassandra-link.js'
import type { ChunkStore } from './chunk-store.js'
import { type ClassTable, type ClassTables, mayBeColumn } from './class-tables.js'
import { BARRED, type Draft, draftOf, receiptOf, withMark } from './group-draft.js'
import { quoted } from './identifiers.js'
import { Lines } from './lines.js'
import type { NameIndex } from './name-index.js'
import { columnsOf, manifestsIn, type ObjectColumns } from './object-columns.js'
import { HEAD_START_MS, type ObjectMaker, type Put } from './object-maker.js'
import { keyOf, type PlaceReader, type PlaceState, partsOf } from './place-state.js'
import { ALIASES, keyColumn, nameOfPlace, PART, type Place } from './places.js'
import { Turnstile } from './turnstile.js'

/** What is left of a removed object is kept for twice as long as new ones are behind: see ObjectMaker. */
const GRAVE_S = (2 * HEAD_START_MS) / 1000
const AGAIN_MS_MAX = 40
const GROUPS_AT_ONCE = 512

export class GroupSender {
  readonly #under = new Set<Promise<unknown>>()
  readonly #lines = new Lines()
  /** Those that wait have nothing made ready: what is, and waits for the servers, is what costs. */
  readonly #gate = new Turnstile(GROUPS_AT_ONCE)
  constructor(
    readonly link: CassandraLink,
    readonly classes: ClassTables,
    readonly chunks: ChunkStore,
    readonly reader: PlaceReader,
    readonly names: NameIndex,
    readonly maker: ObjectMaker,
    /** Of which some object has chunks that a change must not leave behind. */
    readonly largeClasses: Set<string>,
    readonly receiptsKeptS: number,
  ) {}

  /** When everything sent so far is answered. */
  async idle(): Promise<void> {
    while (this.#under.size > 0) await Promise.all(this.#under)
  }

  /** Whatever is under way keeps `close` waiting. */
  track<T>(work: Promise<T>): Promise<T> {
    const settled = work.then(
      () => void this.#under.delete(settled),
      () => void this.#under.delete(settled),
    )
    this.#under.add(settled)
    return work
  }

  /** In the order of the calls: compare-and-sets of one partition that meet there keep each other from getting anywhere. */
  send(group: Group, place: Place): Promise<Receipt> {
    const put = newPut(group.ops)
    const table = put && this.classes.ready(put.ref.classId, put.set)
    if (table) return this.maker.make(group, put, table) // nobody else knows of it, so that there is no line
    return this.#lines.stand(nameOfPlace(place), () => this.#gate.pass(() => this.#send(group, place)))
  }

  async #send(group: Group, place: Place): Promise<Receipt> {
    await this.names.note(group.ops)
    if (place.kind === 'alias') return this.#slowly(group, place, undefined)
    const table = await this.classes.require(place.ref.classId, cellsIn(group.ops))
    const [first] = group.ops
    // One that may have had its id before, or be ended by who else knows it, is compared with what stands as any other change is.
    if (group.ops.length === 1 && first?.do === 'put' && first.expect === 'absent' && first.isNew)
      return this.maker.make(group, first, table)
    const known = knownPut(group.ops)
    if (known && !this.largeClasses.has(table.classId) && (await this.#isDecided(table, known.put))) {
      const changed = await this.#change(group, known.put, known.expect, place, table)
      return typeof changed === 'object' ? changed : this.#slowly(group, place, table, changed === 'unknown')
    }
    return this.#slowly(group, place, table)
  }

  /** Null says nothing about a column; whether there is one has to be known before it goes into the rest. */
  async #isDecided({ kinds }: ClassTable, { set }: Put): Promise<boolean> {
    for (const [name, cell] of set) if (cell === null && !kinds.has(name) && mayBeColumn(name)) return false
    return true
  }

  /** A change whose conditions are all known beforehand: one compare-and-set and no read. Otherwise what is known of the copy that was sent. */
  async #change(group: Group, put: Put, expect: Stamp, place: Place, table: ClassTable): Promise<Receipt | 'refused' | 'unknown'> {
    const cells = new Map<string, Cell | undefined>([...(put.unset ?? []).map((name) => [name, undefined] as const), ...put.set])
    const columns = await columnsOf(this.link.driver, this.chunks, table.kinds, cells)
    if (columns.hasLarge) this.largeClasses.add(table.classId)
    const stamp = { revision: expect.revision + 1, commit: group.commit }
    const update = updateOf(this.link.table(table.table), place, columns, [
      ['~revision', stamp.revision],
      ['~commit', stamp.commit],
      ['~version', group.commit],
    ])
    const statements = [
      {
        query: `${update.query} IF "~revision" = ? AND "~commit" = ? AND "~intent" = null`,
        params: [...update.params, expect.revision, expect.commit],
      },
      this.#part(table.table, place, PART.receipt(group.commit), undefined, this.receiptsKeptS, true),
    ]
    for (const op of group.ops)
      if (op.do === 'mark') statements.push(this.#part(table.table, place, PART.mark(op.mark.key), markForm(op.mark), 0, true))
    const applied = await this.link.cas(statements)
    if (!applied) return applied === undefined ? 'unknown' : 'refused'
    return withMark(group, { applied: true, stamps: new Map([[put.ref.id, stamp]]) })
  }

  /**
   * Reads what stands, makes the changes, and writes them if nothing has changed meanwhile; else from the beginning. A copy of which nobody
   * knows what became is none to fear once the version that it compares is gone, since no version comes back. `isLoose`: such a copy
   * was sent that compares no version.
   */
  async #slowly(group: Group, place: Place, known: ClassTable | undefined, isLoose = false): Promise<Receipt> {
    const table = known?.table ?? ALIASES
    const endMs = Date.now() + this.link.config.patienceMs
    let isUnknown = isLoose
    for (let nth = 0; ; nth++) {
      const { state, parts } = await this.reader.whole(table, place, partsOf(group.commit, group.ops))
      const verdict = isLoose ? this.#unlessLoose(() => draftOf(group, state, parts)) : draftOf(group, state, parts)
      if ('receipt' in verdict) {
        await this.reader.ensureCopies(table, place)
        return verdict.receipt
      }
      const { draft } = verdict
      const { statements, dropped } = await this.#statements(group, place, known, state, draft)
      const applied = statements.length === 0 || (await this.link.cas(statements))
      if (applied) {
        for (const manifest of dropped) this.chunks.drop(manifest).catch(() => {}) // garbage, no more
        return draft.receipt
      }
      isUnknown ||= applied === undefined
      if (Date.now() > endMs) throw isUnknown ? this.link.unknownOutcome() : busy(place, this.link.config.url)
      await delay(Math.random() * Math.min(AGAIN_MS_MAX, 2 ** nth))
    }
  }

  /** A copy may be under way, and get through when an intent in its way is gone; a stamp that is gone does not come back. */
  #unlessLoose<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (error instanceof ConflictError && !('intent' in error)) throw error
      throw this.link.unknownOutcome(error)
    }
  }

  /** See `Backend.bar`. */
  bar(group: Group, place: Place): Promise<Receipt | undefined> {
    return this.#lines.stand(nameOfPlace(place), () => this.#bar(group, place))
  }

  /** Copies compare the version, which is another then, or ask that there be no receipt: so one that says "barred" stands in their way. */
  async #bar(group: Group, place: Place): Promise<Receipt | undefined> {
    const table = place.kind === 'object' ? (await this.classes.require(place.ref.classId)).table : ALIASES
    const endMs = Date.now() + this.link.config.patienceMs
    for (let nth = 0; ; nth++) {
      const { state, parts } = await this.reader.whole(table, place, [PART.receipt(group.commit)])
      const standing = receiptOf(group, state, parts)
      if (standing === 'barred') return undefined
      if (standing) {
        await this.reader.ensureCopies(table, place)
        return standing
      }
      if (await this.link.cas(this.#barring(group, place, table, state))) return undefined
      if (Date.now() > endMs) throw this.link.unknownOutcome()
      await delay(Math.random() * Math.min(AGAIN_MS_MAX, 2 ** nth))
    }
  }

  #barring(group: Group, place: Place, table: string, state: PlaceState): Statement[] {
    const ttl = state.stamp || state.to || state.intent ? 0 : GRAVE_S
    const fresh: [string, Param][] = [['~version', newCommitId()]]
    const update = updateOf(this.link.table(table), place, NO_COLUMNS, fresh, ttl)
    return [
      { query: `${update.query} IF "~version" = ?`, params: [...update.params, state.version] },
      this.#part(table, place, PART.anchor, undefined, ttl),
      this.#part(table, place, PART.receipt(group.commit), BARRED, this.receiptsKeptS),
    ]
  }

  async #statements(
    group: Group,
    place: Place,
    known: ClassTable | undefined,
    state: PlaceState,
    draft: Draft,
  ): Promise<{ readonly statements: readonly Statement[]; readonly dropped: readonly Parameters<ChunkStore['drop']>[0][] }> {
    const table = known?.table ?? ALIASES
    const parts = new Map(draft.parts)
    for (const [commit, redo] of draft.redo) parts.set(PART.redo(commit), await this.reader.packed(redo))
    if (isEmpty(draft) && parts.size === 0) return { statements: [], dropped: [] }
    const stands =
      place.kind === 'object'
        ? (draft.stamp === undefined ? state.stamp : draft.stamp) !== null
        : (draft.to === undefined ? state.to : draft.to) !== null
    const isHeld = draft.intent === undefined ? state.intent !== undefined : draft.intent !== null
    const ttl = stands || isHeld ? 0 : GRAVE_S
    if (place.kind === 'object' && draft.stamp && !state.stamp) await this.names.noteObject(place.ref)
    const { columns, set, dropped } = known ? await this.#objectChanges(known, state, draft, ttl) : aliasChanges(draft)
    if (draft.intent !== undefined) set.push(['~intent', draft.intent && (await this.reader.packed(draft.intent))])
    const update = updateOf(this.link.table(table), place, columns, [['~version', group.commit], ...set], ttl)
    const statements: Statement[] = [
      { query: `${update.query} IF "~version" = ?`, params: [...update.params, state.version] },
      this.#part(table, place, PART.anchor, undefined, ttl),
      this.#part(table, place, PART.receipt(group.commit), undefined, this.receiptsKeptS),
      ...[...parts].map(([name, data]) => (data ? this.#part(table, place, name, data, 0) : this.#dropPart(table, place, name))),
    ]
    return { statements, dropped }
  }

  async #objectChanges(
    known: ClassTable,
    state: PlaceState,
    draft: Draft,
    ttl: number,
  ): Promise<{ columns: ObjectColumns; set: [string, Param][]; dropped: readonly Parameters<ChunkStore['drop']>[0][] }> {
    const set: [string, Param][] = []
    // After the state was read: whoever changes the object with a column that is newer changes its version as well.
    const { kinds } = draft.isRemoved || draft.cells.size > 0 ? await this.classes.refresh(known.classId, definite(draft.cells)) : known
    const large = manifestsIn(state.row)
    if (large.size > 0) this.largeClasses.add(known.classId)
    const cells = new Map(draft.isRemoved ? [] : draft.cells)
    if (draft.isRemoved) {
      for (const [name, kind] of kinds) if (kind !== 'packed') set.push([name, null])
      set.push(['~rest', null])
    }
    const columns = await columnsOf(this.link.driver, this.chunks, kinds, cells)
    if (columns.hasLarge) this.largeClasses.add(known.classId)
    if (draft.stamp !== undefined) {
      set.push(['~revision', draft.stamp?.revision ?? null], ['~commit', draft.stamp?.commit ?? null])
      const made = state.stamp ? state.made : (draft.stamp?.commit ?? null)
      if (!state.stamp || ttl > 0) set.push(['~made', made])
    }
    const dropped = [...large].filter(([name]) => draft.isRemoved || cells.has(name)).map(([, manifest]) => manifest)
    return { columns, set, dropped }
  }

  #part(table: string, place: Place, name: string, data: Buffer | undefined, ttl: number, ifAbsent = false): Statement {
    const columns = [quoted(keyColumn(place)), '"~part"', ...(data ? ['"~data"'] : [])]
    const values = columns.map(() => '?').join(', ')
    const end = `${ifAbsent ? ' IF NOT EXISTS' : ''}${ttl > 0 ? ` USING TTL ${ttl}` : ''}`
    return {
      query: `INSERT INTO ${this.link.table(table)} (${columns.join(', ')}) VALUES (${values})${end}`,
      params: [keyOf(place), name, ...(data ? [data] : [])],
    }
  }

  #dropPart(table: string, place: Place, name: string): Statement {
    const query = `DELETE FROM ${this.link.table(table)} WHERE ${quoted(keyColumn(place))} = ? AND "~part" = ?`
    return { query, params: [keyOf(place), name] }
  }
}

const NO_COLUMNS: ObjectColumns = { columns: [], rest: [], hasLarge: false }

const isEmpty = ({ stamp, isRemoved, to, intent, cells }: Draft): boolean =>
  stamp === undefined && !isRemoved && to === undefined && intent === undefined && cells.size === 0

function aliasChanges({ to }: Draft): { columns: ObjectColumns; set: [string, Param][]; dropped: readonly [] } {
  const set: [string, Param][] =
    to === undefined
      ? []
      : [
          ['to_id', to?.id ?? null],
          ['to_class', to?.classId ?? null],
        ]
  return { columns: NO_COLUMNS, set, dropped: [] }
}

function updateOf(
  table: string,
  place: Place,
  { columns, rest }: ObjectColumns,
  set: readonly (readonly [string, Param])[],
  ttl = 0,
): Statement {
  const names = [...set, ...columns].map(([name]) => `${quoted(name)} = ?`)
  const using = ttl > 0 ? ` USING TTL ${ttl}` : ''
  const query = `UPDATE ${table}${using} SET ${[...names, ...rest.map(() => '"~rest"[?] = ?')].join(', ')} WHERE ${quoted(keyColumn(place))} = ?`
  return { query, params: [...set.map(([, v]) => v), ...columns.map(([, v]) => v), ...rest.flat(), keyOf(place)] }
}

/** The put of a group that makes an object of a new id, and does nothing else. */
function newPut([first, ...more]: readonly Op[]): Put | undefined {
  return first?.do === 'put' && first.expect === 'absent' && first.isNew && more.length === 0 ? first : undefined
}

/** The put of a group that is one change of an object at a known stamp, and marks. */
function knownPut(ops: readonly Op[]): { readonly put: Put; readonly expect: Stamp } | undefined {
  let put: Put | undefined
  for (const op of ops) {
    if (op.do === 'mark') continue
    if (op.do !== 'put' || put) return undefined
    put = op
  }
  return put && put.expect !== 'absent' ? { put, expect: put.expect } : undefined
}

/** The cells that a group writes, or that settling it will. */
function cellsIn(ops: readonly Op[]): ReadonlyMap<string, Cell> {
  const cells = new Map<string, Cell>()
  for (const op of ops) {
    if (op.do === 'put') for (const [name, cell] of op.set) cells.set(name, cell)
    if (op.do === 'reserve') for (const [name, cell] of cellsIn(op.intent.redo)) cells.set(name, cell)
  }
  return cells
}

function definite(cells: ReadonlyMap<string, Cell | undefined>): ReadonlyMap<string, Cell> {
  const found = new Map<string, Cell>()
  for (const [name, cell] of cells) if (cell !== undefined) found.set(name, cell)
  return found
}

const busy = (place: Place, url: string): Error =>
  new UnavailableError(
    `${url}: ${place.kind === 'object' ? `object ${place.ref.id}` : `alias ${place.alias}`} is being changed by so many at once that this change did not get its turn; try again`,
    {
      retryable: true,
    },
  )
