/**
 * Numbers that stand in the packed columns, and the limits of the scheduler. Plain constants rather than enums of strings: they are
 * stored in byte columns and compared in the hot loops.
 */

/** What a task does to a datum. docs/scheduler.md has the table of what waits for what. */
export const Access = {
  READ: 0,
  /** Reads and writes, alone. */
  WRITE: 1,
  /** Writes together with other CONCURRENT tasks; the store orders their effects. */
  CONCURRENT: 2,
  /** Writes one at a time, in any order: whoever lacks nothing else goes first, of several the one that was submitted first. */
  COMMUTATIVE: 3,
  /** The last access: a WRITE on kept data, a READ on renamed data (which go once nobody reads or holds them). */
  DELETE: 4,
} as const
export type Access = (typeof Access)[keyof typeof Access]

export const Kind = {
  VOID: 0,
  /** A volatile value: each version is a datum of its own, written at most once and before it is read. */
  RENAMED: 1,
  /** A persistent object: keeps its identity, so a writer waits for earlier readers. */
  KEPT: 2,
} as const
export type Kind = (typeof Kind)[keyof typeof Kind]

/** What happens when the body of a task fails. */
export const Policy = {
  /** Successors are cancelled, transitively. */
  CANCEL_SUCCESSORS: 0,
  /** RETRIES_MAX more attempts if the error is retryable, then as CANCEL_SUCCESSORS. */
  RETRY: 1,
  /** The task settles as ignored; successors run. */
  IGNORE: 2,
  /** Everything pending is cancelled. */
  FAIL: 3,
} as const
export type Policy = (typeof Policy)[keyof typeof Policy]

/** What the submitter says of a task beyond its accesses. */
export const Flag = {
  /** Never queued behind another task, whatever was learned of its function. */
  ALONE: 1,
  /** All that it waits for are results that stand as arguments by themselves: a lane can fill them in. */
  TAKES_RESULTS: 2,
} as const

/** ENDING: it will not be tried again, and settles once it is known that no attempt of it can commit any more. */
export const Status = { VOID: 0, WAITING: 1, READY: 2, ASSIGNED: 3, ENDING: 4, DONE: 5, IGNORED: 6, FAILED: 7, CANCELLED: 8 } as const
export type Status = (typeof Status)[keyof typeof Status]
export const STATUS_NAMES = ['void', 'waiting', 'ready', 'assigned', 'ending', 'done', 'ignored', 'failed', 'cancelled'] as const
export const isSettled = (status: number): boolean => status >= Status.DONE

/** Why a task did not end as done. */
export const Reason = { NONE: 0, BODY: 1, WORKER_LOST: 2, CONFLICTS: 3, INPUT: 4, PREDECESSOR: 5, REQUEST: 6, RUN_STOPPED: 7 } as const
export type Reason = (typeof Reason)[keyof typeof Reason]
export const REASON_NAMES = [
  'none',
  'its body failed',
  'worker lost',
  'too many conflicts',
  'an input from outside failed',
  'a predecessor did not succeed',
  'cancelled on request',
  'the run was stopped',
] as const

/** Why a task was placed where it was. */
export const Why = {
  NONE: 0,
  ONLY_HOST: 1,
  PINNED: 2,
  DATA: 3,
  FREE_SLOT: 4,
  FASTER: 5,
  SPREAD: 6,
  HELP: 7,
  NO_WORKERS: 8,
  NO_FIT: 9,
  LANE: 10,
} as const
export type Why = (typeof Why)[keyof typeof Why]

/** Further attempts after an error of the body. */
export const RETRIES_MAX = 2
/** Further attempts after a conflict, as a transaction has; they do not count as retries. */
export const CONFLICTS_MAX = 100
/** A task that was with this many workers when they were lost is taken for the reason. */
export const LOSSES_MAX = 3
/** How far ahead a slot is fed, in microseconds: some twenty times a message's round trip, and short enough that queues stay even. */
export const FEED_AHEAD_US = 2000
/** The same for tasks of functions that are known to change stored objects: the store takes some milliseconds for a group, however small it is. */
export const FEED_COMMITS_US = 10_000
/** Most tasks that a worker holds, so that a batch of empty tasks stays a small message. */
export const FEED_TASKS_MAX = 512
/** A worker that reported nothing for this long gives its queue back if another has nothing to do. */
export const RECALL_AFTER_MS = 10
/** The same for what follows tasks of others in a lane: only a body that was taken for short and is not keeps it so long, or a busy machine. */
export const STUCK_AFTER_MS = 100

/** Data that a host is told to fetch ahead and has not got yet: enough to keep its link busy, few enough that what is urgent is not last. */
export const FETCHES_MAX = 16
/** `at` of a ready task that stands in the pool and not in a queue. */
export const IN_POOL = -2

export const PRIORITY_MIN = -16
export const PRIORITY_MAX = 15

export const NONE = -1

/** Whether later tasks see what this access did. */
export const writes = (access: number, kind: number): boolean =>
  access !== Access.READ && !(access === Access.DELETE && kind === Kind.RENAMED)
