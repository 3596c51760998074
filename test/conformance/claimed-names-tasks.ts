/** Tasks that claim names, for the cases of `claimed-names.ts`. A module of its own, so that workers can import it. */
import { setTimeout as delay } from 'node:timers/promises'
import { AliasTakenError, type PersistOptions, task } from '../../runtime/index.js'
import { isFirst } from './is-first.js'
import { Item } from './model.js'

export type HowToClaim = NonNullable<PersistOptions['ifExists']>

/** Longer than another program takes to claim a name. */
const SLOW_MS = 400

/** Claims a name, and the first time takes long to end. Gives the text of what it has then, or why it has nothing. */
export const claimSlowly = task(async (alias: string, ifExists: HowToClaim, isCaught: boolean, marker: string) => {
  try {
    const own = await Object.assign(new Item(), { text: 'own' }).makePersistent(alias, { ifExists })
    if (isFirst(marker)) await delay(SLOW_MS)
    return own.text
  } catch (error) {
    if (isCaught && error instanceof AliasTakenError) return error.code
    throw error
  }
})
