import type { Op, Ref } from '../backend.js'
import { AliasTakenError, ConflictError } from '../errors.js'
import type { Store } from '../store.js'
import { notFound } from './unit-errors.js'

/**
 * Gives a name that `expect` has to an object that stands. `false`: by now it is not at `expect`.
 * @throws NotFoundError when the object is gone
 */
export async function giveName(store: Store, alias: string, expect: Ref | null, to: Ref): Promise<boolean> {
  const holds: Op = { do: 'check', ref: to, expect: 'present' }
  try {
    if (!(await moveName(store, [holds, { do: 'name', alias, expect, to }]))) return false
  } catch (error) {
    throw isGone(error, to) ? notFound(to.id, store.url) : error
  }
  return true
}

/** Takes a name away. `false`: by now it is not at `expect`. */
export const takeName = (store: Store, alias: string, expect: Ref): Promise<boolean> =>
  moveName(store, [{ do: 'name', alias, expect, to: null }])

async function moveName(store: Store, ops: readonly Op[]): Promise<boolean> {
  try {
    await store.commit(ops)
  } catch (error) {
    if (error instanceof AliasTakenError) return false
    throw error
  }
  await store.reached()
  return true
}

function isGone(error: unknown, { id }: Ref): boolean {
  if (!(error instanceof ConflictError)) return false
  const { ref, found } = error as { readonly ref?: Ref; readonly found?: unknown }
  return ref?.id === id && found === null
}
