import type { Op, Ref } from '../backend.js'
import { AliasTakenError } from '../errors.js'
import type { Store } from '../store.js'

/** Gives a name that `expect` has to an object that stands, or takes it away. @throws AliasTakenError when it is another's by now */
export async function giveName(store: Store, alias: string, expect: Ref | null, to: Ref | null): Promise<void> {
  const holds: Op[] = to ? [{ do: 'check', ref: to, expect: 'present' }] : []
  try {
    await store.commit([...holds, { do: 'name', alias, expect, to }])
  } catch (error) {
    // Another call on the same object may have been faster.
    if (!(error instanceof AliasTakenError) || !to || (await store.find([{ alias }]))[0]?.id !== to.id) throw error
  }
  await store.reached()
}
