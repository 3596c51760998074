import type { Program } from '../../src/unit/program.js'
import type { Carried } from '../engines/messages.js'
import type { FutureSource } from '../tasks/future.js'
import { TaskFuture } from '../tasks/future.js'
import type { TaskDefinition } from '../tasks/task.js'
import type { Lineage } from './lineage.js'

export type TaskState = 'pending' | 'done' | 'failed' | 'cancelled' | 'ignored'

/** What a record asks of the run that it belongs to. */
export interface RunOfRecords {
  /** Settles the record's promise; called once it is settled and somebody waits. */
  deliver(record: TaskRecord): void
  cancel(record: TaskRecord, reason: unknown): void
}

/** What calls of one task in one program have in common: kept once, since pending calls are many. */
export interface CallKind {
  readonly definition: TaskDefinition
  readonly program: Program
  readonly run: RunOfRecords
}

/** An argument as the driver holds it: what other tasks make is filled in when the task is sent. */
export type Arg =
  | Exclude<Carried, { readonly k: 'a' | 'v' }>
  | FromTask
  | { readonly k: 'a'; readonly e: readonly Arg[] }
  | { readonly k: 'v'; readonly b: Uint8Array; readonly f?: readonly Arg[] }

/** The result of a task, or what it wrote to one of its volatile arguments. */
export class FromTask {
  readonly k = 'd'

  constructor(
    readonly record: TaskRecord,
    /** Position of the written argument, or RESULT. */
    readonly place: number,
  ) {}

  get value(): Carried {
    return this.place === RESULT ? this.record.result : this.record.written?.get(this.place)
  }
}

export const RESULT = -1

/** An argument as it is sent, once what it is made of is there. */
export function filled(arg: Arg): Carried {
  if (typeof arg !== 'object' || arg === null) return arg
  switch (arg.k) {
    case 'd':
      return arg.value
    case 'a':
      return { k: 'a', e: arg.e.map(filled) }
    case 'v':
      return arg.f ? { k: 'v', b: arg.b, f: arg.f.map(filled) } : (arg as Carried)
    case 'o':
    case 'r':
      return arg
  }
}

interface Promised {
  readonly promise: Promise<any>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * A task call, from capture to outcome. Once it has settled only its futures and the tasks that take its result hold it, so its value
 * goes when nobody can ask for it any more.
 */
export class TaskRecord implements FutureSource<unknown> {
  state: TaskState = 'pending'
  /** Whether somebody waits, or was told of the failure. */
  seen = false
  /** Whether its commit changed the store. */
  changed = false
  result: Carried
  error: unknown
  /** New values of volatile arguments that it wrote, by position. */
  written: ReadonlyMap<number, Carried> | undefined
  /** How its large values came to be, if they can be made again. */
  lineage: Lineage | undefined
  /** What this task makes again. */
  remakes: Lineage | undefined
  promised: Promised | undefined
  #watchers: (() => void)[] | undefined

  constructor(
    readonly task: number,
    /** The scheduler's name for its result; another one once it was made again. */
    public datum: number,
    readonly kind: CallKind,
    /** Gone once it has settled. */
    public args: readonly Arg[],
  ) {}

  get name(): string {
    return this.kind.definition.name
  }

  get isBad(): boolean {
    return this.state === 'failed' || this.state === 'cancelled'
  }

  promise(): Promise<any> {
    if (!this.promised) {
      this.seen = true
      this.promised = promised()
      if (this.state !== 'pending') this.kind.run.deliver(this)
    }
    return this.promised.promise
  }

  whenSettled(): Promise<void> {
    if (this.state !== 'pending') return Promise.resolve()
    return new Promise((resolve) => {
      this.#watchers ??= []
      this.#watchers.push(resolve)
    })
  }

  settle(state: Exclude<TaskState, 'pending'>): void {
    this.state = state
    // What an ignored task should have written stays as it was.
    if (state === 'ignored') this.written = new Map(this.args.map((arg, i) => [i, filled(arg)]))
    this.args = NO_ARGS
    for (const wake of this.#watchers ?? []) wake()
    this.#watchers = undefined
    if (this.promised) this.kind.run.deliver(this)
  }

  cancel(reason: unknown): void {
    this.kind.run.cancel(this, reason)
  }

  describe(): string {
    return `${this.name}: ${this.state}`
  }
}

const NO_ARGS: readonly Arg[] = []

function promised(): Promised {
  let resolve!: Promised['resolve']
  let reject!: Promised['reject']
  const promise = new Promise<unknown>((a, b) => {
    resolve = a
    reject = b
  })
  return { promise, resolve, reject }
}

/** The record behind a future of a task that has entered the graph. */
export function recordOf(value: unknown): TaskRecord | undefined {
  if (!(value instanceof TaskFuture)) return undefined
  const source: unknown = value.source
  if (source instanceof TaskRecord) return source
  const entered = (source as { readonly record?: unknown }).record
  return entered instanceof TaskRecord ? entered : undefined
}
