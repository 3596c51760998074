/** One execution of a task: load, run, commit, as one unit of work. The same code runs in workers and, with the runtime off, in the program. */
import { v5 } from 'uuid'
import { type Mark, type Op, Ref } from '../src/backend.js'
import { decodeWire, encodeWire } from '../src/codec/wire.js'
import { ConflictError, LostValueError, NotFoundError, TaskFailedError, WrongDirectionError } from '../src/errors.js'
import { type ClassId, type Id, newCommitId } from '../src/ids.js'
import { OUTCOME_BYTES_MAX } from '../src/limits.js'
import type { StorageObject } from '../src/objects/storage-object.js'
import type { Store } from '../src/store.js'
import { type Belonging, runBelonging } from '../src/unit/context.js'
import { type Collected, type Seen, Transaction } from '../src/unit/transaction.js'
import { isPromiseLike, settled } from './current-runtime.js'
import { carry, objectsIn, unpack } from './data/carry.js'
import { staysAtHost } from './data/rides.js'
import type { Carried, ChildEffects, HomeParts } from './engines/messages.js'
import { type Direction, isWriting } from './tasks/directions.js'
import type { Attempt } from './tasks/running.js'

export interface Call {
  readonly key: string
  readonly name: string
  readonly directions: readonly Direction[]
  /** Whether the first argument is the object of a method. */
  readonly isMethod: boolean
  readonly target: Direction
  readonly args: readonly Carried[]
  /** Of a task that makes a lost value again: what the first one had read. */
  readonly again?: readonly Seen[] | undefined
  /** Whether nobody waits for this attempt any more: it must not commit. */
  readonly isOver?: (() => boolean) | undefined
  /** Whose call it is: what the body may ask for. */
  readonly attempt?: Attempt | undefined
}

export interface Outcome {
  readonly result: Carried
  readonly written?: readonly (readonly [arg: number, value: Carried])[]
  readonly changed?: readonly string[]
  /** Where its mark stands. */
  readonly home?: HomeParts
  /** What it read: with the same the values can be made again, should they be lost. Of tasks that changed nothing and left large values. */
  readonly seen?: readonly Seen[] | undefined
  /** What tasks that it called have changed by themselves. */
  readonly children?: readonly ChildEffects[]
}

/** What a body left behind: its outcome, or the promise of it while its changes are on their way into the store. */
export interface Ended {
  readonly outcome?: Outcome
  readonly committing?: Promise<Outcome>
  /** How long its arguments were waited for. */
  readonly waitedMs?: number
}

/** Runs `body` with its arguments and commits what it changed together with its mark. @throws what the body throws; ConflictError */
export async function runAttempt(store: Store, call: Call, body: (args: unknown[]) => unknown): Promise<Outcome> {
  const { outcome, committing } = await beginAttempt(store, call, body)
  return outcome ?? committing!
}

/** What the body of a call belongs to. Most bodies change nothing: their unit of work is made when something asks for it. */
class AttemptUnit implements Belonging {
  #unit: Transaction | undefined

  constructor(
    readonly store: Store,
    readonly call: Pick<Call, 'key' | 'attempt'>,
  ) {}

  get unit(): Transaction {
    if (!this.#unit) {
      this.#unit = new Transaction(this.store)
      this.#unit.producer = this.call.key
    }
    return this.#unit
  }

  get attempt(): Attempt | undefined {
    return this.call.attempt
  }

  /** If anything asked for it. */
  get used(): Transaction | undefined {
    return this.#unit
  }
}

/** A call whose arguments are on their way. */
export interface Prepared {
  readonly at: AttemptUnit
  readonly refs: readonly Ref[]
  readonly found: Promise<readonly (StorageObject | undefined)[]> | undefined
}

/** Begins to load the arguments of a call; what fails is thrown by `beginAttempt`. */
export function prepare(store: Store, call: Pick<Call, 'key' | 'args' | 'attempt'>): Prepared {
  const at = new AttemptUnit(store, call)
  let refs = NO_REFS
  for (const arg of call.args) if (typeof arg === 'object' && arg !== null) refs = objectsIn(arg, refs === NO_REFS ? [] : refs)
  const found = refs.length > 0 ? at.unit.fetchAnywhere(refs) : undefined
  found?.catch(() => {})
  return { at, refs, found }
}

const NO_REFS: Ref[] = []

/** As above, but over when the body is; without a promise where nothing was waited for. */
export function beginAttempt(
  store: Store,
  call: Call,
  body: (args: unknown[]) => unknown,
  prepared: Prepared = prepare(store, call),
): Ended | Promise<Ended> {
  const { at, found } = prepared
  if (found) return loadedFirst(prepared, call, body)
  try {
    const args = unpacked(call, at)
    const result = runBelonging(at, body, args)
    if (mayHoldPromises(result)) return awaited(prepared, call, args, result)
    return finish(prepared, call, args, result)
  } catch (error) {
    at.used?.rollback()
    throw error
  }
}

function unpacked({ args }: Call, at: AttemptUnit): unknown[] {
  const all: unknown[] = []
  for (const arg of args) all.push(typeof arg === 'object' && arg !== null ? unpack(arg, at.unit) : arg)
  return all
}

const mayHoldPromises = (value: unknown): boolean => isPromiseLike(value) || Array.isArray(value)

async function awaited(prepared: Prepared, call: Call, args: readonly unknown[], result: unknown): Promise<Ended> {
  try {
    return finish(prepared, call, args, await settled(result))
  } catch (error) {
    prepared.at.used?.rollback()
    throw error
  }
}

async function loadedFirst(prepared: Prepared, call: Call, body: (args: unknown[]) => unknown): Promise<Ended> {
  const { at, refs } = prepared
  const { unit } = at
  try {
    const asked = performance.now()
    const found = await prepared.found!
    const waitedMs = performance.now() - asked
    const missing = found.findIndex((o) => !o)
    if (missing >= 0) return { outcome: await outcomeWithout(unit.store, call, refs[missing]!) }
    const args = unpacked(call, at)
    const result = await runBelonging(at, body, args)
    return { ...finish(prepared, call, args, await settled(result)), waitedMs }
  } catch (error) {
    unit.rollback()
    throw error
  }
}

/** An object that it takes is gone. An earlier attempt may have removed it: then that attempt's outcome stands. */
async function outcomeWithout(store: Store, call: Call, { id }: Ref): Promise<Outcome> {
  const outcome = await committedBefore(store, call)
  if (outcome) return outcome
  throw new NotFoundError(`the argument ${id} of ${call.name} was deleted before the task ran`, { id })
}

/** What an earlier attempt of the task has committed, if one has. @throws ConflictError when its outcome was not kept */
export async function committedBefore(store: Store, call: Call): Promise<Outcome | undefined> {
  const mark = await store.markOf(homeOf(call), call.key)
  return mark?.state === 'committed' ? outcomeIn(mark, call.name) : undefined
}

/** The outcome that a mark keeps. @throws ConflictError when it was too large */
export function outcomeIn({ outcome }: Mark, name: string): Outcome {
  if (outcome) return decodeWire(outcome) as Outcome
  throw new ConflictError(`an earlier attempt of ${name} has committed, but its outcome was too large to keep`, { retryable: false })
}

/** The direction of an argument by position, the method's object included. */
export function directionAt(call: Pick<Call, 'isMethod' | 'target' | 'directions'>, position: number): Direction {
  if (!call.isMethod) return call.directions[position] ?? 'IN'
  return position === 0 ? call.target : (call.directions[position - 1] ?? 'IN')
}

function finish({ at, refs }: Prepared, call: Call, args: readonly unknown[], result: unknown): Ended {
  if (call.isOver?.()) throw givenUp(call)
  const unit = at.used
  const collected = unit?.collect(refs.length > 0 ? { readOnly: readOnlyOf(call) } : {})
  // References to what the body newly stored are only known once it is part of the unit.
  const outcome: Outcome = withWritten(call, at.store, args, carry(result, `the result of ${call.name}`, at.store))
  const isEmpty = !collected || collected.ops.length === 0
  if (call.again) assertSame(call, call.again, isEmpty ? at.unit.seen() : undefined)
  if (isEmpty) return { outcome: isLarge(outcome) ? { ...outcome, seen: at.unit.seen() } : outcome }
  const committing = commitWithMark(unit!, call, outcome, collected)
  committing.catch(() => unit!.rollback())
  return { committing }
}

function readOnlyOf(call: Call): ReadonlySet<Id> {
  const readOnly = new Set<Id>()
  const writable = new Set<Id>()
  call.args.forEach((arg, i) => {
    for (const ref of objectsIn(arg)) (isWriting(directionAt(call, i)) ? writable : readOnly).add(ref.id)
  })
  for (const id of writable) readOnly.delete(id)
  return readOnly
}

const isLarge = ({ result, written }: Outcome): boolean =>
  staysAtHost(result) || (written?.some(([, value]) => staysAtHost(value)) ?? false)

/** What is made of something else is another value. @throws LostValueError */
function assertSame({ name }: Call, before: readonly Seen[], now: readonly Seen[] | undefined): void {
  if (now && JSON.stringify(before) === JSON.stringify(now)) return
  throw new LostValueError(
    `a value that ${name} had made was lost with its host, and cannot be made again: what the task reads has changed since`,
    { task: name },
  )
}

function withWritten(call: Call, store: Store, args: readonly unknown[], result: Carried): Outcome {
  let written: (readonly [number, Carried])[] | undefined
  call.args.forEach((arg, i) => {
    if (typeof arg !== 'object' || arg === null || arg.k !== 'v') return
    const isWritten = isWriting(directionAt(call, i))
    if (!isWritten && (arg.f || arg.b.length > COMPARED_BYTES_MAX)) return
    const after = carry(args[i], `argument ${i + 1} of ${call.name}`, store)
    if (isWritten) (written ??= []).push([i, after])
    else if (!sameValue(arg, after))
      throw new WrongDirectionError(
        `${call.name} changed its argument ${i + 1}, which is declared IN: declare it INOUT, or change a copy`,
        { argument: i + 1 },
      )
  })
  return written ? { result, written } : { result }
}

/** Larger volatile values are not compared: encoding them again would cost more than the mistake it finds. */
const COMPARED_BYTES_MAX = 1 << 18

const sameValue = (before: { readonly b: Uint8Array }, after: Carried): boolean =>
  typeof after === 'object' && after !== null && (after.k !== 'v' || Buffer.compare(before.b, after.b) === 0)

async function commitWithMark(unit: Transaction, call: Call, made: Outcome, collected: Collected): Promise<Outcome> {
  const commit = newCommitId()
  const home = homeOf(call)
  const outcome: Outcome = { ...made, changed: changedBy(collected.ops), home: partsOf(home, unit.store, collected) }
  const encoded = encodeWire(outcome)
  const mark: Mark = { key: call.key, attempt: commit, state: 'committed', outcome: encoded.length <= OUTCOME_BYTES_MAX ? encoded : null }
  const receipt = await unit.commit({ collected, mark, home, commit })
  if (receipt && !receipt.applied) {
    // An earlier attempt committed and died before it could report: its outcome stands. Or the task was given up meanwhile.
    if (receipt.mark?.state === 'committed') return outcomeIn(receipt.mark, call.name)
    throw givenUp(call)
  }
  return outcome
}

/** Only an attempt that nobody waits for any more meets this; or one of a run that goes on, whose former life had given the task up. */
const givenUp = ({ name }: Call): Error =>
  new TaskFailedError(`task ${name} was given up while this attempt of it went on: nothing of it was stored`, {
    task: name,
    code: 'ERR_TASK_GIVEN_UP',
  })

function partsOf({ id, classId, store }: Ref, own: Store, { parts }: Collected): HomeParts {
  const wrote = parts.map(({ part }) => part.store.url).filter((url) => url !== own.url)
  return wrote.length > 0 ? [id, classId, store ?? null, wrote] : store === undefined ? [id, classId] : [id, classId, store]
}

const changedBy = (ops: readonly Op[]): string[] => ops.flatMap((op) => (op.do === 'put' || op.do === 'remove' ? [op.ref.id] : []))

/**
 * Where the mark of a call stands: the same for all its attempts. With an object that it may write, so that the mark commits in the
 * same domain as most of what it changes.
 */
export function homeOf(call: Pick<Call, 'isMethod' | 'target' | 'directions' | 'args' | 'key'>): Ref {
  const written = call.args.flatMap((arg, i) => (isWriting(directionAt(call, i)) ? objectsIn(arg) : []))
  return written[0] ?? call.args.flatMap((arg) => objectsIn(arg))[0] ?? new Ref(v5(call.key, HOMES) as Id, TASK_CLASS)
}

const TASK_CLASS = 'insitu#task' as ClassId

/** What home ids are made under. */
const HOMES = 'b9f3a1de-5a0e-4c63-9d0f-6f2f1c8f5a54'
