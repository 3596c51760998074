import { unitIfOpen } from '../../src/unit/context.js'
import type { ChildCalls } from './child-call.js'
import { callsInTransaction } from './in-transaction.js'
import { currentAttempt } from './running.js'

/** What the running body of a task or transaction has called so far; `undefined` in the main program. */
export function calledInside(): Pick<ChildCalls, 'over' | 'settled'> | undefined {
  const attempt = currentAttempt()
  if (attempt?.scopeIfAny) return attempt.scopeIfAny.calls
  const unit = unitIfOpen()
  return unit?.isTransaction ? callsInTransaction(attempt ?? unit) : undefined
}
