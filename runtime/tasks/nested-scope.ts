/**
 * The calls that one attempt of a task makes. A child is a task of its own: it commits by itself, under a key made from its parent's, so that
 * a parent which runs again finds what its children have done. Only a call on what the parent holds for writing is part of the parent's
 * unit of work. Children run here one after the other, which bounds the memory of a recursion by its depth; while one does, others may go to other workers.
 */
import { ConflictError } from '../../src/errors.js'
import type { Id } from '../../src/ids.js'
import type { Store } from '../../src/store.js'
import { backOff } from '../../src/unit/back-off.js'
import type { Transaction } from '../../src/unit/transaction.js'
import { beginAttempt, type Call, committed, committedBefore, directionAt, type Outcome } from '../attempt.js'
import { objectsIn, unpack } from '../data/carry.js'
import { heldIn, partsOf } from '../data/held-in.js'
import type { Carried, ChildEffects } from '../engines/messages.js'
import { someItem } from '../nested-lists.js'
import { CONFLICTS_MAX, RETRIES_MAX } from '../scheduler/constants.js'
import { carryTo, come, isToCome } from './child-args.js'
import { ChildCall, ChildCalls } from './child-call.js'
import { isWriting } from './directions.js'
import { bodyOf, ignored, mayPass, persistentState, runInPlace } from './in-place.js'
import { inTime } from './in-time.js'
import { assertFits } from './needs.js'
import { Attempt } from './running.js'
import type { TaskDefinition } from './task.js'

/** Workers elsewhere that may take a child. */
export interface Elsewhere {
  /** Whether one may go now; if not, `again` is called when it is worth asking. `orBack`: it may come back to this worker, as a task of its own. */
  take(again: () => void, orBack: boolean): boolean
  /** It is no longer worth asking. */
  forget(again: () => void): void
  /** Has a child run; gives back what was taken when it is over. */
  run(call: Call, definition: TaskDefinition, child: ChildCall): Promise<Outcome>
}

/** A call of the body. */
interface Child {
  readonly call: ChildCall
  readonly above: Attempt
  readonly unit: Transaction
  readonly definition: TaskDefinition
}

interface Waiting {
  readonly child: ChildCall
  readonly store: Store
  readonly above: Attempt
  readonly call: Call
  readonly definition: TaskDefinition
  resolve(outcome: Outcome): void
  reject(error: unknown): void
}

export class NestedScope {
  /** Told when `isWaiting` may have changed. */
  onChange: () => void = () => {}
  readonly #writing: ReadonlySet<string>
  readonly calls = new ChildCalls()
  readonly #queue: Waiting[] = []
  /** Of each object, what later children that use it wait for. */
  readonly #uses = new Map<Id, { written: Promise<unknown>; read: Promise<unknown>[] }>()
  /** Volatile values that children write, with the end of the last that does. */
  readonly #writers = new WeakMap<object, Promise<unknown>>()
  #isAnyWritten = false
  #here = false
  /** Of the child that runs here. */
  #hereScope: NestedScope | undefined
  #away = 0
  #asks = false
  #next = 0

  constructor(
    readonly key: string,
    readonly parent: Pick<Call, 'args' | 'isMethod' | 'target' | 'directions'>,
    readonly elsewhere: Elsewhere | undefined,
    /** Of all children below the task that a worker was given. */
    readonly effects: ChildEffects[] = [],
  ) {
    const { args } = parent
    this.#writing = new Set(args.flatMap((arg, i) => (isWriting(directionAt(parent, i)) ? objectsIn(arg).map(({ id }) => id) : [])))
  }

  /** Whether the body can do no more than wait for children elsewhere, as far as can be told from here. */
  get isWaiting(): boolean {
    return this.#here ? (this.#hereScope?.isWaiting ?? false) : this.#away > 0
  }

  /** Runs a task that the body has called. `given`: the object of a method first. */
  call(above: Attempt, unit: Transaction, definition: TaskDefinition, given: readonly unknown[]): ChildCall {
    const call = new ChildCall(definition.name, this.#next++, definition.options.signal, (child) =>
      this.#run({ call: child, above, unit, definition }, given),
    )
    this.calls.add(call)
    this.#noteWritten(definition, given, call)
    return call
  }

  #noteWritten(definition: TaskDefinition, given: readonly unknown[], { result }: ChildCall): void {
    for (const [i, arg] of given.entries()) {
      if (!isOwnValue(arg) || !isWriting(directionAt(about(definition), i))) continue
      this.#isAnyWritten = true
      this.#writers.set(arg, settledEither(result))
    }
  }

  /** Ends of children called before that write a value, or what stands in it. */
  #writersIn(value: unknown): readonly Promise<unknown>[] {
    if (!this.#isAnyWritten || typeof value !== 'object' || value === null) return NOBODY
    return Array.from(partsOf(value), (part) => this.#writers.get(part)).filter((end) => end !== undefined)
  }

  async #run(child: Child, given: readonly unknown[]): Promise<unknown> {
    const { call, unit } = child
    const writers = given.map((arg) => this.#writersIn(arg))
    const isWaiting = given.map((arg, i) => isToCome(arg) || writers[i]!.length > 0)
    const isLate = isWaiting.some(Boolean)
    // What is there already is taken now, whatever else has to come.
    const early = isLate ? given.map((arg, i) => (isWaiting[i] ? undefined : this.#earlyTaken(child, arg, i))) : []
    const behind = writers.flat()
    if (behind.length > 0) await Promise.all(behind)
    const args = isLate ? await Promise.all(given.map((arg) => (isToCome(arg) ? come(arg, call) : arg))) : given
    const definition = child.definition.ofTarget?.(args[0]) ?? child.definition
    assertFits(definition)
    const named = { ...child, definition }
    if (this.#shares(unit, definition, args)) return this.#inPlace(named, args)
    const carried = args.map((arg, i) => early[i] ?? this.#taken(named, arg, i))
    return this.#child(named, await Promise.all(carried.map(async (one) => one)))
  }

  #taken({ call, unit, definition }: Child, arg: unknown, i: number): Carried | Promise<Carried> {
    return carryTo(arg, `argument ${i + 1} of ${definition.name}`, unit.store, call)
  }

  /** What cannot be sent is refused when it is known that it has to be. */
  #earlyTaken(child: Child, arg: unknown, i: number): Carried | Promise<Carried> {
    try {
      return this.#taken(child, arg, i)
    } catch {
      return undefined
    }
  }

  /** As part of the parent's unit of work, in its turn. */
  async #inPlace({ call, above, unit, definition }: Child, args: readonly unknown[]): Promise<unknown> {
    await Promise.resolve() // all that the body calls in one go is called before the first of it begins
    return this.#inTurn((enter) =>
      runInPlace({ call, unit, definition, args }, (number) => {
        const scope = new NestedScope(`${this.key}.${call.number}`, this.parent, this.elsewhere, this.effects)
        enter(scope)
        return new Attempt(definition.name, number, () => scope, above)
      }),
    )
  }

  #shares(unit: Transaction, definition: TaskDefinition, args: readonly unknown[]): boolean {
    return args.some((arg, i) => this.#sharesOne(unit, arg, isWriting(directionAt(about(definition), i))))
  }

  #sharesOne(unit: Transaction, arg: unknown, isWritten: boolean): boolean {
    if (typeof arg !== 'object' || arg === null) return false
    if (isWritten && isOwnValue(arg)) return true
    if (Array.isArray(arg)) return arg.some((one) => this.#sharesOne(unit, one, isWritten))
    const state = persistentState(arg)
    if (state?.ref) return this.#writing.has(state.ref.id) || unit.hasChanged(state)
    return heldIn(arg).some((one) => one !== arg && this.#sharesOne(unit, one, false))
  }

  /** Runs a child; its result as the parent's unit of work sees it. */
  async #child({ call: child, above, unit, definition }: Child, args: readonly Carried[]): Promise<unknown> {
    const isOver = (): boolean => child.isOver()
    const call: Call = { ...about(definition), key: `${this.key}.${child.number}`, name: definition.name, args, isOver }
    const outcome = await this.#inOrder(call, () => this.#enqueue({ child, above, store: unit.store, call, definition }))
    if (outcome.changed) {
      this.effects.push({ key: call.key, changed: outcome.changed, home: outcome.home! })
      await unit.bringUpToDate(outcome.changed)
    }
    await unit.fetchAnywhere(objectsIn(outcome.result))
    return unpack(outcome.result, unit)
  }

  /** A child waits for those called before it that use the same objects, unless both only read. */
  async #inOrder(call: Call, run: () => Promise<Outcome>): Promise<Outcome> {
    const waits: Promise<unknown>[] = []
    let end!: () => void
    const over = new Promise<void>((resolve) => (end = resolve))
    call.args.forEach((arg, i) => {
      for (const { id } of objectsIn(arg)) waits.push(...this.#use(id, isWriting(directionAt(call, i)), over))
    })
    try {
      await Promise.all(waits)
      return await run()
    } finally {
      end()
    }
  }

  #use(id: Id, isWritten: boolean, over: Promise<unknown>): readonly Promise<unknown>[] {
    const use = this.#uses.get(id) ?? { written: Promise.resolve(), read: [] }
    this.#uses.set(id, use)
    const waits = isWritten ? [use.written, ...use.read] : [use.written]
    if (isWritten) {
      use.written = over
      use.read = []
    } else use.read.push(over)
    // It named the object before: it does not wait for itself.
    return waits.filter((one) => one !== over)
  }

  #enqueue(child: Omit<Waiting, 'resolve' | 'reject'>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ ...child, resolve, reject })
      this.#pump()
    })
  }

  /** Runs something of the parent's own in its turn. */
  async #inTurn<T>(body: (enter: (scope: NestedScope) => void) => Promise<T>): Promise<T> {
    while (this.#here) await this.#turn
    this.#setHere(true)
    let end!: () => void
    this.#turn = new Promise((resolve) => (end = resolve))
    try {
      return await body((scope) => {
        this.#hereScope = scope
        scope.onChange = () => this.onChange()
      })
    } finally {
      this.#hereScope = undefined
      this.#setHere(false)
      end()
      this.#pump()
    }
  }
  #turn: Promise<void> = Promise.resolve()

  #pump(): void {
    while (this.#queue.length > 0) {
      const [next] = this.#queue
      if (!this.#here && !(belongsElsewhere(next!) && this.#mayGo(true))) this.#runHere(this.#queue.shift()!)
      else if (!this.#here) this.#runElsewhere(this.#queue.shift()!)
      else if (this.#mayGo(false)) this.#runElsewhere(this.#queue.shift()!)
      else return
    }
    this.#stopAsking()
  }

  #mayGo(orBack: boolean): boolean {
    if (!this.elsewhere || this.#asks) return false
    const may = this.elsewhere.take(this.#again, orBack)
    this.#asks = !may
    return may
  }

  readonly #again = (): void => {
    this.#asks = false
    this.#pump()
  }

  /** In a recursion the scopes that have ended are many: none must be held because it had asked. */
  #stopAsking(): void {
    if (this.#asks) this.elsewhere?.forget(this.#again)
    this.#asks = false
  }

  #runHere(child: Waiting): void {
    void this.#inTurn((enter) => this.#attempts(child, enter).then(child.resolve, child.reject))
  }

  /** A child in this thread, with as many attempts as elsewhere. */
  async #attempts({ child, above, store, call, definition }: Waiting, enter: (scope: NestedScope) => void): Promise<Outcome> {
    let conflicts = 0
    let retries = definition.policy === 'RETRY' ? RETRIES_MAX : 0
    for (let number = 1; ; number++) {
      const scope = new NestedScope(call.key, call, this.elsewhere, this.effects)
      enter(scope)
      const attempt = new Attempt(definition.name, number, () => scope, above)
      child.begins(() => attempt.abort())
      try {
        return await runInTime(store, call, definition, attempt, (args) => bodyOf(definition, args))
      } catch (error) {
        if (child.isCancelled) throw error
        if (error instanceof ConflictError && error.retryable && conflicts++ < CONFLICTS_MAX) await backOff(conflicts)
        else if (retries-- <= 0 || !mayPass(error))
          // Of a parent that runs again: what the child has committed before may be why it fails now.
          return (await committedBefore(store, call)) ?? ignored(definition, error)
      }
    }
  }

  #runElsewhere({ child, call, definition, resolve, reject }: Waiting): void {
    this.#setAway(1)
    this.elsewhere!.run(call, definition, child)
      .finally(() => this.#setAway(-1))
      .then(resolve, reject)
  }

  #setHere(here: boolean): void {
    this.#here = here
    this.onChange()
  }

  #setAway(by: 1 | -1): void {
    this.#away += by
    this.onChange()
  }
}

/** One of limited time can be stopped elsewhere whatever it does, and takes no parent along. A method runs where its object is. */
const belongsElsewhere = ({ call, definition, store }: Waiting): boolean =>
  definition.options.timeoutMs !== undefined || (call.isMethod && liesElsewhere(call.args[0]!, store))

function liesElsewhere(target: Carried, { backend: { places } }: Store): boolean {
  const [ref] = objectsIn(target)
  return ref !== undefined && ref.store === undefined && places?.own !== undefined && places.hostOf(ref.id) !== places.own
}

/** An attempt of limited time, but for its commit: what has begun to commit will have happened. */
export async function runInTime(
  store: Store,
  call: Call,
  definition: TaskDefinition,
  attempt: Attempt,
  body: (args: unknown[]) => unknown,
): Promise<Outcome> {
  const ended = await inTime(definition, attempt, async (isLate) => {
    const isOver = (): boolean => isLate() || (call.isOver?.() ?? false)
    return beginAttempt(store, { ...call, isOver, attempt }, body)
  })
  return committed(ended)
}

/** What is to be written of it is the parent's own: of a list that holds stored objects, those are written. */
function isOwnValue(arg: unknown): arg is object {
  if (typeof arg !== 'object' || arg === null) return false
  if (Array.isArray(arg)) return !someItem(arg, isStored)
  return !isStored(arg)
}

const isStored = (one: unknown): boolean => typeof one === 'object' && one !== null && persistentState(one)?.ref !== undefined

const NOBODY: readonly Promise<unknown>[] = []

const settledEither = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {},
    () => {},
  )

const about = (definition: TaskDefinition): Pick<Call, 'isMethod' | 'target' | 'directions'> => ({
  isMethod: definition.method !== undefined,
  target: definition.target,
  directions: definition.directions,
})
