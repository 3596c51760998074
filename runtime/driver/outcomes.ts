/** How calls end: records settle, promises are kept, failures are remembered until somebody was told. */
import { isInsituError, LostValueError, TaskFailedError } from '../../src/errors.js'
import type { Program } from '../../src/unit/program.js'
import { objectsIn, unpack } from '../data/carry.js'
import type { Carried } from '../engines/messages.js'
import type { TasksSettled } from '../scheduler/commands.js'
import { errorClassesKnown, giveOwnClass, learnErrorClasses } from '../tasks/revive-error.js'
import type { Deadlines } from './deadlines.js'
import type { RunParts } from './dispatch.js'
import { isKept } from './kept-values.js'
import type { Pending } from './pending.js'
import { lostForGood } from './remaking.js'
import type { Ends } from './seals.js'
import { type Awaiting, FromTask, RESULT, type TaskRecord, type TaskState } from './task-record.js'

export class Outcomes {
  /** Failed and cancelled tasks that nobody was told of, by number. */
  readonly #unseen = new Map<number, TaskRecord>()

  constructor(
    readonly run: RunParts,
    readonly pending: Pending,
    readonly deadlines: () => Deadlines,
  ) {}

  settle(command: TasksSettled): void {
    const { tasks, outcome } = command
    const data: number[] = []
    tasks.forEach((task, i) => {
      const record = this.run.records.get(task)!
      if (!isKept(record.result)) data.push(record.datum) // else when nobody can ask for it
      if ('causes' in command) record.error = this.run.failures.errorOf(record, command.causes[i]!, command.reasons[i]!)
      this.#end(record, outcome)
    })
    // Later calls take the value from the record. A failure stays in the graph, which cancels them.
    if (outcome === 'done' || outcome === 'ignored') this.run.loop.note({ on: 'DataReleased', data })
  }

  /** Tells those who wait for a record that is over. */
  deliver(record: TaskRecord): void {
    const awaiting = record.takeAwaiting()
    if (!Array.isArray(awaiting)) this.#tell(record, awaiting as Awaiting)
    else for (const one of awaiting) this.#tell(record, one)
  }

  #tell(record: TaskRecord, { resolve, reject }: Awaiting): void {
    if (record.isBad) this.#reject(record, reject)
    else if (record.state === 'done' && !record.changed && isPlain(record.result)) resolve(record.result)
    else this.valueOf(record).then(resolve, reject)
  }

  /** What a task made, once it has the acknowledgement level of its store. */
  async valueOf(record: TaskRecord, place = RESULT): Promise<unknown> {
    const { program } = record.kind
    if (record.changed) await program.store.reachedWith(record.changed)
    return unpacked(await this.#fetched(record, new FromTask(record, place)), program)
  }

  /** A value that was lost with its host is made again, if that can be. @throws LostValueError */
  async #fetched(record: TaskRecord, from: FromTask): Promise<Carried> {
    const { values, remaking } = this.run
    if (!values || !remaking) return from.value
    for (;;) {
      const { value } = from
      const host = isKept(value) ? value.h : 0
      try {
        return await values.hosts.fetch(value)
      } catch (error) {
        if (!(error instanceof LostValueError) || !isKept(value)) throw error
        if (values.noteLost(value.n, host) && from.value === value) await this.#madeAgain(record, error)
      }
    }
  }

  async #madeAgain(record: TaskRecord, lost: Error): Promise<void> {
    const again = this.run.remaking!.again(record)
    if (!again) throw lostForGood(record.name, lost)
    again.seen = true
    await again.whenSettled()
    if (again.state !== 'done') throw lostForGood(record.name, again.error)
  }

  /** The failures that nobody awaited; they count as seen from now on. What a failure cancelled is told by the failure. */
  async takeUnseen(): Promise<unknown[]> {
    const unseen = [...this.#unseen.values()]
    this.#unseen.clear()
    for (const record of unseen) record.seen = true
    if (unseen.length > 0) this.run.loop.note({ on: 'FailuresSeen', tasks: unseen.map((r) => r.task) })
    const failed = unseen.filter((r) => r.state === 'failed')
    for (const { kind, error } of failed) await learnClassOf(error, kind.definition.site?.url)
    return failed.map((r) => r.error)
  }

  /** The record of a task that failed or was cancelled, if nobody was told yet. */
  unseen(task: number): TaskRecord | undefined {
    return this.#unseen.get(task)
  }

  get hasUnseen(): boolean {
    return [...this.#unseen.values()].some((r) => r.state === 'failed')
  }

  /** Nothing more will be reported: what is pending never will be, but for those that turned out to be done, or that may be. */
  abandon({ done, unknown }: Ends): void {
    for (const record of done) this.#end(record, 'done')
    for (const record of [...this.run.records]) {
      record.error = unknown.get(record.task) ?? runEnded(record.name)
      this.#end(record, 'cancelled')
    }
  }

  /** The same for a reason that each of them failed for. */
  failAll(error: Error): void {
    for (const record of [...this.run.records]) {
      record.error = error
      this.#end(record, 'failed')
    }
  }

  #end(record: TaskRecord, state: Exclude<TaskState, 'pending'>): void {
    const { records, log, failures } = this.run
    records.delete(record.task)
    log.settled(record.task, state)
    failures.forget(record.task)
    this.deadlines().over(record.task)
    if ((state === 'failed' || state === 'cancelled') && !record.seen) this.#unseen.set(record.task, record)
    record.settle(state)
    this.pending.end()
  }

  /** Whoever is told what a failure cancelled is told of the failure. */
  #seen({ task }: TaskRecord): void {
    this.#unseen.delete(task)
    const cause = this.run.loop.state.tasks.cause[task]!
    const began = this.#unseen.get(cause)
    if (began) began.seen = true
    this.#unseen.delete(cause)
  }

  #reject(record: TaskRecord, reject: (error: unknown) => void): void {
    this.#seen(record)
    this.run.loop.note({ on: 'FailuresSeen', tasks: [record.task] })
    const learnt = learnClassOf(record.error, record.kind.definition.site?.url)
    if (learnt) void learnt.then(() => reject(record.error))
    else reject(record.error)
  }
}

export const NOTHING_SENT: Ends = { done: [], unknown: new Map() }

export const runEnded = (task: string): Error =>
  new TaskFailedError(`task ${task} was not finished: the run ended before`, { task, code: 'ERR_RUN_ENDED' })

const isPlain = (value: Carried): boolean => typeof value !== 'object' || value === null

/** Makes the error an instance of its own class; a promise when that class must be looked up first. */
function learnClassOf(error: unknown, url: string | undefined): Promise<void> | undefined {
  const told = error instanceof Error && (error as { insituTask?: { className?: string } }).insituTask
  if (!told || told.className === undefined || url === undefined || isInsituError(error)) return undefined
  if (errorClassesKnown(url)) {
    giveOwnClass(error)
    return undefined
  }
  return learnErrorClasses(url).then(() => giveOwnClass(error))
}

export async function unpacked(value: Carried, program: Program): Promise<unknown> {
  const refs = objectsIn(value)
  if (refs.length > 0) await program.fetchAnywhere(refs)
  return unpack(value, program)
}
