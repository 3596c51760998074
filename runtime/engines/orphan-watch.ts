/** A thread of a worker process that ends it when the program is gone, also while a task's body keeps the process's own thread busy. */
import { workerData } from 'node:worker_threads'

const LOOK_MS = 250

setInterval(() => {
  if (process.ppid !== workerData) process.kill(process.pid, 'SIGKILL')
}, LOOK_MS).unref()
// An unreferenced timer alone would let the thread end.
setInterval(() => {}, 2 ** 30)
