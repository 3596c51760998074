import type { Op, Ref, Stamp } from '../backend.js'
import { staleObject } from '../conflicts.js'
import { NotFoundError } from '../errors.js'
import type { Unit } from './unit.js'

/**
 * The conflict of a unit that writes an object and rows of a collection that went with it. Some stores look for the table first, others for
 * the object: what a program is told must not depend on that. `undefined` if all objects are as the unit expects them.
 */
export async function staleOwner({ parts }: Unit, error: unknown): Promise<Error | undefined> {
  if (!(error instanceof NotFoundError) || !('table' in error)) return undefined
  for (const { backend, ops } of parts) {
    const expected = ops.flatMap((op) => expectationOf(op) ?? [])
    if (expected.length === 0) continue
    const stored = await backend.read(expected.map(({ ref }) => ref))
    for (const [i, { ref, expect }] of expected.entries()) {
      const found = stored[i]?.stamp
      if (found?.commit !== expect.commit || found.revision !== expect.revision) return staleObject(ref, expect, found ?? null)
    }
  }
  return undefined
}

function expectationOf(op: Op): { readonly ref: Ref; readonly expect: Stamp } | undefined {
  if (op.do !== 'put' && op.do !== 'remove' && op.do !== 'check') return undefined
  return typeof op.expect === 'object' ? { ref: op.ref, expect: op.expect } : undefined
}
