import { INOUT, task } from 'insitu'
import { countWords } from './count-words.js'
import type { Block, Result } from './words.js'

/** Runs where the block lies: only its id travels. */
export const wordCount = task((block: Block) => countWords(block.text))

/** Several counts as one, for those who have many blocks: groups are put together at the same time, and only the last is stored. */
export const mergeCounts = task((first: Map<string, number>, ...others: Map<string, number>[]) => {
  const sum = new Map(first)
  for (const other of others) for (const [word, n] of other) sum.set(word, (sum.get(word) ?? 0) + n)
  return sum
})

/** Adds a block's counts to the result; tasks that write the same result take turns. */
export const reduceCount = task(
  async (result: Result, part: Map<string, number>) => {
    const words = [...part].filter(([word]) => isKey(word)).map(([word, n]) => ({ word, n }))
    const before = await result.counts.getMany(words.map(({ word }) => ({ word })))
    result.counts.setMany(words.map(({ word, n }, i) => [{ word }, { n: (before[i]?.n ?? 0n) + BigInt(n) }]))
    for (const [word, n] of part) if (!isKey(word)) result.long.set(word, (result.long.get(word) ?? 0n) + BigInt(n))
  },
  { args: [INOUT] },
)

/** A row's key has at most 1,024 bytes; no word of this length is longer in UTF-8. */
const isKey = (word: string): boolean => word.length <= 256
