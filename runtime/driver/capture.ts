/** What a task is given, taken at the call: ids of what is persistent, futures as edges of the graph, the rest encoded now. */
import type { Piece } from '../../src/backend.js'
import { isDict, pieceOf, type StorageDict } from '../../src/dict/storage-dict.js'
import { UnsavedChangesError } from '../../src/errors.js'
import { isStorageObject, type StorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Store } from '../../src/store.js'
import { tableOf, unitOfDict } from '../../src/unit/table-binding.js'
import { directionAt } from '../attempt.js'
import { carriedObject, carry, objectsIn, withResults } from '../data/carry.js'
import { type Held, heldIn, mayBeHeld } from '../data/held-in.js'
import type { Carried } from '../engines/messages.js'
import { assertImportable } from '../entry.js'
import { Access, Flag, Kind } from '../scheduler/constants.js'
import { isPromiseLike } from '../settled.js'
import { type Direction, isWriting } from '../tasks/directions.js'
import { TaskFuture } from '../tasks/future.js'
import { writerBehind } from './future-version.js'
import { isKept } from './kept-values.js'
import type { Arrival, Late } from './late.js'
import { Locations } from './locations.js'
import { ObjectUsers } from './object-users.js'
import type { Submissions } from './submissions.js'
import { assertInside, hasPartsOfItsOwn, MadeVersion, Taken, takenIn } from './taken.js'
import { type Taking, takingOf } from './taking.js'
import type { TaskLog } from './task-log.js'
import { type Arg, type CallKind, FromTask, RESULT, recordOf, TaskRecord, ToCome } from './task-record.js'

const ACCESS: Record<Direction, number> = {
  IN: Access.READ,
  OUT: Access.WRITE,
  INOUT: Access.WRITE,
  CONCURRENT: Access.CONCURRENT,
  COMMUTATIVE: Access.COMMUTATIVE,
  IN_DELETE: Access.DELETE,
}

/** What capturing asks of the run. */
export interface CaptureRun {
  /** Told of inputs that are still to come. */
  onLate(record: TaskRecord, inputs: readonly Late[]): void
  /** What a future stands for: what the last call that writes it makes of it, if one does. */
  readonly current: (future: TaskFuture<unknown>) => TaskFuture<unknown>
  /** The record of a task that is not over, or whose failure nobody has seen. */
  readonly live: (task: number) => TaskRecord | undefined
}

export class Capture {
  readonly #locations: Locations
  readonly #kept = new Map<string, number>()
  readonly #users: ObjectUsers
  readonly #versions = new WeakMap<object, MadeVersion>()
  /** Volatile values that a call writes, those among them that is not in the graph yet. */
  readonly written = new WeakSet<object>()
  #isAnyWritten = false

  constructor(
    readonly submissions: Submissions,
    readonly log: TaskLog,
    /** Whether methods run where their objects are, and nowhere else. */
    readonly pins: boolean,
    /** How many hosts run tasks. */
    hosts: number,
    readonly run: CaptureRun,
  ) {
    this.#locations = new Locations(submissions, hosts)
    this.#users = new ObjectUsers(run.live)
  }

  /** Takes a call into the graph. When it throws, nothing has happened. */
  take(kind: CallKind, given: readonly unknown[]): TaskRecord {
    const { submissions } = this
    if (given.every(isPlain)) return this.#enterPlain(kind, given as readonly Plain[])
    const before = submissions.accesses
    const taking = takingOf(kind, submissions.next)
    try {
      const args = given.map((value, i) => this.#argument(taking, value, directionOf(kind, i), i))
      return this.#enter(taking, args)
    } catch (error) {
      submissions.abandon(before)
      throw error
    }
  }

  /** An input of a call that is in the graph has come. When it throws, nothing has happened. */
  arrive(record: TaskRecord, { isItem, direction, position }: Late, value: unknown): Arrival {
    const accesses: number[] = []
    const taking = takingOf(record.kind, record.task, accesses)
    const arg = isItem ? this.#item(taking, value, direction, position) : this.#argument(taking, value, direction, position)
    for (const { datum } of taking.versions ?? []) this.#access(taking, datum, Access.WRITE)
    this.#keep(taking, record)
    return { arg, accesses, late: taking.late ?? NOTHING }
  }

  /** Takes a call that a task has made: its arguments are on their way already, and it waits for nothing. */
  takeCalled(kind: CallKind, args: readonly Carried[], parent: number): TaskRecord {
    const { submissions, log } = this
    const task = submissions.next
    const refs = args.flatMap((arg, i) => objectsIn(arg).map(({ id }) => ({ id, isWritten: isWriting(directionOf(kind, i)) })))
    const at = refs.find(({ isWritten }) => isWritten) ?? refs[0]
    const host = this.pins && at ? this.#locations.hostOf(at.id, kind.program) : undefined
    const record = new TaskRecord(task, submissions.add(kind.definition, host), kind, args as readonly Arg[])
    log.add(kind.definition.index)
    log.draw(parent, task)
    return record
  }

  /** Tasks that use an object and are not over, or whose failure nobody has seen. */
  usersOf(id: string): readonly TaskRecord[] {
    const datum = this.#kept.get(id)
    return datum === undefined ? [] : this.#users.of(datum)
  }

  /** What the last task that writes a volatile value makes of it. */
  versionOf(value: object): FromTask | undefined {
    return this.#versions.get(value)?.from
  }

  /** Tells arguments that were taken at a call what earlier calls, which are all here now, make of them. */
  date(args: readonly unknown[]): void {
    for (const taken of takenIn(args)) taken.version = this.#versions.get(taken.value)
  }

  /** Most of many calls: nothing of theirs must be taken apart. */
  #enterPlain(kind: CallKind, args: readonly Plain[]): TaskRecord {
    const { submissions } = this
    const task = submissions.next
    const record = new TaskRecord(task, submissions.add(kind.definition), kind, args)
    this.log.add(kind.definition.index)
    return record
  }

  #enter(taking: Taking, args: readonly Arg[]): TaskRecord {
    const { kind, task, versions, late, takesResults, takesParts } = taking
    const flags = takesResults && !takesParts ? Flag.TAKES_RESULTS : 0
    for (const { datum } of versions ?? []) this.submissions.access(datum, Access.WRITE)
    const datum = this.submissions.add(kind.definition, this.#hostFor(kind, args), flags, late?.length)
    const record = new TaskRecord(task, datum, kind, args)
    this.log.add(kind.definition.index)
    this.#keep(taking, record)
    if (late) this.run.onLate(record, late)
    return record
  }

  /** Later calls find what it writes, and whoever waits for an object finds it. */
  #keep({ versions, used }: Taking, record: TaskRecord): void {
    for (const { value, position, datum, held } of versions ?? []) {
      const last = this.#versions.get(value)
      if (!last || last.from.record.task <= record.task)
        this.#versions.set(value, new MadeVersion(new FromTask(record, position), datum, held))
      this.written.add(value)
      this.#isAnyWritten = true
    }
    for (const datum of used ?? []) this.#users.add(datum, record.task)
  }

  #access({ besides, task }: Taking, datum: number, access: number): void {
    if (besides) besides.push(task, datum, access)
    else this.submissions.access(datum, access)
  }

  #hostFor({ definition, program }: CallKind, [target]: readonly Arg[]): number | undefined {
    if (!this.pins || definition.method === undefined) return undefined
    return typeof target === 'object' && target?.k === 'o' && target.s === undefined
      ? this.#locations.hostOf(target.id, program)
      : undefined
  }

  /** `within`: what the call does with objects that stand in a value. */
  #argument(taking: Taking, value: unknown, direction: Direction, position: number, within = direction): Arg {
    if (typeof value !== 'object' || value === null) return carry(value, this.#path(taking, position), taking.kind.program.store)
    if (isPromiseLike(value)) return this.#promised(taking, value, direction, position)
    if (Array.isArray(value) && !this.#versions.has(value) && hasPartsOfItsOwn(value)) {
      taking.takesParts = true
      return { k: 'a', e: value.map((v) => this.#item(taking, v, direction, position)) }
    }
    if (isStorageObject(value) && stateOf(value).ref) return this.#object(taking, value, direction)
    if (isDict(value)) this.#dict(taking, value, direction)
    return this.#value(taking, value, direction, position, within)
  }

  /** What a future gives that is written must be known: what the call waits for depends on it. */
  #promised(taking: Taking, value: PromiseLike<unknown>, direction: Direction, position: number, isItem = false): Arg {
    const own = recordOf(value)
    if (own && !isWriting(direction)) return this.#result(taking, own)
    const record = own ?? writerBehind(value)
    if (record && record.state !== 'done' && record.state !== 'ignored') this.#take(taking, record, record.datum)
    if (!record) assertInside(value)
    const place = new ToCome()
    taking.late ??= []
    taking.late.push({ value, place, position, direction, isItem })
    taking.takesParts = true
    return place
  }

  /** A list's own objects have its direction; values in it go as they are. */
  #item(taking: Taking, value: unknown, direction: Direction, position: number): Arg {
    if (isPromiseLike(value)) return this.#promised(taking, value, direction, position, true)
    const own = value instanceof Taken ? value.value : value
    const isObject = typeof own === 'object' && own !== null && (isStorageObject(own) || Array.isArray(own) || isDict(own))
    return this.#argument(taking, value, isObject ? direction : 'IN', position, direction)
  }

  #result(taking: Taking, record: TaskRecord): Arg {
    return this.#made(taking, new FromTask(record, RESULT), record.datum)
  }

  /** What has been made already is taken as it is; what failed cancels the call, as the graph knows. */
  #made(taking: Taking, from: FromTask, datum: number): Arg {
    const { record } = from
    const isOver = record.state === 'done' || record.state === 'ignored'
    if (isOver && !isKept(from.value)) return from.value
    if (isOver && from.place !== RESULT) return from // the graph does not know where it is
    this.#take(taking, record, datum)
    taking.takesResults = true
    if (from.place !== RESULT) taking.takesParts = true
    return from
  }

  /** Waits for what another task makes. */
  #take(taking: Taking, { task }: TaskRecord, datum: number): void {
    this.#access(taking, datum, Access.READ)
    this.log.draw(task, taking.task)
  }

  #object(taking: Taking, value: StorageObject, direction: Direction): Arg {
    const state = stateOf(value)
    const { program, definition } = taking.kind
    const ref = state.ref!
    if (state.loaded && (state.unit ?? program).isDirty(state))
      throw new UnsavedChangesError(
        `${value.constructor.name} ${ref.id} has unsaved changes, which the task ${definition.name} would not see: save() it first`,
        { id: ref.id },
      )
    assertImportable(ref.classId)
    const carried = carriedObject(value, program.store)
    this.#reach(taking, ref.id, direction, 'object', carried.s)
    return carried
  }

  #dict(taking: Taking, dict: StorageDict<any, any>, direction: Direction): void {
    const table = tableOf(dict)
    if (table) this.#collection(taking, table.owner.id, direction, pieceOf(dict), storeBut(unitOfDict(dict)?.store, taking))
  }

  /** A part of a collection lies where it lies; what it waits for is its owner. */
  #collection(taking: Taking, owner: string, direction: Direction, piece: Piece | undefined, store: string | undefined): void {
    const isPlaced = piece !== undefined && store === undefined && this.#locations.knowsPieces(taking.kind.program)
    this.#reach(taking, owner, direction, isPlaced ? 'elsewhere' : 'collection', store)
    if (!isPlaced) return
    const name = `${piece.table} ${Buffer.from(piece.from).toString('base64url')}`
    let datum = this.#kept.get(name)
    if (datum === undefined) this.#kept.set(name, (datum = this.submissions.declare(Kind.KEPT)))
    this.#locations.tellPiece(datum, piece, taking.kind.program)
    this.#access(taking, datum, ACCESS.IN)
    taking.used ??= []
    taking.used.push(datum)
  }

  #reach(taking: Taking, id: string, direction: Direction, what: 'object' | 'collection' | 'elsewhere' = 'object', store?: string): void {
    let datum = this.#kept.get(id)
    if (datum === undefined) this.#kept.set(id, (datum = this.submissions.declare(Kind.KEPT)))
    const { program } = taking.kind
    const its = store === undefined ? program : program.store.peer(store)?.program
    if (its && what !== 'elsewhere') this.#locations.tell(datum, id, its, what === 'collection')
    this.#access(taking, datum, ACCESS[direction])
    this.log.drawUse(datum, taking.task, direction !== 'IN')
    taking.used ??= []
    taking.used.push(datum)
  }

  #value(taking: Taking, given: object, direction: Direction, position: number, within: Direction): Arg {
    const value = given instanceof Taken ? given.value : given
    const { arg, held } = this.#asItIs(taking, given, position, within)
    if (isWriting(direction)) {
      taking.versions ??= []
      taking.versions.push({ value, position, datum: this.submissions.declare(Kind.RENAMED), held })
    }
    for (const one of held) if (one !== value) this.#held(taking, one, within)
    return arg
  }

  /** A value as calls before have left it, as it was taken when the call was made, or as it is now. */
  #asItIs(taking: Taking, given: object, position: number, within: Direction): { readonly arg: Arg; readonly held: readonly Held[] } {
    const taken = given instanceof Taken ? given : undefined
    const version = taken ? taken.version : this.#versionBefore(given, taking.task)
    if (version) return { arg: this.#made(taking, version.from, version.datum), held: version.held }
    if (taken) return { arg: this.#withParts(taking, taken.carried, taken.inside, position, within), held: taken.held }
    return this.#encoded(taking, given, position, within)
  }

  /** What stands in a map, a set or a plain object has a place of its own, as in a list. */
  #held(taking: Taking, held: Held, direction: Direction): void {
    if (isDict(held)) this.#dict(taking, held, direction)
    else this.#object(taking, held, direction)
  }

  /** What calls before a task make of a value. What has come late may have been written by calls behind it. */
  #versionBefore(value: object, task: number): MadeVersion | undefined {
    const version = this.#versions.get(value)
    return version && version.from.record.task < task ? version : undefined
  }

  /** What calls before have made of parts of the value is taken in their places, wherever they stand. */
  #encoded(taking: Taking, value: object, position: number, within: Direction): { readonly arg: Arg; readonly held: readonly Held[] } {
    const numbers = new Map<object, number>()
    const inside: Part[] = []
    let holdsAny = false
    const versionOf = (part: object): MadeVersion | undefined =>
      this.#isAnyWritten && part !== value ? this.#versionBefore(part, taking.task) : undefined
    const numberOf = (part: object): number => {
      const version = versionOf(part)
      holdsAny ||= mayBeHeld(part) || (version !== undefined && version.held.length > 0)
      const key = version ?? (part instanceof TaskFuture ? part.source : undefined)
      if (key === undefined) return -1
      if (!numbers.has(key)) numbers.set(key, inside.push(version ?? this.#current(taking, part as TaskFuture<unknown>)) - 1)
      return numbers.get(key)!
    }
    const carried = carry(value, this.#path(taking, position), taking.kind.program.store, numberOf, this.#isAnyWritten)
    return {
      arg: this.#withParts(taking, carried, inside, position, within),
      held: holdsAny ? heldIn(value, (part) => versionOf(part)?.held) : NOTHING_HELD,
    }
  }

  /** In what comes late, futures stay what they are: calls behind this one may write them by now. */
  #current({ besides }: Taking, future: TaskFuture<unknown>): TaskFuture<unknown> {
    return besides ? future : this.run.current(future)
  }

  #withParts(taking: Taking, carried: Carried, inside: readonly Part[], position: number, within: Direction): Arg {
    if (inside.length === 0 || typeof carried !== 'object' || carried?.k !== 'v') return carried as Arg
    taking.takesParts = true
    return withResults(
      carried,
      inside.map((one) => this.#part(taking, one, position, within)),
    )
  }

  #part(taking: Taking, one: Part, position: number, within: Direction): Arg {
    if (one instanceof TaskFuture) return this.#promised(taking, one, within, position, true)
    if (one instanceof MadeVersion) return this.#made(taking, one.from, one.datum)
    const { version, carried, inside } = one
    return version ? this.#made(taking, version.from, version.datum) : this.#withParts(taking, carried, inside, position, within)
  }

  #path({ kind }: Taking, position: number): string {
    return `argument ${position + 1} of ${kind.definition.name}`
  }
}

/** What comes in the place of a part of an encoded value: what a future gives, what a call makes of the part, or the part as it was taken. */
type Part = TaskFuture<unknown> | MadeVersion | Taken

/** The url of a store, if it is not the task's. */
const storeBut = (store: Store | undefined, { kind }: Taking): string | undefined =>
  store === undefined || store.url === kind.program.store.url ? undefined : store.url

/** What travels as it is. */
type Plain = Exclude<Carried, object>

const isPlain = (value: unknown): value is Plain => {
  const type = typeof value
  return type === 'object' ? value === null : type !== 'function' && type !== 'symbol'
}

const NOTHING: readonly Late[] = []
const NOTHING_HELD: readonly Held[] = []

/** The direction of an argument by position, the method's object included. */
export const directionOf = ({ definition }: Pick<CallKind, 'definition'>, position: number): Direction =>
  directionAt({ isMethod: definition.method !== undefined, target: definition.target, directions: definition.directions }, position)
