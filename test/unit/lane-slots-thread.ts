/** The worker's side of a race for slots: begins each that it can. */
import { parentPort, workerData } from 'node:worker_threads'
import { FileSlots } from '../../runtime/engines/file-slots.js'
import { At, ThreadSlots } from '../../runtime/engines/lane-slots.js'

const { shared, file, count, start } = workerData as {
  readonly shared: SharedArrayBuffer | number
  readonly file: number
  readonly count: number
  readonly start: Int32Array
}
const slots = typeof shared === 'number' ? new FileSlots(file, shared) : new ThreadSlots(shared)
const begun: number[] = []
Atomics.store(start, 0, 1)
while (Atomics.load(start, 0) !== 2);
for (let slot = 0; slot < count; slot++) if (slots.claim(slot, 1, At.BEGUN)) begun.push(slot)
parentPort!.postMessage(begun)
