import { main, StorageObject, task } from 'insitu'

export class Block extends StorageObject {
  values = new Float64Array(0)
}

// Runs on a worker thread that loads the block itself: only the block's id travels.
export const sum = task((block: Block) => block.values.reduce((a, b) => a + b, 0))

main(import.meta, async () => {
  const blocks = [0, 1, 2, 3].map((i) => {
    const block = new Block()
    block.values = Float64Array.from({ length: 100_000 }, (_, k) => i + k)
    return block
  })
  await Promise.all(blocks.map((block, i) => block.makePersistent(`block-${i}`, { ifExists: 'replace' })))

  const sums = blocks.map((block) => sum(block)) // calls return at once; the runtime builds the graph
  console.log(await Promise.all(sums))

  const again = await Block.getByAlias('block-2') // so may any other program, today or next week
  console.log(again.values.length)
})
