import { ValidationError } from '../../src/errors.js'
import { assertKnown } from '../../src/known-options.js'
import type { StorageObject } from '../../src/objects/storage-object.js'
import { callRuntime } from '../current-runtime.js'
import { CALL_OPTIONS, checkedOptions, checkedPolicy } from './call-options.js'
import { type CallSite, callSite, lineOf } from './call-site.js'
import { DIRECTIONS, type Direction } from './directions.js'
import type { Future } from './future.js'
import type { TaskNeeds } from './needs.js'

declare const why: unique symbol

/** Nothing but itself is assignable to it: the compiler prints the reason. */
export interface Refused<Why extends string> {
  readonly [why]: Why
}

/** What may stand where a task wants T: T, a future or promise of T, or an array holding such things. */
export type Arg<T> = T | PromiseLike<T> | (T extends readonly (infer E)[] ? readonly Arg<E>[] : never)
export type Args<A extends readonly unknown[]> = { [K in keyof A]: Arg<A[K]> }
export type TaskFn<A extends readonly unknown[], R> = (...args: Args<A>) => Future<Awaited<R>>

type Primitive = string | number | boolean | bigint | symbol | null | undefined
/** One direction per parameter, by place; a primitive cannot be written. */
export type Directions<A extends readonly unknown[]> = { readonly [K in keyof A]?: A[K] extends Primitive ? 'IN' : Direction }

export type FailurePolicy = 'RETRY' | 'IGNORE' | 'CANCEL_SUCCESSORS' | 'FAIL'

export interface CallOptions {
  /** -16 … 15, larger first. */
  priority?: number
  timeoutMs?: number
  signal?: AbortSignal
  /** What it needs of its host; a call that no host of the run can take is refused with a CannotPlaceError. */
  needs?: TaskNeeds
}

export interface TaskOptions<A extends readonly unknown[]> extends CallOptions {
  /** One direction per parameter, by place; default IN. */
  args?: Directions<A>
  /** What a method does with its object; default IN. */
  target?: Direction
  /** What happens when the body fails; default CANCEL_SUCCESSORS. RETRY runs it up to two more times. */
  onFailure?: FailurePolicy
}

const TASK_OPTIONS: readonly (keyof TaskOptions<readonly any[]>)[] = ['args', 'target', 'onFailure', ...CALL_OPTIONS]

/** What the runtime knows of a task function or method. */
export interface TaskDefinition {
  /** Index in this process: the scheduler's type id. */
  readonly index: number
  readonly body: (...args: any[]) => unknown
  /** The call of `task(...)`: in every thread the same text stands at the same place. */
  readonly site: CallSite | undefined
  /** For methods: the name to look up on the object. */
  readonly method: string | undefined
  readonly directions: readonly Direction[]
  readonly target: Direction
  readonly policy: FailurePolicy
  readonly options: CallOptions
  /** For a method of an object that is not there yet: what to run once it is. */
  readonly ofTarget?: (target: unknown) => TaskDefinition
  /** The export's name, for people; until it is known the function's own, or the file and line of `task(...)`. */
  name: string
}

/** A task that a worker has called and this thread may not have loaded: what is needed to send it to another worker. */
export type CalledTask = Pick<TaskDefinition, 'name' | 'method' | 'site' | 'directions' | 'target' | 'policy' | 'options'>

const called = new Map<string, TaskDefinition>()

export function calledDefinition(task: CalledTask): TaskDefinition {
  const { method, site, name } = task
  const key = JSON.stringify([method, site, method === undefined ? '' : name, task.directions, task.target, task.policy, task.options])
  let known = called.get(key)
  if (!known) {
    const body = (): never => {
      throw new TypeError(`task ${name} runs in workers only`)
    }
    called.set(key, (known = { ...task, index: definitions.length, body }))
    definitions.push(known)
  }
  return known
}

const definitions: TaskDefinition[] = []
const definitionOf = new WeakMap<object, TaskDefinition>()
const bySite = new Map<string, object[]>()
const byModule = new Map<string, object[]>()

/** Whether this thread has met any task yet. */
export const hasTasks = (): boolean => definitions.length > 0

/** Every task of this thread by its index. */
export const taskDefinition = (index: number): TaskDefinition => definitions[index]!

/** The definition behind a task function. */
export const definitionOfTask = (fn: unknown): TaskDefinition | undefined => (typeof fn === 'function' ? definitionOf.get(fn) : undefined)

/** Tells tasks of this thread what they are exported as. */
export function nameTasks(exported: Iterable<{ readonly name: string; readonly site: CallSite }>): void {
  for (const { name, site } of exported) {
    const made = taskAt(site)
    if (made) definitionOf.get(made)!.name = name
  }
}

/** The task function that `task(...)` made at a place, in this thread. */
export const taskAt = (site: CallSite): object | undefined => bySite.get(placeName(site))?.[site.nth]

/** Which one a task is among those of its module, in the order in which they were made, and how many parameters it has. */
export interface TaskRank {
  readonly nth: number
  readonly of: number
  readonly takes: number
}

const placeInModule = new WeakMap<CallSite, number>()

export function rankOf({ site, body }: TaskDefinition): TaskRank | undefined {
  const nth = site && placeInModule.get(site)
  return nth === undefined ? undefined : { nth, of: byModule.get(site!.url)!.length, takes: body.length }
}

/** The task function of a rank, if the module has made the same number of tasks in this thread. */
export function taskRanked(url: string, { nth, of, takes }: TaskRank): object | undefined {
  const made = byModule.get(url)
  const call = made?.length === of ? made[nth] : undefined
  return call && definitionOf.get(call)!.body.length === takes ? call : undefined
}

const placeName = ({ url, line, column }: Omit<CallSite, 'nth'>): string => `${url}:${line}:${column}`

/** What is kept under a name, to be added to. */
function listIn(lists: Map<string, object[]>, name: string): object[] {
  let list = lists.get(name)
  if (!list) lists.set(name, (list = []))
  return list
}

/**
 * Makes a function a task: calling it gives a Future at once, and the body runs where its data lives. The task must be exported,
 * since workers find it by module and export.
 *
 * An argument may be a promise, or a list that holds some: the call waits for them, and keeps its place. Later calls on the same objects and
 * values see what it does, as in the text of the program; so a promise that waits for one of those never comes. If it rejects, the call fails
 * with what it rejected with. A persistent object that only the promise gives takes its place when it comes, behind all calls on it made by then;
 * where one of those waits for this call, the store decides between the two, and no change is lost.
 */
export function task<A extends readonly unknown[], R>(fn: (...args: A) => R, options: TaskOptions<NoInfer<A>> = {}): TaskFn<A, R> {
  if (typeof fn !== 'function') throw new ValidationError(`task() takes a function, not ${typeof fn}`)
  const place = callSite(task)
  const others = place && listIn(bySite, placeName(place))
  const site = place && { ...place, nth: others!.length }
  const definition = define(fn as (...args: any[]) => unknown, site, undefined, options as TaskOptions<readonly any[]>)
  const call = makeCall<A, R>(definition)
  others?.push(call)
  if (site) placeInModule.set(site, listIn(byModule, site.url).push(call) - 1)
  return call
}

function makeCall<A extends readonly unknown[], R>(definition: TaskDefinition): TaskFn<A, R> {
  const call = (...args: unknown[]): Future<Awaited<R>> => callRuntime(definition, undefined, args) as Future<Awaited<R>>
  definitionOf.set(call, definition)
  return call as TaskFn<A, R>
}

function define(
  body: (...args: any[]) => unknown,
  site: CallSite | undefined,
  method: string | undefined,
  options: TaskOptions<readonly any[]>,
): TaskDefinition {
  const { args = [], target = 'IN', onFailure = 'CANCEL_SUCCESSORS', ...rest } = options
  assertKnown(options, TASK_OPTIONS, 'a task')
  if (!Array.isArray(args)) throw new ValidationError(`args is a list of directions, one for each parameter, not ${JSON.stringify(args)}`)
  for (const d of [...(args as readonly (Direction | undefined)[]), target])
    if (d !== undefined && !DIRECTIONS.includes(d))
      throw new ValidationError(`unknown direction ${String(d)}: use one of ${DIRECTIONS.join(', ')}`, { code: 'ERR_UNKNOWN_DIRECTION' })
  let name = method ?? (body.name || undefined)
  const definition: TaskDefinition = {
    index: definitions.length,
    body,
    site,
    method,
    directions: Array.from(args as readonly (Direction | undefined)[], (d) => d ?? 'IN'),
    target,
    policy: checkedPolicy(onFailure),
    options: checkedOptions(rest),
    // Not before it is asked for: maps of sources are large.
    get name() {
      return (name ??= site ? lineOf(site) : 'task')
    },
    set name(known) {
      name = known
    },
  }
  definitions.push(definition)
  return definition
}

type AsyncOnly<R> = R extends PromiseLike<unknown> ? unknown : Refused<'a task method must be async: its callers get a promise'>

export declare namespace task {
  /** `@task.method()` on an async method, in TC39 or legacy mode. Without decorators: `executeTask(object, 'method')`. */
  function method(options?: TaskOptions<readonly any[]>): {
    <This extends StorageObject, A extends readonly unknown[], R>(
      m: ((this: This, ...a: A) => R) & AsyncOnly<R>,
      c: ClassMethodDecoratorContext<This>,
    ): void
    <A extends readonly unknown[], R>(
      proto: StorageObject,
      name: string | symbol,
      d: TypedPropertyDescriptor<((...a: A) => R) & AsyncOnly<R>>,
    ): void
  }
  /** The same task with other call options. */
  function configure<F extends TaskFn<any, any>>(fn: F, options: CallOptions): F
}

const methods = new WeakMap<object, TaskDefinition>()

/** The definition that `@task.method()` left on a method, or one made for a plain async method. */
export function methodDefinition(ctor: object, name: string, fn: (...args: any[]) => unknown): TaskDefinition {
  let known = definitionOf.get(fn) ?? methods.get(fn)
  if (!known) {
    known = define(fn, undefined, name, {})
    methods.set(fn, known)
  }
  if (known.name === name) known.name = `${(ctor as { name: string }).name}.${name}`
  return known
}

function wrapMethod(fn: (...args: any[]) => unknown, name: string, options: TaskOptions<readonly any[]>): (...args: any[]) => unknown {
  const definition = define(fn, undefined, name, options)
  const call = function (this: StorageObject, ...args: unknown[]): unknown {
    return callRuntime(definition, this, args)
  }
  Object.defineProperty(call, 'name', { value: name })
  definitionOf.set(call, definition)
  return call
}

task.method = ((options: TaskOptions<readonly any[]> = {}) =>
  (a: any, b: any, c?: any): unknown => {
    if (typeof b === 'object' && b !== null && 'kind' in b) return wrapMethod(a, String(b.name), options)
    c.value = wrapMethod(c.value, String(b), options)
    return undefined
  }) as unknown as typeof task.method

task.configure = (<F extends TaskFn<any, any>>(fn: F, options: CallOptions): F => {
  const known = definitionOf.get(fn)
  if (!known) throw new ValidationError('task.configure() takes a function made by task()')
  assertKnown(options, CALL_OPTIONS, 'a call')
  const configured: TaskDefinition = { ...known, options: checkedOptions({ ...known.options, ...options }) }
  // The name is learned later, and of the task itself.
  Object.defineProperty(configured, 'name', { get: () => known.name, enumerable: true })
  return makeCall<any, any>(configured) as F
}) as typeof task.configure
