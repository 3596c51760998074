import type { Backend, Found, Intent, Ref, Stored, Target } from '../backend.js'
import type { CommitId, Id } from '../ids.js'
import { intentsOn } from '../intents.js'
import { type CommitOptions, type Tools, toolsOf } from './commit-options.js'
import { settleMet, type Verdict, verdictOf } from './resolve-intent.js'

/**
 * Reads objects as groups over several domains left them: from its decision on every call sees a group's new state of every object, before
 * it the old one. Two objects are no snapshot; a group under way during the call may show in one and not yet in the other.
 * One call of the backend when no object has an intent.
 */
export async function readResolved(
  backend: Backend,
  refs: readonly Ref[],
  options: CommitOptions,
): Promise<readonly (Stored | undefined)[]> {
  const stored = await backend.read(refs)
  if (!stored.some(hasIntent)) return stored
  // What was read knows its class, which the reference may not.
  const target = (at: number): Target => ({ ref: stored[at]?.ref ?? refs[at]! })
  return resolved(backend, stored, { target, again: (at) => backend.read(at.map((i) => refs[i]!)) }, toolsOf(options))
}

/** Resolves ids and aliases, seeing groups like `readResolved`: an alias that a group is about to claim is found from the decision on. */
export async function findResolved(
  backend: Backend,
  what: readonly (Id | { readonly alias: string })[],
  options: CommitOptions,
): Promise<readonly (Ref | undefined)[]> {
  const found = await backend.find(what)
  if (!found.some(hasIntent)) return found.map(refOf)
  const target = (at: number): Target => targetOf(what[at]!, found[at])
  const again = (at: readonly number[]): Promise<readonly (Found | undefined)[]> => backend.find(at.map((i) => what[i]!))
  return (await resolved(backend, found, { target, again }, toolsOf(options))).map(refOf)
}

const refOf = (found: Found | undefined): Ref | undefined => found?.ref ?? undefined

const targetOf = (what: Id | { readonly alias: string }, found: Found | undefined): Target =>
  typeof what === 'string' ? { ref: found!.ref! } : { alias: what.alias }

interface Reading<T> {
  readonly target: (at: number) => Target
  /** Reads the items at these places again. */
  readonly again: (at: readonly number[]) => Promise<readonly (T | undefined)[]>
}

interface Readable {
  readonly stamp?: Stored['stamp']
  readonly intent?: Intent
}

const hasIntent = (item: Readable | undefined): boolean => item?.intent !== undefined

/**
 * Settles intents and reads again until the state of each item is certain. An intent without a mark counts as undecided only
 * if it is met *again* after its mark was looked for: the mark of a settled round is forgotten, so that on its own the lack
 * of one may also mean that the round has long been taken.
 */
async function resolved<T extends Readable>(
  backend: Backend,
  first: readonly (T | undefined)[],
  { target, again }: Reading<T>,
  tools: Tools,
): Promise<readonly (T | undefined)[]> {
  const items = [...first]
  const undecided = new Set<CommitId>()
  for (;;) {
    const open = items.map((item) => intentsOn(item?.intent).filter(({ commit }) => !undecided.has(commit)))
    const at = items.flatMap((_, i) => (open[i]!.length > 0 ? [i] : []))
    if (at.length === 0 && !isTorn(items, undecided)) return items
    const verdicts = await verdictsOf(backend, open.flat(), tools)
    await Promise.all(at.flatMap((i) => open[i]!.map((intent) => settleOne(backend, target(i), intent, verdicts, tools))))
    for (const [commit, verdict] of verdicts) if (verdict === 'undecided') undecided.add(commit)
    for (const [n, item] of (await again(at)).entries()) items[at[n]!] = item
  }
}

/** One verdict for each round, so that all its intents in one reading are seen alike. */
async function verdictsOf(backend: Backend, intents: readonly Intent[], tools: Tools): Promise<Map<CommitId, Verdict>> {
  const rounds = new Map(intents.map((intent) => [intent.commit, intent]))
  return new Map(
    await Promise.all([...rounds].map(async ([commit, intent]) => [commit, await verdictOf({ backend, intent }, tools)] as const)),
  )
}

async function settleOne(backend: Backend, target: Target, intent: Intent, verdicts: Map<CommitId, Verdict>, tools: Tools): Promise<void> {
  const verdict = verdicts.get(intent.commit)!
  if (verdict !== 'undecided') await settleMet({ backend, target, intent }, verdict, tools)
}

/** Whether a round believed to be undecided shows in another item as taken: it was decided meanwhile, and is looked at again. */
function isTorn(items: readonly (Readable | undefined)[], undecided: Set<CommitId>): boolean {
  let torn = false
  for (const item of items) if (item?.stamp && undecided.delete(item.stamp.commit)) torn = true
  return torn
}
