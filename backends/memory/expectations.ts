/** What a group may expect of what it changes, on every backend that checks it here and not in a server's script. */
import { type Intent, type Op, Ref, type Stamp, type Target } from '../../src/backend.js'
import { staleObject } from '../../src/conflicts.js'
import { AliasTakenError, ConflictError } from '../../src/errors.js'
import type { CommitId } from '../../src/ids.js'
import { type Claim, intentInTheWay } from '../../src/intents.js'

export type Expect = Extract<Op, { do: 'reserve' }>['expect']

/** What stands under an object's id. */
export interface ObjectStanding {
  /** `null`: there is no such object. */
  readonly stamp: Stamp | null
  readonly intent?: Intent | undefined
}

/** What stands under an alias. */
export interface AliasStanding {
  readonly to: Ref | null
  readonly intent?: Intent | undefined
}

/** @throws ConflictError */
export function requireObject(
  { stamp, intent }: ObjectStanding,
  ref: Ref,
  expect: Expect,
  commit: CommitId,
  claim: Claim = 'changes',
): void {
  if (intent) requireFree(intentInTheWay(intent, commit, claim), { ref, expected: expect, found: stamp })
  if (isAsExpected(stamp, expect)) return
  throw staleObject(ref, expect, stamp)
}

function isAsExpected(stamp: Stamp | null, expect: Expect): boolean {
  if (expect === 'absent' || expect === null) return stamp === null
  if (expect === 'present' || expect instanceof Ref) return stamp !== null
  return stamp !== null && stamp.revision === expect.revision && stamp.commit === expect.commit
}

/** @throws AliasTakenError, ConflictError */
export function requireAlias({ to, intent }: AliasStanding, alias: string, expect: Expect, commit: CommitId): void {
  requireFree(intentInTheWay(intent, commit, 'changes'), { alias, expected: expect, found: to })
  if (expect instanceof Ref ? to?.id === expect.id : (to !== null) === (expect === 'present')) return
  const where = to ? `names object ${to.id}` : 'names nothing'
  throw new AliasTakenError(`Alias ${JSON.stringify(alias)} ${where}.`, { alias, expected: expect, found: to })
}

/** An intent may be decided already, so that nobody can tell the state under it: all others stand back. */
function requireFree(intent: Intent | undefined, details: Partial<Target> & { readonly [field: string]: unknown }): void {
  if (!intent) return
  throw new ConflictError(`Commit ${intent.commit} holds what this group needs.`, { ...details, intent })
}
