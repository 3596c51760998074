import { barrier, main } from 'insitu'
import { commandLine } from './command-line.js'
import { reduceCount, wordCount } from './tasks.js'
import { Result, Words } from './words.js'

/** Counts the words of a dataset: consumer.ts ALIAS RESULT. The same text runs on a file, on Redis and on Cassandra. */
main(import.meta, async () => {
  const [alias, resultAlias] = commandLine('consumer.ts', 'ALIAS', 'RESULT')
  const data = await Words.getByAlias(alias)
  const result = await new Result().makePersistent(resultAlias, { ifExists: 'replace' })
  for (const block of data.blocks) reduceCount(result, wordCount(block)) // nothing is loaded here: ids travel
  await barrier()
  for await (const [{ word }, { n }] of result.counts) console.log(`${word} ${n}`)
  for (const [word, n] of result.long) console.log(`${word} ${n}`)
})
