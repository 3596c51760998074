import { barrier, type Future, main } from 'insitu'
import { commandLine } from './command-line.js'
import { mergeCounts, reduceCount, wordCount } from './tasks.js'
import { Result, Words } from './words.js'

/** The fewer the tasks, the fewer counts travel; the more, the more are put together at the same time. */
const GROUP = 8

/** One level of the tree. */
function merged(counts: readonly Future<Map<string, number>>[]): Future<Map<string, number>>[] {
  const level: Future<Map<string, number>>[] = []
  for (let at = 0; at < counts.length; at += GROUP) {
    const [first, ...others] = counts.slice(at, at + GROUP)
    level.push(others.length === 0 ? first! : mergeCounts(first!, ...others))
  }
  return level
}

/** As consumer.ts, for many blocks: their counts are put together in a tree, and written once: merging-consumer.ts ALIAS RESULT. */
main(import.meta, async () => {
  const [alias, resultAlias] = commandLine('merging-consumer.ts', 'ALIAS', 'RESULT')
  const data = await Words.getByAlias(alias)
  const result = await new Result().makePersistent(resultAlias, { ifExists: 'replace' })
  let counts = data.blocks.map((block) => wordCount(block))
  while (counts.length > 1) counts = merged(counts) // futures: nothing is waited for
  for (const total of counts) reduceCount(result, total)
  await barrier()
  for await (const [{ word }, { n }] of result.counts) console.log(`${word} ${n}`)
  for (const [word, n] of result.long) console.log(`${word} ${n}`)
})
