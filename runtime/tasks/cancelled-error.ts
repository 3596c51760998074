import { TaskFailedError } from '../../src/errors.js'

/** What whoever awaits a task that was cancelled is told. `reason`: what was given to `cancel`, or that of the signal; `undefined`: none. */
export function cancelledError(task: string, reason: unknown): TaskFailedError {
  const why = reason instanceof Error ? reason.message : typeof reason === 'string' ? reason : ''
  return new TaskFailedError(`task ${task} was cancelled${why && `: ${why}`}`, {
    task,
    code: 'ERR_TASK_CANCELLED',
    ...(reason !== undefined && { cause: reason }),
  })
}
