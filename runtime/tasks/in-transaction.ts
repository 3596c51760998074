/** Calls of tasks in a transaction of the program: they are part of it, one after the other, and so is what they write to their arguments. */
import { isStorageObject, stateOf } from '../../src/objects/storage-object.js'
import type { Transaction } from '../../src/unit/transaction.js'
import { directionAt } from '../attempt.js'
import { heldIn } from '../data/held-in.js'
import { come, isToCome } from './child-args.js'
import { ChildCall, ChildCalls } from './child-call.js'
import { isWriting } from './directions.js'
import { bodyOf, runInPlace } from './in-place.js'
import { assertFits } from './needs.js'
import { Attempt, currentAttempt } from './running.js'
import type { TaskDefinition } from './task.js'

/** What the body of a transaction has called, or that of one of its calls. */
class Called {
  readonly calls = new ChildCalls()
  next = 0
  #turn: Promise<unknown> | undefined

  async inTurn<T>(run: () => Promise<T>): Promise<T> {
    while (this.#turn) await this.#turn
    const running = run()
    const turn = running.then(
      () => {},
      () => {},
    )
    this.#turn = turn
    try {
      return await running
    } finally {
      this.#turn = undefined
    }
  }
}

const calledBy = new WeakMap<object, Called>()

/** What a transaction, or one of its calls, has called. */
export const callsInTransaction = (caller: object): ChildCalls | undefined => calledBy.get(caller)?.calls

export function callInTransaction(unit: Transaction, definition: TaskDefinition, given: readonly unknown[]): ChildCall {
  const caller = currentAttempt() ?? unit
  const called = calledBy.get(caller) ?? new Called()
  calledBy.set(caller, called)
  if (caller === unit) unit.beforeEnd = () => called.calls.settled()
  const call = new ChildCall(definition.name, called.next++, definition.options.signal, async (child) => {
    const args = await Promise.all(given.map((arg) => (isToCome(arg) ? come(arg, child) : arg)))
    const named = definition.ofTarget?.(args[0]) ?? definition
    assertFits(named)
    return called.inTurn(() => run(unit, child, named, args))
  })
  called.calls.add(call)
  return call
}

function run(unit: Transaction, call: ChildCall, definition: TaskDefinition, args: readonly unknown[]): Promise<unknown> {
  const body = async (): Promise<unknown> => {
    const made = await bodyOf(definition, args)
    await calledBy.get(currentAttempt()!)?.calls.settled()
    await saveWritten(unit, definition, args)
    return made
  }
  const inPlace = { call, unit, definition: { ...definition, body, method: undefined }, args }
  return runInPlace(inPlace, (number) => new Attempt(definition.name, number))
}

/** Instances of the program are no part of a transaction before they are saved in it. */
async function saveWritten(unit: Transaction, definition: TaskDefinition, args: readonly unknown[]): Promise<void> {
  const about = { ...definition, isMethod: definition.method !== undefined }
  for (const [i, arg] of args.entries()) {
    if (!isWriting(directionAt(about, i))) continue
    for (const one of heldIn(arg)) if (isStorageObject(one) && isOfProgram(one, unit)) await one.save()
  }
}

function isOfProgram(object: Parameters<typeof stateOf>[0], unit: Transaction): boolean {
  const { ref, unit: holder } = stateOf(object)
  return ref !== undefined && holder !== undefined && unit.unitOn(holder.store) !== holder
}
