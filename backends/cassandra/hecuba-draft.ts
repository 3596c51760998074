/**
 * Groups about an object of Hecuba's. Its name lies in its own row, since the id is made of the name: it stands as long as the object does. So
 * what a group says of the name is held against that, and of two intents of a commit, on the object and on the name, one is made.
 */
import type { Group, Op, Ref } from '../../src/backend.js'
import { intentOfCommit } from '../../src/intents.js'
import { requireAlias } from '../memory/expectations.js'
import { draftOf, type Verdict } from './group-draft.js'
import { cannot } from './hecuba-layout.js'
import type { HecubaState } from './hecuba-rows.js'

type Reserve = Extract<Op, { do: 'reserve' }>
type Settle = Extract<Op, { do: 'settle' }>

/** Errors: ConflictError, AliasTakenError, UnsupportedError */
export function hecubaDraftOf(group: Group, ref: Ref, state: HecubaState): Verdict {
  requireKeepsName(group.ops)
  let verdict: Verdict
  try {
    verdict = draftOf({ ...group, ops: withoutNames(group.ops, ref) }, state, state.parts)
  } catch (error) {
    requireNames(group, state) // a name that is taken is the better reason
    throw error
  }
  if ('draft' in verdict) requireNames(group, state)
  return verdict
}

function requireNames(group: Group, state: HecubaState): void {
  for (const op of group.ops) {
    if (op.do === 'name') requireAlias(state, op.alias, op.expect, group.commit)
    if (op.do === 'reserve' && 'alias' in op.target && !intentOfCommit(state.intent, op.intent.commit))
      requireAlias(state, op.target.alias, op.expect, op.intent.commit)
  }
}

/** The object goes with its name, and comes with it. */
function requireKeepsName(ops: readonly Op[]): void {
  const all = ops.flatMap((op) => (op.do === 'reserve' ? op.intent.redo : [op]))
  for (const op of all) {
    if (op.do !== 'name') continue
    if (op.expect && op.to)
      throw cannot(`another object under the name ${op.alias}: its id is made of the name; delete the one that stands first`)
    if (op.expect && !op.to && !all.some((one) => one.do === 'remove'))
      throw cannot(`an object without its name ${op.alias}, of which its id is made; delete the object`)
  }
}

function withoutNames(ops: readonly Op[], ref: Ref): readonly Op[] {
  const held = new Map<string, Reserve>()
  const settled = new Map<string, Settle>()
  const rest: Op[] = []
  for (const op of ops) {
    if (op.do === 'reserve') held.set(op.intent.commit, merged(held.get(op.intent.commit), op, ref))
    else if (op.do === 'settle') settled.set(op.commit, { ...op, target: { ref } })
    else if (op.do !== 'name') rest.push(op)
  }
  return [...rest, ...held.values(), ...settled.values()]
}

function merged(before: Reserve | undefined, op: Reserve, ref: Ref): Reserve {
  const ofObject = 'ref' in op.target
  const expect = ofObject ? op.expect : op.expect === null ? 'absent' : 'present'
  if (!before) return { ...op, target: { ref }, expect }
  return {
    ...op,
    target: { ref },
    expect: ofObject ? expect : before.expect,
    intent: { ...op.intent, redo: [...before.intent.redo, ...op.intent.redo] },
  }
}

/** The name that a group gives an object, at once or when it is settled. */
export function nameIn(group: Group, state: HecubaState): string | undefined {
  const all = [...group.ops, ...(state.intent?.redo ?? [])]
  for (const op of all) if (op.do === 'name' && op.to) return op.alias
  return undefined
}
