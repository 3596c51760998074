/** Task results and loaded objects, typed without a cast: each `satisfies` fails to compile if a type got lost on the way into the package. */
import { barrier, type Future, main, stats } from 'insitu'
import { Block, Result, reduceCount, Words, wordCount } from './words.js'

main(import.meta, async () => {
  const words = new Words()
  words.title = 'three texts'
  for (const text of ['a b a', 'b c', 'c']) {
    const block = new Block()
    block.text = text
    words.blocks.push(block)
  }
  await words.makePersistent('experiment1')
  const length = (await words.blocks[2]?.append(' a')) satisfies number | undefined

  const data = (await Words.getByAlias('experiment1')) satisfies Words
  const result = (await new Result().makePersistent('result1')) satisfies Result
  const sizes: Future<number>[] = data.blocks.map((block) => reduceCount(result, wordCount(block) satisfies Future<Map<string, number>>))
  await barrier()

  const rows: [string, number][] = []
  for await (const [{ word }, { n }] of result.counts) rows.push([word satisfies string, Number(n satisfies bigint)])
  console.log(JSON.stringify({ length, sizes: await Promise.all(sizes), rows, done: stats().done, natives: natives() }))
})

/** Libraries in native code that this process has loaded from a node_modules. */
function natives(): string[] {
  const report = process.report.getReport()
  if (!('sharedObjects' in report) || !Array.isArray(report.sharedObjects)) throw new Error('this Node reports no shared objects')
  return report.sharedObjects.filter((path) => path.endsWith('.node')).map((path) => path.replace(/^.*node_modules\//, ''))
}
