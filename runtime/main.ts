import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { InsituError, ValidationError } from '../src/errors.js'
import { openStores } from '../src/open-stores.js'
import { programUnit } from '../src/unit/context.js'
import { isProgramThread } from './current-runtime.js'
import { prepareWorker } from './engines/spare-worker.js'
import { entryIsGuarded, isEntry } from './entry.js'
import { writeRunRecord } from './observe/run-record.js'
import { readableError } from './readable-error.js'
import { abandon, barrier, finish, graphOf, runId, stats } from './runtime-api.js'
import { isolationWanted, runAskedFor, runtimeIsOff } from './runtime-config.js'
import { hasTasks } from './tasks/task.js'

/**
 * Runs `body` if this module is the program: not in workers, not when another module imports it. Then waits for its tasks,
 * saves buffered rows, closes all stores, and ends. A failure is printed and makes the exit code 1; under `insitu run` 2 if it could not
 * run as it was told to, 3 if its store cannot be used.
 * @throws ValidationError if it was called before (`ERR_MAIN_TWICE`)
 */
export function main(meta: { readonly url: string }, body: () => void | PromiseLike<void>): void {
  if (typeof meta?.url !== 'string' || typeof body !== 'function')
    throw new TypeError('main() takes import.meta and the program, as a function: main(import.meta, async () => { … })')
  if (!isMainThread || !isProgramThread() || !isEntry(meta.url)) return
  // The end of the first would close the stores of the second.
  if (isCalled)
    throw new ValidationError(
      `main() was called twice in ${basename(fileURLToPath(meta.url))}: a program has one, and modules bundled into one file have it in common`,
      { code: 'ERR_MAIN_TWICE', url: meta.url },
    )
  isCalled = true
  entryIsGuarded()
  if (hasTasks() && !runtimeIsOff()) prepareWorker(isolationWanted())
  void run(body)
}

let isCalled = false

let exitCodeOf: (error: unknown) => number = () => 1

/** For the command that starts a program: what the exit code of a failure is. */
export const setExitCodes = (of: (error: unknown) => number): void => void (exitCodeOf = of)

/** Node's code for a program that ends while it awaits. */
export const STUCK = 13

async function run(body: () => void | PromiseLike<void>): Promise<void> {
  const isOver = watchForTheEnd()
  try {
    await runToTheEnd(body)
  } finally {
    isOver()
  }
}

async function runToTheEnd(body: () => void | PromiseLike<void>): Promise<void> {
  const startedAt = new Date().toISOString()
  try {
    await body()
  } catch (error) {
    return fail(error, startedAt)
  }
  try {
    await barrier()
    await record(startedAt)
    await finish()
    await closeOthers()
  } catch (error) {
    await fail(error, startedAt)
  }
}

/** A program of which nothing goes on any more while its body still waits has not ended well. Gives what says that the body is over. */
function watchForTheEnd(): () => void {
  let isDrained = false
  const onDrained = (): void => void (isDrained = true)
  const onExit = (): void => {
    if (!isDrained) return // it was told to exit
    process.exitCode = process.exitCode || STUCK
    console.error('insitu: the program ended while it awaited something that nothing is left to settle')
  }
  process.once('beforeExit', onDrained)
  process.once('exit', onExit)
  return () => {
    process.off('beforeExit', onDrained)
    process.off('exit', onExit)
  }
}

/** Stores that the program opened beside its default one: a connection that stays open would keep the process for ever. */
async function closeOthers(): Promise<void> {
  await Promise.all(Array.from(openStores(), (store) => store.close()))
}

/** What is still pending is not waited for: the program has given up. */
async function fail(error: unknown, startedAt: string): Promise<void> {
  process.exitCode = process.exitCode || exitCodeOf(error)
  console.error(readableError(error))
  const run = runAskedFor()
  if (run !== undefined) console.error(`insitu: what run ${run} has done is kept: start it again with the same id to go on`)
  dropWhatEnds()
  await record(startedAt)
  await abandon().catch(() => {})
  await closeOthers().catch(() => {})
}

/**
 * What was under way and is not awaited ends with the stores. The program has failed already, for a reason that was told: that its stores are
 * closed now is no second one, and no reason to end before they are.
 */
function dropWhatEnds(): void {
  process.on('unhandledRejection', (error) => {
    const isEnd = error instanceof InsituError && (error.code === 'ERR_CLOSED' || error.code === 'ERR_RUN_ENDED')
    if (!isEnd && process.listenerCount('unhandledRejection') === 1) console.error(readableError(error))
  })
}

/** Leaves the run's graph and figures for `insitu graph`; a program without tasks leaves nothing. */
async function record(startedAt: string): Promise<void> {
  const run = runId()
  const storage = programUnit()?.store.url
  if (run === undefined || storage === undefined || stats().tasks === 0) return
  const program = process.argv[1] ?? ''
  const endedAt = new Date().toISOString()
  await writeRunRecord({ format: 1, run, program, storage, startedAt, endedAt, stats: stats(), graph: graphOf() }).catch(
    (error: unknown) => {
      console.error(`insitu: the run's record could not be written: ${(error as Error).message}`)
    },
  )
}
