/** A thread that is nearly always inside a native call of lmdb-js: of the kind that it is told. */
import { parentPort, workerData } from 'node:worker_threads'
import { openEnvironment } from '../../backends/nvram/environment.js'
import { stopsThrough, type ThreadGate } from '../../src/thread-gate.js'

export type Calls = 'open' | 'write' | 'read' | 'range' | 'count' | 'flush'
const { folder, gate, calls } = workerData as { folder: string; gate: ThreadGate; calls: Calls }
const key = Buffer.from('key')

stopsThrough(gate)
const { file, transactions, rows } = await openEnvironment(folder)
parentPort!.postMessage('begins')
const doIt: Record<Calls, () => unknown> = {
  open: async () => (await openEnvironment(folder)).file.close(),
  write: () =>
    transactions.write(() => {
      for (const end = performance.now() + 2; performance.now() < end; );
    }),
  read: () => {
    transactions.refresh()
    rows.look(key)
  },
  range: () => {
    transactions.refresh()
    rows.keys({ limit: 50 })
    rows.each({ limit: 5 }, () => {})
  },
  count: () => [file.newest(), file.bytes(), rows.count({})],
  flush: () => {
    transactions.write(() => rows.put(key, key))
    return file.sync()
  },
}
for (;;) {
  const waits = doIt[calls]()
  if (waits instanceof Promise) await waits
}
