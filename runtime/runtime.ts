/**
 * The driver: turns task calls into events, asks `step` what to do, and does it. The scheduler's state is changed by `step` alone.
 * Long because capture, loop and waiting share the tables of one run; it is to be cut along these three.
 */

import type { Op } from '../src/backend.js'
import { Ref } from '../src/backend.js'
import { isDict } from '../src/dict/storage-dict.js'
import { ConflictError, TaskFailedError, UnsavedChangesError, ValidationError } from '../src/errors.js'
import { newId } from '../src/ids.js'
import { isStorageObject, type StorageObject, stateOf } from '../src/objects/storage-object.js'
import { currentUnit, unitIfOpen } from '../src/unit/context.js'
import { Program } from '../src/unit/program.js'
import { tableOf } from '../src/unit/table-binding.js'
import { directionAt } from './attempt.js'
import { isPromiseLike, type TaskRunner, theRunner } from './current-runtime.js'
import { carry, decodeError, objectsIn, unpack } from './data/carry.js'
import { classesIn, LocalEngine } from './engines/local-engine.js'
import type { Carried, Report, TaskMessage } from './engines/messages.js'
import { workersWanted } from './runtime-config.js'
import type { Command } from './scheduler/commands.js'
import { Access, Kind, Policy, REASON_NAMES, Reason } from './scheduler/constants.js'
import type { RuntimeEvent } from './scheduler/events.js'
import { explain as explainTask } from './scheduler/explain.js'
import { createState } from './scheduler/state.js'
import { step } from './scheduler/step.js'
import type { Direction } from './tasks/directions.js'
import { isWriting } from './tasks/directions.js'
import { AggregateTaskError } from './tasks/failures.js'
import { type Future, TaskFuture } from './tasks/future.js'
import { reviveError } from './tasks/revive-error.js'
import { type TaskDefinition, taskDefinition } from './tasks/task.js'

const ACCESS: Record<Direction, number> = {
  IN: Access.READ,
  OUT: Access.WRITE,
  INOUT: Access.WRITE,
  CONCURRENT: Access.CONCURRENT,
  COMMUTATIVE: Access.COMMUTATIVE,
  IN_DELETE: Access.DELETE,
}

export interface GraphNode {
  readonly id: number
  readonly name: string
  readonly state: string
  readonly worker: number
}
export interface TaskGraph {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly (readonly [from: number, to: number])[]
}

/** A task of this run, from call to settled. */
class TaskRecord {
  result: Carried
  error: unknown
  state: 'pending' | 'done' | 'failed' | 'cancelled' | 'ignored' = 'pending'
  /** Whether somebody waits, or has been told of the failure. */
  seen = false
  worker = -1
  changed = false
  readonly #settled: (() => void)[] = []

  constructor(
    readonly task: number,
    readonly definition: TaskDefinition,
    readonly program: Program,
    readonly args: Carried[],
    readonly datum: number,
    readonly written: ReadonlyMap<number, number>,
  ) {}

  whenSettled(): Promise<void> {
    return this.state === 'pending' ? new Promise((resolve) => this.#settled.push(resolve)) : Promise.resolve()
  }

  settle(state: 'done' | 'failed' | 'cancelled' | 'ignored'): void {
    this.state = state
    for (const resolve of this.#settled.splice(0)) resolve()
  }
}

export class Runtime implements TaskRunner {
  readonly runId = newId()
  readonly #state = createState()
  readonly #engine: LocalEngine
  readonly #records: TaskRecord[] = []
  readonly #events: RuntimeEvent[] = []
  readonly #values = new Map<number, Carried>()
  readonly #kept = new Map<string, number>()
  readonly #users = new Map<number, Set<TaskRecord>>()
  /** Volatile objects of the program that tasks have written: the datum of their latest version. */
  readonly #versions = new WeakMap<object, number>()
  readonly #makers = new Map<number, TaskRecord>()
  readonly #edges: [number, number][] = []
  readonly #lastAccess = new Map<number, { writer: number; readers: number[] }>()
  readonly #bodyErrors = new Map<number, unknown>()
  readonly #changed = new Map<Program, Set<string>>()
  readonly #marks = new Map<Program, string[]>()
  readonly #delayed = new Set<Promise<unknown>>()
  #nextDatum = 0
  #pending = 0
  #scheduled = false
  #started = false
  #bytesCarried = 0
  #wake: NodeJS.Timeout | undefined
  #idle: (() => void)[] = []

  constructor(readonly workers: number = workersWanted()) {
    this.#engine = new LocalEngine({
      onReady: (worker) => this.#note({ on: 'WorkersJoined', workers: [{ worker, slots: 1, host: 0 }] }),
      onReport: (worker, report) => this.#onReport(worker, report),
      onNamed: (fn, name) => {
        taskDefinition(fn).name = name
      },
      onLost: (worker) => this.#note({ on: 'WorkersLost', workers: [worker] }),
    })
  }

  // ---- calls

  submit(
    definition: TaskDefinition,
    target: StorageObject | PromiseLike<StorageObject> | undefined,
    args: readonly unknown[],
  ): Future<unknown> {
    const all = definition.method === undefined ? args : [target, ...args]
    const unit = unitIfOpen()
    if (unit instanceof Program && !all.some((a, i) => this.#mustWait(definition, a, i)))
      return this.#futureOf(this.#register(definition, unit, all))
    return this.#submitLater(definition, all)
  }

  /** Promises from outside the graph, and futures that the task writes, are awaited before the task enters the graph. */
  #mustWait(definition: TaskDefinition, value: unknown, position: number): boolean {
    if (Array.isArray(value)) return value.some((item) => this.#mustWait(definition, item, position))
    if (!isPromiseLike(value)) return false
    const record = recordOf(value)
    if (!record || record.runtime !== this) return true
    return (
      isWriting(directionAt({ isMethod: definition.method !== undefined, ...definition }, position)) ||
      (definition.method !== undefined && position === 0)
    )
  }

  #submitLater(definition: TaskDefinition, args: readonly unknown[]): Future<unknown> {
    this.#pendingChanged(1)
    const entered = (async () => {
      const unit = await currentUnit()
      const ready = await Promise.all(args.map((a, i) => this.#awaitOutside(definition, a, i)))
      return this.#register(definition, unit as Program, ready)
    })()
    this.#delayed.add(entered)
    const done = (): void => {
      this.#delayed.delete(entered)
      this.#pendingChanged(-1)
    }
    entered.then(done, done)
    const source = new LaterSource(entered, definition.name, this)
    this.#later.push(source)
    return new TaskFuture(source)
  }

  readonly #later: LaterSource[] = []

  async #awaitOutside(definition: TaskDefinition, value: unknown, position: number): Promise<unknown> {
    if (Array.isArray(value))
      return this.#mustWait(definition, value, position)
        ? Promise.all(value.map((v) => this.#awaitOutside(definition, v, position)))
        : value
    return this.#mustWait(definition, value, position) ? value : { [KEEP]: value }
  }

  #register(definition: TaskDefinition, program: Program, given: readonly unknown[]): TaskRecord {
    const args = given.map(unkeep)
    const call = { isMethod: definition.method !== undefined, ...definition }
    const task = this.#records.length
    const accesses: number[] = []
    const reading: (readonly [datum: number, access: number])[] = []
    const written = new Map<number, number>()
    const fresh: number[] = []
    const carried = args.map((value, i) => this.#capture(value, directionAt(call, i), i, definition, program, reading, written, fresh))
    const datum = this.#declare(Kind.RENAMED)
    for (const [d, access] of reading) accesses.push(task, d, access)
    for (const d of fresh) accesses.push(task, d, Access.WRITE)
    accesses.push(task, datum, Access.WRITE)
    const record = new TaskRecord(task, definition, program, carried, datum, written)
    this.#records.push(record)
    this.#makers.set(datum, record)
    for (const d of fresh) this.#makers.set(d, record)
    for (const [d] of reading) this.#use(d, record)
    this.#draw(task, reading, [...fresh, datum])
    this.#pendingChanged(1)
    this.#note({
      on: 'TasksSubmitted',
      first: task,
      count: 1,
      fn: [definition.index],
      policy: [Policy[definition.policy]],
      priority: [definition.options.priority ?? 0],
      accesses,
    })
    return record
  }

  #declare(kind: number): number {
    const first = this.#nextDatum++
    this.#note({ on: 'DataDeclared', first, count: 1, kind: kind as typeof Kind.KEPT, holds: kind === Kind.RENAMED ? 1 : 0 })
    return first
  }

  /** One argument at the call: ids of what is persistent, futures as data, the rest encoded now. */
  #capture(
    value: unknown,
    direction: Direction,
    position: number,
    definition: TaskDefinition,
    program: Program,
    reading: (readonly [number, number])[],
    written: Map<number, number>,
    fresh: number[],
  ): Carried {
    const record = isPromiseLike(value) ? recordOf(value)?.record : undefined
    if (record) {
      reading.push([record.datum, Access.READ])
      return { k: 'd', datum: record.datum }
    }
    if (Array.isArray(value) && value.some((v) => isPromiseLike(v) || (v instanceof Object && isStorageObject(v)) || Array.isArray(v)))
      return { k: 'a', e: value.map((v) => this.#capture(v, direction, position, definition, program, reading, written, fresh)) }
    if (value instanceof Object && isStorageObject(value) && stateOf(value).ref)
      return this.#captureObject(value, direction, definition, program, reading)
    if (value instanceof Object && isDict(value)) {
      const table = tableOf(value)
      if (table) reading.push([this.#keptDatum(table.owner.id), ACCESS[direction]])
    }
    return this.#captureValue(value, direction, position, definition, reading, written, fresh)
  }

  #captureObject(
    value: StorageObject,
    direction: Direction,
    definition: TaskDefinition,
    program: Program,
    reading: (readonly [number, number])[],
  ): Carried {
    const state = stateOf(value)
    if (state.loaded && (state.unit ?? program).isDirty(state))
      throw new UnsavedChangesError(
        `${value.constructor.name} ${state.ref!.id} has unsaved changes, which the task ${definition.name} would not see: save() it first`,
        { id: state.ref!.id },
      )
    reading.push([this.#keptDatum(state.ref!.id), ACCESS[direction]])
    return carry(value, definition.name)
  }

  #captureValue(
    value: unknown,
    direction: Direction,
    position: number,
    definition: TaskDefinition,
    reading: (readonly [number, number])[],
    written: Map<number, number>,
    fresh: number[],
  ): Carried {
    const path = `argument ${position + 1} of ${definition.name}`
    if (typeof value !== 'object' || value === null) return carry(value, path)
    const version = this.#versions.get(value)
    const carried: Carried = version === undefined ? carry(value, path) : { k: 'd', datum: version }
    if (version !== undefined) reading.push([version, Access.READ])
    if (isWriting(direction)) {
      const next = this.#declare(Kind.RENAMED)
      fresh.push(next)
      written.set(position, next)
      this.#versions.set(value, next)
    }
    return carried
  }

  #keptDatum(id: string): number {
    let datum = this.#kept.get(id)
    if (datum === undefined) {
      datum = this.#declare(Kind.KEPT)
      this.#kept.set(id, datum)
    }
    return datum
  }

  #use(datum: number, record: TaskRecord): void {
    const users = this.#users.get(datum)
    if (users) users.add(record)
    else this.#users.set(datum, new Set([record]))
  }

  /** Edges for people's pictures; the scheduler keeps its own and drops them as tasks settle. */
  #draw(task: number, reading: readonly (readonly [number, number])[], made: readonly number[]): void {
    const from = new Set<number>()
    for (const [d, access] of reading) {
      const last = this.#lastAccess.get(d) ?? { writer: -1, readers: [] }
      this.#lastAccess.set(d, last)
      if (access === Access.READ) {
        if (last.writer >= 0) from.add(last.writer)
        last.readers.push(task)
      } else {
        for (const t of last.readers.length > 0 ? last.readers : last.writer >= 0 ? [last.writer] : []) from.add(t)
        last.writer = task
        last.readers = []
      }
    }
    for (const d of made) this.#lastAccess.set(d, { writer: task, readers: [] })
    for (const f of from) if (f !== task) this.#edges.push([f, task])
  }

  // ---- the loop

  #note(event: RuntimeEvent): void {
    this.#events.push(event)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.#turn())
  }

  #turn(): void {
    this.#scheduled = false
    this.#start()
    const events = coalesce(this.#events.splice(0))
    for (const command of step(this.#state, events, performance.now())) this.#perform(command)
  }

  #start(): void {
    if (this.#started || this.#records.length === 0) return
    this.#started = true
    for (let w = 0; w < this.workers; w++) this.#engine.start(w)
    this.#engine.hold(this.#pending > 0)
  }

  #perform(command: Command): void {
    switch (command.do) {
      case 'StartTasks':
        this.#send(command.worker, command.tasks, command.attempts)
        return
      case 'TasksSettled':
        this.#settle(command)
        return
      case 'RecallTasks':
        this.#engine.recall(command.worker, command.tasks, command.attempts, command.abort)
        return
      case 'ReleaseData':
        for (const d of command.data) this.#values.delete(d)
        return
      case 'ReplaceWorkers':
        for (const worker of command.workers) this.#engine.start(worker)
        this.#engine.hold(this.#pending > 0)
        return
      case 'WakeAt':
        clearTimeout(this.#wake)
        this.#wake = setTimeout(() => this.#note({ on: 'TimePassed' }), Math.max(0, command.at - performance.now()))
        this.#wake.unref()
    }
  }

  #send(worker: number, tasks: readonly number[], attempts: readonly number[]): void {
    const messages = tasks.map((task, i): TaskMessage => {
      const record = this.#records[task]!
      record.worker = worker
      const args = record.args.map((arg) => this.#filled(arg))
      const classes = classesIn(args)
      return {
        task,
        attempt: attempts[i]!,
        fn: record.definition.index,
        store: this.#engine.storeIndex(record.program.store),
        key: `${this.runId}/${task}`,
        args,
        ...(classes.size > 0 ? { classes: [...classes] } : {}),
      }
    })
    this.#engine.send(worker, messages, taskDefinition)
  }

  #filled(arg: Carried): Carried {
    if (typeof arg !== 'object' || arg === null) return arg
    if (arg.k === 'd') return this.#values.get(arg.datum)
    return arg.k === 'a' ? { k: 'a', e: arg.e.map((a) => this.#filled(a)) } : arg
  }

  #onReport(worker: number, report: Report): void {
    for (const done of report.done) {
      const record = this.#records[done.task]!
      if (record.state !== 'pending') continue
      this.#values.set(record.datum, done.result)
      for (const [arg, value] of done.written ?? []) this.#values.set(record.written.get(arg)!, value)
      record.result = done.result
      if (done.changed) this.#noteChanged(record, done.changed)
    }
    for (const bad of report.failed) this.#bodyErrors.set(bad.task, { bytes: bad.error })
    const { done, failed, conflicted, returned } = report
    if (done.length > 0)
      this.#note({
        on: 'TasksFinished',
        worker,
        tasks: done.map((d) => d.task),
        attempts: done.map((d) => d.attempt),
        microseconds: done.map((d) => d.micros),
      })
    for (const bad of failed)
      this.#note({ on: 'TasksFailed', worker, tasks: [bad.task], attempts: [bad.attempt], retryable: bad.retryable })
    if (conflicted.length > 0)
      this.#note({ on: 'TasksConflicted', worker, tasks: conflicted.map((c) => c[0]), attempts: conflicted.map((c) => c[1]) })
    if (returned.length > 0)
      this.#note({ on: 'TasksReturned', worker, tasks: returned.map((c) => c[0]), attempts: returned.map((c) => c[1]) })
  }

  #noteChanged(record: TaskRecord, ids: readonly string[]): void {
    record.changed = true
    const { program } = record
    const changed = this.#changed.get(program) ?? new Set()
    this.#changed.set(program, changed)
    for (const id of ids) changed.add(id)
    const marks = this.#marks.get(program) ?? []
    this.#marks.set(program, marks)
    marks.push(`${this.runId}/${record.task}`)
  }

  #settle(command: Extract<Command, { do: 'TasksSettled' }>): void {
    if ('causes' in command) {
      const { outcome, causes, reasons } = command
      command.tasks.forEach((task, i) => {
        const record = this.#records[task]!
        record.error = this.#failureOf(record, causes[i]!, reasons[i]!)
        this.#finish(record, outcome)
      })
    } else for (const task of command.tasks) this.#finish(this.#records[task]!, command.outcome)
  }

  #finish(record: TaskRecord, state: 'done' | 'failed' | 'cancelled' | 'ignored'): void {
    record.settle(state)
    this.#pendingChanged(-1)
  }

  #failureOf(record: TaskRecord, cause: number, reason: Reason): unknown {
    const own = this.#bodyErrors.get(record.task)
    if (reason === Reason.BODY && own) return this.#bodyError(record)
    const name = record.definition.name
    const because = cause !== record.task ? this.#records[cause] : undefined
    if (because)
      return new TaskFailedError(`task ${name} was not run: ${because.definition.name} failed`, {
        cause: because.error ?? this.#bodyError(because),
        task: name,
      })
    if (reason === Reason.CONFLICTS)
      return new ConflictError(`task ${name} met a conflict too many times: use fewer writers at once`, { task: name })
    return new TaskFailedError(`task ${name} failed: ${REASON_NAMES[reason]}`, {
      task: name,
      code: reason === Reason.WORKER_LOST ? 'ERR_WORKER_LOST' : 'ERR_TASK_FAILED',
    })
  }

  #bodyError(record: TaskRecord): unknown {
    const own = this.#bodyErrors.get(record.task) as { bytes: Uint8Array } | undefined
    if (!own) return undefined
    const story = { task: record.definition.name, index: record.task, worker: record.worker }
    return reviveError(decodeError(own.bytes, record.program), record.definition, story)
  }

  #pendingChanged(by: number): void {
    this.#pending += by
    if (by > 0 && this.#pending === by) this.#engine.hold(true)
    if (this.#pending > 0) return
    this.#engine.hold(false)
    for (const wake of this.#idle.splice(0)) wake()
  }

  // ---- waiting

  #futureOf(record: TaskRecord): Future<unknown> {
    return new TaskFuture(new RecordSource(record, this))
  }

  /** The value of a task once it settled and its effects have the acknowledgement level of its store. */
  async valueOf(record: TaskRecord): Promise<unknown> {
    record.seen = true
    await record.whenSettled()
    if (record.state === 'failed' || record.state === 'cancelled') {
      this.#note({ on: 'FailuresSeen', tasks: [record.task] })
      throw record.error
    }
    if (record.changed) await record.program.store.reached()
    if (record.state === 'ignored') return undefined
    return this.#unpacked(record.result, record.program)
  }

  async #unpacked(value: Carried, program: Program): Promise<unknown> {
    const refs = objectsIn(value)
    if (refs.length > 0) await program.fetch(refs, {})
    return unpack(value, program)
  }

  cancel(record: TaskRecord): void {
    this.#note({ on: 'TasksCancelled', tasks: [record.task] })
  }

  /** Waits until no task is pending, then brings instances up to date and reports failures nobody awaited. */
  async barrier(): Promise<void> {
    while (this.#pending > 0) await new Promise<void>((resolve) => this.#idle.push(resolve))
    // What a program changed through a store that it has closed is its own affair.
    for (const program of [...this.#changed.keys()]) if (program.store.closed) this.#changed.delete(program)
    for (const program of this.#changed.keys()) await program.store.reached()
    await this.#refresh()
    const failures = this.#unseenFailures()
    if (failures.length > 0) throw new AggregateTaskError(failures)
  }

  #unseenFailures(): unknown[] {
    const failed = this.#records.filter((r) => !r.seen && (r.state === 'failed' || r.state === 'cancelled'))
    const later = this.#later.splice(0).filter((l) => !l.seen && l.error !== undefined)
    for (const r of failed) r.seen = true
    if (failed.length > 0) this.#note({ on: 'FailuresSeen', tasks: failed.map((r) => r.task) })
    // A cancelled task's cause is reported once, by the task that failed.
    return [...failed.filter((r) => r.state === 'failed').map((r) => r.error), ...later.map((l) => l.error)]
  }

  async #refresh(): Promise<void> {
    for (const [program, ids] of [...this.#changed]) {
      this.#changed.delete(program)
      await program.refresh(ids)
    }
  }

  async waitOn(value: unknown): Promise<unknown> {
    if (isPromiseLike(value)) {
      const result = await value
      await this.#refresh()
      return result
    }
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value) && !this.#versions.has(value)) return Promise.all(value.map((v) => this.waitOn(v)))
    if (isStorageObject(value) && stateOf(value).ref) return this.#waitOnObject(value)
    const version = this.#versions.get(value)
    const maker = version === undefined ? undefined : this.#makers.get(version)
    if (!maker) return value
    await this.valueOf(maker)
    const latest = await this.#unpacked(maker.state === 'ignored' ? undefined : this.#values.get(version!), maker.program)
    return latest ?? value
  }

  async #waitOnObject(object: StorageObject): Promise<StorageObject> {
    const state = stateOf(object)
    const datum = this.#kept.get(state.ref!.id)
    const users = [...(datum === undefined ? [] : (this.#users.get(datum) ?? []))]
    await Promise.all(users.map((u) => u.whenSettled()))
    const failed = users.find((u) => (u.state === 'failed' || u.state === 'cancelled') && !u.seen)
    if (failed) await this.valueOf(failed)
    await (state.unit as Program).store.reached()
    await (state.unit as Program).refresh(new Set([state.ref!.id]))
    return object
  }

  // ---- looking

  stats(): Record<string, number> {
    const by = (state: string): number => this.#records.filter((r) => r.state === state).length
    return {
      tasks: this.#records.length,
      done: by('done'),
      failed: by('failed'),
      cancelled: by('cancelled'),
      pending: this.#pending,
      nearShare: 1,
      bytesMoved: 0,
      bytesCarried: this.#bytesCarried,
      retried: this.#state.totals.retried,
      conflicts: this.#state.totals.conflicts,
      lost: this.#state.totals.lost,
      workers: this.workers,
      steps: this.#state.steps,
    }
  }

  graph(): TaskGraph {
    return {
      nodes: this.#records.map((r) => ({ id: r.task, name: r.definition.name, state: r.state, worker: r.worker })),
      edges: this.#edges,
    }
  }

  explain(future: unknown): string {
    const found = recordOf(future)
    if (!found?.record) throw new ValidationError('explain() takes a future that a task call gave')
    return explainTask(this.#state, found.record.task, {
      task: (t: number) => `${this.#records[t]?.definition.name ?? 'task'}#${t}`,
    } as never)
  }

  /** Ends worker threads; marks of this run are dropped, since nobody will ask for its outcomes again. */
  async close(): Promise<void> {
    clearTimeout(this.#wake)
    await this.#engine.close()
    for (const [program, keys] of this.#marks) {
      if (program.store.closed) continue
      const ops: Op[] = [{ do: 'forget', home: FORGET_HOME, keys, what: 'mark' }]
      await program.store.commit(ops).catch(() => {})
    }
    this.#marks.clear()
  }

  /** For tests: ends a worker's thread as a crash would. */
  killWorker(worker: number): void {
    this.#engine.kill(worker)
  }
}

const FORGET_HOME = new Ref('00000000-0000-7000-8000-000000000000' as never, 'insitu#task' as never)
const KEEP = Symbol('argument that is captured as it is')
function unkeep(value: unknown): unknown {
  if (Array.isArray(value)) return value.some((v) => typeof v === 'object' && v !== null) ? value.map(unkeep) : value
  return typeof value === 'object' && value !== null && Object.hasOwn(value, KEEP) ? (value as { [KEEP]: unknown })[KEEP] : value
}

class RecordSource {
  #promise: Promise<unknown> | undefined
  constructor(
    readonly record: TaskRecord,
    readonly runtime: Runtime,
  ) {}
  promise(): Promise<any> {
    this.#promise ??= this.runtime.valueOf(this.record)
    return this.#promise
  }
  cancel(): void {
    this.runtime.cancel(this.record)
  }
  describe(): string {
    return `${this.record.definition.name}: ${this.record.state}`
  }
}

/** A call that waits for promises from outside before it enters the graph. */
class LaterSource {
  record: TaskRecord | undefined
  seen = false
  error: unknown
  #promise: Promise<unknown> | undefined
  constructor(
    readonly entered: Promise<TaskRecord>,
    readonly name: string,
    readonly runtime: Runtime,
  ) {
    entered.then(
      (record) => {
        this.record = record
      },
      (error: unknown) => {
        this.error = error
      },
    )
  }
  promise(): Promise<any> {
    this.seen = true
    this.#promise ??= this.entered.then((record) => this.runtime.valueOf(record))
    return this.#promise
  }
  cancel(): void {
    void this.entered.then((record) => this.runtime.cancel(record))
  }
  describe(): string {
    return `${this.name}: ${this.record?.state ?? 'waiting for its arguments'}`
  }
}

/** The task behind a future, when it is in a graph already. */
function recordOf(value: unknown): { record: TaskRecord; runtime: Runtime } | undefined {
  const source = value instanceof TaskFuture ? (value.source as unknown) : undefined
  if (source instanceof RecordSource) return source
  return source instanceof LaterSource && source.record ? { record: source.record, runtime: source.runtime } : undefined
}

/** Submissions of one turn become one event: `step` takes columns. */
function coalesce(events: RuntimeEvent[]): RuntimeEvent[] {
  const out: RuntimeEvent[] = []
  for (const event of events) {
    const last = out.at(-1)
    if (event.on === 'DataDeclared' && last?.on === 'DataDeclared' && last.kind === event.kind && last.first + last.count === event.first)
      out[out.length - 1] = { ...last, count: last.count + event.count }
    else out.push(event)
  }
  return out
}

export const theRuntime = (): Runtime => theRunner() as Runtime
