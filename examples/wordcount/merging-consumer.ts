import { barrier, main } from 'insitu'
import { commandLine } from './command-line.js'
import { mergeCounts, reduceCount, wordCount } from './tasks.js'
import { Result, Words } from './words.js'

/** As consumer.ts, for many blocks: their counts are put together by twos, and written once: merging-consumer.ts ALIAS RESULT. */
main(import.meta, async () => {
  const [alias, resultAlias] = commandLine('merging-consumer.ts', 'ALIAS', 'RESULT')
  const data = await Words.getByAlias(alias)
  const result = await new Result().makePersistent(resultAlias, { ifExists: 'replace' })
  const counts = data.blocks.map((block) => wordCount(block))
  while (counts.length > 1) counts.push(mergeCounts(counts.shift()!, counts.shift()!)) // futures: nothing is waited for
  for (const total of counts) reduceCount(result, total)
  await barrier()
  for await (const [{ word }, { n }] of result.counts) console.log(`${word} ${n}`)
  for (const [word, n] of result.long) console.log(`${word} ${n}`)
})
