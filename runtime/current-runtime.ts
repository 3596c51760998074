/** Where a task call goes: into the graph, or in place. */
import { UnsupportedError } from '../src/errors.js'
import type { StorageObject } from '../src/objects/storage-object.js'
import { unitIfOpen } from '../src/unit/context.js'
import { Transaction } from '../src/unit/transaction.js'
import { type Future, TaskFuture } from './tasks/future.js'
import { callInTransaction } from './tasks/in-transaction.js'
import { assertFits, learnOffers, type NamedOffer } from './tasks/needs.js'
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
  /** What the hosts of the run have for tasks. */
  readonly offers: readonly NamedOffer[]
}

let makeRunner: (() => TaskRunner) | undefined
let runner: TaskRunner | undefined

export function setRunnerFactory(make: () => TaskRunner): void {
  makeRunner = make
  learnOffers(() => theRunner().offers)
}

export const currentRunner = (): TaskRunner | undefined => runner

function theRunner(): TaskRunner {
  runner ??= makeRunner!()
  return runner
}

export function dropRunner(): void {
  runner = undefined
}

let inWorker = false

/** Whether this thread runs a program, not tasks for one. It need not be the main one: test runners and servers start threads for programs. */
export const isProgramThread = (): boolean => !inWorker

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
  const future = !isProgramThread() || inTask ? inside(definition, target, args) : theRunner().submit(definition, target, args)
  joinGroup(future)
  return future
}

const placeOf = ({ site, name }: TaskDefinition): string => (site ? `${site.url}:${site.line}` : name)

/** A call of a task's body is the task's child; one of a transaction is part of it. */
function inside(definition: TaskDefinition, target: unknown, args: readonly unknown[]): Future<unknown> {
  const given = definition.method === undefined ? args : [target, ...args]
  const attempt = currentAttempt()
  const unit = unitIfOpen()
  if (!(unit instanceof Transaction))
    throw new UnsupportedError('tasks are called in programs, tasks and transactions', { code: 'ERR_CALL_OUTSIDE_TASK' })
  assertFits(definition)
  const { scope } = attempt ?? {}
  return new TaskFuture(attempt && scope ? scope.call(attempt, unit, definition, given) : callInTransaction(unit, definition, given))
}
