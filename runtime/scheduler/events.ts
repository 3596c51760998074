import type { Kind } from './constants.js'
import type { Need } from './needs.js'

/** Dense index given by the driver: the first submitted task is 0. */
export type TaskIndex = number
export type DatumIndex = number
export type WorkerIndex = number
export type HostIndex = number
/** Milliseconds of the driver's clock. */
export type Millis = number

export type Ints = Int32Array | readonly number[]
export type Numbers = Float64Array | Int32Array | readonly number[]

/** What happened in the world, in batches. Applied in order; `step` then decides once for all of them. */
export type RuntimeEvents = readonly RuntimeEvent[]

export type RuntimeEvent =
  | WorkersJoined
  | WorkersLost
  | SlotsChanged
  | NeedsDeclared
  | DataDeclared
  | DataHeld
  | DataReleased
  | LocationsLearned
  | FetchesEnded
  | TasksSubmitted
  | TasksRan
  | InputsArrived
  | InputsFailed
  | TasksFinished
  | TasksFailed
  | TasksConflicted
  | TasksReturned
  | InputsLost
  | TasksSealed
  | TasksCommitted
  | TasksCancelled
  | FailuresSeen
  | TimePassed

/** A worker runs `slots` tasks at a time and takes what it was given in order. An index may join again after it was lost. */
export interface WorkersJoined {
  readonly on: 'WorkersJoined'
  readonly workers: readonly JoiningWorker[]
}

export interface JoiningWorker {
  readonly worker: WorkerIndex
  readonly slots: number
  readonly host: HostIndex
  /** Of its host, for tasks at a time; the largest that a worker of the host names counts. Left out: as much as is asked for. */
  readonly memoryMb?: number
  /** Of its host: what there is, such as `gpu`. */
  readonly labels?: readonly string[]
}

/** What tasks may need of their host; kinds [first, first + needs.length). Kind 0 is there from the beginning: one unit. */
export interface NeedsDeclared {
  readonly on: 'NeedsDeclared'
  readonly first: number
  readonly needs: readonly Need[]
}

export interface WorkersLost {
  readonly on: 'WorkersLost'
  readonly workers: Ints
  /** Ended because of a task that was told to have failed: no other is to blame. */
  readonly isMeant?: boolean
}

/** A parent that awaits its children frees its slot; one that goes on takes it again. */
export interface SlotsChanged {
  readonly on: 'SlotsChanged'
  readonly worker: WorkerIndex
  readonly slots: number
}

/** Data [first, first + count) exist from now on, each held `holds` times (handles, futures). A released index may be declared again. */
export interface DataDeclared {
  readonly on: 'DataDeclared'
  readonly first: DatumIndex
  readonly count: number
  readonly kind: typeof Kind.RENAMED | typeof Kind.KEPT
  readonly holds?: number
}

export interface DataHeld {
  readonly on: 'DataHeld'
  readonly data: Ints
}

export interface DataReleased {
  readonly on: 'DataReleased'
  readonly data: Ints
}

/** Host `hosts[i]` holds `bytes[i]` of `data[i]`; 0 = holds it no longer. */
export interface LocationsLearned {
  readonly on: 'LocationsLearned'
  readonly data: Ints
  readonly hosts: Ints
  readonly bytes: Numbers
}

/** FetchData ended: the data are there (LocationsLearned said so before), or they do not come and tasks fetch them when they start. */
export interface FetchesEnded {
  readonly on: 'FetchesEnded'
  readonly host: HostIndex
  readonly data: Ints
}

/** Tasks [first, first + count), columns by position. A column left out stands for its default. */
export interface TasksSubmitted {
  readonly on: 'TasksSubmitted'
  readonly first: TaskIndex
  readonly count: number
  readonly fn: Ints
  /** `Flag`s; default none. */
  readonly flags?: Ints
  /** PRIORITY_MIN … PRIORITY_MAX, larger first; beyond them it counts as the limit. Default 0. */
  readonly priority?: Ints
  /** `Policy`; default CANCEL_SUCCESSORS. */
  readonly policy?: Ints
  /** Inputs that are promises outside the graph; each ends in InputsArrived or InputsFailed. Default 0. */
  readonly promises?: Ints
  /** The only host that may run it, or NONE; default NONE. */
  readonly host?: Ints
  /** A kind of NeedsDeclared; default 0. */
  readonly need?: Ints
  /** How long each body is expected to run, if that is known beforehand; NONE = as was learned of its function. */
  readonly microseconds?: Numbers
  /** Flat triples [task, datum, access], in the order of tasks. One task may name a datum several times. */
  readonly accesses: Ints
}

/** One promise of each named task resolved. */
export interface InputsArrived {
  readonly on: 'InputsArrived'
  readonly tasks: Ints
  /**
   * Flat triples [task, datum, access] of what came with them and was not known before. Each takes its place behind all that use the datum by
   * now; a persistent object is used without one where some of them wait for the task.
   */
  readonly accesses?: Ints
}

export interface InputsFailed {
  readonly on: 'InputsFailed'
  readonly tasks: Ints
}

/** `attempts` as given by StartTasks: a report of an attempt that is not the task's present one is ignored. */
interface Report {
  readonly worker: WorkerIndex
  readonly tasks: Ints
  readonly attempts: Ints
}

/**
 * Their bodies have ended and what they changed is on its way into the store; how they end is still to come. The worker goes on with
 * its queue, so they no longer count as work before what is given next.
 */
export interface TasksRan extends Report {
  readonly on: 'TasksRan'
  readonly microseconds: Numbers
}

export interface TasksFinished extends Report {
  readonly on: 'TasksFinished'
  /** How long each body ran. Without it nothing is learned, and unknown functions are fed one per slot. */
  readonly microseconds?: Numbers
}

export interface TasksFailed extends Report {
  readonly on: 'TasksFailed'
  /** Whether policy RETRY may try again: false for what cannot change, such as a wrong direction. */
  readonly retryable: boolean
  /** Nobody has heard how the attempts ended: they were given up. */
  readonly isUnsure?: boolean
}

export interface TasksConflicted extends Report {
  readonly on: 'TasksConflicted'
  /** What they sent may yet arrive. */
  readonly isUnsure?: boolean
}

/** The worker has not run them and will not: the answer to RecallTasks. */
export interface TasksReturned extends Report {
  readonly on: 'TasksReturned'
}

/**
 * The attempts found that a value they read is gone with the host that held it. `data[i]` is being made again by a task submitted
 * before this event: `tasks[i]` starts anew once that has ended well, and is cancelled if it does not.
 */
export interface InputsLost extends Report {
  readonly on: 'InputsLost'
  readonly data: Ints
}

/** The answer to SealTasks: no attempt of them has committed, and none can any more. */
export interface TasksSealed {
  readonly on: 'TasksSealed'
  readonly tasks: Ints
}

/** The other answer: an attempt that was given up had committed, so that they are done. */
export interface TasksCommitted {
  readonly on: 'TasksCommitted'
  readonly tasks: Ints
}

/** The program asks. What runs already is asked to stop; if it succeeds all the same, it is done. */
export interface TasksCancelled {
  readonly on: 'TasksCancelled'
  readonly tasks: Ints
}

/**
 * The program was told of these failures (it awaited them, or a barrier rejected). From then on kept data that their tasks failed
 * to write may be used again, in the state they were left in. Until then later tasks on them are cancelled, so that what is
 * cancelled depends on the program's order and not on when a failure came to be known.
 */
export interface FailuresSeen {
  readonly on: 'FailuresSeen'
  readonly tasks: Ints
}

/** Nothing but the clock moved: the answer to WakeAt. */
export interface TimePassed {
  readonly on: 'TimePassed'
}

/** For the story: an event's place in this list fits a byte. */
export const EVENT_NAMES = [
  'placement',
  'WorkersJoined',
  'WorkersLost',
  'SlotsChanged',
  'DataDeclared',
  'DataHeld',
  'DataReleased',
  'LocationsLearned',
  'TasksSubmitted',
  'InputsArrived',
  'InputsFailed',
  'TasksFinished',
  'TasksFailed',
  'TasksConflicted',
  'TasksReturned',
  'TasksCancelled',
  'FailuresSeen',
  'TimePassed',
  'TasksRan',
  'NeedsDeclared',
  'FetchesEnded',
  'InputsLost',
  'TasksSealed',
  'TasksCommitted',
] as const

export const EVENT_CODES = Object.fromEntries(EVENT_NAMES.map((name, i) => [name, i])) as Record<RuntimeEvent['on'], number>
