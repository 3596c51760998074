/** `timeoutMs` of tasks that run in this thread beside others: they are asked to stop, and then nobody waits for them any more. */
import { TaskFailedError } from '../../src/errors.js'
import type { Attempt } from './running.js'
import type { TaskDefinition } from './task.js'

/** How long a body may go on after it was asked to stop, by its signal. */
export const TIMEOUT_GRACE_MS = 100
export const CANCEL_GRACE_MS = 1000

/**
 * What `begin` gives, within the time of its task. `isOver` says from then on that it came too late: what it changed must not be stored.
 * A body that computes without a pause cannot be stopped from here.
 * @throws TaskFailedError ERR_TASK_TIMEOUT
 */
export async function inTime<T>(
  definition: TaskDefinition,
  attempt: Attempt,
  begin: (isOver: () => boolean) => T | Promise<T>,
): Promise<T> {
  const { timeoutMs } = definition.options
  if (timeoutMs === undefined) return begin(() => false)
  let [isLate, isOver] = [false, false]
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const end = (): void => {
      isOver = true
      reject(outOfTime(definition.name, timeoutMs))
    }
    timer = setTimeout(() => {
      isLate = true
      attempt.abort()
      timer = setTimeout(end, TIMEOUT_GRACE_MS)
    }, timeoutMs)
  })
  try {
    return await Promise.race([begin(() => isOver), late])
  } catch (error) {
    throw isLate ? outOfTime(definition.name, timeoutMs, isOver ? undefined : error) : error
  } finally {
    clearTimeout(timer)
  }
}

export const outOfTime = (task: string, timeoutMs: number, cause?: unknown): Error =>
  new TaskFailedError(`task ${task} was stopped: it took longer than its timeoutMs of ${timeoutMs} ms`, {
    task,
    code: 'ERR_TASK_TIMEOUT',
    timeoutMs,
    ...(cause !== undefined && { cause }),
  })
