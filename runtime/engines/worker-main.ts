/** Where a worker thread begins. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { stopsThrough, type ThreadGate } from '../../src/thread-gate.js'
import { startWorker } from './worker.js'

stopsThrough(workerData as ThreadGate)
startWorker(parentPort!, (port) => port as MessagePort)
