import { INOUT, StorageDict, StorageObject, t, task } from 'insitu'

export class Block extends StorageObject {
  text = ''

  @task.method({ target: INOUT })
  async append(text: string): Promise<number> {
    this.text += text
    return this.text.length
  }
}

export class Words extends StorageObject {
  title = ''
  since = new Date(0)
  blocks: Block[] = []
}

export class Result extends StorageObject {
  counts = new StorageDict({ word: t.text }, { n: t.i64 })
}

export const wordCount = task((block: Block) => {
  const counts = new Map<string, number>()
  for (const word of block.text.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
})

export const reduceCount = task(
  async (result: Result, part: Map<string, number>) => {
    for (const [word, n] of part) {
      const before = await result.counts.get({ word })
      result.counts.set({ word }, { n: (before?.n ?? 0n) + BigInt(n) })
    }
    return part.size
  },
  { args: [INOUT] },
)
