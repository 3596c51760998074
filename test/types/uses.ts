/** What must compile, without casts and explicit generics. Compiled against the package's own declarations, never run. */
import { barrier, executeTask, type Future, IN, INOUT, main, task, waitOn } from 'insitu'
import { Block, Log, Person, Result, Strict, Words } from './model.js'

declare function countWords(text: string): Map<string, number>

// ---- the program of the design
export const wordCount = task((block: Block) => countWords(block.text))
export const reduceCount = task(
  async (result: Result, part: Map<string, number>) => {
    for (const [word, n] of part) {
      const before = await result.counts.get({ word })
      result.counts.set({ word }, { n: (before?.n ?? 0n) + BigInt(n) })
    }
  },
  { args: [INOUT] },
)
main(import.meta, async () => {
  const data = await Words.getByAlias('experiment1')
  const result = await new Result().makePersistent('result1', { ifExists: 'replace' })
  for (const block of data.blocks) reduceCount(result, wordCount(block))
  await barrier()
  for await (const [{ word }, { n }] of result.counts) console.log(word satisfies string, n satisfies bigint)
})

// ---- results are typed
wordCount(new Block()) satisfies Future<Map<string, number>>
reduceCount(new Result(), new Map()) satisfies Future<void>
;(await Person.getByAlias('x')) satisfies Person
;(await Strict.getByAlias('x')) satisfies Strict

// ---- futures stand where values do, also inside arrays; generic, optional and rest parameters stay what they are
const identity = task(<T>(value: T) => value)
const three = identity(3)
three satisfies Future<number>
identity(three) satisfies Future<number>
const loose = task((a: number, b?: number, ...rest: string[]) => a + (b ?? 2) + rest.length)
loose(1)
loose(three, 3, 'x')
const length = task((items: number[]) => items.length)
length([length([1]), 2]) satisfies Future<number>
const merge = task(async (counts: Map<string, number>, _since?: Date) => counts)
merge(wordCount(new Block()))

// ---- directions and options
const scale = task((_by: number, values: Float64Array) => values, { args: [IN, INOUT] })
scale(1, new Float64Array(2))
const careful = task((_result: Result) => {}, { args: [INOUT], priority: 1, onFailure: 'IGNORE' })
task.configure(careful, { priority: 3 })(new Result())

// ---- methods as tasks
const block = new Block()
void (block.size() satisfies Promise<number>)
executeTask(block, 'size') satisfies Future<number>
length([block.size(), executeTask(block, 'size')])
declare const later: Future<Block>
executeTask(later, 'append', 'x')
;(await waitOn(length([1]))) satisfies number
;(await waitOn(block)) satisfies Block

// ---- rows
const log = new Log()
log.rows.add({ day: 'a', at: 1 }, 'hits', 1)
const row = await log.rows.get({ day: 'a', at: 1n })
row?.who satisfies Person | undefined
row?.note satisfies string | undefined
const parts = await log.rows.split()
const sum = task(async (_part: Log['rows']) => 1)
for (const part of parts) sum(part)
