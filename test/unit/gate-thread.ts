/** A thread that is in a transaction nearly always. */
import { workerData } from 'node:worker_threads'
import { openEnvironment } from '../../backends/nvram/environment.js'
import { stopsThrough, type ThreadGate } from '../../src/thread-gate.js'

const { folder, gate } = workerData as { folder: string; gate: ThreadGate }
stopsThrough(gate)
const { transactions } = await openEnvironment(folder)
for (;;) {
  transactions.write(() => {
    for (const end = performance.now() + 2; performance.now() < end; );
  })
}
