/** What programs say to the runtime: wait, look, end. */
import { hostname } from 'node:os'
import { UnsupportedError, ValidationError } from '../src/errors.js'
import { assertKnown } from '../src/known-options.js'
import { StorageObject } from '../src/objects/storage-object.js'
import { currentUnit, programUnit, unitIfOpen } from '../src/unit/context.js'
import { Program } from '../src/unit/program.js'
import { waitLimit } from '../src/wait-limit.js'
import { crewOf } from './crew.js'
import { callRuntime, currentRunner, dropRunner, isProgramThread, setRunnerFactory } from './current-runtime.js'
import { offersOf } from './driver/offers.js'
import { endHosts } from './hosts/the-hosts.js'
import type { TaskGraph } from './observe/run-record.js'
import { OffRunner } from './off-runner.js'
import { Runtime } from './runtime.js'
import { checkIsolation, type Isolation, pendingMax, runtimeIsOff } from './runtime-config.js'
import { settled } from './settled.js'
import { CALL_OPTIONS, checkedLimit } from './tasks/call-options.js'
import { calledInside } from './tasks/called-inside.js'
import { isToCome } from './tasks/child-args.js'
import type { Future } from './tasks/future.js'
import { type Arg, type Args, type CallOptions, methodDefinition, type TaskDefinition } from './tasks/task.js'
import { TaskGroup } from './tasks/task-group.js'

type Runner = Runtime | OffRunner
setRunnerFactory(() => runnerOf())
const runnerIfAny = (): Runner | undefined => currentRunner() as Runner | undefined

/** Rejects with the signal's reason or a time-out while `work` goes on. */
async function within<T>(work: Promise<T>, options: CallOptions): Promise<T> {
  const limit = waitLimit(options)
  if (!limit) return work
  limit.throwIfAborted()
  return Promise.race([
    work,
    new Promise<never>((_, reject) => limit.addEventListener('abort', () => reject(limit.reason as Error), { once: true })),
  ])
}

/**
 * Waits for all tasks; inside a task or transaction, for those that it has called. Then clean loaded instances that tasks changed are up to date.
 * @throws AggregateError of the failures that nobody awaited; ConflictError when an instance with unsaved changes was changed by a task.
 */
export async function barrier(options: CallOptions = {}): Promise<void> {
  assertKnown(options, CALL_OPTIONS, 'barrier()')
  const called = calledInside()
  if (called) return within(called.settled(), options)
  const runner = runnerIfAny()
  if (runner && isProgramThread() && !unitIfOpen()?.isTransaction) await within(runner.barrier(), options)
}

/** The value once the tasks that make or change it have finished: of a future, an object, or a volatile value that was passed to be written. */
export async function waitOn<T>(value: Arg<T>, options: CallOptions = {}): Promise<T> {
  assertKnown(options, CALL_OPTIONS, 'waitOn()')
  const runner = runnerIfAny()
  const inPlace = !runner || !isProgramThread() || unitIfOpen()?.isTransaction
  return within((inPlace ? settledInside(value) : runner.waitOn(value)) as Promise<T>, options)
}

/** A value that is no future may be written by what was called before. */
async function settledInside(value: unknown): Promise<unknown> {
  if (!isToCome(value)) await calledInside()?.over()
  return settled(value)
}

/**
 * Runs a piece of the program and waits for the tasks that it called. Then clean loaded instances that they changed are up to date.
 * @throws what `body` throws; AggregateTaskError of failures that nobody awaited
 */
export async function group<T>(body: (tasks: TaskGroup) => T | PromiseLike<T>, options: CallOptions = {}): Promise<T> {
  assertKnown(options, CALL_OPTIONS, 'group()')
  const tasks = new TaskGroup()
  try {
    const result = await tasks.run(() => body(tasks))
    await waitOn(tasks.settled(), options)
    return result
  } finally {
    tasks.close()
  }
}

/**
 * Resolves when few enough calls are pending: awaited in a loop of calls, it bounds what they need of memory.
 * `limit`: default INSITU_PENDING_MAX, else 100,000.
 */
export async function submitReady(options: CallOptions & { readonly limit?: number } = {}): Promise<void> {
  assertKnown(options, ['limit', ...CALL_OPTIONS], 'submitReady()')
  const atMost = checkedLimit(options.limit ?? pendingMax())
  const runner = runnerIfAny()
  // A body's own task is pending: it would wait for itself.
  if (runner && isProgramThread() && !unitIfOpen()?.isTransaction) await within(runner.submitReady(atMost), options)
}

type MethodName<T> = { [K in keyof T]: T[K] extends (...a: any[]) => PromiseLike<unknown> ? K : never }[keyof T]
type ParamsOf<M> = M extends (...a: infer A) => unknown ? Args<A> : never
type ResultOf<M> = M extends (...a: any[]) => infer R ? Awaited<R> : never

/**
 * Runs a method of an object where the object is. If that is still a future or a promise, what the method does with its arguments is known once it
 * has come: until then the call has no place among those on the same objects, unless the runtime is off.
 */
export function executeTask<T extends StorageObject, K extends Exclude<MethodName<T>, keyof StorageObject>>(
  target: T | PromiseLike<T>,
  method: K,
  ...args: ParamsOf<T[K]>
): Future<ResultOf<T[K]>> {
  const name = String(method)
  const definition = target instanceof StorageObject ? methodOf(target, name) : laterMethod(name)
  return callRuntime(definition, target, args) as Future<ResultOf<T[K]>>
}

function methodOf(target: object, name: string): TaskDefinition {
  const fn = (Object.getPrototypeOf(target) as Record<string, unknown>)[name]
  if (typeof fn !== 'function' || name in StorageObject.prototype)
    throw new ValidationError(`${target.constructor.name} has no method ${name} to run as a task`, { code: 'ERR_NO_METHOD', method: name })
  return methodDefinition(target.constructor, name, fn as never)
}

const laterMethods = new Map<string, TaskDefinition>()

/** A method of an object that is still a future: looked up when the object is there. */
function laterMethod(name: string): TaskDefinition {
  let known = laterMethods.get(name)
  if (!known) {
    const body = function (this: Record<string, (...a: unknown[]) => unknown>, ...args: unknown[]): unknown {
      return this[name]!(...args)
    }
    const ofTarget = (target: unknown): TaskDefinition => methodOf(Object(target) as object, name)
    known = { ...methodDefinition({ name: 'future' }, name, body as never), ofTarget }
    laterMethods.set(name, known)
  }
  return known
}

/** The result of `executeTask`. */
export const getResult = async <T>(future: Future<T> | PromiseLike<T>): Promise<T> => future

export interface Stats {
  readonly tasks: number
  readonly done: number
  readonly failed: number
  readonly pending: number
  /** Share of tasks that ran where their data was. With one host it is 1 by construction. */
  readonly nearShare: number
  /** Bytes of stored cells and volatile values fetched between hosts for tasks. What the program itself loads is `bytesLoaded`. */
  readonly bytesMoved: number
  readonly [figure: string]: number
}

/** Of all runs of the program, since it may `finish` one and begin another. */
export interface ProgramStats extends Pick<Stats, 'tasks' | 'nearShare' | 'bytesMoved'> {
  /** Those of `tasks` that had data. */
  readonly withData: number
}

let endedRuns: ProgramStats = { tasks: 0, nearShare: 1, bytesMoved: 0, withData: 0 }

export function programStats(): ProgramStats {
  const now = runnerIfAny()?.stats()
  return now ? together(endedRuns, now as Stats) : endedRuns
}

function together(a: ProgramStats, b: Stats): ProgramStats {
  const { withData: more = 0 } = b
  const withData = a.withData + more
  const nearShare = withData === 0 ? 1 : (a.nearShare * a.withData + b.nearShare * more) / withData
  return { tasks: a.tasks + b.tasks, nearShare, bytesMoved: a.bytesMoved + b.bytesMoved, withData }
}

const NOTHING_DONE: Stats = { tasks: 0, done: 0, failed: 0, pending: 0, nearShare: 1, bytesMoved: 0 }
let lastStats = NOTHING_DONE

/** What the run has done so far; after its end, what it had done. */
export const stats = (): Stats => (runnerIfAny()?.stats() as Stats | undefined) ?? lastStats

/** The tasks of this run and what waited for what. */
export const graphOf = (): TaskGraph => runnerIfAny()?.graph() ?? { nodes: [], edges: [] }

/** Why a task waits, or why it went where it went. */
export const explain = (future: PromiseLike<unknown>): string => runnerIfAny()?.explain(future) ?? 'no task was called yet'

/** All that is not over, and why, as text: what to look at when a run stands still, and to attach to a report of it. */
export const dump = (): string => runnerIfAny()?.dump() ?? 'no task was called yet'

/** The run's id: marks of its tasks and its graph go by it. */
export const runId = (): string | undefined => {
  const runner = runnerIfAny()
  return runner instanceof Runtime ? runner.runId : undefined
}

export interface InitOptions {
  /** How many tasks run at once. Default: INSITU_WORKERS, else one per core. */
  readonly workers?: number
  /**
   * What runs them: `'thread'`, or `'process'`, where a body that crashes as a whole (a native fault, `process.abort()`) takes nothing with it.
   * Default: INSITU_ISOLATION, else `'thread'`.
   */
  readonly isolation?: Isolation
}

/**
 * Opens the default store; called for you at the first use of an object. Options must be given before the first task is called.
 * @throws ValidationError ERR_RUN_BEGUN, ERR_ISOLATION
 */
export async function init(options: InitOptions = {}): Promise<void> {
  assertKnown(options, ['workers', 'isolation'], 'init()')
  if (options.workers !== undefined || options.isolation !== undefined) useWorkers(options)
  await currentUnit()
}

const runnerOf = (workers?: number, isolation?: Isolation): Runner =>
  runtimeIsOff() ? new OffRunner(() => offersOf(crewOf(workers, 'thread'))) : new Runtime(crewOf(workers, isolation))

function useWorkers({ workers, isolation }: InitOptions): void {
  if (workers !== undefined && !(Number.isInteger(workers) && workers > 0))
    throw new ValidationError(`workers is a whole number above 0, not ${String(workers)}`, { code: 'ERR_WORKERS', workers })
  if (isolation !== undefined) checkIsolation(isolation)
  if (runnerIfAny() || !isProgramThread())
    throw new ValidationError('init() comes before the first task: its workers are chosen then', { code: 'ERR_RUN_BEGUN' })
  setRunnerFactory(() => runnerOf(workers, isolation))
}

/** Names of the hosts that the default store lies on, to be given to `makePersistent(alias, { host })` and `newReplica(host)`. */
export async function hosts(): Promise<readonly string[]> {
  const { places } = (await currentUnit()).store.backend
  return places?.hosts ?? [hostname()]
}

/**
 * Waits for all tasks, saves buffered rows, ends workers and closes the default store.
 * @throws UnsupportedError in a task or transaction, which would wait for itself
 */
export async function finish(): Promise<void> {
  if (!isProgramThread() || unitIfOpen()?.isTransaction)
    throw new UnsupportedError('finish() ends the program: call it there, not in a task or transaction', { code: 'ERR_CALL_IN_TASK' })
  let isOver = false
  try {
    await barrier()
    const unit = programUnit()
    if (unit instanceof Program) await unit.saveRows()
    isOver = true
  } finally {
    await abandon(isOver)
  }
}

/** Ends workers and closes the default store, whatever is pending. `isOver`: all went well, nobody will go on with this run. */
export async function abandon(isOver = false): Promise<void> {
  lastStats = stats()
  endedRuns = programStats()
  const runner = runnerIfAny()
  dropRunner()
  // What `init` asked for was for this run.
  setRunnerFactory(() => runnerOf())
  await runner?.close(isOver)
  await programUnit()?.store.close()
  await endHosts()
}
