/** The file of a host, served by its agent and used by others. */
import type { Backend, Ref, Stamp, Stored } from '../../src/backend.js'
import type { Domain } from '../../src/ids.js'
import { type About, type FurtherCalls, remoteBackend } from '../data/backend-port.js'
import type { Port } from '../data/port.js'
import type { HostFile } from './hosts-backend.js'

/** What an agent does for others beside the contract. */
export interface Copying {
  takeCopy(ref: Ref): Promise<void>
  leaveCopy(ref: Ref): Promise<void>
}

export const fileCalls = (file: Backend, copies: Copying): FurtherCalls => ({
  readUnless: (refs: readonly Ref[], stamps: readonly (Stamp | undefined)[]) => readUnless(file, refs, stamps),
  takeCopy: (ref: Ref) => copies.takeCopy(ref).then(() => null),
  leaveCopy: (ref: Ref) => copies.leaveCopy(ref).then(() => null),
})

/** An object under an intent goes whole: what it will be is for the reader to find out. */
async function readUnless(
  file: Backend,
  refs: readonly Ref[],
  stamps: readonly (Stamp | undefined)[],
): Promise<readonly (Stored | 'same' | undefined)[]> {
  const found = await file.read(refs)
  return found.map((stored, i) => (stored && !stored.intent && isSame(stored.stamp, stamps[i]) ? 'same' : stored))
}

const isSame = (a: Stamp, b: Stamp | undefined): boolean => a.revision === b?.revision && a.commit === b.commit

/** The file behind a port. */
export function farFile(port: Port, about: Omit<About, 'domain'>): HostFile {
  const far = remoteBackend(port, { ...about, domain: () => 'file' as Domain })
  return Object.assign(far, {
    readUnless: (refs: readonly Ref[], stamps: readonly (Stamp | undefined)[]) => far.call('readUnless', refs, stamps),
    takeCopy: (ref: Ref) => far.call('takeCopy', ref),
    leaveCopy: (ref: Ref) => far.call('leaveCopy', ref),
  })
}
