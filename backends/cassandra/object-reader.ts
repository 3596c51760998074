/** Objects as they stand: what they hold, and where. */
import type { Found, Stored } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { CorruptError, UnavailableError } from '../../src/errors.js'
import { type Id, uuidBytes } from '../../src/ids.js'
import type { Row } from './cassandra-link.js'
import { type ClassTable, type ClassTables, ID } from './class-tables.js'
import { fewAtOnce } from './few-at-once.js'
import type { NameIndex } from './name-index.js'
import { cellsOf, type ObjectCells } from './object-columns.js'
import type { PlaceReader } from './place-state.js'
import { ALIASES } from './places.js'
import { IN_ONE_PAGE, TOGETHER_FROM, type TogetherReader } from './together-reader.js'

const AGAIN_MAX = 20
const READS_AT_ONCE = 256
/** Fewer are read at once. */
const LEARNT_FROM = 4

export class ObjectReader {
  #likely: ClassTable | undefined

  constructor(
    readonly classes: ClassTables,
    readonly reader: PlaceReader,
    readonly names: NameIndex,
    readonly largeClasses: Set<string>,
    readonly together: TogetherReader,
  ) {}

  async read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
    const isLearnt = refs.length < LEARNT_FROM || this.#likely !== undefined || refs.every(({ classId }) => this.classes.known(classId))
    // The first says what the others are likely to be.
    const first = isLearnt ? [] : [await this.#read(refs[0]!)]
    const found = await this.#together(refs.slice(first.length))
    const rest = await fewAtOnce(refs.slice(first.length), READS_AT_ONCE, async (ref) => found.get(ref.id) ?? (await this.#read(ref)))
    return [...first, ...rest]
  }

  /** Those that stand in the table of the class that is known, or likely. */
  async #together(refs: readonly Ref[]): Promise<ReadonlyMap<Id, Stored>> {
    const found = new Map<Id, Stored>()
    for (const [known, ids] of this.#byTable(refs)) {
      const wanted = [...ids].map((id) => ({ param: id, key: () => Buffer.from(uuidBytes(id)) }))
      await this.together.read(this.reader.columnsOfMany(known.table, IN_ONE_PAGE), wanted, async (rows) => {
        for (const row of rows) {
          const id = String(row[ID]) as Id
          const stored = await this.#stored(known, id, row)
          if (stored) found.set(id, stored)
        }
      })
    }
    return found
  }

  #byTable(refs: readonly Ref[]): ReadonlyMap<ClassTable, ReadonlySet<Id>> {
    const all = new Map<ClassTable, Set<Id>>()
    for (const { id, classId } of refs) {
      const table = this.classes.known(classId) ?? this.#likely
      if (table) all.set(table, (all.get(table) ?? new Set<Id>()).add(id))
    }
    for (const [table, ids] of all) if (ids.size < TOGETHER_FROM) all.delete(table)
    return all
  }

  /**
   * By the class of the reference where it is known here. Else by the class that was found last, since ids that are asked for together
   * are mostly of one; where nothing lies, by what is noted under the id.
   */
  async #read({ id, classId }: Ref): Promise<Stored | undefined> {
    const known = this.classes.known(classId)
    if (known) return this.#readAs(known, id)
    const likely = this.#likely
    const guessed = likely && (await this.#readAs(likely, id, true))
    if (guessed) return guessed
    const found = await this.#classOf(id)
    if (!found) return undefined
    this.#likely = found
    return this.#readAs(found, id)
  }

  async #readAs(known: ClassTable, id: Id, isGuess = false): Promise<Stored | undefined> {
    const row = await this.reader.columns(known.table, { kind: 'object', ref: new Ref(id, known.classId) }, { isGuess })
    return this.#stored(known, id, row)
  }

  /** The object of a row that was read; of another one if a part of it is gone by now. */
  async #stored(known: ClassTable, id: Id, read: Row | undefined): Promise<Stored | undefined> {
    const ref = new Ref(id, known.classId)
    const states = new Set<string>()
    for (let nth = 0; nth < AGAIN_MAX; nth++) {
      const row = nth === 0 ? read : await this.reader.columns(known.table, { kind: 'object', ref })
      const state = await this.reader.stateOf(row)
      if (!row || !state.stamp) return undefined
      const found = await this.#cellsOf(ref, row, known)
      states.add(state.stamp.commit)
      if (!found) continue // a chunk is gone, and so is the state that it belonged to
      if (found.hasLarge) this.largeClasses.add(known.classId)
      const bytes = sizeOf(found.cells)
      return { ref, stamp: state.stamp, bytes, cells: found.cells, ...(state.intent && { intent: state.intent }) }
    }
    if (states.size === 1)
      throw new CorruptError(`Object ${ref.id} has lost a part of a large field: restore it from a backup of the keyspace.`, { ref })
    throw new UnavailableError(`object ${ref.id} changes so often that it cannot be read whole`, { retryable: true })
  }

  /** A column that is not known here is of a field that others have added since, or of another client. */
  async #cellsOf(ref: Ref, row: Row, known: ClassTable): Promise<ObjectCells | undefined> {
    try {
      const { kinds } = this.classes.known(known.classId) ?? known
      const found = await cellsOf(row, this.reader.chunks, kinds)
      if (!found?.isStrange) return found
      return await cellsOf(row, this.reader.chunks, (await this.classes.refresh(known.classId)).kinds)
    } catch (cause) {
      if (!(cause instanceof CorruptError)) throw cause
      throw new CorruptError(`Object ${ref.id} of ${ref.classId} cannot be read: ${cause.message}`, { ref, cause })
    }
  }

  async #classOf(id: Id): Promise<ClassTable | undefined> {
    const classId = await this.names.classOf(id)
    return classId === undefined ? undefined : this.classes.find(classId)
  }

  async find(what: Id | { readonly alias: string }): Promise<Found | undefined> {
    return typeof what === 'string' ? this.#findObject(what) : this.#findAlias(what.alias)
  }

  async #findAlias(alias: string): Promise<Found | undefined> {
    const { to, intent } = await this.reader.state(ALIASES, { kind: 'alias', alias })
    return to || intent ? { ref: to, ...(intent && { intent }) } : undefined
  }

  async #findObject(id: Id): Promise<Found | undefined> {
    const known = await this.#classOf(id)
    if (!known) return undefined
    const ref = new Ref(id, known.classId)
    const { stamp, intent } = await this.reader.state(known.table, { kind: 'object', ref })
    return stamp ? { ref, ...(intent && { intent }) } : undefined
  }
}

const FIELD_BYTES = 8

function sizeOf(cells: ReadonlyMap<string, unknown>): number {
  let bytes = 0
  for (const [name, cell] of cells) bytes += name.length + cellBytes(cell)
  return bytes
}

function cellBytes(cell: unknown): number {
  if (typeof cell === 'string') return Buffer.byteLength(cell)
  if (cell instanceof Uint8Array) return cell.length
  if (Array.isArray(cell)) return cell.reduce((sum: number, one) => sum + cellBytes(one), FIELD_BYTES)
  const packed = cell as { readonly bytes?: unknown } | null | undefined
  return packed?.bytes instanceof Uint8Array ? packed.bytes.length : FIELD_BYTES
}
