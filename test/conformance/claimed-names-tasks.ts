/** Tasks that claim names, for the cases of `claimed-names.ts`. A module of its own, so that workers can import it. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { AliasTakenError, type PersistOptions, task } from '../../runtime/index.js'
import { isFirst } from './is-first.js'
import { Item } from './model.js'

export type HowToClaim = NonNullable<PersistOptions['ifExists']>

/** What is there as soon as somebody else has the name. */
export const takenMarker = (marker: string): string => `${marker}-taken`

/** Claims a name, and the first time does not end before somebody else has it. Gives the text of what it has then, or why it has nothing. */
export const claimSlowly = task(async (alias: string, ifExists: HowToClaim, isCaught: boolean, marker: string) => {
  try {
    const own = await Object.assign(new Item(), { text: 'own' }).makePersistent(alias, { ifExists })
    if (isFirst(marker)) while (!existsSync(takenMarker(marker))) await delay(5)
    return own.text
  } catch (error) {
    if (isCaught && error instanceof AliasTakenError) return error.code
    throw error
  }
})
