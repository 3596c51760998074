/**
 * What a dependent task costs at least: a stencil of width 2, where each task needs both tasks of the step before, on two worker threads.
 * Lanes: the tasks were handed over ahead of time, their missing counts lie in shared memory, and a worker that finishes releases its
 * successors itself. Hop: each completion goes to the main thread, which starts what has become ready.
 * node dist/bench/lanes-probe.js [steps] [spins]
 */
import { isMainThread, type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads'

const WIDTH = 2
const KERNELS_US = [0, 1, 5, 20]
const RUNS = 5
/**
 * Some 300 microseconds, which must be longer than it takes to wake a thread. With a shorter one a single sleep is never made up for:
 * by the time one lane is awake the other has fallen asleep, and every step from then on costs a wake-up.
 */
const SPINS = Number(process.argv[3] ?? 150_000)

interface Job {
  readonly mode: 'lanes' | 'checked' | 'hop' | 'alone'
  readonly steps: number
  readonly iterations: number
  readonly counts: Int32Array
  readonly sleeping: Int32Array
  /** Steps that each lane has finished, for the run that proves that nobody went ahead. */
  readonly finished: Int32Array
}

/** Work that takes the same time everywhere and cannot be left out. */
function kernel(iterations: number): number {
  let x = 1
  for (let i = 0; i < iterations; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0
  return x
}

// ---- a worker

function waitFor(counts: Int32Array, sleeping: Int32Array, lane: number, task: number): void {
  for (let i = 0; i < SPINS; i++) if (Atomics.load(counts, task) === 0) return
  Atomics.store(sleeping, lane, 1)
  for (let missing = Atomics.load(counts, task); missing > 0; missing = Atomics.load(counts, task)) Atomics.wait(counts, task, missing)
  Atomics.store(sleeping, lane, 0)
}

function release(counts: Int32Array, sleeping: Int32Array, step: number): void {
  for (let lane = 0; lane < WIDTH; lane++) {
    const task = step * WIDTH + lane
    // A notify costs a lock, so it is sent only to a lane that says it sleeps; the order of store and load makes that safe.
    if (Atomics.sub(counts, task, 1) === 1 && Atomics.load(sleeping, lane) === 1) Atomics.notify(counts, task)
  }
}

function runLane({ counts, sleeping, steps, iterations }: Job, lane: number): number {
  let sink = 0
  for (let step = 0; step < steps; step++) {
    if (step > 0) waitFor(counts, sleeping, lane, step * WIDTH + lane)
    sink ^= kernel(iterations)
    if (step + 1 < steps) release(counts, sleeping, step + 1)
  }
  return sink
}

/** As `runLane`, with each step looking whether its predecessors are really over. */
function runChecked({ counts, sleeping, finished, steps, iterations }: Job, lane: number): number {
  let early = 0
  for (let step = 0; step < steps; step++) {
    if (step > 0) waitFor(counts, sleeping, lane, step * WIDTH + lane)
    for (let other = 0; other < WIDTH; other++) if (Atomics.load(finished, other) < step) early++
    kernel(iterations)
    Atomics.store(finished, lane, step + 1)
    if (step + 1 < steps) release(counts, sleeping, step + 1)
  }
  return early
}

function runAlone({ steps, iterations }: Job): number {
  let sink = 0
  for (let step = 0; step < steps; step++) sink ^= kernel(iterations)
  return sink
}

function work(port: MessagePort, lane: number): void {
  let job: Job
  port.on('message', (message: Job | number) => {
    if (typeof message === 'number') return port.postMessage(kernel(job.iterations))
    job = message
    if (job.mode === 'hop') return port.postMessage('ready')
    port.postMessage(job.mode === 'lanes' ? runLane(job, lane) : job.mode === 'checked' ? runChecked(job, lane) : runAlone(job))
  })
}

// ---- the main thread

const shared = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length))

const answerOf = (worker: Worker): Promise<unknown> => new Promise((resolve) => worker.once('message', resolve))

/** Microseconds a step. */
async function run(workers: readonly Worker[], mode: Job['mode'], steps: number, iterations: number): Promise<number> {
  const job: Job = { mode, steps, iterations, counts: shared(steps * WIDTH).fill(WIDTH), sleeping: shared(WIDTH), finished: shared(WIDTH) }
  const start = performance.now()
  const answers = workers.map(answerOf)
  for (const worker of workers) worker.postMessage(job)
  const results = await Promise.all(answers)
  if (mode === 'checked' && results.some((early) => early !== 0)) throw new Error(`a lane went ahead: ${results}`)
  const from = mode === 'hop' ? performance.now() : start
  if (mode === 'hop') await hop(workers, steps)
  return ((performance.now() - from) * 1000) / steps
}

/** The whole of a scheduler that learns of each completion: count down, start what is ready. */
function hop(workers: readonly Worker[], steps: number): Promise<void> {
  return new Promise((resolve) => {
    let step = 0
    let missing = WIDTH
    const next = (): void => {
      if (--missing > 0) return
      if (++step === steps) return finish()
      missing = WIDTH
      for (const worker of workers) worker.postMessage(step)
    }
    const finish = (): void => {
      for (const worker of workers) worker.off('message', next)
      resolve()
    }
    for (const worker of workers) worker.on('message', next)
    for (const worker of workers) worker.postMessage(step)
  })
}

async function best(workers: readonly Worker[], mode: Job['mode'], steps: number, iterations: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) least = Math.min(least, await run(workers, mode, steps, iterations))
  return least
}

async function probe(steps: number): Promise<void> {
  const workers = Array.from(
    { length: WIDTH },
    (_, lane) => new Worker(new URL(import.meta.url), { workerData: lane, argv: process.argv.slice(2) }),
  )
  await run(workers, 'checked', steps, 100)
  const perIteration = (await best(workers, 'alone', steps, 10_000)) / 10_000
  for (const us of KERNELS_US) {
    const iterations = Math.round(us / perIteration)
    const alone = await best(workers, 'alone', steps, iterations)
    const lanes = await best(workers, 'lanes', steps, iterations)
    const hops = await best(workers, 'hop', Math.min(steps, 2000), iterations)
    const share = (total: number): string => `${Math.round((100 * alone) / total)} %`
    console.log(
      `kernel ${alone.toFixed(2)} us: lanes ${lanes.toFixed(2)} us a step (${(lanes - alone).toFixed(2)} more, efficiency ${share(lanes)}), ` +
        `through the main thread ${hops.toFixed(1)} us a step (${(hops - alone).toFixed(1)} more, ${share(hops)})`,
    )
  }
  await Promise.all(workers.map((w) => w.terminate()))
}

if (isMainThread) await probe(Number(process.argv[2] ?? 5000))
else work(parentPort!, workerData as number)
