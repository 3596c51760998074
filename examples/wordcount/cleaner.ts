import { main } from 'insitu'
import { commandLine } from './command-line.js'
import { Words } from './words.js'

/** How many blocks are deleted at once. */
const BATCH = 256

/** Deletes a dataset with its blocks: cleaner.ts ALIAS. */
main(import.meta, async () => {
  const [alias] = commandLine('cleaner.ts', 'ALIAS')
  const data = await Words.getByAlias(alias)
  const blocks = [...data.blocks]
  const { length } = blocks
  // The dataset first: from then on nobody can find it half deleted.
  await data.deletePersistent()
  while (blocks.length > 0) await Promise.all(blocks.splice(-BATCH).map((block) => block.deletePersistent()))
  console.error(`deleted ${alias} and its ${length} blocks`)
})
