/** One run of a program with its tasks: calls go in, futures come out. The parts stand in driver/, each with the state that it owns. */
import { UnavailableError, ValidationError } from '../src/errors.js'
import { newId } from '../src/ids.js'
import { currentUnit, unitIfOpen } from '../src/unit/context.js'
import { Program } from '../src/unit/program.js'
import { type Crew, crewOf } from './crew.js'
import type { TaskRunner } from './current-runtime.js'
import { Capture } from './driver/capture.js'
import { Checkpoint } from './driver/checkpoint.js'
import { Dispatch, type RunParts } from './driver/dispatch.js'
import { EarlyCalls } from './driver/early-calls.js'
import { Effects } from './driver/effects.js'
import { Failures } from './driver/failures.js'
import { KeptValues } from './driver/kept-values.js'
import { LateInputs } from './driver/late.js'
import { LaterCall, mustWait, whenThere } from './driver/later-call.js'
import { Loop } from './driver/loop.js'
import { NestedCalls } from './driver/nested-calls.js'
import { NOTHING_SENT, Outcomes, runEnded } from './driver/outcomes.js'
import { Pending } from './driver/pending.js'
import { RecordTable } from './driver/record-table.js'
import { Remaking } from './driver/remaking.js'
import { SecondPlaces } from './driver/second-places.js'
import { Submissions } from './driver/submissions.js'
import { type EarlierCalls, NotInGraphYet, takenNow, writtenIn } from './driver/taken.js'
import { TaskLog } from './driver/task-log.js'
import { type CallKind, type RunOfRecords, recordOf, type TaskRecord } from './driver/task-record.js'
import { Waiting } from './driver/waiting.js'
import { WrittenFutures } from './driver/written-futures.js'
import { assertDoesNotRunTwice } from './entry.js'
import { checkpointDir } from './observe/observe-config.js'
import type { TaskGraph } from './observe/run-record.js'
import { readableError } from './readable-error.js'
import { runAskedFor } from './runtime-config.js'
import type { Command } from './scheduler/commands.js'
import { dump as dumpAll } from './scheduler/dump.js'
import { explain as explainTask, type Names } from './scheduler/explain.js'
import { type Future, type FutureSource, TaskFuture } from './tasks/future.js'
import { assertPlaceable, type NamedOffer } from './tasks/needs.js'
import { onAbort } from './tasks/on-abort.js'
import type { TaskDefinition } from './tasks/task.js'

export class Runtime implements TaskRunner, RunOfRecords {
  readonly runId: string = runAskedFor() ?? newId()
  /** Of a run that was given its id. */
  readonly #checkpoint = runAskedFor() === undefined ? undefined : new Checkpoint(this.runId, checkpointDir())
  readonly #submissions = new Submissions()
  readonly #log = new TaskLog()
  readonly #records = new RecordTable()
  readonly #effects = new Effects()
  readonly #failures = new Failures(this.#log)
  readonly #capture: Capture
  readonly #earlier: EarlierCalls
  readonly #written = new WrittenFutures()
  readonly #loop: Loop
  readonly #nested = new NestedCalls({
    runningOn: (worker, task) => this.#dispatch.runningOn(worker, task),
    enter: (kind, args, parent) => this.#add(this.#capture.takeCalled(kind, args, parent.task)),
    answer: (worker, message) => this.#dispatch.engine.answer(worker, message),
  })
  readonly #values: KeptValues | undefined
  readonly #remaking: Remaking | undefined
  readonly #dispatch: Dispatch
  readonly #pending: Pending
  readonly #outcomes: Outcomes
  readonly #waiting: Waiting
  readonly #early = new EarlyCalls()
  #closed = false
  /** Why no task can run any more. */
  #stuck: Error | undefined
  readonly #kinds = new WeakMap<Program, Map<TaskDefinition, CallKind>>()
  /** Of the call before: calls come in rows. */
  #kind: CallKind | undefined

  constructor(readonly crew: Crew = crewOf(undefined)) {
    const { runId } = this
    this.#loop = new Loop(this.#submissions, (command) => this.#perform(command), { seals: true, ...crew.scheduling })
    const values = crew.values && new KeptValues(crew.values, this.#loop)
    this.#values = values
    this.#remaking = values && this.#remakingWith(values)
    const parts: RunParts = {
      runId,
      loop: this.#loop,
      records: this.#records,
      log: this.#log,
      failures: this.#failures,
      effects: this.#effects,
      checkpoint: this.#checkpoint,
      values,
      remaking: this.#remaking,
      secondPlaces: values && new SecondPlaces(values),
    }
    const current = (future: TaskFuture<unknown>): TaskFuture<unknown> => this.#written.standingFor(future)
    this.#capture = new Capture(this.#submissions, this.#log, crew.isSpread, crew.hosts, {
      onLate: (record, inputs) => late.await(record, inputs),
      current,
      live: (task) => this.#records.get(task) ?? this.#outcomes.unseen(task),
    })
    this.#earlier = { written: this.#capture.written, current }
    const late = new LateInputs({ capture: this.#capture, loop: this.#loop, failures: this.#failures })
    this.#dispatch = new Dispatch(parts, crew, (why) => this.#giveUp(why), this.#nested)
    this.#pending = new Pending((busy) => this.#dispatch.engine.hold(busy))
    this.#outcomes = new Outcomes(parts, this.#pending, () => this.#dispatch.deadlines)
    this.#waiting = new Waiting(this.#capture, this.#outcomes, this.#effects, this.#pending, this.#written)
    process.once('beforeExit', this.#tellUnseen)
  }

  #remakingWith(values: KeptValues): Remaking {
    const [submissions, log, failures] = [this.#submissions, this.#log, this.#failures]
    return new Remaking({ submissions, log, failures, values, add: (record) => this.#add(record) })
  }

  get offers(): readonly NamedOffer[] {
    return this.#dispatch.offers
  }

  // ---- calls

  submit(definition: TaskDefinition, target: unknown, args: readonly unknown[]): Future<unknown> {
    const given = definition.method === undefined ? args : [target, ...args]
    const all = this.#written.current(given)
    const unit = unitIfOpen()
    const call = this.#checkpoint?.nextCall()
    const source = unit instanceof Program ? this.#call(definition, unit, all, call) : this.#callEarly(definition, all, call)
    const { signal } = definition.options
    if (signal) this.#cancelWith(signal, source)
    this.#written.note(definition, given, source)
    return new TaskFuture(source)
  }

  #giveUp(cause: Error): void {
    this.#stuck = new UnavailableError(`no worker can be started: ${cause.message}`, { code: 'ERR_NO_WORKERS', cause })
    this.#outcomes.failAll(this.#stuck)
  }

  #call(definition: TaskDefinition, program: Program, args: readonly unknown[], callNumber?: number): FutureSource<unknown> {
    this.#early.enter(program) // in the order of the calls
    try {
      if (!isLater(definition, args)) return this.#enter(definition, program, args, callNumber)
    } catch (error) {
      if (!(error instanceof NotInGraphYet)) throw error
    }
    const taken = takenNow(args, definition, program.store, this.#earlier)
    const call = this.#laterCall(definition, taken)
    this.#enterLater(call, definition, taken, callNumber)
    return call
  }

  /** While the default store opens, calls wait for it, with what they were given as it is now. */
  #callEarly(definition: TaskDefinition, given: readonly unknown[], callNumber?: number): LaterCall {
    this.#assertRuns(definition)
    const args = takenNow(given, definition, undefined, this.#earlier)
    const call = this.#laterCall(definition, args)
    this.#early.add(call, (program) => {
      this.#capture.date(args)
      if (isLater(definition, args)) this.#enterLater(call, definition, args, callNumber)
      else call.enter(() => this.#enter(definition, program, args, callNumber))
    })
    return call
  }

  #laterCall(definition: TaskDefinition, taken: readonly unknown[]): LaterCall {
    this.#pending.begin()
    if (!this.#closed) this.#dispatch.startWorkers(this.#pending.count) // meanwhile
    const call = new LaterCall(definition.name, this.#laterIsOver)
    this.#waiting.watch(call)
    this.#waiting.noteWritten(call, writtenIn(definition, taken))
    return call
  }

  readonly #laterIsOver = (call: LaterCall): void => {
    this.#waiting.over(call)
    this.#pending.end()
  }

  /** Calls with what is not there yet wait outside of the graph. */
  #enterLater(call: LaterCall, definition: TaskDefinition, args: readonly unknown[], callNumber?: number): void {
    this.#capture.date(args)
    const enter = async (): Promise<void> => {
      const ready = await whenThere(definition, args)
      const program = (await currentUnit()) as Program
      const about = definition.ofTarget?.(ready[0]) ?? definition
      call.enter(() => this.#enter(about, program, ready, callNumber))
    }
    enter().catch((error: unknown) => call.refuse(error))
  }

  #enter(definition: TaskDefinition, program: Program, args: readonly unknown[], callNumber?: number): TaskRecord {
    this.#assertRuns(definition)
    if (callNumber !== undefined) this.#checkpoint!.assertSame(callNumber, definition, args[0])
    if (this.crew.isSpread) this.#dispatch.startWorkers(1) // before the call: it goes to its data, which are there already
    const record = this.#add(this.#capture.take(this.#kindOf(definition, program), args))
    if (callNumber !== undefined) this.#checkpoint!.entered(record, callNumber)
    return record
  }

  #assertRuns({ name, options: { needs } }: TaskDefinition): void {
    if (this.#stuck) throw this.#stuck
    if (this.#closed) throw runEnded(name)
    if (needs) assertPlaceable(name, needs, this.#dispatch.offers)
  }

  #add(record: TaskRecord): TaskRecord {
    this.#records.add(record)
    this.#loop.soon(this.#pending.count === 0)
    this.#pending.begin()
    this.#dispatch.startWorkers(Math.max(this.#pending.count, record.kind.definition.options.needs?.units ?? 1))
    return record
  }

  #kindOf(definition: TaskDefinition, program: Program): CallKind {
    if (this.#kind?.definition !== definition || this.#kind.program !== program) this.#kind = this.#knownKind(definition, program)
    return this.#kind
  }

  #knownKind(definition: TaskDefinition, program: Program): CallKind {
    let kinds = this.#kinds.get(program)
    if (!kinds) this.#kinds.set(program, (kinds = new Map()))
    let kind = kinds.get(definition)
    if (!kind) {
      if (definition.site) assertDoesNotRunTwice(definition.site.url, `task ${definition.name}`)
      kinds.set(definition, (kind = { definition, program, run: this }))
    }
    return kind
  }

  #cancelWith(signal: AbortSignal, source: FutureSource<unknown>): void {
    const forget = onAbort(signal, () => source.cancel(signal.reason))
    if (signal.aborted) return
    if (source instanceof LaterCall) source.entered.then((record) => record.whenSettled().then(forget), forget)
    else void (source as TaskRecord).whenSettled().then(forget)
  }

  // ---- the loop

  #perform(command: Exclude<Command, { do: 'WakeAt' }>): void {
    switch (command.do) {
      case 'StartTasks':
        return this.#dispatch.start(command)
      case 'TasksSettled':
        return this.#outcomes.settle(command)
      case 'RecallTasks':
        return this.#dispatch.recall(command)
      case 'SealTasks':
        return this.#dispatch.seals.seal(command.tasks)
      case 'FetchData':
        return this.#values?.bring(command)
      case 'ReplaceWorkers':
        return this.#dispatch.replace(command)
      case 'ReleaseData':
        return // values belong to records, which go with the last that holds them
    }
  }

  deliver(record: TaskRecord): void {
    this.#outcomes.deliver(record)
  }

  cancel(record: TaskRecord, reason: unknown): void {
    if (record.state !== 'pending') return
    this.#failures.noteRequest(record.task, reason)
    this.#loop.note({ on: 'TasksCancelled', tasks: [record.task] })
  }

  // ---- waiting

  barrier(): Promise<void> {
    return this.#waiting.barrier()
  }

  waitOn(value: unknown): Promise<unknown> {
    return this.#waiting.waitOn(value)
  }

  /** Resolves when fewer than `limit` calls are pending. */
  submitReady(limit: number): Promise<void> {
    return this.#pending.atMost(limit - 1)
  }

  // ---- looking

  stats(): Record<string, number> {
    const { totals, steps } = this.#loop.state
    const { done, failed, cancelled, ignored } = this.#log.counts
    return {
      tasks: this.#log.length,
      done,
      failed,
      cancelled,
      ignored,
      pending: this.#pending.count,
      nearShare: totals.moved === 0 ? 1 : totals.ranWhereDataIs / (totals.ranWhereDataIs + totals.moved),
      withData: totals.moved + totals.ranWhereDataIs,
      bytesMoved: this.crew.bytesMoved(),
      bytesLoaded: this.crew.bytesLoaded(),
      bytesCarried: this.#dispatch.bytesSent,
      retried: totals.retried,
      conflicts: totals.conflicts,
      lost: totals.lost,
      remade: this.#remaking?.count ?? 0,
      resumed: this.#checkpoint?.resumed ?? 0,
      workers: this.crew.workers,
      hosts: this.crew.hosts,
      steps,
    }
  }

  graph(): TaskGraph {
    return this.#log.graph((worker) => this.#dispatch.placeOf(worker))
  }

  explain(future: unknown): string {
    const record = recordOf(future)
    if (!record && future instanceof TaskFuture && future.source instanceof LaterCall) return future.source.explain()
    if (!record) throw new ValidationError('explain() takes a future that a task call gave')
    this.#loop.turn() // calls made just now are in the graph
    return explainTask(this.#loop.state, record.task, this.#names)
  }

  dump(): string {
    this.#loop.turn()
    return [dumpAll(this.#loop.state, this.#names), ...this.#waiting.explained()].join('\n')
  }

  readonly #names: Names = {
    task: (t) => `${this.#log.nameOf(t)}#${t}`,
    host: (host) => this.crew.hostName(host),
  }

  // ---- the end

  /** Ends the workers. What is pending is not finished, and its futures reject. `isOver`: nobody will go on with this run. */
  async close(isOver = true): Promise<void> {
    process.off('beforeExit', this.#tellUnseen)
    this.#closed = true
    this.#loop.stop()
    this.#waiting.abandon(runEnded)
    await this.#dispatch.close()
    const isLast = isOver || !this.#checkpoint
    this.#outcomes.abandon(isLast ? await this.#dispatch.seals.end() : NOTHING_SENT)
    await (isLast ? this.#effects.forgetMarks() : this.#effects.dropped())
    this.#checkpoint?.close(isOver)
  }

  /** A program that ends without a barrier must not look as if all went well. */
  readonly #tellUnseen = (): void => {
    if (!this.#outcomes.hasUnseen) return
    process.exitCode = process.exitCode || 1
    this.barrier().catch((error: unknown) => console.error(readableError(error)))
  }

  /** For tests: ends a worker as a crash would. */
  killWorker(worker: number): void {
    this.#dispatch.engine.kill(worker)
  }
}

const isLater = (definition: TaskDefinition, args: readonly unknown[]): boolean => {
  for (let i = 0; i < args.length; i++) if (typeof args[i] === 'object' && mustWait(definition, args[i], i)) return true
  return false
}
