import type { Backend, Op, Ref, Stored } from '../backend.js'
import { knownConstructor } from '../classes/class-registry.js'
import { AliasTakenError, ConflictError, InsituError } from '../errors.js'
import type { ClassId } from '../ids.js'
import type { Store } from '../store.js'
import { ownTables } from './persist-plan.js'

/** Of `StorageStream`: its items lie beside the object. */
export const STREAM_CLASS = 'insitu/StorageStream' as ClassId

/** Stands on the prototype of `StorageStream`. */
export const IS_STREAM: unique symbol = Symbol('stream')

/** Whether a class is that of streams, or extends it. A program that does not have a class cannot tell. */
export const isStreamClass = (classId: ClassId): boolean =>
  classId === STREAM_CLASS || IS_STREAM in (knownConstructor(classId)?.prototype ?? {})

/**
 * Removes what an object that was removed leaves behind: the collections that it owned, the items of a stream. Nobody can reach them any
 * more. So a store that cannot do it now (it is full, or cut off) undoes nothing of the removal: they are left to `gc`.
 */
export async function dropBelongings(backend: Backend, gone: Stored): Promise<void> {
  try {
    for (const table of ownTables(gone)) await backend.drop(table)
    if (isStreamClass(gone.ref.classId)) await backend.streams?.drop(gone.ref)
  } catch (error) {
    if (!(error instanceof InsituError)) throw error
  }
}

/** Removes an object together with all names that it has. */
export async function removeWithNames(store: Store, ref: Ref): Promise<void> {
  const names = (await store.aliasesOf(ref)).map((alias): Op => ({ do: 'name', alias, expect: ref, to: null }))
  try {
    await store.commit([{ do: 'remove', ref, expect: 'present' }, ...names])
  } catch (error) {
    // Somebody else was faster, or moved a name: what is left to remove is found by looking again.
    if (!(error instanceof ConflictError || error instanceof AliasTakenError)) throw error
    const [still] = await store.read([ref])
    if (still) await removeWithNames(store, ref)
  }
}
