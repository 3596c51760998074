/**
 * Calls that are part of the unit of work around them: of a body that holds what they are given for writing, and of a transaction. What one
 * changes before it fails is taken back, so that whoever goes on without it, or runs it again, has what was there before.
 */
import { ConflictError, isInsituError, TaskFailedError } from '../../src/errors.js'
import { isStorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Transaction } from '../../src/unit/transaction.js'
import { heldIn } from '../data/held-in.js'
import { RETRIES_MAX } from '../scheduler/constants.js'
import { settled } from '../settled.js'
import type { ChildCall } from './child-call.js'
import { inTime } from './in-time.js'
import { type Attempt, runAs } from './running.js'
import type { TaskDefinition } from './task.js'

export interface InPlace {
  readonly call: ChildCall
  readonly unit: Transaction
  readonly definition: TaskDefinition
  readonly args: readonly unknown[]
}

/** Its result, after as many attempts as its policy has. A conflict is the whole unit's, which meets it as well. */
export async function runInPlace(inPlace: InPlace, attemptOf: (number: number) => Attempt): Promise<unknown> {
  const { call, unit, definition, args } = inPlace
  let retries = definition.policy === 'RETRY' ? RETRIES_MAX : 0
  for (let number = 1; ; number++) {
    const attempt = attemptOf(number)
    call.begins(() => attempt.abort())
    const before = unit.savepoint(args)
    try {
      const made = await inTime(definition, attempt, () => runAs(attempt, () => runBody(inPlace, attempt)))
      if (call.isOver()) throw stopped(definition)
      before.release()
      return made
    } catch (error) {
      before.undo()
      if (call.isCancelled || error instanceof ConflictError) throw error
      if (retries-- <= 0 || !mayPass(error)) return ignored(definition, error).result
    }
  }
}

async function runBody({ definition, args }: InPlace, attempt: Attempt): Promise<unknown> {
  const made = await settled(bodyOf(definition, await loaded(args)))
  await attempt.scopeIfAny?.calls.settled()
  return made
}

/** Never told: the call knows that it was cancelled, and why. */
const stopped = ({ name }: TaskDefinition): Error => new TaskFailedError(`task ${name} was stopped`, { task: name })

/** Whether what failed may go well when it is done again. */
export const mayPass = (error: unknown): boolean => !isInsituError(error) || error.retryable || error.code === 'ERR_TASK_TIMEOUT'

/** What a failure is for whoever called. */
export function ignored({ policy }: TaskDefinition, error: unknown): { readonly result: undefined } {
  if (policy !== 'IGNORE') throw error
  return { result: undefined }
}

/** What is an argument, or stands in one, has its fields. */
async function loaded(args: readonly unknown[]): Promise<readonly unknown[]> {
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null) continue
    for (const held of heldIn(arg)) if (isStorageObject(held) && !stateOf(held).loaded) await held.load()
  }
  return args
}

/** Of an object that is stored, or will be with its unit of work. */
export function persistentState(value: object): ReturnType<typeof stateOf> | undefined {
  return isStorageObject(value) ? stateOf(value) : undefined
}

export function bodyOf({ method, body }: Pick<TaskDefinition, 'method' | 'body'>, args: readonly unknown[]): unknown {
  if (method === undefined) return body(...args)
  const [target, ...rest] = args
  return body.apply(target, rest)
}
