/** Prints bytes of heap a pending task, and a task that is over: of some rounds each. A program of its own, in which nothing else has run. */
import { barrier, connect } from '../../runtime/index.js'
import { square } from './hostile-tasks.js'
import { memoryUsed } from './memory-used.js'

const TASKS = 100_000
const ROUNDS = 3

const pending: number[] = []
const left: number[] = []
const store = await connect('memory:')
for (let i = 0; i < TASKS; i++) void square(i) // tables that grow by doubling are not what a task costs
await barrier()
for (let round = 0; round < ROUNDS; round++) {
  const before = memoryUsed('heap')
  const calls = new Array<PromiseLike<number>>(TASKS)
  for (let i = 0; i < TASKS; i++) calls[i] = square(i)
  pending.push((memoryUsed('heap') - before) / TASKS)
  const last = await calls[TASKS - 1]
  if (last !== (TASKS - 1) ** 2) throw new Error(`the last of them gave ${last}`)
  await barrier()
  calls.length = 0
  left.push((memoryUsed('heap') - before) / TASKS)
}
console.log(JSON.stringify({ pending, left }))
await store.close()
