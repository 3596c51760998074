/**
 * Between graph and workers: sends tasks with what earlier tasks made for them, and turns reports into events. One file, since both ways know
 * the same of an attempt: its record, its slot, its time.
 */
import type { Seen } from '../../src/unit/transaction.js'
import { changedHome, type Outcome } from '../attempt.js'
import type { Crew } from '../crew.js'
import { classesIn, type EngineEvents, LocalEngine } from '../engines/local-engine.js'
import type { Carried, DoneMore, HomeParts, InputLost, Report, TaskConflicted } from '../engines/messages.js'
import { ROW } from '../engines/messages.js'
import { NO_SLOT } from '../engines/queued.js'
import { columnOf } from '../engines/report-box.js'
import { hostLabels, hostMemoryMb } from '../runtime-config.js'
import type { RecallTasks, ReplaceWorkers, StartTasks } from '../scheduler/commands.js'
import { NONE, Status } from '../scheduler/constants.js'
import { outOfTime } from '../tasks/in-time.js'
import type { NamedOffer } from '../tasks/needs.js'
import { nameTasks, taskDefinition } from '../tasks/task.js'
import type { Checkpoint, Done } from './checkpoint.js'
import { Deadlines, type Stopper } from './deadlines.js'
import type { Effects } from './effects.js'
import type { Failures } from './failures.js'
import { isKept, type KeptValues } from './kept-values.js'
import { Lanes } from './lanes.js'
import { lineageOf } from './lineage.js'
import type { Loop } from './loop.js'
import type { NestedCalls } from './nested-calls.js'
import { offersOf } from './offers.js'
import type { RecordTable } from './record-table.js'
import type { Remaking } from './remaking.js'
import { homeOfRecord, Seals } from './seals.js'
import type { SecondPlaces } from './second-places.js'
import type { TaskLog } from './task-log.js'
import { type Arg, filled, type TaskRecord } from './task-record.js'

/** Numbers that travel as a plain array; more of them travel faster packed. */
const PLAIN_MAX = 96

/** What a worker may take to load a task's module before the task's own time begins. */
const LOADING_MS = 10_000

/** Threads that may fail to start, one after the other, before the run is given up. */
const STARTS_MAX = 3
/** Then, as long as others work, it is tried again each time this long after. */
const START_AGAIN_MS = 1000

/** A short run ends before: it would pay for a worker that nobody needs, which takes 0.2 to 0.4 s of a core to start. */
const SPARE_AFTER_MS = 2000
/** Where one was lost, the next loss is near; but what was lost is done again first, for which the core is wanted. */
const NEXT_SPARE_AFTER_MS = 600

/** What dispatch shares with the run. */
export interface RunParts {
  readonly runId: string
  readonly loop: Loop
  readonly records: RecordTable
  readonly log: TaskLog
  readonly failures: Failures
  readonly effects: Effects
  /** Of a run that can be gone on with. */
  readonly checkpoint: Checkpoint | undefined
  /** Where values may stay on hosts. */
  readonly values: KeptValues | undefined
  readonly remaking: Remaking | undefined
  readonly secondPlaces: SecondPlaces | undefined
}

const NO_STORES: readonly string[] = []

export class Dispatch implements Stopper {
  readonly engine: LocalEngine
  readonly deadlines = new Deadlines(this)
  readonly seals: Seals
  #started = 0
  /** Workers that were ended because of what they ran. */
  readonly #meant = new Set<number>()
  /** Of each worker. */
  readonly #hosts: number[] = []
  /** Threads in a row that ended before they were ready. */
  #stillborn = 0
  #bytesSent = 0
  /** What each host has for tasks with needs. */
  readonly offers: readonly NamedOffer[]
  #sparing: NodeJS.Timeout | undefined
  /** Workers that are started again in a while. */
  readonly #later = new Set<NodeJS.Timeout>()
  /** Where workers share memory with this thread. */
  readonly lanes: Lanes | undefined

  constructor(
    readonly run: RunParts,
    readonly crew: Crew,
    /** No worker can be started. */
    readonly onStuck: (why: Error) => void,
    readonly nested: NestedCalls,
  ) {
    this.offers = offersOf(crew)
    this.seals = new Seals(run, { keyOf: (task) => this.#keyOf(task), take: (record, outcome) => this.#take(record, outcome) })
    const events: EngineEvents = {
      onReady: (worker) => this.#tell(() => this.#onReady(worker)),
      onReport: (worker, report) => this.#tell(() => this.#onReport(worker, report)),
      onBegan: (worker, task, attempt) => {
        const { timeoutMs } = run.records.get(task)?.kind.definition.options ?? {}
        if (timeoutMs !== undefined && this.isRunning(task, attempt, worker)) this.deadlines.begin(task, attempt, worker, timeoutMs)
      },
      onNamed: (fn, name, others) => {
        taskDefinition(fn).name = name
        nameTasks(others)
      },
      onSlots: (worker, slots) => this.#tell(() => run.loop.note({ on: 'SlotsChanged', worker, slots })),
      onCall: (worker, message) => this.#tell(() => this.nested.call(worker, message)),
      onCancel: (worker, call) => this.nested.cancel(worker, call),
      onLost: (worker, why, thrown) => this.#tell(() => this.#onLost(worker, why, thrown)),
    }
    this.lanes = crew.slots && new Lanes(crew.workers, crew.slots)
    this.engine = new LocalEngine(run.runId, events, crew.source, crew.workers, this.offers, crew.hosts, this.lanes?.slots.shared)
  }

  /** Bytes of encoded values that went to workers with their tasks. */
  get bytesSent(): number {
    return this.#bytesSent
  }

  /** Starts as many workers as there are calls pending, or units needed by one: a program that awaits one task after the other gets along with one. */
  startWorkers(pending: number): void {
    const wanted = this.crew.isSpread ? this.crew.workers : Math.min(pending, this.crew.workers)
    while (this.#started < wanted) this.#startNext(this.crew.hostOf(this.#started))
  }

  #startNext(host: number): void {
    const worker = this.#started++
    this.#hosts[worker] = host
    this.engine.start(worker, host)
    if (this.crew.isSpread) this.#join(worker)
  }

  #join(worker: number): void {
    this.run.loop.note({
      on: 'WorkersJoined',
      workers: [{ worker, slots: 1, host: this.#hosts[worker]!, memoryMb: hostMemoryMb(), labels: hostLabels() }],
    })
  }

  /** Where a worker is, for people. */
  placeOf(worker: number): string | number {
    return this.crew.isSpread ? this.crew.hostName(this.#hosts[worker]!) : worker
  }

  start({ worker, tasks, attempts, lanes }: StartTasks): void {
    const rows: number[] | Int32Array = tasks.length * ROW > PLAIN_MAX ? new Int32Array(tasks.length * ROW) : []
    let at = 0
    const args: Carried[] = []
    const classes = new Set<string>()
    const keys: string[] = []
    const waits: number[] = []
    const again: (readonly Seen[] | undefined)[] = []
    const { checkpoint } = this.run
    const haveKeys = checkpoint !== undefined || this.nested.isAny
    for (let i = 0; i < tasks.length; i++) {
      const task = tasks[i]!
      const record = this.run.records.get(task)!
      const from = args.length
      if (this.#waitsForPlaces(worker, record, attempts[i]!)) continue
      const lane = lanes[i] === 0 ? undefined : this.lanes!.enter(record, attempts[i]!, worker, lanes[i]!, at / ROW, waits)
      if (lane === null) {
        this.run.loop.note({ on: 'TasksReturned', worker, tasks: [task], attempts: [attempts[i]!] })
        continue
      }
      for (const arg of record.args) args.push(this.#filled(arg, classes))
      const done = checkpoint?.done(record, args.slice(from))
      if (done) {
        args.length = from
        this.#resume(worker, record, attempts[i]!, done)
        continue
      }
      if (haveKeys) keys.push(this.#keyOf(task))
      if (record.remakes) again[at / ROW] = record.remakes.seen
      const { index, options } = record.kind.definition
      const isTimed = options.timeoutMs === undefined ? 0 : 1
      rows[at] = task
      rows[at + 1] = attempts[i]!
      rows[at + 2] = index
      rows[at + 3] = this.#storeOf(record)
      rows[at + 4] = args.length - from
      rows[at + 5] = isTimed
      rows[at + 6] = lane?.slot ?? NO_SLOT
      rows[at + 7] = lane?.use ?? 0
      at += ROW
      this.run.log.sent(task, worker)
      if (isTimed) this.deadlines.begin(task, attempts[i]!, worker, options.timeoutMs! + LOADING_MS)
    }
    if (at === 0) return
    this.engine.send(
      worker,
      {
        do: 'tasks',
        rows: at < rows.length ? rows.slice(0, at) : rows,
        args,
        ...(waits.length > 0 && { waits: waits.length > PLAIN_MAX ? new Int32Array(waits) : waits }),
        ...(classes.size > 0 && { classes: [...classes] }),
        ...(haveKeys && { keys }),
        ...(again.length > 0 && { again }),
      },
      taskDefinition,
    )
  }

  /** Whether values must go to a second place before the task begins: it comes again once they have. */
  #waitsForPlaces(worker: number, record: TaskRecord, attempt: number): boolean {
    const { secondPlaces, loop } = this.run
    const values = secondPlaces?.before(record) ?? []
    if (values.length === 0) return false
    const { task } = record
    void secondPlaces!.give(values).then(() => {
      if (this.isRunning(task, attempt, worker))
        this.#tell(() => loop.note({ on: 'TasksReturned', worker, tasks: [task], attempts: [attempt] }))
    })
    return true
  }

  /** An earlier life of the run has done it. */
  #resume(worker: number, record: TaskRecord, attempt: number, done: Done): void {
    this.#take(record, done)
    this.run.loop.note({ on: 'TasksFinished', worker, tasks: [record.task], attempts: [attempt] })
  }

  recall(command: RecallTasks): void {
    const { taken, rest } = this.lanes?.takenBack(command) ?? { rest: command }
    if (taken) this.run.loop.note({ on: 'TasksReturned', ...taken })
    const { worker, tasks, attempts, abort } = rest
    if (tasks.length === 0) return
    this.engine.recall(worker, tasks, attempts, abort)
    if (!abort) return
    for (const [i, task] of tasks.entries()) this.deadlines.asked(task, attempts[i]!, worker)
  }

  replace({ workers }: ReplaceWorkers): void {
    // Where workers are spread over hosts another one has taken its place already.
    if (!this.crew.isSpread) for (const worker of workers) this.engine.start(worker)
  }

  async close(): Promise<void> {
    this.deadlines.stop()
    clearTimeout(this.#sparing)
    for (const timer of this.#later) clearTimeout(timer)
    await this.engine.close()
  }

  // ---- what Deadlines asks for

  isRunning(task: number, attempt: number, worker: number): boolean {
    const { tasks } = this.run.loop.state
    return tasks.status[task] === Status.ASSIGNED && tasks.attempt[task] === attempt && tasks.at[task] === worker
  }

  runningOn(worker: number, task: number): TaskRecord | undefined {
    const { tasks } = this.run.loop.state
    const isThere = tasks.status[task] === Status.ASSIGNED && tasks.at[task] === worker
    return isThere ? this.run.records.get(task) : undefined
  }

  isCommitting(worker: number): boolean {
    return this.engine.isCommitting(worker)
  }

  ask(task: number, attempt: number, worker: number): void {
    this.engine.recall(worker, [task], [attempt], true, true)
  }

  kill(worker: number): void {
    this.#meant.add(worker)
    this.engine.kill(worker)
  }

  timedOut(task: number, attempt: number, worker: number): void {
    this.run.failures.note(task, this.#outOfTime(task))
    this.lanes?.over(task, attempt, false)
    this.run.loop.note({ on: 'TasksFailed', worker, tasks: [task], attempts: [attempt], retryable: true, isUnsure: true })
  }

  #outOfTime(task: number): Error {
    const { name, kind } = this.run.records.get(task)!
    return outOfTime(name, kind.definition.options.timeoutMs!)
  }

  // ---- sending

  /** Under which a task's mark stands. */
  #keyOf(task: number): string {
    return this.nested.keyOf(task) ?? this.run.checkpoint?.keyOf(task) ?? `${this.run.runId}/${task}`
  }

  #storeOf(record: TaskRecord): number {
    return this.engine.storeIndex(record.kind.program.store)
  }

  #filled(arg: Arg, classes: Set<string>): Carried {
    if (typeof arg !== 'object' || arg === null) return arg
    const carried = filled(arg)
    if (typeof carried === 'object' && carried !== null) {
      if (carried.k === 'v') this.#bytesSent += carried.b.length
      classesIn(carried, classes)
    }
    return carried
  }

  // ---- hearing

  #onReady(worker: number): void {
    this.#stillborn = 0
    this.#spareSoon()
    if (!this.crew.isSpread) this.#join(worker)
  }

  /** A run that goes on has a worker ready to stand in for a lost one: to start one takes longer than a run should stand still. */
  #spareSoon(): void {
    clearTimeout(this.#sparing)
    this.#sparing = setTimeout(
      () => this.engine.prepareSpare(),
      this.run.loop.state.totals.lost > 0 ? NEXT_SPARE_AFTER_MS : SPARE_AFTER_MS,
    ).unref()
  }

  /** A message is a round of events of its own: what it tells is acted upon at once. */
  #tell(note: () => void): void {
    note()
    this.run.loop.turn()
  }

  #onReport(worker: number, report: Report): void {
    const { loop } = this.run
    this.#takeResults(report)
    const { tasks, attempts, microseconds, ran, failed, conflicted, returned } = report
    this.lanes?.leave(report)
    if (ran.length > 0)
      loop.note({ on: 'TasksRan', worker, tasks: columnOf(ran, 0), attempts: columnOf(ran, 1), microseconds: columnOf(ran, 2) })
    if (tasks.length > 0) loop.note({ on: 'TasksFinished', worker, tasks, attempts, microseconds })
    for (const bad of failed) {
      if (this.run.records.get(bad.task))
        this.run.failures.note(bad.task, this.deadlines.wasLate(bad.task) ? this.#outOfTime(bad.task) : bad)
      loop.note({ on: 'TasksFailed', worker, tasks: [bad.task], attempts: [bad.attempt], retryable: bad.retryable })
    }
    for (const bad of conflicted) {
      if (bad.isGivenUp) {
        this.#goOn(worker, bad)
        continue
      }
      // Of unknown outcome: what it has sent may yet arrive.
      if (bad.error) this.run.failures.note(bad.task, { error: bad.error, className: bad.className })
      loop.note({ on: 'TasksConflicted', worker, tasks: [bad.task], attempts: [bad.attempt], isUnsure: bad.error !== undefined })
    }
    for (const lost of report.lost ?? []) this.#onInputLost(worker, lost)
    if (returned.length > 0)
      loop.note({ on: 'TasksReturned', worker, tasks: returned.map((r) => r[0]), attempts: returned.map((r) => r[1]) })
  }

  /** What a lost worker had ended without telling is done: others may have taken what it made. */
  #loseLane(lanes: Lanes, worker: number): void {
    for (const { task, attempt, result } of lanes.lose(worker)) {
      if (!this.isRunning(task, attempt, worker)) continue
      this.run.records.get(task)!.result = result
      this.run.loop.note({ on: 'TasksFinished', worker, tasks: [task], attempts: [attempt] })
    }
  }

  #onInputLost(worker: number, lost: InputLost): void {
    const record = this.isRunning(lost.task, lost.attempt, worker) ? this.run.records.get(lost.task) : undefined
    if (record) this.run.loop.note(this.run.remaking!.onInputLost(worker, lost, record))
  }

  /** A former life of this run had given the task up, and its program calls it again. */
  #goOn(worker: number, { task, attempt }: TaskConflicted): void {
    if (!this.isRunning(task, attempt, worker)) return
    const again = (): void => this.#tell(() => this.run.loop.note({ on: 'TasksConflicted', worker, tasks: [task], attempts: [attempt] }))
    this.seals.lift(this.run.records.get(task)!).then(again, again)
  }

  #takeResults({ tasks, results, changedHome: own, more: further }: Report): void {
    const { records } = this.run
    const more = own.length === 0 ? further : [...own.flatMap((at) => this.#changedHome(tasks[at]!, at)), ...further]
    for (let i = 0; i < tasks.length; i++) {
      const record = records.get(tasks[i]!)
      if (record?.state !== 'pending') continue
      record.result = results[i]
      if (isKept(record.result)) this.run.values?.noteResult(record, record.result)
    }
    for (const { at, ...did } of more) {
      const record = records.get(tasks[at]!)
      if (!record) continue
      for (const [, value] of did.written ?? []) if (isKept(value)) this.run.values?.noteWritten(value)
      this.#takeEffects(record, did)
      if (did.seen && this.run.values && record.state === 'pending') this.#noteLineage(record, did.seen)
    }
    if (this.run.checkpoint) this.#keepDone(this.run.checkpoint, tasks, results, more)
    else if (this.run.effects.haveChunks)
      for (const { at, children } of more) this.run.effects.dropOutcomes(this.#marksOf(records.get(tasks[at]!), children))
    if (this.run.remaking) for (const task of tasks) this.#takeRemade(this.run.remaking, records.get(task))
  }

  #noteLineage(record: TaskRecord, seen: readonly Seen[]): void {
    record.lineage = record.remakes ?? lineageOf(record, seen)
    if (record.lineage) this.run.secondPlaces?.note(record, record.lineage)
  }

  /** Marks that nobody looks for once the program has what a task made. One that a task has called is asked for again if its parent is run again. */
  #marksOf(record: TaskRecord | undefined, children: DoneMore['children'] = []): readonly string[] {
    if (!record || this.nested.keyOf(record.task) !== undefined) return []
    return [this.#keyOf(record.task), ...children.map(({ key }) => key)]
  }

  #changedHome(task: number, at: number): DoneMore[] {
    const record = this.run.records.get(task)
    return record ? [{ at, ...changedHome(homeOfRecord(record.kind, record.args, this.#keyOf(task))) }] : []
  }

  #takeRemade(remaking: Remaking, record: TaskRecord | undefined): void {
    if (record?.remakes && record.state === 'pending') remaking.made(record)
  }

  #take(record: TaskRecord, outcome: Outcome | Done): void {
    record.result = outcome.result
    this.#takeEffects(record, outcome)
  }

  #takeEffects(record: TaskRecord, { written, changed, home, children }: Partial<DoneMore>): void {
    if (written) record.written = new Map(written)
    if (changed && home) this.#noteChanged(record, changed, home)
    for (const child of children ?? []) this.run.effects.note(record, child.changed, child.home, child.key)
  }

  /** In the checkpoint once it is as safe as its store makes it: what is found there is not done again. */
  #keepDone(checkpoint: Checkpoint, tasks: Report['tasks'], results: Report['results'], more: Report['more']): void {
    const further = new Map(more.map((one) => [one.at, one]))
    for (let i = 0; i < tasks.length; i++) {
      const record = this.run.records.get(tasks[i]!)
      if (record?.state !== 'pending') continue
      const args = record.args.map(filled)
      const { written, changed, home, children } = further.get(i) ?? {}
      const marks = this.run.effects.haveChunks ? this.#marksOf(record, children) : []
      const keep = (): void => {
        checkpoint.note(record, args, { result: results[i], written, changed, home })
        this.run.effects.dropOutcomes(marks)
      }
      if (changed) void Promise.resolve(record.kind.program.store.reachedWith(home?.[3])).then(keep, () => {})
      else keep()
    }
  }

  #noteChanged(record: TaskRecord, ids: readonly string[], home: HomeParts): void {
    record.changed = home[3] ?? NO_STORES
    this.run.effects.note(record, ids, home, this.#keyOf(record.task))
    this.nested.noteChanged(record.task, ids, home)
  }

  #onLost(worker: number, why: Error, thrown?: Uint8Array): void {
    const { loop, failures } = this.run
    const isMeant = this.#meant.delete(worker)
    const lost = loop.state.workers[worker]
    if (this.crew.isSpread && !this.#replaceAtOnce(worker, why)) return
    if (!lost?.alive) return this.#neverReady(worker, why)
    if (this.lanes) this.#loseLane(this.lanes, worker)
    // What it ran is the likely reason; what stood behind that is not.
    if (lost.head !== NONE && !this.deadlines.wasLate(lost.head)) failures.note(lost.head, thrown ? { error: thrown } : why)
    loop.note({ on: 'WorkersLost', workers: [worker], isMeant })
  }

  /** Before the loss is told, so that tasks wait for the host that has their data rather than go elsewhere. */
  #replaceAtOnce(worker: number, why: Error): boolean {
    const isHopeless = (why as NodeJS.ErrnoException).code === 'ERR_HOST_LOST' || ++this.#stillborn > STARTS_MAX * this.crew.workers
    if (isHopeless) this.onStuck(why)
    else this.#startNext(this.#hosts[worker]!)
    return !isHopeless
  }

  /**
   * A worker that ended before it could take a task. One may be bad luck; when none can start, tasks would wait for ever. What keeps one from
   * starting, as too little memory, does not end those that work.
   */
  #neverReady(worker: number, why: Error): void {
    if (++this.#stillborn < STARTS_MAX) this.engine.start(worker)
    else if (this.run.loop.state.workers.some((one) => one?.alive)) this.#startLater(worker)
    else this.onStuck(why)
  }

  #startLater(worker: number): void {
    const timer = setTimeout(() => {
      this.#later.delete(timer)
      this.engine.start(worker)
    }, START_AGAIN_MS).unref()
    this.#later.add(timer)
  }
}
