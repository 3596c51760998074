import type { Op, Ref } from '../backend.js'
import { AliasTakenError, ConflictError } from '../errors.js'
import type { Store } from '../store.js'
import { notFound } from './unit-errors.js'

/**
 * Gives a name that `expect` has to an object that stands, or takes it away.
 * @throws AliasTakenError when it is another's by now; NotFoundError when the object is gone
 */
export async function giveName(store: Store, alias: string, expect: Ref | null, to: Ref | null): Promise<void> {
  const holds: Op[] = to ? [{ do: 'check', ref: to, expect: 'present' }] : []
  try {
    await store.commit([...holds, { do: 'name', alias, expect, to }])
  } catch (error) {
    if (to && isGone(error, to)) throw notFound(to.id, store.url)
    // Another call on the same object may have been faster.
    if (!(error instanceof AliasTakenError) || !to || (await store.find([{ alias }]))[0]?.id !== to.id) throw error
  }
  await store.reached()
}

function isGone(error: unknown, { id }: Ref): boolean {
  if (!(error instanceof ConflictError)) return false
  const { ref, found } = error as { readonly ref?: Ref; readonly found?: unknown }
  return ref?.id === id && found === null
}
