import type { Backend, Stored } from '../backend.js'
import type { ClassId } from '../ids.js'
import { ownTables } from './persist-plan.js'

/** Of `StorageStream`: its items lie beside the object. */
export const STREAM_CLASS = 'insitu/StorageStream' as ClassId

/** Removes what an object that was removed leaves behind: the collections that it owned, the items of a stream. */
export async function dropBelongings(backend: Backend, gone: Stored): Promise<void> {
  for (const table of ownTables(gone)) await backend.drop(table)
  if (gone.ref.classId === STREAM_CLASS) await backend.streams?.drop(gone.ref)
}
