/** Objects of classes with `static columns` in `?layout=hecuba`: what the backend asks of them (hecuba-classes.ts says how they lie). */

import {
  type FieldSpec,
  type Found,
  type Group,
  type Intent,
  type Mark,
  type Op,
  type Receipt,
  Ref,
  type Stored,
  type Target,
} from '../../src/backend.js'
import { SchemaMismatchError } from '../../src/errors.js'
import { type ClassId, type CommitId, type Id, madeAtMs } from '../../src/ids.js'
import { markOf } from '../../src/mark-form.js'
import type { CassandraLink, Row } from './cassandra-link.js'
import type { DictCatalogue } from './dict-catalogue.js'
import { type HecubaClass, HecubaClasses, notedType, STORAGE_ID } from './hecuba-classes.js'
import { HecubaDicts } from './hecuba-dicts.js'
import { cannot } from './hecuba-layout.js'
import { HecubaNotes, type ObjectNote } from './hecuba-notes.js'
import { HecubaRows, type HecubaState } from './hecuba-rows.js'
import { HecubaSender } from './hecuba-sender.js'
import { HecubaValues } from './hecuba-values.js'
import type { NameIndex } from './name-index.js'
import type { PlaceReader } from './place-state.js'
import { MARK_PREFIX, PART } from './places.js'
import type { SchemaKeeper } from './schema-keeper.js'

export class HecubaObjects {
  readonly classes: HecubaClasses
  readonly #notes: HecubaNotes
  readonly #rows: HecubaRows
  readonly #sender: HecubaSender

  constructor(
    readonly link: CassandraLink,
    keeper: SchemaKeeper,
    catalogue: DictCatalogue,
    readonly reader: PlaceReader,
    readonly names: NameIndex,
    receiptsKeptS: number,
  ) {
    this.classes = new HecubaClasses(link, keeper)
    this.#notes = new HecubaNotes(link)
    const values = new HecubaValues(this.classes, new HecubaDicts(link, catalogue))
    this.#rows = new HecubaRows(values, this.#notes, reader)
    this.#sender = new HecubaSender(link, this.classes, this.#rows, names, receiptsKeptS)
  }

  declare(classId: ClassId, fields: readonly FieldSpec[]): void {
    this.classes.declare(classId, fields)
  }

  idOf(alias: string): Id {
    return this.#notes.idOf(alias) as Id
  }

  /** The object whose row an alias lies in, if its id is made of it. */
  ofName(alias: string, ref: Ref | null): Ref | undefined {
    return ref && ref.id === this.idOf(alias) ? ref : undefined
  }

  /** The object that a group is about, if it is one of these. Errors: UnsupportedError for a further name of one. */
  async placeOf(ops: readonly Op[]): Promise<Ref | undefined> {
    for (const op of ops) {
      const ref = await this.#placeOf(op)
      if (ref && (await this.classes.find(ref.classId))) return ref
      await this.#refuseFarName(op)
    }
    return undefined
  }

  async #placeOf(op: Op): Promise<Ref | undefined> {
    switch (op.do) {
      case 'mark':
      case 'forget':
      case 'stage':
        return op.home
      case 'name':
        return this.ofName(op.alias, op.to ?? op.expect)
      case 'reserve':
      case 'settle':
        return 'ref' in op.target ? op.target.ref : (this.#namedBy(op, op.target.alias) ?? this.#named(op.target.alias))
      case 'row':
      case 'checkRow':
      case 'add':
      case 'reserveRow':
      case 'settleRow':
        return undefined
      default:
        return op.ref
    }
  }

  #namedBy(op: Op, alias: string): Ref | undefined {
    const found = op.do === 'reserve' ? op.intent.redo.find((one) => one.do === 'name') : undefined
    return found?.do === 'name' ? this.ofName(alias, found.to ?? found.expect) : undefined
  }

  /** What is noted under the id that a name makes, or was, before anything is written there. */
  async #named(alias: string): Promise<Ref | undefined> {
    const id = this.idOf(alias)
    const classId = await this.names.classOf(id)
    return classId === undefined ? undefined : new Ref(id, classId)
  }

  async #refuseFarName(op: Op): Promise<void> {
    for (const one of op.do === 'reserve' ? op.intent.redo : [op])
      if (one.do === 'name' && one.to && (await this.classes.find(one.to.classId)))
        throw cannot(
          `the name ${JSON.stringify(one.alias)} for object ${one.to.id}: its id is made of the name, so that it has one from the first, and no other; call makePersistent(name) before anything refers to it`,
        )
  }

  async commit(group: Group, ref: Ref): Promise<Receipt> {
    // Settling a name is told of nothing but it; the row has to be known before the first intent stands.
    if (group.ops.some(({ do: what }) => what === 'reserve')) await this.names.noteObject(ref)
    return this.#sender.send(group, ref)
  }

  bar(group: Group, ref: Ref): Promise<Receipt | undefined> {
    return this.#sender.bar(group, ref)
  }

  /** `undefined` as a whole: it is none of these. */
  async read(ref: Ref): Promise<{ readonly stored: Stored | undefined } | undefined> {
    const of = await this.#classFor(ref)
    if (!of) return undefined
    const found = new Ref(ref.id, of.classId)
    const state = await this.#state(of, ref.id)
    if (!state.stamp) return { stored: undefined }
    const cells = await this.#rows.values.cellsOf(of, state.plains, found)
    const { stamp, intent } = state
    return { stored: { ref: found, stamp, bytes: bytesOf(state), cells, ...(intent && { intent }) } }
  }

  async #state(of: HecubaClass, id: Id): Promise<HecubaState> {
    const ready = await this.classes.ready(of.classId)
    const state = await this.#rows.state(ready, id, false)
    if (state.isUnnoted || state.leftBy !== undefined) await this.#sender.finish(ready, new Ref(id, ready.classId), state)
    return state
  }

  /** By the class of the reference; without one by what is noted under the id. */
  async #classFor({ id, classId }: Ref): Promise<HecubaClass | undefined> {
    const known = classId ? await this.classes.find(classId) : undefined
    if (known || (classId && !isOfName(id))) return known
    const noted = await this.names.classOf(id)
    if (noted !== undefined) return this.classes.find(noted)
    const note = isOfName(id) ? await this.#notes.of(id) : undefined
    return note && this.classes.ofName(note.className)
  }

  async find(what: Id | { readonly alias: string }): Promise<Found | undefined> {
    const id = typeof what === 'string' ? what : this.idOf(what.alias)
    if (typeof what !== 'string' && !this.#notes.isName(what.alias)) return undefined
    const of = await this.#classFor(new Ref(id, '' as ClassId))
    if (!of) return undefined
    const { to, intent, row } = await this.#state(of, id)
    if (to && typeof row?.['~revision'] !== 'number') await this.#requireColumns(of, id)
    return to || (intent && typeof what !== 'string') ? { ref: to, ...(intent && { intent }) } : undefined
  }

  /** As Hecuba does when it opens an object, but for the order, which matters to it alone, and for the modules of classes. */
  async #requireColumns(of: HecubaClass, id: Id): Promise<void> {
    const note = await this.#notes.of(id)
    if (!note) return
    const text = (columns: ObjectNote['columns']): string =>
      [...columns]
        .map(([name, type]) => `${name}: ${type.slice(type.lastIndexOf('.') + 1)}`)
        .sort()
        .join(', ')
    const [stored, declared] = [text(note.columns), text(of.fields.map((field) => [field.name, notedType(field)]))]
    if (stored === declared) return
    throw new SchemaMismatchError(
      `Hecuba's ${note.name} has other fields than class ${of.classId}: stored ${stored}; declared ${declared}.`,
      {
        classId: of.classId,
        stored,
        declared,
      },
    )
  }

  async marks(home: Ref, keys: readonly string[]): Promise<readonly (Mark | undefined)[] | undefined> {
    const parts = await this.#parts(home)
    return parts && keys.map((key) => markIn(parts, key))
  }

  async staged(home: Ref, commit: CommitId): Promise<{ readonly redo: readonly Op[] | undefined } | undefined> {
    const parts = await this.#parts(home)
    if (!parts) return undefined
    const form = parts.get(PART.redo(commit))
    return { redo: form ? await this.reader.redoOf(form) : undefined }
  }

  async #parts(home: Ref): Promise<ReadonlyMap<string, Buffer | null> | undefined> {
    const of = await this.classes.find(home.classId)
    return of && (await this.#rows.state(await this.classes.ready(of.classId), home.id, true)).parts
  }

  /** Pages of objects with their names: those that insitu has written, then those that `istorage` alone tells of. */
  async *all(classId?: ClassId): AsyncGenerator<readonly (readonly [name: string, ref: Ref])[], void, void> {
    const classes = (await this.classes.all()).filter((one) => classId === undefined || one.classId === classId)
    for (const one of classes)
      for await (const rows of this.#pages(one)) {
        const found = rows.filter((row) => row['~revision'] !== null)
        yield found.map((row) => [String(row['~name']), new Ref(String(row[STORAGE_ID]) as Id, one.classId)] as const)
      }
    const byTable = new Map(classes.map((one) => [one.table, one]))
    for await (const notes of this.#notes.all()) for (const [id, note] of notes) yield* this.#foreign(byTable, id as Id, note)
  }

  async *#foreign(
    byTable: ReadonlyMap<string, HecubaClass>,
    id: Id,
    { className, name }: ObjectNote,
  ): AsyncGenerator<readonly (readonly [string, Ref])[]> {
    const of = byTable.get(className.slice(className.lastIndexOf('.') + 1).toLowerCase())
    if (!of) return
    const { stamp, row } = await this.#rows.state(of, id, false)
    if (stamp && typeof row?.['~revision'] !== 'number') yield [[name, new Ref(id, of.classId)]]
  }

  async *#pages({ table }: HecubaClass): AsyncGenerator<readonly Row[], void, void> {
    yield* this.link.pages(`SELECT ${STORAGE_ID}, "~revision", "~name", "~intent", "~parts" FROM ${this.link.table(table)}`)
  }

  /** Names by which objects are found. */
  async *aliases(prefix: string): AsyncGenerator<readonly (readonly [alias: string, ref: Ref])[], void, void> {
    for await (const page of this.all()) {
      const found = page.flatMap(([name, ref]) => this.#aliasOf(name, ref)).filter(([alias]) => alias.startsWith(prefix))
      if (found.length > 0) yield found
    }
  }

  /** `undefined`: it is none of these. */
  async aliasesOf(ref: Ref): Promise<readonly (readonly [alias: string, ref: Ref])[] | undefined> {
    const of = await this.#classFor(ref)
    if (!of) return undefined
    const { stamp, name } = await this.#state(of, ref.id)
    return stamp && name !== undefined ? this.#aliasOf(name, ref) : []
  }

  #aliasOf(name: string, ref: Ref): readonly (readonly [string, Ref])[] {
    return this.idOf(name) === ref.id ? [[name.slice(this.link.config.keyspace.length + 1), ref]] : []
  }

  async *marksBefore(beforeMs: number): AsyncGenerator<readonly { readonly home: Ref; readonly mark: Mark }[], void, void> {
    for (const one of await this.classes.all())
      for await (const rows of this.#pages(one)) {
        const found = rows.flatMap((row) =>
          marksIn(row).map((mark) => ({ home: new Ref(String(row[STORAGE_ID]) as Id, one.classId), mark })),
        )
        const old = found.filter(({ mark }) => madeAtMs(mark.attempt) < beforeMs)
        if (old.length > 0) yield old
      }
  }

  async *intents(): AsyncGenerator<readonly { readonly target: Target; readonly intent: Intent }[], void, void> {
    for (const one of await this.classes.all())
      for await (const rows of this.#pages(one)) {
        const held = rows.filter((row) => row['~intent'])
        const found = await Promise.all(
          held.map(async (row) => ({
            target: { ref: new Ref(String(row[STORAGE_ID]) as Id, one.classId) },
            intent: (await this.reader.unpacked(row['~intent'] as Buffer)) as Intent,
          })),
        )
        if (found.length > 0) yield found
      }
  }
}

/** Ids that are made of names are of version 5; those that insitu makes are not. */
const isOfName = (id: Id): boolean => id[14] === '5'

function markIn(parts: ReadonlyMap<string, Buffer | null>, key: string): Mark | undefined {
  const form = parts.get(PART.mark(key))
  return form ? markOf(key, form) : undefined
}

const marksIn = (row: Row): readonly Mark[] =>
  [...((row['~parts'] as ReadonlyMap<string, Buffer> | null) ?? [])].flatMap(([name, form]) =>
    name.startsWith(MARK_PREFIX) ? [markOf(name.slice(MARK_PREFIX.length), form)] : [],
  )

const FIELD_BYTES = 8

function bytesOf({ plains }: HecubaState): number {
  let bytes = 0
  for (const [name, plain] of plains) {
    const size = typeof plain === 'string' ? Buffer.byteLength(plain) : plain instanceof Uint8Array ? plain.length : FIELD_BYTES
    bytes += name.length + size
  }
  return bytes
}
