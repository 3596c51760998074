/** Functions on objects: the part of the storage interface that needs no runtime. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Location } from './backend.js'
import { ConflictError, NotFoundError, UnsavedChangesError } from './errors.js'
import { type Id, newCommitId } from './ids.js'
import { type StorageObject, stateOf } from './objects/storage-object.js'
import { currentUnit, runIn } from './unit/context.js'
import { Program } from './unit/program.js'
import { Transaction } from './unit/transaction.js'

/** One object, or several in the order asked, of whatever class was stored. @throws NotFoundError, UnknownClassError */
export function getByID(id: Id): Promise<StorageObject>
export function getByID(...ids: Id[]): Promise<StorageObject[]>
export async function getByID(...ids: Id[]): Promise<StorageObject | StorageObject[]> {
  const found = await (await currentUnit()).getByIds(ids)
  return ids.length === 1 ? found[0]! : found
}

/** Loads handles in one round trip; those loaded already stay as they are. */
export async function loadAll<T extends StorageObject>(handles: Iterable<T>): Promise<T[]> {
  const list = [...handles]
  const unit = await currentUnit()
  await unit.loadAll(list.map(stateOf))
  return list
}

/** Hosts that hold an object, largest share first. @throws NotFoundError unknown id */
export async function getLocations(what: StorageObject | Id): Promise<readonly Location[]> {
  const unit = await currentUnit()
  if (typeof what !== 'string') return unit.locationsOf(stateOf(what))
  const [ref] = await unit.store.find([what])
  if (!ref) throw new NotFoundError(`no object has the id ${what} in ${unit.store.url}`, { id: what })
  return (await unit.store.backend.locate([ref]))[0] ?? []
}

export interface TransactOptions {
  /**
   * Also validate objects that were only read: write skew is impossible, and what a body that writes nothing returns, or throws, comes from
   * objects as they were at one moment. Default false.
   */
  readonly check?: boolean
  /** How often a body that met a conflict runs again. Default 100. */
  readonly retries?: number
}

/**
 * Runs `fn` as one unit of work: what it changes in persistent objects and collections commits as one group, or not at all.
 * Objects fetched inside are its own until then. A conflict runs it again. Inside another unit of work it joins that one.
 */
export async function transact<T>(fn: () => T | PromiseLike<T>, options: TransactOptions = {}): Promise<T> {
  const unit = await currentUnit()
  if (unit.isTransaction) return fn()
  const producer = newCommitId()
  const check = options.check ?? false
  for (let attempt = 0; ; attempt++) {
    const tx = new Transaction(unit.store)
    tx.producer = producer
    try {
      const result = await runBody(tx, fn, check)
      const collected = tx.collect({ check })
      if (check && collected.parts.length === 0 && !(await tx.isCurrent())) throw changedMeanwhile()
      const receipt = await tx.commit({ check, collected })
      tx.handOver()
      if (receipt) {
        const changed = new Set(receipt.stamps.keys())
        const known = tx.committed(collected, receipt)
        for (const store of tx.stores) {
          await store.reached()
          if (store !== unit.store) await store.program.refresh(changed, receipt, known)
        }
        if (unit instanceof Program) await unit.refresh(changed, receipt, known)
      }
      return result
    } catch (error) {
      tx.rollback()
      if (!(error instanceof ConflictError) || attempt >= (options.retries ?? 100)) throw error
      await backOff(attempt)
    }
  }
}

/** With `check` an error counts only if what the body has read was there together: else it may be about what never was. */
async function runBody<T>(tx: Transaction, fn: () => T | PromiseLike<T>, check: boolean): Promise<T> {
  try {
    return await runIn(tx, fn)
  } catch (error) {
    if (!check || error instanceof ConflictError || (await tx.isCurrent().catch(() => true))) throw error
    throw changedMeanwhile(error)
  }
}

const changedMeanwhile = (cause?: unknown): Error =>
  new ConflictError('objects that this transaction has read were changed by somebody else meanwhile', cause === undefined ? {} : { cause })

/**
 * Reloads `o`, lets `fn` change it, and saves it; again while somebody else is faster. Calls on one instance take turns.
 * @throws UnsavedChangesError if `o` has unsaved changes: they would be lost or saved by the way.
 */
export async function update<T extends StorageObject>(o: T, fn: (o: T) => void | PromiseLike<void>): Promise<T> {
  const state = stateOf(o)
  const unit = (await currentUnit()).unitFor(state)
  if (unit.isTransaction) {
    await o.load()
    await fn(o)
    await unit.save(state)
    return o
  }
  const turn = (state.turn ?? Promise.resolve()).then(() => updateNow(o, fn))
  state.turn = turn.catch(() => {})
  return turn
}

async function updateNow<T extends StorageObject>(o: T, fn: (o: T) => void | PromiseLike<void>): Promise<T> {
  const state = stateOf(o)
  if (state.unit?.isDirty(state))
    throw new UnsavedChangesError('update() of an object with unsaved changes: save() or reload({ discard: true }) first', {
      id: o.getID(),
    })
  for (let attempt = 0; ; attempt++) {
    await o.reload({ discard: true })
    try {
      await fn(o)
      await o.save()
      return o
    } catch (error) {
      if (error instanceof ConflictError && attempt < UPDATE_RETRIES_MAX) {
        await backOff(attempt)
        continue
      }
      // What the body had changed must not linger as unsaved changes.
      await o.reload({ discard: true }).catch(() => {})
      throw error
    }
  }
}

/** Ten programs that hammer one object need many turns each; the pause grows to 30 ms, so this bounds a wait at about half a minute. */
const UPDATE_RETRIES_MAX = 1000

/** A random pause that grows: two that collided should not meet again. */
export const backOff = (attempt: number): Promise<void> => sleep(Math.random() * Math.min(30, 2 ** Math.min(attempt, 5)))
