/** The worker of a committer written by hand: reads objects from the file, changes each, and hands over the changes of a batch with a mark for each. */
import { parentPort, workerData } from 'node:worker_threads'
import { open } from 'lmdb'

/** A change that commits with its mark: the object's key, the revision that it builds on, its new state, the task's number. */
export type Change = readonly [key: string, revision: number, n: number, task: number]
export interface Kept {
  readonly revision: number
  readonly n: number
}

const counts = open<Kept, string>({ path: workerData as string, encoding: 'msgpack' })

parentPort!.on('message', (tasks: readonly (readonly [task: number, key: string])[]) => {
  counts.resetReadTxn() // what was committed since the last batch
  parentPort!.postMessage(
    tasks.map(([task, key]): Change => {
      const { revision, n } = counts.get(key)!
      return [key, revision, n + 1, task]
    }),
  )
})
