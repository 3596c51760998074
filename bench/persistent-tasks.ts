/** Tasks that each change one of a thousand objects in a file, durable when awaited, beside a committer written by hand on lmdb. */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { barrier, connect, finish, getByID, type Id } from 'insitu'
import { open, type RootDatabase } from 'lmdb'
import { addOne, Count } from './bodies/add-task.js'
import type { Change, Kept } from './bodies/count-worker.js'
import { type Bench, mustEqual, perSecond, type Sample, withFolder } from './harness.js'

const OBJECTS = 1_000
const TASKS = 30_000
/** Before the clock runs, as in the other cases of tasks: the engine has compiled by then what it is going to compile. */
const WARM_UP = 10_000
const WORKERS = 2
/** Changes that a worker of the rival hands over at once. */
const BATCHES = [64, 256]

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n)

/** How tasks are waited for. */
type Waiting = (calls: readonly PromiseLike<unknown>[]) => Promise<unknown>

/** Once all are done: every object is read again, by a program that has none of them in memory. */
const ours =
  (tasks: number, wait: Waiting): Sample =>
  () =>
    withFolder(async (folder) => {
      process.env['INSITU_WORKERS'] = String(WORKERS)
      const url = `nvram:${folder}`
      await connect(url)
      const counts = upTo(OBJECTS).map(() => new Count())
      await Promise.all(counts.map((count) => count.makePersistent()))
      await Promise.all(upTo(WARM_UP).map((n) => addOne(counts[n % OBJECTS]!)))
      const figure = await perSecond(tasks, async () => {
        await wait(upTo(tasks).map((n) => addOne(counts[n % OBJECTS]!)))
      })
      const ids = counts.map((count) => count.getID()!)
      await finish()
      await checkCounts(url, ids, tasks)
      return figure
    })

async function checkCounts(url: string, ids: readonly Id[], tasks: number): Promise<void> {
  await connect(url)
  try {
    const found = await getByID(...ids)
    const sum = found.reduce((all, one) => all + (one instanceof Count ? one.n : Number.NaN), 0)
    mustEqual(sum, WARM_UP + tasks, 'the sum of all objects, one for each task')
  } finally {
    await finish()
  }
}

/**
 * What one writes by hand: objects are shared out between two threads, which read and change them and hand over batches; one thread
 * checks the revisions and writes all that came, with a mark a task, in one transaction that is flushed when it returns.
 */
const byHand =
  (tasks: number, batch: number): Sample =>
  () =>
    withFolder(async (folder) => {
      const path = join(folder, 'lmdb')
      const counts = open<Kept, string>({ path, encoding: 'msgpack' })
      const workers = upTo(WORKERS).map(() => new Worker(new URL('./bodies/count-worker.js', import.meta.url), { workerData: path }))
      try {
        counts.transactionSync(() => {
          for (const n of upTo(OBJECTS)) counts.putSync(keyOf(n), { revision: 1, n: 0 })
        })
        const committer = new Committer(counts)
        const run = async (tasks: number): Promise<void> => {
          const all = upTo(tasks).map((n) => [n, keyOf(n % OBJECTS)] as const)
          await Promise.all(
            workers.map((worker, w) =>
              share(
                committer,
                worker,
                all.filter(([n]) => n % WORKERS === w),
                batch,
              ),
            ),
          )
        }
        await run(WARM_UP)
        const figure = await perSecond(tasks, () => run(tasks))
        const sum = upTo(OBJECTS).reduce((all, n) => all + counts.get(keyOf(n))!.n, 0)
        mustEqual(sum, WARM_UP + tasks, 'the sum of all objects, one for each task')
        return figure
      } finally {
        await Promise.all(workers.map((worker) => worker.terminate()))
        await counts.close()
      }
    })

const keyOf = (n: number): string => `object ${String(n).padStart(29, '0')}`

/** Writes all batches that have come in one transaction. */
class Committer {
  #waiting: { readonly changes: readonly Change[]; readonly done: () => void }[] = []

  constructor(readonly counts: RootDatabase<Kept, string>) {}

  commit(changes: readonly Change[]): Promise<void> {
    if (this.#waiting.length === 0) setImmediate(() => this.#write())
    return new Promise((done) => this.#waiting.push({ changes, done }))
  }

  #write(): void {
    const batches = this.#waiting
    this.#waiting = []
    this.counts.transactionSync(() => {
      for (const { changes } of batches) for (const change of changes) this.#apply(change)
    })
    for (const { done } of batches) done()
  }

  #apply([key, revision, n, task]: Change): void {
    mustEqual(this.counts.get(key)!.revision, revision, `the revision of ${key}`)
    this.counts.putSync(key, { revision: revision + 1, n })
    this.counts.putSync(`mark ${task}`, { revision, n: task })
  }
}

/** A batch has no object twice, as long as it is no larger than a thread's share of them: no task waits for another one of its batch. */
async function share(
  committer: Committer,
  worker: Worker,
  tasks: readonly (readonly [task: number, key: string])[],
  batch: number,
): Promise<void> {
  for (let at = 0; at < tasks.length; at += batch) {
    const changes = once(worker, 'message') as Promise<[Change[]]>
    worker.postMessage(tasks.slice(at, at + batch))
    await committer.commit((await changes)[0])
  }
}

export async function persistentCases(bench: Bench): Promise<void> {
  const tasks = bench.options.count ?? TASKS
  const rivals = Object.fromEntries(BATCHES.map((batch) => [`by hand, ${batch} at a time`, byHand(tasks, batch)]))
  const common = { unit: 'tasks/s', better: 'higher', warmUp: false } as const
  await bench.contest({
    ...common,
    case: `persistent: ${tasks} on ${OBJECTS} objects, barrier`,
    ours: ours(tasks, () => barrier()),
    rivals,
  })
  const each: Waiting = (calls) => Promise.all(calls)
  await bench.contest({ ...common, case: `persistent: ${tasks} on ${OBJECTS} objects, each awaited`, ours: ours(tasks, each), rivals: {} })
}
