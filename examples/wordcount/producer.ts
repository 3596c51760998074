import { relative } from 'node:path'
import { AliasTakenError, main, NotFoundError } from 'insitu'
import { commandLine } from './command-line.js'
import { pieces, type Texts, textFiles, textsIn } from './texts.js'
import { Block, Words } from './words.js'

/** How many pieces (of up to 8 MiB) are stored at once: all the text that the program holds. */
const BATCH = 4

/** Stores a folder of texts as a dataset: producer.ts [FOLDER] ALIAS. Without a folder: the licences and readmes in node_modules. */
main(import.meta, async () => {
  const [folder, alias] = commandLine('producer.ts', '[FOLDER]', 'ALIAS')
  if (await isTaken(alias))
    throw new AliasTakenError(`alias ${alias} is in use: choose another, or delete its dataset with cleaner.ts ${alias}`)
  const texts = textsIn(folder)
  const words = new Words()
  words.title = relative('.', texts.folder) || texts.folder
  for await (const batch of batches(texts)) words.blocks.push(...(await stored(batch)))
  // Last, so that whoever finds the alias finds the whole dataset.
  await words.makePersistent(alias)
  console.error(`stored ${words.blocks.length} blocks as ${alias}`)
})

/** Asked before gigabytes are stored; who takes the alias meanwhile still makes the last step fail. */
async function isTaken(alias: string): Promise<boolean> {
  try {
    await Words.getByAlias(alias)
    return true
  } catch (error) {
    if (error instanceof NotFoundError) return false
    throw error
  }
}

async function* batches(texts: Texts): AsyncGenerator<readonly Block[]> {
  let batch: Block[] = []
  for await (const path of textFiles(texts)) {
    for await (const text of pieces(path)) {
      batch.push(blockOf(text))
      if (batch.length < BATCH) continue
      yield batch
      batch = []
    }
  }
  yield batch
}

function blockOf(text: string): Block {
  const block = new Block()
  block.text = text
  return block
}

async function stored(batch: readonly Block[]): Promise<readonly Block[]> {
  await Promise.all(batch.map((block) => block.makePersistent()))
  // The store has the texts now; from here on only the blocks' ids matter, and memory stays bounded.
  for (const block of batch) block.text = ''
  return batch
}
