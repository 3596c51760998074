/** What must not compile; each line fails the check if it does. */
import { executeTask, IN, INOUT, StorageObject, task } from 'insitu'
import { Block, Log, NeedsName, Person, Result } from './model.js'

const wordCount = task((block: Block) => block.text.length)
const reduceCount = task(async (_result: Result, _part: Map<string, number>) => {}, { args: [INOUT] })
const block = new Block()
const log = new Log()
const who = new Person()

// @ts-expect-error a number is no Block
wordCount(42)
// @ts-expect-error an argument is missing
reduceCount(new Result())

// @ts-expect-error more directions than parameters
task(async (_result: Result, _n: number) => {}, { args: [INOUT, IN, IN] })
// @ts-expect-error a primitive cannot be written
task((_n: number) => {}, { args: [INOUT] })
// @ts-expect-error no such direction
task((_result: Result) => {}, { args: ['IO'] })

// @ts-expect-error a counter is added to, never set
log.rows.set({ day: 'a', at: 1 }, { hits: 3n, who })
// @ts-expect-error a text column takes text
new Result().counts.set({ word: 3 }, { n: 1 })

// @ts-expect-error append takes text
executeTask(block, 'append', 3)
// @ts-expect-error text is no method
executeTask(block, 'text')
// @ts-expect-error save is insitu's own, no task
executeTask(block, 'save')

class Synchronous extends StorageObject {
  // @ts-expect-error a task method must be async
  @task.method()
  sum(): number {
    return 1
  }
}
new Synchronous()

// @ts-expect-error its callers get a promise
const size: number = block.size() + 1
void size

// @ts-expect-error cannot be constructed without arguments, and has no restore
await NeedsName.getByAlias('q')
