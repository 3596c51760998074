/** Where a worker process begins. Its way to the program is the stream with file number 3. */
import { Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { encodeError } from '../data/carry.js'
import { Frames } from '../data/frames.js'
import { startWorker } from './worker.js'

const stream = new Socket({ fd: 3 })
const frames = new Frames(stream)
// A worker waits for tasks also while no store owes it an answer.
frames.port(0).ref()
// Without the program there is nothing to do.
stream.on('error', () => process.exit())
stream.on('close', () => process.exit())
// Ctrl-C reaches the whole group of processes; the program decides what it means.
process.on('SIGINT', () => {})
process.on('uncaughtException', (error) => {
  frames.port(0).postMessage({ do: 'dying', error: encodeError(error) })
  stream.end(() => process.exit(1))
})

startWorker(frames.port(0), (port) => frames.port(port as number))
// A body that computes without end hears no stream close.
new Worker(new URL('./orphan-watch.js', import.meta.url), { execArgv: [], workerData: process.ppid }).unref()
