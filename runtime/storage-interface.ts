/** The storage runtime interface of PyCOMPSs, as functions; objects have the same as methods. */

import { getByID } from '../src/api.js'
import type { Id } from '../src/ids.js'
import type { StorageObject } from '../src/objects/storage-object.js'

const objectOf = async (what: StorageObject | Id): Promise<StorageObject> => (typeof what === 'string' ? getByID(what) : what)

/** A further copy of an object on a host. @throws UnsupportedError where the backend keeps none. */
export async function newReplica(what: StorageObject | Id, host?: string): Promise<void> {
  return (await objectOf(what)).newReplica(host)
}

/** An independent copy that remembers its origin. @throws UnsupportedError inside a task or transaction */
export async function newVersion(what: StorageObject | Id): Promise<StorageObject> {
  return (await objectOf(what)).newVersion()
}

/** Makes a version become its original. @throws ConflictError if that has changed since; UnsupportedError inside a task or transaction */
export async function consolidateVersion(what: StorageObject | Id): Promise<void> {
  return (await objectOf(what)).consolidateVersion()
}
