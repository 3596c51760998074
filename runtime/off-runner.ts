/** `INSITU_RUNTIME=off`: task calls run in this thread, in order, in one promise chain: the same results, a debugger that steps. */

import { ConflictError, TaskFailedError } from '../src/errors.js'
import { newId } from '../src/ids.js'
import { isStorageObject, stateOf } from '../src/objects/storage-object.js'
import type { Store } from '../src/store.js'
import { backOff } from '../src/unit/back-off.js'
import { currentUnit, unitIfOpen } from '../src/unit/context.js'
import type { Program } from '../src/unit/program.js'
import { directionAt, type Outcome, type runAttempt } from './attempt.js'
import type { TaskRunner } from './current-runtime.js'
import { carry, objectsIn, unpack } from './data/carry.js'
import type { Carried, HomeParts } from './engines/messages.js'
import { dropChunks } from './kept-outcome.js'
import { holdsItself } from './nested-lists.js'
import type { TaskGraph } from './observe/run-record.js'
import { assertSaved, hasParts, later, NotRunError, notRun, OffCall, OffVersion, quiet, withParts } from './off-call.js'
import { OffOrder } from './off-order.js'
import { CONFLICTS_MAX, RETRIES_MAX } from './scheduler/constants.js'
import { isPromiseLike } from './settled.js'
import { cancelledError } from './tasks/cancelled-error.js'
import { isWriting } from './tasks/directions.js'
import { AggregateTaskError } from './tasks/failures.js'
import { type Future, TaskFuture } from './tasks/future.js'
import { assertFits, type NamedOffer } from './tasks/needs.js'
import { NestedScope, runInTime } from './tasks/nested-scope.js'
import { onAbort } from './tasks/on-abort.js'
import { Attempt } from './tasks/running.js'
import type { TaskDefinition } from './tasks/task.js'

export class OffRunner implements TaskRunner {
  readonly #runId = newId()
  readonly #versions = new WeakMap<object, OffVersion>()
  readonly #changed = new Map<Program, Set<string>>()
  readonly #order = new OffOrder()
  /** Calls that did not end well, since the program was last told of all of them. */
  #bad: OffCall[] = []
  #chain: Promise<unknown> = Promise.resolve()
  #calls = 0
  #done = 0
  #failures = 0
  /** A failure of policy FAIL stops the calls below this number. */
  #stopBelow = 0

  /** Of the hosts that the run would have with the runtime on. */
  constructor(readonly wouldHave: () => readonly NamedOffer[]) {}

  get offers(): readonly NamedOffer[] {
    return this.wouldHave()
  }

  submit(definition: TaskDefinition, target: unknown, given: readonly unknown[]): Future<unknown> {
    // What could be run nowhere else is not run here either: the program is to do the same with the runtime on.
    assertFits(definition)
    const all = definition.method === undefined ? given : [target, ...given]
    const store = unitIfOpen()?.store
    const args = all.map((value, i) => this.#capture(value, `argument ${i + 1} of ${definition.name}`, definition, store))
    const call = new OffCall(definition, this.#calls++, all, args, () => this.#calls)
    call.behind = this.#order.enter(call)
    const { signal } = definition.options
    const forget = signal && onAbort(signal, () => call.cancel(signal.reason))
    call.outcome = quiet(this.#chain.then(() => this.#outcome(call)))
    const made = call.outcome.then((outcome) => this.#value(outcome)).then((value) => this.#end(call, value))
    call.result = quiet(made.catch((error: unknown) => this.#fail(call, error)))
    this.#chain = call.result.catch(() => {}).finally(forget)
    this.#renew(call)
    return new TaskFuture(call)
  }

  async #value(outcome: Outcome): Promise<unknown> {
    return this.#unpacked(outcome.result)
  }

  async #unpacked(value: Carried): Promise<unknown> {
    const program = (await currentUnit()) as Program
    await program.fetchAnywhere(objectsIn(value))
    return unpack(value, program)
  }

  #end(call: OffCall, value: unknown): unknown {
    this.#done++
    call.state = 'done'
    return value
  }

  #fail(call: OffCall, error: unknown): unknown {
    const { policy } = call.definition
    // Whose body was not run has not failed: it is cancelled, whatever its policy.
    if (policy === 'IGNORE' && !isCancelled(error)) return this.#end(call, undefined)
    this.#failures++
    if (policy === 'FAIL' && !isCancelled(error)) this.#stopBelow = this.#calls
    call.hasFailed = !isCancelled(error)
    call.fail(error instanceof NotRunError ? error.error : error, error instanceof NotRunError ? error.failed : undefined)
    this.#bad.push(call)
    throw call.error
  }

  /** Later calls take what this one makes of the volatile values that it writes. */
  #renew(call: OffCall): void {
    const { definition, given, args } = call
    given.forEach((value, i) => {
      if (typeof value !== 'object' || value === null || (isStorageObject(value) && stateOf(value).ref)) return
      // What a method does with an object is not known before the object is.
      const isWritten =
        i === 0 && definition.ofTarget ? true : isWriting(directionAt({ ...definition, isMethod: definition.method !== undefined }, i))
      if (!isWritten) return
      const before = args[i]!
      const after = call.outcome.then(
        ({ written }) => written?.find(([at]) => at === i)?.[1] ?? before,
        (cause: unknown) =>
          definition.policy === 'IGNORE' && !isCancelled(cause) ? before : Promise.reject(notRun(definition, call, cause)),
      )
      this.#versions.set(keyOf(value), new OffVersion(call, quiet(after)))
    })
  }

  #assertWanted(call: OffCall): void {
    const { cancelled, number, behind, definition } = call
    const { name } = definition
    if (cancelled) throw cancelledError(name, cancelled.reason)
    if (number < this.#stopBelow)
      throw new NotRunError(new TaskFailedError(`task ${name} was not run: the run was stopped`, { task: name }), undefined)
    const failed = behind.find((one) => one.isBadFor(call))?.root
    call.behind = [] // they go when nobody else holds them
    if (failed) throw notRun(definition, failed, failed.error)
  }

  async #outcome(call: OffCall): Promise<Outcome> {
    const { definition, number } = call
    this.#assertWanted(call)
    const args = await call.arrived()
    if (!args) throw cancelledError(definition.name, call.cancelled?.reason)
    const program = (await currentUnit()) as Program
    const named = definition.ofTarget?.(unpack(args[0], program)) ?? definition
    if (named !== definition) assertFits(named)
    const about = { ...named, isMethod: named.method !== undefined, key: `${this.#runId}/${number}`, args, isOver: () => call.isOver() }
    const outcome = await this.#attempts(call, named, program, about)
    if (outcome.changed) await this.#takeEffects(program, outcome.changed, outcome.home!)
    return outcome
  }

  /** What was changed in the program's store, and in others of its. */
  async #takeEffects(program: Program, ids: readonly string[], [, , store, wrote = [], chunks]: HomeParts): Promise<void> {
    this.#noteChanged(program, ids)
    if (chunks) await dropChunks(program.store, store, chunks)
    for (const url of wrote) this.#noteChanged(program.store.peer(url)!.program, ids)
    await program.store.reachedWith(wrote)
  }

  #noteChanged(program: Program, ids: readonly string[]): void {
    const changed = this.#changed.get(program) ?? new Set()
    this.#changed.set(program, changed)
    for (const id of ids) changed.add(id)
  }

  /** Arguments are taken at the call, as with the runtime on. */
  #capture(value: unknown, path: string, definition: TaskDefinition, store: Store | undefined): Carried | Promise<Carried> {
    if (typeof value !== 'object' || value === null) return carry(value, path, store)
    const version = this.#versionOf(value)
    if (version !== undefined) return version.after
    if (isPromiseLike(value)) return later(value, path, definition, store)
    if (Array.isArray(value) && hasParts(value)) {
      const parts = value.map(async (item) => this.#capture(item, path, definition, store))
      return quiet(Promise.all(parts).then((e) => ({ k: 'a', e })))
    }
    assertSaved(value, definition)
    return withParts(value, path, definition, store, this.#versions)
  }

  async #attempts(call: OffCall, definition: TaskDefinition, program: Program, about: Parameters<typeof runAttempt>[1]): Promise<Outcome> {
    let conflicts = 0
    let retries = definition.policy === 'RETRY' ? RETRIES_MAX : 0
    for (let n = 1; ; n++) {
      const attempt: Attempt = new Attempt(definition.name, n, () => new NestedScope(about.key, about, undefined))
      call.attempt = attempt
      try {
        const body = (args: unknown[]): unknown => callBody(definition, args)
        const outcome = await call.whileWanted(runInTime(program.store, about, definition, attempt, body))
        for (const { changed, home } of attempt.scopeIfAny?.effects ?? []) await this.#takeEffects(program, changed, home)
        return outcome
      } catch (error) {
        if (call.cancelled) throw cancelledError(definition.name, call.cancelled.reason)
        if (error instanceof ConflictError && error.retryable && conflicts++ < CONFLICTS_MAX) await backOff(conflicts)
        else if (retries-- <= 0) throw error
      }
    }
  }

  // ---- waiting

  async barrier(): Promise<void> {
    await this.#quiet()
    await this.#refresh()
    const bad = this.#bad
    this.#bad = []
    // What was cancelled is told by whoever cancelled it, or by the failure with which it began.
    const failures = bad.filter(({ seen, hasFailed }) => hasFailed && !seen).map(({ error }) => error)
    for (const call of bad) call.see()
    if (failures.length > 0) throw new AggregateTaskError(failures)
  }

  async #quiet(): Promise<void> {
    for (let seen: unknown; seen !== this.#chain; ) {
      seen = this.#chain
      await seen
    }
  }

  async #refresh(): Promise<void> {
    for (const [program, ids] of [...this.#changed]) {
      this.#changed.delete(program)
      if (!program.store.closed) await program.refreshClean(ids)
    }
  }

  async submitReady(limit: number): Promise<void> {
    while (this.#pending >= limit) await this.#chain
  }

  async waitOn(value: unknown): Promise<unknown> {
    if (typeof value !== 'object' || value === null) return value
    if (isPromiseLike(value)) {
      const result = await value
      if (!this.#versions.has(keyOf(value))) {
        await this.#refresh()
        return result
      }
    }
    await this.#quiet()
    const version = this.#versionOf(value)
    if (version !== undefined) {
      await version.call.promise()
      await this.#refresh()
      return this.#unpacked(await version.after)
    }
    if (Array.isArray(value) && !holdsItself(value)) return Promise.all(value.map((v) => this.waitOn(v)))
    if (isStorageObject(value) && stateOf(value).ref) await this.#object(stateOf(value))
    return value
  }

  async #object({ ref, unit }: ReturnType<typeof stateOf>): Promise<void> {
    await this.#order.unseenOf(ref!.id)?.promise()
    await (unit as Program).refreshClean(new Set([ref!.id]))
  }

  /** Once a value is persistent, what tasks make of it is in the store. */
  #versionOf(value: object): { readonly call: OffCall; readonly after: Promise<Carried> } | undefined {
    return isStorageObject(value) && stateOf(value).ref ? undefined : this.#versions.get(keyOf(value))
  }

  // ---- looking

  get #pending(): number {
    return this.#calls - this.#done - this.#failures
  }

  stats(): Record<string, number> {
    const { tasks, done, failed, pending } = { tasks: this.#calls, done: this.#done, failed: this.#failures, pending: this.#pending }
    return { tasks, done, failed, pending, nearShare: 1, bytesMoved: 0, bytesCarried: 0, workers: 0 }
  }

  graph(): TaskGraph {
    return { nodes: [], edges: [] }
  }

  explain(): string {
    return 'the runtime is off: tasks run in the order of their calls'
  }

  dump(): string {
    return this.explain()
  }

  async close(_isOver?: boolean): Promise<void> {}
}

/** All futures of one call are one value. */
const keyOf = (value: object): object => (value instanceof TaskFuture ? value.source : value)

const isCancelled = (error: unknown): boolean =>
  error instanceof NotRunError || (error instanceof TaskFailedError && error.code === 'ERR_TASK_CANCELLED')

function callBody(definition: TaskDefinition, args: readonly unknown[]): unknown {
  if (definition.method === undefined) return definition.body(...args)
  const [target, ...rest] = args
  return definition.body.apply(target, rest)
}
