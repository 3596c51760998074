/** Functions on objects: the part of the storage interface that needs no runtime. */
import { inspect } from 'node:util'
import type { Location, Receipt } from './backend.js'
import { AliasTakenError, ConflictError, NotFoundError, UnsavedChangesError } from './errors.js'
import { type Id, newCommitId } from './ids.js'
import { assertKnown } from './known-options.js'
import { listOf } from './list-of.js'
import { isStorageObject, type StorageObject, stateOf } from './objects/storage-object.js'
import { ofOtherCopy } from './other-copy.js'
import { backOff, TRIES_MAX } from './unit/back-off.js'
import { BodyRuns } from './unit/body-runs.js'
import { currentUnit, runIn, unitOf } from './unit/context.js'
import { Program } from './unit/program.js'
import { isReadTableGone } from './unit/row-checks.js'
import { type Collected, Transaction } from './unit/transaction.js'
import { asId, unsavedBefore } from './unit/unit-errors.js'
import type { UnitOfWork } from './unit/unit-of-work.js'
import { currentTurn, Turn } from './unit/update-turn.js'

/** One object, or several in the order asked, of whatever class was stored. @throws NotFoundError, UnknownClassError */
export function getByID(id: Id): Promise<StorageObject>
export function getByID(...ids: Id[]): Promise<StorageObject[]>
export async function getByID(...ids: Id[]): Promise<StorageObject | StorageObject[]> {
  const found = await (await currentUnit()).getByIds(ids)
  return ids.length === 1 ? found[0]! : found
}

/** Loads handles in one round trip; those loaded already stay as they are. */
export async function loadAll<T extends StorageObject>(handles: Iterable<T>): Promise<T[]> {
  const list = Array.from(listOf(handles, 'loadAll', 'StorageObjects'), (handle) => required(handle, 'loadAll'))
  const unit = await currentUnit()
  await unit.loadAll(list.map(stateOf))
  return list
}

/** Hosts that hold an object, largest share first. @throws NotFoundError unknown id */
export async function getLocations(what: StorageObject | Id): Promise<readonly Location[]> {
  if (typeof what !== 'string') return required(what, 'getLocations').getLocations()
  const id = asId(what)
  const unit = await currentUnit()
  const [ref] = await unit.store.find([id])
  if (!ref) throw new NotFoundError(`no object has the id ${id} in ${unit.store.url}`, { id })
  return (await unit.store.backend.locate([ref]))[0] ?? []
}

export interface TransactOptions {
  /**
   * Also validate what was only read: objects, and rows of dicts with `writes: 'cas'`, those that a scan, `count` or an aggregate went over
   * among them, and those that were not there; and names that were found free. Write skew is impossible, and what a body that writes nothing returns, or throws, comes from objects and
   * rows as they were at one moment. Not validated: rows that have come into a range since it was scanned, sums of counters, which any number
   * may add to, and dicts with `writes: 'lww'`, which know no conflict. Default false.
   */
  readonly check?: boolean
  /** How often a body that met a conflict runs again. Default 100. */
  readonly retries?: number
}

/**
 * Runs `fn` as one unit of work: what it changes in persistent objects and collections commits as one group, or not at all.
 * Objects fetched inside are its own until then; an instance of the program is part of it once it is saved inside, and is what is then
 * found there, unless the object was met before. A conflict runs it again; what it changed by itself in an
 * instance of the program stays changed then, and is refused where it saves that and another run changes it once more; what `update` changed
 * is as it was. Inside another unit of work it joins that one. Afterwards clean
 * instances of the program are up to date, and references in what it goes on with lead to them, those in what the body gives (an object, or
 * lists, maps, sets and records of them) as well; those with unsaved changes stay as they
 * are, and conflict when they are saved.
 * @throws UnsavedChangesError if two instances of one object were changed: the one loaded inside, and the program's own, saved inside; if a
 * body that runs again may have changed an instance of the program twice
 */
export async function transact<T>(fn: () => T | PromiseLike<T>, options: TransactOptions = {}): Promise<T> {
  assertKnown(options, ['check', 'retries'], 'transact()')
  assertBody(fn, 'transact(async () => { … })')
  const unit = await currentUnit()
  if (unit instanceof Transaction) {
    unit.assertGoesOn('transact()')
    return fn()
  }
  const producer = newCommitId()
  const runs = new BodyRuns()
  for (let attempt = 0; ; attempt++) {
    const tx = new Transaction(unit.store)
    tx.producer = producer
    tx.mayRunAgain(runs)
    try {
      const done = await commitBody(tx, fn, options.check ?? false)
      // Nothing behind the commit may lead to another attempt: what was committed would be done twice.
      return await takeOver(tx, unit, done)
    } catch (error) {
      if (tx.isCommitted) throw error
      tx.rollback()
      tx.release()
      await tx.giveBack()
      if (!(error instanceof ConflictError) || attempt >= (options.retries ?? 100)) throw error
      await backOff(attempt)
    }
  }
}

interface Done<T> {
  readonly result: T
  readonly collected: Collected
  readonly receipt: Receipt | undefined
}

async function commitBody<T>(tx: Transaction, fn: () => T | PromiseLike<T>, check: boolean): Promise<Done<T>> {
  const result = await runBody(tx, fn, check)
  const collected = tx.collect({ check })
  refuseInsideUpdate(collected)
  if (check && collected.parts.length === 0 && !(await tx.isCurrent())) throw changedMeanwhile()
  try {
    return { result, collected, receipt: await tx.commit({ check, collected }) }
  } catch (error) {
    // A name that the body found free, or another's, is not so any more: what it makes of that it says when it runs again.
    const isMoved = error instanceof AliasTakenError
    throw isMoved || isReadTableGone(error, collected.ops) ? changedMeanwhile(error) : error
  }
}

/** The update around would meet a conflict with it whenever it runs, and do the transaction once more each time. */
function refuseInsideUpdate({ parts }: Collected): void {
  const turn = currentTurn()
  const both = turn && parts.flatMap(({ plan }) => plan.changed).find(({ ref }) => turn.holdsId(ref.id))
  if (both)
    throw new UnsavedChangesError(`transact() inside update() of the same object, ${both.ref.id}: change it in one of the two`, {
      id: both.ref.id,
    })
}

/** The program goes on with what a transaction has loaded and changed. An instance with unsaved changes stays as it is: its save will conflict. */
async function takeOver<T>(tx: Transaction, unit: UnitOfWork, { result, collected, receipt }: Done<T>): Promise<T> {
  const twins = tx.handOver()
  if (receipt) await bringUpToDate(tx, unit, { collected, receipt })
  return twins.join(result)
}

async function bringUpToDate(
  tx: Transaction,
  unit: UnitOfWork,
  { collected, receipt }: { readonly collected: Collected; readonly receipt: Receipt },
): Promise<void> {
  const changed = new Set(receipt.stamps.keys())
  const known = tx.committed(collected, receipt)
  for (const store of tx.stores) {
    await store.reached()
    if (store !== unit.store) await store.program.refresh(changed, receipt, known)
  }
  if (unit instanceof Program) await unit.refresh(changed, receipt, known)
}

/**
 * With `check` an error counts only if what the body has read was there together: else it may be about what never was. So does a name that
 * was taken, without `check` too: who made it may have changed what the body chose it by.
 */
async function runBody<T>(tx: Transaction, fn: () => T | PromiseLike<T>, check: boolean): Promise<T> {
  try {
    const result = await runIn(tx, fn)
    await tx.beforeEnd?.()
    return result
  } catch (error) {
    const counts = !check && !(error instanceof AliasTakenError)
    if (counts || error instanceof ConflictError || (await tx.isCurrent().catch(() => true))) throw error
    throw changedMeanwhile(error)
  }
}

const changedMeanwhile = (cause?: unknown): Error =>
  new ConflictError('what this transaction has read was changed by somebody else meanwhile', cause === undefined ? {} : { cause })

/**
 * Reloads `o`, lets `fn` change it, and saves it; again while somebody else is faster. Calls on one instance take turns; one inside the body
 * of another on the same instance is part of that.
 * @throws UnsavedChangesError if `o` has unsaved changes: they would be lost or saved by the way.
 */
export async function update<T extends StorageObject>(o: T, fn: (o: T) => void | PromiseLike<void>): Promise<T> {
  const state = stateOf(required(o, 'update'))
  assertBody(fn, 'update(object, (object) => { … })')
  const unit = await unitOf(state)
  if (unit instanceof Transaction) {
    await unit.borrow(state)
    await fn(o)
    await unit.save(state)
    return o
  }
  const within = currentTurn()
  if (within?.holds(state)) {
    await fn(o)
    return o
  }
  for (let attempt = 0; ; attempt++) {
    const turn = new Turn(state, within)
    try {
      return await turn.take(() => updateNow(o, fn, unit, turn))
    } catch (error) {
      if (!turn.givesWay || !turn.isOutermost || attempt >= TRIES_MAX) throw error
      await backOff(attempt)
    }
  }
}

async function updateNow<T extends StorageObject>(o: T, fn: (o: T) => void | PromiseLike<void>, unit: UnitOfWork, turn: Turn): Promise<T> {
  const state = stateOf(o)
  if (state.unit?.isDirty(state)) throw unsavedBefore('update()', o.getID())
  for (let attempt = 0; ; attempt++) {
    // What is discarded is what the body did before it met a conflict, never what the program changed by itself.
    await o.reload({ discard: attempt > 0 })
    try {
      await turn.run(unit, () => fn(o))
      await o.save()
      return o
    } catch (error) {
      if (error instanceof ConflictError && !turn.givesWay && attempt < TRIES_MAX) {
        await backOff(attempt)
        continue
      }
      // What the body had changed must not linger as unsaved changes.
      await o.reload({ discard: true }).catch(() => {})
      throw error
    }
  }
}

/** Programs without types forget it, or give what the function has returned. */
function assertBody(fn: unknown, form: string): void {
  if (typeof fn !== 'function') throw new TypeError(`${form} takes a function, got ${inspect(fn, { depth: 0 })}`)
}

/** Without types a wrong argument would be told by an error about private members. */
function required<T extends StorageObject>(o: T, what: string): T {
  if (typeof o === 'object' && o !== null && isStorageObject(o)) return o
  throw new TypeError(`${what}() wants a StorageObject, got ${ofOtherCopy(o) ?? inspect(o, { depth: 0 })}`)
}
