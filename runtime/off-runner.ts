/** `INSITU_RUNTIME=off`: task calls run in this thread, in order, in one promise chain: the same results, a debugger that steps. */

import { backOff } from '../src/api.js'
import { ConflictError, UnsavedChangesError } from '../src/errors.js'
import { newId } from '../src/ids.js'
import { isStorageObject, type StorageObject, stateOf } from '../src/objects/storage-object.js'
import { currentUnit } from '../src/unit/context.js'
import type { Program } from '../src/unit/program.js'
import { directionAt, type Outcome, runAttempt } from './attempt.js'
import { settled, type TaskRunner } from './current-runtime.js'
import { carry, objectsIn, unpack } from './data/carry.js'
import type { Carried } from './engines/messages.js'
import { CONFLICTS_MAX, RETRIES_MAX } from './scheduler/constants.js'
import { isWriting } from './tasks/directions.js'
import { AggregateTaskError } from './tasks/failures.js'
import { type Future, TaskFuture } from './tasks/future.js'
import type { TaskDefinition } from './tasks/task.js'

export class OffRunner implements TaskRunner {
  readonly #runId = newId()
  readonly #failures = new Map<object, unknown>()
  readonly #versions = new WeakMap<object, Carried>()
  readonly #changed = new Set<string>()
  #chain: Promise<unknown> = Promise.resolve()
  #program: Program | undefined
  #calls = 0
  #done = 0
  #failed = 0

  submit(
    definition: TaskDefinition,
    target: StorageObject | PromiseLike<StorageObject> | undefined,
    args: readonly unknown[],
  ): Future<unknown> {
    const all = definition.method === undefined ? args : [target, ...args]
    for (const value of all) assertSaved(value, definition)
    const call = { isMethod: definition.method !== undefined, ...definition, key: `${this.#runId}/${this.#calls++}` }
    // Arguments are taken at the call, as with the runtime on.
    const captured = all.map((value, i) => this.#capture(value, `argument ${i + 1} of ${definition.name}`))
    const result = this.#chain.then(async () => {
      const program = (await currentUnit()) as Program
      this.#program = program
      const carried = await Promise.all(captured.map(async (c) => (c instanceof Promise ? carry(await c, definition.name) : c)))
      const outcome = await this.#attempts(definition, program, { ...call, args: carried })
      outcome.written?.forEach(([i, value]) => {
        const original = all[i]
        if (typeof original === 'object' && original !== null && isWriting(directionAt(call, i))) this.#versions.set(original, value)
      })
      for (const id of outcome.changed ?? []) this.#changed.add(id)
      if (outcome.changed) await program.store.reached()
      await program.fetch(objectsIn(outcome.result), {})
      return unpack(outcome.result, program)
    })
    this.#chain = result.then(
      () => void this.#done++,
      (error: unknown) => {
        this.#failed++
        if (definition.policy !== 'IGNORE') this.#failures.set(result, error)
      },
    )
    const value = definition.policy === 'IGNORE' ? result.catch(() => undefined) : result
    value.catch(() => {})
    const source = {
      promise: (): Promise<any> => {
        void this.#chain.then(() => this.#failures.delete(result))
        return value
      },
      cancel: (): void => {},
      describe: (): string => definition.name,
    }
    return new TaskFuture(source)
  }

  #capture(value: unknown, path: string): Carried | Promise<unknown> {
    if (typeof value === 'object' && value !== null) {
      const version = this.#versions.get(value)
      if (version !== undefined) return version
      if ('then' in value || (Array.isArray(value) && value.some((v) => typeof v === 'object' && v !== null && 'then' in v))) {
        const later = settled(value)
        later.catch(() => {})
        return later
      }
    }
    return carry(value, path)
  }

  async #attempts(definition: TaskDefinition, program: Program, call: Parameters<typeof runAttempt>[1]): Promise<Outcome> {
    let conflicts = 0
    let retries = definition.policy === 'RETRY' ? RETRIES_MAX : 0
    for (;;) {
      try {
        return await runAttempt(program.store, call, (args) => callBody(definition, args))
      } catch (error) {
        if (error instanceof ConflictError && conflicts++ < CONFLICTS_MAX) await backOff(conflicts)
        else if (retries-- <= 0) throw error
      }
    }
  }

  async barrier(): Promise<void> {
    for (let seen: unknown; seen !== this.#chain; ) {
      seen = this.#chain
      await seen
    }
    if (this.#program) await this.#program.refresh(new Set(this.#changed))
    this.#changed.clear()
    const failures = [...this.#failures.values()]
    this.#failures.clear()
    if (failures.length > 0) throw new AggregateTaskError(failures)
  }

  async waitOn(value: unknown): Promise<unknown> {
    if (typeof value !== 'object' || value === null) return value
    if ('then' in value) return value
    await this.#chain
    if (Array.isArray(value) && !this.#versions.has(value)) return Promise.all(value.map((v) => this.waitOn(v)))
    if (isStorageObject(value) && stateOf(value).ref) {
      await (stateOf(value).unit as Program).refresh(new Set([stateOf(value).ref!.id]))
      return value
    }
    const version = this.#versions.get(value)
    return version === undefined ? value : unpack(version, this.#program!)
  }

  stats(): Record<string, number> {
    return {
      tasks: this.#calls,
      done: this.#done,
      failed: this.#failed,
      pending: this.#calls - this.#done - this.#failed,
      nearShare: 1,
      bytesMoved: 0,
      workers: 0,
    }
  }

  graph(): { nodes: []; edges: [] } {
    return { nodes: [], edges: [] }
  }

  explain(): string {
    return 'the runtime is off: tasks run in the order of their calls'
  }

  async close(): Promise<void> {}
}

function callBody(definition: TaskDefinition, args: readonly unknown[]): unknown {
  if (definition.method === undefined) return definition.body(...args)
  const [target, ...rest] = args
  return definition.body.apply(target, rest)
}

function assertSaved(value: unknown, definition: TaskDefinition): void {
  if (typeof value !== 'object' || value === null || !isStorageObject(value)) return
  const state = stateOf(value)
  if (state.ref && state.loaded && state.unit?.isDirty(state))
    throw new UnsavedChangesError(
      `${value.constructor.name} ${state.ref.id} has unsaved changes, which the task ${definition.name} would not see: save() it first`,
      {
        id: state.ref.id,
      },
    )
}
