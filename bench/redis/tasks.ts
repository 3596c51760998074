/** Tasks that each change one of a thousand objects, with their marks. */
import { barrier, connect, finish } from 'insitu'
import { addOne, Count } from '../bodies/add-task.js'
import { type Bench, mustEqual, perSecond, type Sample } from '../harness.js'
import { BATCH, type Field, upTo } from './field.js'

const TASKS = 20_000
const WARM_UP = 5_000

const sample =
  (field: Field): Sample =>
  async () => {
    process.env['INSITU_WORKERS'] = '2'
    await connect(field.url)
    const counts = upTo(BATCH).map(() => new Count())
    await Promise.all(counts.map((count) => count.makePersistent()))
    // Workers are up, and have compiled the code.
    await Promise.all(upTo(WARM_UP).map((n) => addOne(counts[n % BATCH]!)))
    const figure = await perSecond(TASKS, async () => {
      for (let n = 0; n < TASKS; n++) addOne(counts[n % BATCH]!)
      await barrier()
    })
    await Promise.all(counts.map((count) => count.reload()))
    for (const { n } of counts) mustEqual(n, (WARM_UP + TASKS) / BATCH, 'tasks done')
    await finish()
    return figure
  }

export const persistentTasks = (bench: Bench, field: Field): Promise<void> =>
  bench.contest({ case: 'tasks that change one of 1,000 objects', unit: 'tasks/s', better: 'higher', ours: sample(field), rivals: {} })
