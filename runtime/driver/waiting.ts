/** What programs wait for: everything, an object, or what tasks make of a value. Afterwards clean loaded instances are up to date. */
import { isStorageObject, type StorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Program } from '../../src/unit/program.js'
import { holdsItself } from '../nested-lists.js'
import { isPromiseLike } from '../settled.js'
import { AggregateTaskError } from '../tasks/failures.js'
import type { Capture } from './capture.js'
import type { Effects } from './effects.js'
import { sameOf } from './future-version.js'
import type { LaterCall } from './later-call.js'
import type { Outcomes } from './outcomes.js'
import type { Pending } from './pending.js'
import type { WrittenFutures } from './written-futures.js'

export class Waiting {
  /** Calls that may fail before they have a record. */
  readonly #later = new Set<LaterCall>()
  /** Volatile values that such calls write, with the last that does. */
  readonly #writers = new WeakMap<object, LaterCall>()

  constructor(
    readonly capture: Capture,
    readonly outcomes: Outcomes,
    readonly effects: Effects,
    readonly pending: Pending,
    readonly written: WrittenFutures,
  ) {}

  watch(call: LaterCall): void {
    this.#later.add(call)
  }

  noteWritten(call: LaterCall, values: readonly object[]): void {
    for (const value of values) this.#writers.set(value, call)
  }

  /** Of a call that is in the graph its record tells all; one that was cancelled is no news. */
  over(call: LaterCall): void {
    if (call.state !== 'failed') this.#later.delete(call)
  }

  /** Waits until no call is pending, then reports failures that nobody awaited. */
  async barrier(): Promise<void> {
    await this.pending.atMost(0)
    await this.effects.reached()
    await this.effects.refresh()
    const failures = [...(await this.outcomes.takeUnseen()), ...this.#lateFailures()]
    if (failures.length > 0) throw new AggregateTaskError(failures)
  }

  async waitOn(value: unknown): Promise<unknown> {
    if (typeof value !== 'object' || value === null) return value
    if (isPromiseLike(value)) return this.#future(value)
    if (isStorageObject(value) && stateOf(value).ref) return this.#object(value)
    const outside = this.#writers.get(value)
    if (outside && !outside.record) await outside.promise()
    const version = this.capture.versionOf(value)
    if (version) return this.#version(value, version)
    return Array.isArray(value) && !holdsItself(value) ? Promise.all(value.map((v) => this.waitOn(v))) : value
  }

  async #future(future: PromiseLike<unknown>): Promise<unknown> {
    const writer = this.written.writerOf(future)
    const result = writer ? await sameOf(future) : await future
    await writer?.promise()
    await this.effects.refresh()
    return writer ? this.waitOn(result) : result
  }

  async #version(value: object, from: NonNullable<ReturnType<Capture['versionOf']>>): Promise<unknown> {
    const { record } = from
    await record.promise()
    return (await this.outcomes.valueOf(record, from.place)) ?? value
  }

  async #object(object: StorageObject): Promise<StorageObject> {
    const state = stateOf(object)
    const { id } = state.ref!
    const users = this.capture.usersOf(id)
    await Promise.all(users.map((u) => u.whenSettled()))
    const failed = users.find((u) => u.isBad && !u.seen)
    if (failed) await failed.promise()
    const program = state.unit as Program
    await program.store.reached()
    await program.refreshClean(new Set([id]))
    return object
  }

  #lateFailures(): unknown[] {
    const failed = [...this.#later].filter((l) => l.state === 'failed')
    for (const call of failed) this.#later.delete(call)
    return failed.filter((l) => !l.seen).map((l) => l.error)
  }

  /** Why calls are not in the graph. */
  explained(): string[] {
    return [...this.#later].filter((l) => l.state === 'waiting').map((l) => l.explain())
  }

  /** Calls that are not in the graph never will be. */
  abandon(errorOf: (task: string) => Error): void {
    for (const call of this.#later) call.refuse(errorOf(call.name))
  }
}
