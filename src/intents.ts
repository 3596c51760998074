/**
 * Intents that stand on one object. One excludes: its round changes the object, or is right about what it read. Others only ask that the
 * object stays, as of a dict's owner whose rows are written: any number of these is shared, beside one that does not remove the object.
 */
import type { Intent } from './backend.js'
import type { CommitId } from './ids.js'

/** What a group wants of an object: that it `stays`; to change or to compare it; to remove it; to remove it once those that share are ended. */
export type Claim = 'stays' | 'changes' | 'goes' | 'goesNext'

export const removes = ({ redo }: Pick<Intent, 'redo'>): boolean => redo.some((op) => op.do === 'remove')

export function claimOf(intent: Intent): Claim {
  if (intent.isShared) return 'stays'
  if (!removes(intent)) return 'changes'
  return intent.passesShared ? 'goesNext' : 'goes'
}

/** All that stand, one by one; the one that excludes comes first. */
export function intentsOn(standing: Intent | undefined): readonly Intent[] {
  if (!standing) return []
  const { beside, ...first } = standing
  return beside ? [first, ...beside] : [first]
}

/** The form in which they are kept: one that carries the others. */
function together(intents: readonly Intent[]): Intent | undefined {
  const [first, ...beside] = intents.toSorted((a, b) => Number(a.isShared ?? false) - Number(b.isShared ?? false))
  return first && beside.length > 0 ? { ...first, beside } : first
}

export const intentOfCommit = (standing: Intent | undefined, commit: CommitId): Intent | undefined =>
  intentsOn(standing).find((one) => one.commit === commit)

export const withIntent = (standing: Intent | undefined, added: Intent): Intent => together([...intentsOn(standing), added])!

export const withoutIntent = (standing: Intent | undefined, commit: CommitId): Intent | undefined =>
  together(intentsOn(standing).filter((one) => one.commit !== commit))

/** The intent of another commit that keeps a claim from being met. */
export function intentInTheWay(standing: Intent | undefined, commit: CommitId, claim: Claim): Intent | undefined {
  return intentsOn(standing).find((one) => {
    if (one.commit === commit) return false
    if (one.isShared) return claim === 'goes'
    return claim !== 'stays' || removes(one)
  })
}
