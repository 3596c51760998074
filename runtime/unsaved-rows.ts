import { openStores } from '../src/open-stores.js'
import type { Store } from '../src/store.js'

let isWatched = false

/**
 * Rows are saved with their owner, and at the end of `main` or by `finish`. A program that has neither, and ends well otherwise, would lose
 * those that it has not saved without a word.
 */
export function tellOfUnsavedRows(): void {
  if (isWatched) return
  isWatched = true
  process.once('exit', (code) => {
    if (code === 0) for (const store of openStores()) tell(store)
  })
}

function tell({ backend, program, url }: Store): void {
  if (backend.capabilities.reach === 'instance') return // nothing of it outlives the program
  for (const { owner, rows } of program.unsavedRows())
    console.error(
      `insitu: ${rows} unsaved ${rows === 1 ? 'row' : 'rows'} of ${owner.classId} ${owner.id} ${rows === 1 ? 'is' : 'are'} not in ${url}: await save(), or finish() at the end of the program`,
    )
}
