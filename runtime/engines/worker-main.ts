/** Where a worker thread begins. */
import { type MessagePort, parentPort } from 'node:worker_threads'
import { startWorker } from './worker.js'

startWorker(parentPort!, (port) => port as MessagePort)
