/** What driver and workers say to each other. Plain data for structured clone; anything of the user's is encoded bytes. */

import type { Seen } from '../../src/unit/transaction.js'
import type { Outcome } from '../attempt.js'
import type { Ints } from '../scheduler/events.js'
import type { CallSite } from '../tasks/call-site.js'
import type { NamedOffer } from '../tasks/needs.js'
import type { TaskRank } from '../tasks/task.js'

/** How an argument or result travels. Primitives as they are; ids instead of persistent objects. */
export type Carried =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  /** A value in the codec's form, with what the futures inside it gave and, behind that, the persistent objects that stand in it. */
  | { readonly k: 'v'; readonly b: Uint8Array; readonly f?: readonly Carried[] }
  /** A persistent object: id, class, and its store's url where that is not the task's. */
  | { readonly k: 'o'; readonly id: string; readonly c: string; readonly s?: string }
  /** A value kept on a host, at first the one that made it: which host, under which name there, and its size in bytes. */
  | { readonly k: 'r'; h: number; readonly n: string; readonly s: number }
  /** A list with parts of its own, as futures inside arrays become. */
  | { readonly k: 'a'; readonly e: readonly Carried[] }

/** A task that the module of another one exports as well, and under which name. */
export interface NamedSite {
  readonly name: string
  readonly site: CallSite
}

/** Where a worker finds a task's function. */
export interface FnPlace {
  readonly index: number
  /** Its export's, once the worker has found that. */
  name: string
  readonly method: string | undefined
  readonly url: string | undefined
  readonly line: number
  readonly column: number
  readonly nth: number
  /** Where the program's text of the module is not that of workers, as under test runners, which move lines: which task it is. */
  readonly rank?: TaskRank | undefined
  readonly directions: readonly string[]
  readonly target: string
}

/** A class of the program, and the module that defines it. Workers import from this list only. */
export interface ClassPlace {
  readonly id: string
  readonly url: string
}

/** Integers of a task in `TasksMessage.rows`. */
export const ROW = 8

/** Integers of an argument in `TasksMessage.waits`. */
export const WAIT = 4

/** Tasks as columns: a message of objects would cost more than an empty task. */
export interface TasksMessage {
  readonly do: 'tasks'
  /** ROW a task: number, attempt, function, store, how many of `args` are its own, 1 if its time is limited; its slot in shared memory, or -1, and the number of its use. */
  readonly rows: Ints
  readonly args: readonly Carried[]
  /** WAIT an argument that is still to come: place of the task among those of the message, argument, slot of the task that makes it, number of its use. */
  readonly waits?: Ints
  /** Classes of persistent objects among the arguments. */
  readonly classes?: readonly string[]
  /** Keys of the tasks, where they are not the run's id and the task's number. */
  readonly keys?: readonly string[]
  /** Of each task that makes a lost value again: what the first one had read. */
  readonly again?: readonly (readonly Seen[] | undefined)[]
}

export interface RecallMessage {
  readonly do: 'recall'
  readonly tasks: readonly number[]
  readonly attempts: readonly number[]
  /** Tell those that run already to stop. */
  readonly abort: boolean
  /** They are out of time, and may still end well if they do so at once. */
  readonly isLate: boolean
}

/** What a worker may load before it is needed. */
export interface WarmMessage {
  readonly do: 'warm'
  /** The store's. */
  readonly url?: string | undefined
  /** Modules of tasks. */
  readonly modules?: readonly string[]
}

/** What became of a child that a worker had others run. */
export interface AnswerMessage {
  readonly do: 'answer'
  readonly call: number
  readonly outcome?: Outcome
  readonly error?: Uint8Array
  readonly className?: string | undefined
}

/** A task has called a task that somebody else may run. */
export interface CallMessage {
  readonly do: 'call'
  readonly call: number
  /** The task whose body called it, by itself or through others that ran in place. */
  readonly task: number
  readonly key: string
  readonly args: readonly Carried[]
  readonly classes: readonly ClassPlace[]
  readonly fn: Omit<FnPlace, 'index'> & {
    readonly policy: string
    readonly priority: number | undefined
    readonly timeoutMs: number | undefined
  }
}

/** What a task has called is no longer wanted. */
export interface CancelMessage {
  readonly do: 'cancel'
  readonly call: number
}

export type ToWorker =
  /** `others`: workers beside it. `lanes`: memory that it shares with them (LaneSlots.shared). `offers`: what the hosts of the run have for tasks. */
  | {
      readonly do: 'run'
      readonly runId: string
      readonly others: number
      readonly offers: readonly NamedOffer[]
      readonly lanes?: SharedArrayBuffer | number | undefined
    }
  | AnswerMessage
  | WarmMessage
  /** Wants to be told when what was printed is out. */
  | { readonly do: 'drain' }
  | { readonly do: 'fns'; readonly fns: readonly FnPlace[] }
  | { readonly do: 'classes'; readonly classes: readonly ClassPlace[] }
  /** The program has closed this store: no more tasks of it come. */
  | { readonly do: 'forget'; readonly n: number }
  | TasksMessage
  | RecallMessage

/**
 * Where a task's mark stands, with the store's url where that is not the task's; the other stores that the task has written to; and the chunks of
 * an outcome that was too large for the mark.
 */
export type HomeParts = readonly [id: string, classId: string, store?: string | null, wrote?: readonly string[], chunks?: readonly string[]]

/** What a finished task did beside giving a result. */
export interface DoneMore {
  /** Place in the report's columns. */
  readonly at: number
  /** New values of volatile arguments that it wrote, by position. */
  readonly written?: readonly (readonly [arg: number, value: Carried])[] | undefined
  /** Ids that its commit changed. */
  readonly changed?: readonly string[] | undefined
  /** Where its mark stands. */
  readonly home?: HomeParts | undefined
  readonly children?: readonly ChildEffects[] | undefined
  /** What it read, where its values can be made again. */
  readonly seen?: readonly Seen[] | undefined
}

/** What a child of a task left behind in the stores, under which mark. */
export interface ChildEffects {
  readonly key: string
  readonly changed: readonly string[]
  readonly home: HomeParts
}

export interface TaskBad {
  readonly task: number
  readonly attempt: number
  readonly error: Uint8Array
  /** Of an error whose class is neither built in nor ours. */
  readonly className?: string | undefined
  readonly retryable: boolean
}

export interface TaskConflicted {
  readonly task: number
  readonly attempt: number
  /** What to tell if it never goes well; a plain conflict needs no more words. */
  readonly error?: Uint8Array | undefined
  readonly className?: string | undefined
  /** It met the mark of a task that is given up. */
  readonly isGivenUp?: boolean
}

/** A task that could not begin: a value that it takes is gone with its host. */
export interface InputLost {
  readonly task: number
  readonly attempt: number
  /** The names of such values, and the hosts that were asked for them. */
  readonly names: readonly string[]
  readonly hosts: readonly number[]
  readonly error: Uint8Array
}

export interface Report {
  readonly do: 'report'
  /** Finished tasks, by column. */
  readonly tasks: Ints
  readonly attempts: Ints
  readonly microseconds: Ints
  readonly results: readonly Carried[]
  /** Tasks whose bodies have ended and whose changes are on their way: three integers each, as in the columns. */
  readonly ran: readonly number[]
  /** Places of tasks that have changed the object where their mark stands, and nothing else. */
  readonly changedHome: readonly number[]
  readonly more: readonly DoneMore[]
  readonly failed: readonly TaskBad[]
  readonly conflicted: readonly TaskConflicted[]
  readonly returned: readonly (readonly [task: number, attempt: number])[]
  readonly lost?: readonly InputLost[]
}

export type FromWorker =
  | Report
  | { readonly do: 'ready' }
  /** The answer to `forget`: it is closed here as well. */
  | { readonly do: 'forgot'; readonly n: number }
  /** The answer to `drain`. */
  | { readonly do: 'drained' }
  /** The body of a task of limited time begins. */
  | { readonly do: 'began'; readonly task: number; readonly attempt: number }
  | { readonly do: 'named'; readonly fn: number; readonly name: string; readonly others: readonly NamedSite[] }
  | CallMessage
  | CancelMessage
  /** How many tasks it can run: more than one while some only wait for their children. */
  | { readonly do: 'slots'; readonly slots: number }
  /** A process that ends because of an error nobody caught. */
  | { readonly do: 'dying'; readonly error: Uint8Array }
