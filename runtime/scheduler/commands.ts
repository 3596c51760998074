import { type Reason, Status } from './constants.js'
import type { DatumIndex, HostIndex, Millis, TaskIndex, WorkerIndex } from './events.js'

/** What the driver has to do, in this order. Every command ends in an event. */
export type Commands = readonly Command[]

export type Command = TasksSettled | StartTasks | RecallTasks | SealTasks | FetchData | ReleaseData | ReplaceWorkers | WakeAt

export type TasksSettled = SettledWell<'done'> | SettledWell<'ignored'> | SettledBadly<'failed'> | SettledBadly<'cancelled'>

interface SettledWell<O extends string> {
  readonly do: 'TasksSettled'
  readonly outcome: O
  readonly tasks: readonly TaskIndex[]
}

interface SettledBadly<O extends string> extends SettledWell<O> {
  /** The task whose failure or cancellation began it; the task itself for a failed one. */
  readonly causes: readonly TaskIndex[]
  readonly reasons: readonly Reason[]
}

/** The worker appends them to its queue and takes them in order. */
export interface StartTasks {
  readonly do: 'StartTasks'
  readonly worker: WorkerIndex
  readonly tasks: TaskIndex[]
  readonly attempts: number[]
  /** Bits of `Lane` for each; only if the state was made with `lanes`. */
  readonly lanes: number[]
}

/**
 * The worker reports TasksReturned for those that it has not begun. `abort`: it also tells the others to stop, and reports how each
 * ended. What has been reported meanwhile needs no further answer.
 */
export interface RecallTasks {
  readonly do: 'RecallTasks'
  readonly worker: WorkerIndex
  readonly tasks: TaskIndex[]
  readonly attempts: number[]
  readonly abort: boolean
}

/**
 * They are given up, and nobody knows whether an attempt of theirs has committed: an `aborted` mark is put where none stands. Ends in
 * TasksSealed or TasksCommitted for each. Sent only if the state was made with `seals`.
 */
export interface SealTasks {
  readonly do: 'SealTasks'
  readonly tasks: readonly TaskIndex[]
}

/**
 * Tasks that read these data are going to run on this host: it should get its own copies, in this order. Each ends in LocationsLearned,
 * if there is a copy, and FetchesEnded. Sent only if the state was made with `fetchesAhead`.
 */
export interface FetchData {
  readonly do: 'FetchData'
  readonly host: HostIndex
  readonly data: DatumIndex[]
  /** The task that each is for: of two data, the one for the ready task is the more urgent. */
  readonly tasks: TaskIndex[]
}

/** Renamed data that no pending task and no handle will read again. Their indices may be declared anew. */
export interface ReleaseData {
  readonly do: 'ReleaseData'
  readonly data: readonly DatumIndex[]
}

export interface ReplaceWorkers {
  readonly do: 'ReplaceWorkers'
  readonly workers: readonly WorkerIndex[]
}

/** Call `step` again at this time if nothing else happens before. */
export interface WakeAt {
  readonly do: 'WakeAt'
  readonly at: Millis
}

/** Collects the commands of one step, so that each kind goes out as one batch. */
export class Outbox {
  private done: TaskIndex[] = []
  private ignored: TaskIndex[] = []
  private failed = unhappy()
  private cancelled = unhappy()
  private readonly starts: (StartTasks | undefined)[] = []
  private started: WorkerIndex[] = []
  private recalls: RecallTasks[] = []
  private fetches: FetchData[] = []
  private sealed: TaskIndex[] = []
  private released: DatumIndex[] = []
  private replaced: WorkerIndex[] = []
  private wakeAt: Millis | undefined

  start(worker: WorkerIndex, task: TaskIndex, attempt: number, lane: number): void {
    let batch = this.starts[worker]
    if (batch === undefined) {
      batch = { do: 'StartTasks', worker, tasks: [], attempts: [], lanes: [] }
      this.starts[worker] = batch
      this.started.push(worker)
    }
    batch.tasks.push(task)
    batch.attempts.push(attempt)
    batch.lanes.push(lane)
  }

  settleWell(task: TaskIndex, status: number): void {
    const tasks = status === Status.DONE ? this.done : this.ignored
    tasks.push(task)
  }

  settleBadly(task: TaskIndex, status: number, cause: TaskIndex, reason: Reason): void {
    const batch = status === Status.FAILED ? this.failed : this.cancelled
    batch.tasks.push(task)
    batch.causes.push(cause)
    batch.reasons.push(reason)
  }

  recall(worker: WorkerIndex, task: TaskIndex, attempt: number, abort: boolean): void {
    let batch = this.recalls.find((r) => r.worker === worker && r.abort === abort)
    if (batch === undefined) {
      batch = { do: 'RecallTasks', worker, tasks: [], attempts: [], abort }
      this.recalls.push(batch)
    }
    batch.tasks.push(task)
    batch.attempts.push(attempt)
  }

  seal(task: TaskIndex): void {
    this.sealed.push(task)
  }

  fetch(host: HostIndex, datum: DatumIndex, task: TaskIndex): void {
    let batch = this.fetches.find((f) => f.host === host)
    if (batch === undefined) {
      batch = { do: 'FetchData', host, data: [], tasks: [] }
      this.fetches.push(batch)
    }
    batch.data.push(datum)
    batch.tasks.push(task)
  }

  release(datum: DatumIndex): void {
    this.released.push(datum)
  }

  replace(worker: WorkerIndex): void {
    this.replaced.push(worker)
  }

  wake(at: Millis): void {
    this.wakeAt = this.wakeAt === undefined ? at : Math.min(this.wakeAt, at)
  }

  /** The commands so far; the outbox is empty afterwards. Batches are handed over, not copied: only used ones are made anew. */
  take(): Commands {
    const commands: Command[] = []
    if (this.sealed.length > 0) {
      commands.push({ do: 'SealTasks', tasks: this.sealed })
      this.sealed = []
    }
    this.takeSettled(commands)
    this.takeStarts(commands)
    if (this.recalls.length > 0) {
      commands.push(...this.recalls)
      this.recalls = []
    }
    if (this.fetches.length > 0) {
      commands.push(...this.fetches)
      this.fetches = []
    }
    if (this.released.length > 0) {
      commands.push({ do: 'ReleaseData', data: this.released })
      this.released = []
    }
    if (this.replaced.length > 0) {
      commands.push({ do: 'ReplaceWorkers', workers: this.replaced })
      this.replaced = []
    }
    if (this.wakeAt !== undefined) commands.push({ do: 'WakeAt', at: this.wakeAt })
    this.wakeAt = undefined
    return commands
  }

  private takeSettled(commands: Command[]): void {
    if (this.done.length > 0) {
      commands.push({ do: 'TasksSettled', outcome: 'done', tasks: this.done })
      this.done = []
    }
    if (this.ignored.length > 0) {
      commands.push({ do: 'TasksSettled', outcome: 'ignored', tasks: this.ignored })
      this.ignored = []
    }
    if (this.failed.tasks.length > 0) {
      commands.push({ do: 'TasksSettled', outcome: 'failed', ...this.failed })
      this.failed = unhappy()
    }
    if (this.cancelled.tasks.length > 0) {
      commands.push({ do: 'TasksSettled', outcome: 'cancelled', ...this.cancelled })
      this.cancelled = unhappy()
    }
  }

  private takeStarts(commands: Command[]): void {
    if (this.started.length === 0) return
    for (const worker of this.started) {
      commands.push(this.starts[worker]!)
      this.starts[worker] = undefined
    }
    this.started = [] // cheaper than `length = 0`, which costs a tenth of a microsecond
  }
}

const unhappy = (): { tasks: TaskIndex[]; causes: TaskIndex[]; reasons: Reason[] } => ({ tasks: [], causes: [], reasons: [] })
