/** Why a task did not succeed, as the error that the awaiting code sees. */
import { ConflictError, LostValueError, TaskFailedError } from '../../src/errors.js'
import { decodeError } from '../data/carry.js'
import type { TaskBad } from '../engines/messages.js'
import { REASON_NAMES, Reason } from '../scheduler/constants.js'
import { cancelledError } from '../tasks/cancelled-error.js'
import { reviveError } from '../tasks/revive-error.js'
import type { TaskLog } from './task-log.js'
import type { TaskRecord } from './task-record.js'

/** A promise among its arguments rejected. */
interface Rejected {
  readonly rejected: unknown
}

type Thrown = (Pick<TaskBad, 'error'> & Partial<Pick<TaskBad, 'className'>>) | Rejected | Error

/** What attempts of tasks reported, until the task settles. */
export class Failures {
  readonly #thrown = new Map<number, Thrown>()
  /** Why tasks were to be cancelled, where a reason was given. */
  readonly #requests = new Map<number, unknown>()
  /** Of failed tasks, for those that were not run because of them. */
  readonly #errors = new WeakErrors()
  /** Tasks that make lost values again. */
  readonly remakes = new Set<number>()

  constructor(readonly log: TaskLog) {}

  note(task: number, thrown: Thrown): void {
    this.#thrown.set(task, thrown)
  }

  /** A task is to be cancelled. The first reason counts. */
  noteRequest(task: number, reason: unknown): void {
    if (reason !== undefined && !this.#requests.has(task)) this.#requests.set(task, reason)
  }

  /** The first of several is told. */
  noteRejected(task: number, rejected: unknown): void {
    if (!this.#thrown.has(task)) this.#thrown.set(task, { rejected })
  }

  /** Nothing of it will be asked again. */
  forget(task: number): void {
    this.#thrown.delete(task)
    this.#requests.delete(task)
  }

  /** The error of a task that has just settled badly. */
  errorOf(record: TaskRecord, cause: number, reason: Reason): unknown {
    const error = this.#build(record, cause, reason)
    this.#errors.set(record.task, error)
    this.forget(record.task)
    return error
  }

  #build(record: TaskRecord, cause: number, reason: Reason): unknown {
    if (cause !== record.task) return this.#notRun(record, cause)
    const own = this.#ownError(record)
    switch (reason) {
      case Reason.INPUT:
        return this.#thrown.has(record.task) ? own : waitsForItself(record)
      case Reason.BODY:
        return own // also `undefined`, if that is what was thrown
      case Reason.CONFLICTS:
        return (
          own ?? new ConflictError(`task ${record.name} met a conflict too many times: use fewer writers at once`, { task: record.name })
        )
      case Reason.WORKER_LOST:
        return failed(record, 'each worker that ran it was lost', 'ERR_WORKER_LOST', own)
      case Reason.REQUEST:
        return cancelledError(record.name, this.#requests.get(record.task) ?? own)
      default:
        return failed(record, REASON_NAMES[reason], 'ERR_TASK_FAILED', own)
    }
  }

  #notRun(record: TaskRecord, cause: number): Error {
    const because = this.#errors.get(cause)
    if (this.remakes.has(cause))
      return new LostValueError(
        `task ${record.name} was not run: a value that it takes was lost with its host, and could not be made again`,
        { task: record.name, cause: because },
      )
    const cancelled = because instanceof TaskFailedError && because.code === 'ERR_TASK_CANCELLED'
    return new TaskFailedError(`task ${record.name} was not run: ${this.log.nameOf(cause)} ${cancelled ? 'was cancelled' : 'failed'}`, {
      cause: because,
      task: record.name,
    })
  }

  #ownError(record: TaskRecord): unknown {
    const thrown = this.#thrown.get(record.task)
    if (thrown === undefined || thrown instanceof Error) return thrown
    if ('rejected' in thrown) return thrown.rejected
    const story = { task: record.name, index: record.task, worker: this.log.workerOf(record.task) }
    return reviveError(decodeError(thrown.error, record.kind.program), thrown.className, record.kind.definition, story)
  }
}

/** Tasks on their way to their end because of a failure, by a store or a worker that has to answer first, are few. */
const NEWEST = 64

/**
 * Errors by task, for as long as anybody else has them: a later call is led to a failed task by its record, or by that of one that was not run
 * because of it, and both have the error. So a program that goes on for months keeps none that it has let go, but for the newest.
 */
class WeakErrors {
  readonly #refs = new Map<number, WeakRef<object>>()
  readonly #newest: unknown[] = []
  #count = 0
  /** What was thrown and is no object. */
  readonly #plain = new Map<number, unknown>()
  readonly #gone = new FinalizationRegistry<number>((task) => this.#refs.delete(task))

  set(task: number, error: unknown): void {
    this.#newest[this.#count++ % NEWEST] = error
    if (typeof error === 'object' && error !== null) {
      this.#refs.set(task, new WeakRef(error))
      this.#gone.register(error, task)
    } else this.#plain.set(task, error)
  }

  get(task: number): unknown {
    return this.#refs.get(task)?.deref() ?? this.#plain.get(task)
  }
}

const waitsForItself = ({ name }: TaskRecord): Error =>
  new TaskFailedError(
    `task ${name} was not run: a promise among its arguments gave it the future of a call that waits for it: make that call first`,
    { task: name },
  )

const failed = (record: TaskRecord, why: string, code: string, cause?: unknown): Error =>
  new TaskFailedError(`task ${record.name} failed: ${why}`, { task: record.name, code, ...(cause !== undefined && { cause }) })
