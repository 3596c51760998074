/** One execution of a task: load, run, commit, as one unit of work. The same code runs in workers and, with the runtime off, in the program. */
import { v5 } from 'uuid'
import { type Mark, type Op, type Receipt, Ref } from '../src/backend.js'
import { decodeWire, encodeWire } from '../src/codec/wire.js'
import type { Member } from '../src/commit/index.js'
import {
  AliasTakenError,
  ConflictError,
  LostValueError,
  NotFoundError,
  TaskFailedError,
  UnknownOutcomeError,
  WrongDirectionError,
} from '../src/errors.js'
import { type ClassId, type Id, newCommitId } from '../src/ids.js'
import { chunksInOutcome, type LargeOutcome } from '../src/large-cells.js'
import type { StorageObject } from '../src/objects/storage-object.js'
import type { Store } from '../src/store.js'
import { runBelonging } from '../src/unit/context.js'
import type { Collected, Seen, Transaction } from '../src/unit/transaction.js'
import type { ReadOnly } from '../src/unit/unit-errors.js'
import { carry, holdsFuture, objectsIn, unpack } from './data/carry.js'
import { staysAtHost } from './data/rides.js'
import type { Carried, ChildEffects, HomeParts } from './engines/messages.js'
import { dropChunks, type KeptOutcome, keptOf, keptOutcome, storeFirst } from './kept-outcome.js'
import { type AttemptUnit, type Prepared, prepare } from './prepared.js'
import { isPromiseLike, settled } from './settled.js'
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

/** What a body left behind: its outcome, or changes that have to be committed before it has one. */
export interface Ended {
  readonly outcome?: Outcome
  readonly changes?: Changes
  /** How long its arguments were waited for. */
  readonly waitedMs?: number
}

/** Runs `body` with its arguments and commits what it changed together with its mark. @throws what the body throws; ConflictError */
export async function runAttempt(store: Store, call: Call, body: (args: unknown[]) => unknown): Promise<Outcome> {
  return committed(await beginAttempt(store, call, body))
}

/** The outcome, once all changes are in the store. */
export const committed = async ({ outcome, changes }: Ended): Promise<Outcome> => outcome ?? changes!.commit()

/** As `runAttempt`, but over when the body is; without a promise where nothing was waited for. */
export function beginAttempt(
  store: Store,
  call: Call,
  body: (args: unknown[]) => unknown,
  prepared: Prepared = prepare(store, call),
): Ended | Promise<Ended> {
  const { found, objects, failure } = prepared
  if (failure) throw failure.error
  if (found && !objects) return loadedFirst(prepared, call, body)
  return begun(prepared, call, body)
}

function begun(prepared: Prepared, call: Call, body: (args: unknown[]) => unknown): Ended | Promise<Ended> {
  const { at, refs, objects = NO_OBJECTS } = prepared
  const missing = objects.indexOf(undefined)
  if (missing >= 0) return outcomeWithout(at.store, call, refs[missing]!)
  try {
    const args = unpacked(call, at)
    const result = runBelonging(at, body, args)
    if (mayHoldPromises(result) || call.attempt?.scopeIfAny) return awaited(prepared, call, args, result)
    return finish(prepared, call, args, result)
  } catch (error) {
    at.used?.rollback()
    throw error
  }
}

const NO_OBJECTS: readonly (StorageObject | undefined)[] = []

function unpacked({ args }: Call, at: AttemptUnit): unknown[] {
  const all: unknown[] = []
  for (const arg of args) all.push(typeof arg === 'object' && arg !== null ? unpack(arg, at.unit) : arg)
  return all
}

const mayHoldPromises = (value: unknown): boolean => isPromiseLike(value) || Array.isArray(value)

async function awaited(prepared: Prepared, call: Call, args: readonly unknown[], result: unknown): Promise<Ended> {
  try {
    const made = await settled(result)
    // What the body has called and not awaited is part of what it does, and may be part of what it commits.
    await call.attempt?.scopeIfAny?.calls.settled()
    return finish(prepared, call, args, made)
  } catch (error) {
    prepared.at.used?.rollback()
    throw error
  }
}

async function loadedFirst(prepared: Prepared, call: Call, body: (args: unknown[]) => unknown): Promise<Ended> {
  const asked = performance.now()
  await prepared.found
  const waitedMs = performance.now() - asked
  if (prepared.failure) throw prepared.failure.error
  return { ...(await begun(prepared, call, body)), waitedMs }
}

/** An object that it takes is gone. An earlier attempt may have removed it: then that attempt's outcome stands. */
async function outcomeWithout(store: Store, call: Call, { id }: Ref): Promise<Ended> {
  const outcome = await committedBefore(store, call)
  if (outcome) return { outcome }
  throw new NotFoundError(`the argument ${id} of ${call.name} was deleted before the task ran`, { id })
}

/** What an earlier attempt of the task has committed, if one has. @throws ConflictError when its outcome was not kept */
export async function committedBefore(store: Store, call: Call): Promise<Outcome | undefined> {
  const home = homeOf(call)
  const mark = await store.markOf(home, call.key)
  return mark?.state === 'committed' ? outcomeIn(store, mark, home, call.name) : undefined
}

/** The outcome that a mark keeps. @throws ConflictError when it is not kept any more */
export async function outcomeIn(store: Store, mark: Mark, home: Ref, name: string): Promise<Outcome> {
  const bytes = await keptOutcome(store, home, mark)
  if (!bytes)
    throw new ConflictError(`an earlier attempt of ${name} has committed, but its outcome is no longer kept`, { retryable: false })
  const kept = decodeWire(bytes) as Outcome | KeptShort
  const outcome: Outcome = 'only' in kept ? { result: kept.only, ...changedHome(home) } : kept
  return withChunks(outcome, chunksInOutcome(mark.outcome))
}

/** Of most tasks: they change the object where their mark stands, and nothing else. */
interface KeptShort {
  readonly only: Carried
}

export const changedHome = ({ id, classId }: Ref): Pick<Outcome, 'changed' | 'home'> => ({ changed: [id], home: [id, classId] })

/** An outcome that was too large for its mark, with the chunks that are to go when nobody asks for it any more. */
function withChunks(outcome: Outcome, chunks: readonly Id[]): Outcome {
  if (chunks.length === 0 || !outcome.home) return outcome
  const [id, classId, store = null, wrote = NO_STORES] = outcome.home
  return { ...outcome, home: [id, classId, store, wrote, chunks] }
}

/** An outcome as its mark keeps it. */
function kept(made: Outcome): Uint8Array {
  if (made.written || made.children || !changedOnlyHome(made)) return encodeWire(made)
  return made.result === undefined ? NO_RESULT : encodeWire({ only: made.result } satisfies KeptShort)
}

/** Whether it has changed the object where its mark stands, and nothing else. */
export const changedOnlyHome = ({ changed, home }: Pick<Outcome, 'changed' | 'home'>): boolean =>
  home?.length === 2 && changed?.length === 1 && changed[0] === home[0]

const NO_RESULT = encodeWire({ only: undefined } satisfies KeptShort)

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
  return { changes: new Changes(unit!, call, outcome, collected) }
}

function readOnlyOf(call: Call): ReadonlyMap<Id, ReadOnly> {
  let readOnly: Map<Id, ReadOnly> | undefined
  for (const [i, arg] of call.args.entries()) {
    if (typeof arg !== 'object' || arg === null || isWriting(directionAt(call, i))) continue
    for (const { id } of objectsIn(arg)) (readOnly ??= new Map()).set(id, { task: call.name, argument: numberOf(call, i) })
  }
  if (!readOnly) return NONE
  for (const [i, arg] of call.args.entries()) if (isWriting(directionAt(call, i))) for (const { id } of objectsIn(arg)) readOnly.delete(id)
  return readOnly
}

const NONE: ReadonlyMap<Id, ReadOnly> = new Map()

/** Of an argument as people count: from 1, and 0 for the object of a method. */
const numberOf = ({ isMethod }: Call, position: number): number => (isMethod ? position : position + 1)

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
  for (const [i, arg] of call.args.entries()) {
    if (typeof arg !== 'object' || arg === null || arg.k !== 'v') continue
    const isWritten = isWriting(directionAt(call, i))
    if (!isWritten && (arg.b.length > COMPARED_BYTES_MAX || holdsFuture(arg))) continue
    const after = carry(args[i], `argument ${i + 1} of ${call.name}`, store)
    if (isWritten) (written ??= []).push([i, after])
    else if (!sameValue(arg, after))
      throw new WrongDirectionError(
        `${call.name} changed its argument ${numberOf(call, i)}, which is declared IN: declare it INOUT, or change a copy`,
        { task: call.name, argument: numberOf(call, i) },
      )
  }
  return written ? { result, written } : { result }
}

/** Larger volatile values are not compared: encoding them again would cost more than the mistake it finds. */
const COMPARED_BYTES_MAX = 1 << 18

const sameValue = (before: { readonly b: Uint8Array }, after: Carried): boolean =>
  typeof after === 'object' && after !== null && (after.k !== 'v' || Buffer.compare(before.b, after.b) === 0)

/** What a body has changed, before it is committed: by itself, or in one group with what others have. */
export class Changes {
  readonly home: Ref
  readonly #made: Outcome
  #kept: KeptOutcome | undefined

  constructor(
    readonly unit: Transaction,
    readonly call: Call,
    made: Outcome,
    readonly collected: Collected,
  ) {
    this.home = homeOf(call)
    const [changed, home] = [changedBy(collected.ops), partsOf(this.home, unit.store, collected)]
    this.#made = made.written ? { result: made.result, written: made.written, changed, home } : { result: made.result, changed, home }
  }

  /** By itself. Errors: as `commitUnit`, but for a name that another was faster to take: what the body makes of that it says when it runs again. */
  async commit(): Promise<Outcome> {
    try {
      return await this.#commit()
    } catch (error) {
      this.unit.rollback()
      if (!(error instanceof AliasTakenError)) throw error
      throw new ConflictError(`a name that ${this.call.name} claims was taken meanwhile`, { cause: error })
    }
  }

  async #commit(): Promise<Outcome> {
    const { call, collected, home, unit } = this
    const commit = newCommitId()
    const { bytes, beside, first } = this.#outcome
    if (first) await storeFirst(unit.store, home, first)
    const mark: Mark = { key: call.key, attempt: commit, state: 'committed', outcome: bytes }
    const receipt = await this.#sent(unit.commit({ collected, mark, home, commit, beside }), first)
    if (receipt && !receipt.applied) {
      // An earlier attempt committed and died before it could report: its outcome stands. Or the task was given up meanwhile.
      if (receipt.mark?.state === 'committed') return outcomeIn(unit.store, receipt.mark, home, call.name)
      throw givenUp(call)
    }
    return this.#told
  }

  /** What was stored first goes if nothing leads to it in the end. */
  async #sent(committing: Promise<Receipt | undefined>, first: LargeOutcome | undefined): Promise<Receipt | undefined> {
    if (!first) return committing
    const drop = (): Promise<void> => dropChunks(this.unit.store, this.home.store, first.chunks)
    try {
      const receipt = await committing
      if (!receipt?.applied) await drop()
      return receipt
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError)) await drop()
      throw error
    }
  }

  get #outcome(): KeptOutcome {
    this.#kept ??= keptOf(this.unit, this.home, this.collected, kept(this.#made))
    return this.#kept
  }

  /** As whoever awaits the task gets it. */
  get #told(): Outcome {
    return withChunks(this.#made, this.#outcome.chunks)
  }

  /** As part of a group that others are in as well, if that can be. */
  asMember(): Member | undefined {
    if (this.home.store !== undefined) return undefined
    const ops = this.unit.jointOps(this.collected)
    if (!ops) return undefined
    const { bytes, beside, first } = this.#outcome
    if (first) return undefined
    return { ops: beside ? [...ops, ...beside] : ops, home: this.home, key: this.call.key, outcome: bytes }
  }

  /** That group has committed. */
  landed(receipt: Receipt): Outcome {
    this.unit.landed(this.collected, receipt)
    return this.#told
  }
}

/** Only an attempt that nobody waits for any more meets this; or one of a run that goes on, whose former life had given the task up. */
const givenUp = ({ name }: Call): Error =>
  new TaskFailedError(`task ${name} was given up while this attempt of it went on: nothing of it was stored`, {
    task: name,
    code: 'ERR_TASK_GIVEN_UP',
  })

function partsOf({ id, classId, store }: Ref, own: Store, { parts }: Collected): HomeParts {
  const isHere = parts.length === 1 && parts[0]!.part.store === own
  const wrote = isHere ? NO_STORES : parts.map(({ part }) => part.store.url).filter((url) => url !== own.url)
  if (wrote.length > 0) return [id, classId, store ?? null, wrote]
  return store === undefined ? [id, classId] : [id, classId, store]
}

const NO_STORES: readonly string[] = []

function changedBy(ops: readonly Op[]): string[] {
  const ids: string[] = []
  for (const op of ops) if (op.do === 'put' || op.do === 'remove') ids.push(op.ref.id)
  return ids
}

/**
 * Where the mark of a call stands: the same for all its attempts. With an object that it may write, so that the mark commits in the
 * same domain as most of what it changes.
 */
export function homeOf(call: Pick<Call, 'isMethod' | 'target' | 'directions' | 'args' | 'key'>): Ref {
  let first: Ref | undefined
  for (const [i, arg] of call.args.entries()) {
    const [object] = objectsIn(arg)
    if (object && isWriting(directionAt(call, i))) return object
    first ??= object
  }
  return first ?? new Ref(v5(call.key, HOMES) as Id, TASK_CLASS)
}

const TASK_CLASS = 'insitu#task' as ClassId

/** What home ids are made under. */
const HOMES = 'b9f3a1de-5a0e-4c63-9d0f-6f2f1c8f5a54'
