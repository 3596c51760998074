/** Where a task call goes: into the graph, or in place. */
import { isMainThread } from 'node:worker_threads'
import { UnsupportedError } from '../src/errors.js'
import { type StorageObject, stateOf } from '../src/objects/storage-object.js'
import { unitIfOpen } from '../src/unit/context.js'
import { Transaction } from '../src/unit/transaction.js'
import { type Future, futureOf } from './tasks/future.js'
import { currentAttempt } from './tasks/running.js'
import type { TaskDefinition } from './tasks/task.js'
import { joinGroup } from './tasks/task-group.js'

/** What takes task calls of the main program. */
export interface TaskRunner {
  submit(
    definition: TaskDefinition,
    target: StorageObject | PromiseLike<StorageObject> | undefined,
    args: readonly unknown[],
  ): Future<unknown>
}

let makeRunner: (() => TaskRunner) | undefined
let runner: TaskRunner | undefined

export function setRunnerFactory(make: () => TaskRunner): void {
  makeRunner = make
}

export const currentRunner = (): TaskRunner | undefined => runner

export function theRunner(): TaskRunner {
  runner ??= makeRunner!()
  return runner
}

export function dropRunner(): void {
  runner = undefined
}

let inWorker = false

/** Whether this thread runs the program, not tasks for it. */
export const isProgramThread = (): boolean => isMainThread && !inWorker

/** This thread runs tasks for a program; it has no runtime of its own. */
export function runsInWorker(): void {
  inWorker = true
}

/** Called by task functions and task methods. Inside a task or transaction the call runs in place, in that unit of work. */
export function callRuntime(
  definition: TaskDefinition,
  target: StorageObject | PromiseLike<StorageObject> | undefined,
  args: readonly unknown[],
): Future<unknown> {
  const inTask = unitIfOpen()?.isTransaction
  if (inWorker && !inTask)
    throw new UnsupportedError(
      `a task (${placeOf(definition)}) was called while a worker loaded a module: programs start by main(import.meta, async () => { … })`,
      { code: 'ERR_CALL_OUTSIDE_TASK' },
    )
  const future =
    !isProgramThread() || inTask
      ? futureOf(inside(definition, target, args), definition.name)
      : theRunner().submit(definition, target, args)
  joinGroup(future)
  return future
}

const placeOf = ({ site, name }: TaskDefinition): string => (site ? `${site.url}:${site.line}` : name)

/** A call of a task's body is the task's child; one of a transaction is part of it. */
function inside(definition: TaskDefinition, target: unknown, args: readonly unknown[]): Promise<unknown> {
  const attempt = currentAttempt()
  const unit = unitIfOpen()
  if (!attempt?.scope || !(unit instanceof Transaction)) return runInPlace(definition, target as StorageObject, args)
  return attempt.scope.call(attempt, unit, definition, definition.method === undefined ? args : [target, ...args])
}

async function runInPlace(
  definition: TaskDefinition,
  target: StorageObject | PromiseLike<StorageObject> | undefined,
  args: readonly unknown[],
): Promise<unknown> {
  const ready = await Promise.all(args.map(settled))
  const object = await target
  for (const value of [object, ...ready]) if (value instanceof Object && isUnloaded(value)) await (value as StorageObject).load()
  return definition.body.apply(object, ready)
}

/** Awaits what a task's argument may hold: promises, also inside arrays. */
export async function settled(value: unknown): Promise<unknown> {
  const direct = await value
  return Array.isArray(direct) && direct.some(isPromiseLike) ? Promise.all(direct.map(settled)) : direct
}

export const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'

function isUnloaded(value: object): boolean {
  try {
    return !stateOf(value as StorageObject).loaded
  } catch {
    return false
  }
}
