import type { Backend, Ref } from '../backend.js'
import { intentsOn, removes } from '../intents.js'
import { backendOfHome, type Tools } from './commit-options.js'
import type { Plan } from './plan-unit.js'
import { isPushing } from './pushing.js'
import { abortRound, settleMet, verdictOf } from './resolve-intent.js'
import type { Round } from './round.js'

/**
 * Ends the rounds that rely on what a round removes: those that are decided by finishing them, the others by barring them. It does not wait for
 * a lease: they try again, and are told that the object is gone. What stands is all there will be, since the round's own intents stand.
 */
export async function endShared({ held, unit }: Plan, round: Round, tools: Tools): Promise<void> {
  if (!isPushing(unit)) return
  const targets = held.flatMap(({ backend, items }) =>
    items.flatMap((item) => ('redo' in item && removes(item) && 'ref' in item.target ? [{ backend, ref: item.target.ref }] : [])),
  )
  await Promise.all(targets.map(({ backend, ref }) => endSharedOn(backend, ref, round, tools)))
}

async function endSharedOn(backend: Backend, ref: Ref, round: Round, tools: Tools): Promise<void> {
  const [stored] = await backend.read([ref])
  const standing = intentsOn(stored?.intent).filter(({ isShared, commit }) => isShared && commit !== round.commit)
  for (const intent of standing) {
    const met = { backend, target: { ref }, intent }
    let verdict = await verdictOf(met, tools)
    if (verdict === 'undecided') {
      const home = { backend: await backendOfHome(intent.home, backend, tools), ref: intent.home }
      verdict = (await abortRound(home, intent.commit, tools)).state
    }
    await settleMet(met, verdict, tools)
  }
}
