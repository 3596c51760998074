/** The storage runtime interface of PyCOMPSs, as functions; objects have the same as methods. */

import { inspect } from 'node:util'
import { getByID } from '../src/api.js'
import type { Id } from '../src/ids.js'
import { isStorageObject, type StorageObject } from '../src/objects/storage-object.js'

async function objectOf(what: StorageObject | Id, verb: string): Promise<StorageObject> {
  if (typeof what === 'string') return getByID(what)
  if (typeof what === 'object' && what !== null && isStorageObject(what)) return what
  throw new TypeError(`${verb}() wants a StorageObject or its id, got ${inspect(what, { depth: 0 })}`)
}

/** A further copy of an object on a host. @throws UnsupportedError where the backend keeps none. */
export async function newReplica(what: StorageObject | Id, host?: string): Promise<void> {
  return (await objectOf(what, 'newReplica')).newReplica(host)
}

/** An independent copy that remembers its origin. @throws UnsupportedError inside a task or transaction */
export async function newVersion(what: StorageObject | Id): Promise<StorageObject> {
  return (await objectOf(what, 'newVersion')).newVersion()
}

/** Makes a version become its original. @throws ConflictError if that has changed since; UnsupportedError inside a task or transaction */
export async function consolidateVersion(what: StorageObject | Id): Promise<void> {
  return (await objectOf(what, 'consolidateVersion')).consolidateVersion()
}
