import type { Program } from '../../src/unit/program.js'
import type { Carried } from '../engines/messages.js'
import type { FutureSource } from '../tasks/future.js'
import { TaskFuture } from '../tasks/future.js'
import type { Resolver } from '../tasks/resolver.js'
import type { TaskDefinition } from '../tasks/task.js'
import type { Lineage } from './lineage.js'

export type TaskState = 'pending' | 'done' | 'failed' | 'cancelled' | 'ignored'

/** What a record asks of the run that it belongs to. */
export interface RunOfRecords {
  /** Tells those who wait for a record that is settled. */
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
  | ToCome
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

/** An argument, or a part of one, that was not there at the call. */
export class ToCome {
  readonly k = 'l'
  /** Once it is there. */
  arg: Arg
}

/** An argument all of whose parts are there. */
export function whole(arg: Arg): Arg {
  if (typeof arg !== 'object' || arg === null) return arg
  if (arg instanceof ToCome) return whole(arg.arg)
  if (arg.k === 'a') return { k: 'a', e: arg.e.map(whole) }
  return arg
}

/** An argument as it is sent, once what it is made of is there. */
export function filled(arg: Arg): Carried {
  if (typeof arg !== 'object' || arg === null) return arg
  switch (arg.k) {
    case 'd':
      return arg.value
    case 'l':
      return filled(arg.arg)
    case 'a':
      return { k: 'a', e: arg.e.map(filled) }
    case 'v':
      return arg.f ? { k: 'v', b: arg.b, f: arg.f.map(filled) } : (arg as Carried)
    case 'o':
    case 'r':
      return arg
  }
}

/** Somebody who waits for the outcome of a record. */
export interface Awaiting {
  readonly resolve: Resolver
  readonly reject: Resolver
  /** Whoever came before. */
  readonly before: Awaiting | undefined
}

/** What few records have: kept beside them, since pending calls are many. */
interface Rare {
  promise?: Promise<any>
  watchers?: (() => void)[]
  written?: ReadonlyMap<number, Carried> | undefined
  lineage?: Lineage | undefined
  remakes?: Lineage | undefined
}

/**
 * A task call, from capture to outcome. Once it has settled only its futures and the tasks that take its result hold it, so its value
 * goes when nobody can ask for it any more.
 */
export class TaskRecord implements FutureSource<unknown> {
  state: TaskState = 'pending'
  /** Whether somebody waits, or was told of the failure. */
  seen = false
  /** Set when its commit changed the store: urls of the other stores that it changed too. */
  changed: readonly string[] | undefined
  result: Carried
  error: unknown
  #awaiting: Awaiting | undefined
  #rare: Rare | undefined

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

  /** New values of volatile arguments that it wrote, by position. */
  get written(): ReadonlyMap<number, Carried> | undefined {
    return this.#rare?.written
  }

  set written(written: ReadonlyMap<number, Carried> | undefined) {
    if (written !== this.written) this.#withRare.written = written
  }

  /** How its large values came to be, if they can be made again. */
  get lineage(): Lineage | undefined {
    return this.#rare?.lineage
  }

  set lineage(lineage: Lineage | undefined) {
    if (lineage !== this.lineage) this.#withRare.lineage = lineage
  }

  /** What this task makes again. */
  get remakes(): Lineage | undefined {
    return this.#rare?.remakes
  }

  set remakes(remakes: Lineage | undefined) {
    if (remakes !== this.remakes) this.#withRare.remakes = remakes
  }

  get #withRare(): Rare {
    return (this.#rare ??= {})
  }

  promise(): Promise<any> {
    const rare = this.#withRare
    rare.promise ??= new Promise((resolve, reject) => this.hand(resolve, reject))
    return rare.promise
  }

  hand(resolve: Resolver, reject: Resolver): void {
    this.seen = true
    this.#awaiting = { resolve, reject, before: this.#awaiting }
    if (this.state !== 'pending') this.kind.run.deliver(this)
  }

  /** Those who wait, who are the caller's to tell, in the order in which they came. */
  takeAwaiting(): Awaiting | readonly Awaiting[] {
    const last = this.#awaiting!
    this.#awaiting = undefined
    if (!last.before) return last
    const all: Awaiting[] = []
    for (let one: Awaiting | undefined = last; one; one = one.before) all.push(one)
    return all.reverse()
  }

  whenSettled(): Promise<void> {
    if (this.state !== 'pending') return Promise.resolve()
    return new Promise((resolve) => {
      const rare = this.#withRare
      rare.watchers ??= []
      rare.watchers.push(resolve)
    })
  }

  settle(state: Exclude<TaskState, 'pending'>): void {
    this.state = state
    // What an ignored task should have written stays as it was.
    if (state === 'ignored') this.written = new Map(this.args.map((arg, i) => [i, filled(arg)]))
    this.args = NO_ARGS
    if (this.#rare?.watchers) this.#wake(this.#rare)
    if (this.#awaiting) this.kind.run.deliver(this)
  }

  #wake(rare: Rare): void {
    const watchers = rare.watchers!
    delete rare.watchers
    for (const wake of watchers) wake()
  }

  cancel(reason: unknown): void {
    this.kind.run.cancel(this, reason)
  }

  describe(): string {
    return `${this.name}: ${this.state}`
  }
}

const NO_ARGS: readonly Arg[] = []

/** The record behind a future of a task that has entered the graph. */
export function recordOf(value: unknown): TaskRecord | undefined {
  if (!(value instanceof TaskFuture)) return undefined
  const source: unknown = value.source
  if (source instanceof TaskRecord) return source
  const entered = (source as { readonly record?: unknown }).record
  return entered instanceof TaskRecord ? entered : undefined
}
