/** What driver and workers say to each other. Plain data for structured clone; anything of the user's is encoded bytes. */

/** How an argument or result travels. Primitives as they are; ids instead of persistent objects. */
export type Carried =
  | undefined
  | null
  | boolean
  | number
  | bigint
  | string
  /** A value in the codec's form. */
  | { readonly k: 'v'; readonly b: Uint8Array }
  /** A persistent object: its id and class. */
  | { readonly k: 'o'; readonly id: string; readonly c: string }
  /** A list with parts of its own, as futures inside arrays become. */
  | { readonly k: 'a'; readonly e: readonly Carried[] }
  /** A value that an earlier task makes; replaced by it before sending. */
  | { readonly k: 'd'; readonly datum: number }

/** Where a worker finds a task's function. */
export interface FnPlace {
  readonly index: number
  readonly name: string
  readonly method: string | undefined
  readonly url: string | undefined
  readonly line: number
  readonly column: number
  readonly directions: readonly string[]
  readonly target: string
}

/** A class of the program, and the module that defines it. Workers import from this list only. */
export interface ClassPlace {
  readonly id: string
  readonly url: string
}

export interface TaskMessage {
  readonly task: number
  readonly attempt: number
  readonly fn: number
  /** Which of the stores that the worker was told of. */
  readonly store: number
  /** Classes of its persistent arguments. */
  readonly classes?: readonly string[]
  /** Key of its mark. */
  readonly key: string
  readonly args: readonly Carried[]
}

export type ToWorker =
  | { readonly do: 'fns'; readonly fns: readonly FnPlace[] }
  | { readonly do: 'classes'; readonly classes: readonly ClassPlace[] }
  | { readonly do: 'tasks'; readonly tasks: readonly TaskMessage[] }
  | { readonly do: 'recall'; readonly tasks: readonly number[]; readonly attempts: readonly number[]; readonly abort: boolean }
  | { readonly do: 'stop' }

export interface TaskDone {
  readonly task: number
  readonly attempt: number
  readonly micros: number
  readonly result: Carried
  /** New values of volatile arguments that it wrote, by position. */
  readonly written?: readonly (readonly [arg: number, value: Carried])[]
  /** Ids that its commit changed. */
  readonly changed?: readonly string[]
}

export interface TaskBad {
  readonly task: number
  readonly attempt: number
  readonly error: Uint8Array
  readonly retryable: boolean
}

export interface Report {
  readonly do: 'report'
  readonly done: readonly TaskDone[]
  readonly failed: readonly TaskBad[]
  readonly conflicted: readonly (readonly [task: number, attempt: number])[]
  readonly returned: readonly (readonly [task: number, attempt: number])[]
}

export type FromWorker = Report | { readonly do: 'ready' } | { readonly do: 'named'; readonly fn: number; readonly name: string }
