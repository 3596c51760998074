/** What one writes by hand on plain worker threads: a message per task, a message per answer. */
import { parentPort } from 'node:worker_threads'
import { echo } from './echo.js'

parentPort!.on('message', ([id, n]: readonly [number, number]) => parentPort!.postMessage([id, echo(n)]))
