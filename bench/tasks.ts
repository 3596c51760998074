/** Empty tasks on two worker threads: how many a second when submitted in one go, and how long one takes there and back. */
import { Worker } from 'node:worker_threads'
import { barrier, connect, finish, stats } from 'insitu'
import { Piscina } from 'piscina'
import { Tinypool } from 'tinypool'
import { echoTask } from './bodies/echo-task.js'
import { type Bench, type Benchmark, median, mustEqual, perSecond, type Sample } from './harness.js'
import { persistentCases } from './persistent-tasks.js'
import { metgCases, scaleCases, shapeCases } from './task-graphs.js'

const WORKERS = 2
const COUNT = 100_000
const WARM_UP = 5_000
const ROUND_TRIPS = 1_000
/** Piscina's own remedy for small tasks, and the setting in which it is fastest here. */
const PER_WORKER = 50
const FAST_PISCINA = `piscina, ${PER_WORKER} per worker`

interface Pool {
  readonly run: (n: number) => PromiseLike<number>
  readonly close: () => Promise<unknown>
}
type Open = () => Promise<Pool>
type Measure = (pool: Pool) => Promise<number>

const echo = { filename: new URL('./bodies/echo.js', import.meta.url).href, name: 'echo', minThreads: WORKERS, maxThreads: WORKERS }

const insitu: Open = () => ours('thread')
const onProcesses: Open = () => ours('process')

async function ours(isolation: 'thread' | 'process'): Promise<Pool> {
  process.env['INSITU_WORKERS'] = String(WORKERS)
  process.env['INSITU_ISOLATION'] = isolation
  await connect('memory:')
  return { run: echoTask, close: finish }
}

const piscina = (concurrentTasksPerWorker: number): Open => {
  return async () => {
    const pool = new Piscina({ ...echo, concurrentTasksPerWorker })
    return { run: (n) => pool.run(n) as Promise<number>, close: () => pool.destroy() }
  }
}

async function tinypool(): Promise<Pool> {
  const pool = new Tinypool(echo)
  return { run: (n) => pool.run(n) as Promise<number>, close: () => pool.destroy() }
}

/** What one writes by hand: tasks dealt out in turns, a message for each and one for each answer. */
async function postMessage(): Promise<Pool> {
  const waiting: ((n: number) => void)[] = []
  const workers = Array.from({ length: WORKERS }, () => new Worker(new URL('./bodies/echo-worker.js', import.meta.url)))
  for (const worker of workers) worker.on('message', ([id, n]: readonly [number, number]) => waiting[id]!(n))
  const run = (n: number): Promise<number> =>
    new Promise((resolve) => {
      const id = waiting.push(resolve) - 1
      workers[id % WORKERS]!.postMessage([id, n])
    })
  return { run, close: () => Promise.all(workers.map((worker) => worker.terminate())) }
}

const RIVALS: Readonly<Record<string, Open>> = {
  piscina: piscina(1),
  [FAST_PISCINA]: piscina(PER_WORKER),
  tinypool,
  raw: postMessage,
}

/** A pool of its own for each sample, warm, so that no one's threads or heap stand in another's way. */
const sampleOf = (open: Open, measure: Measure): Sample => {
  return async () => {
    const pool = await open()
    try {
      await sumOf(pool, WARM_UP)
      return await measure(pool)
    } finally {
      await pool.close()
    }
  }
}

const rivalsOf = (measure: Measure, names: readonly string[] = Object.keys(RIVALS)): Readonly<Record<string, Sample>> =>
  Object.fromEntries(names.map((name) => [name, sampleOf(RIVALS[name]!, measure)]))

async function sumOf({ run }: Pool, count: number): Promise<void> {
  const results = await Promise.all(Array.from({ length: count }, (_, n) => run(n)))
  mustEqual(
    results.reduce((a, b) => a + b, 0),
    (count * (count - 1)) / 2,
    'the sum of all results',
  )
}

async function barrierOver({ run }: Pool, count: number): Promise<void> {
  const before = stats().done
  for (let n = 0; n < count; n++) run(n)
  await barrier()
  mustEqual(stats().done - before, count, 'tasks done')
}

async function roundTrip({ run }: Pool): Promise<number> {
  const micros: number[] = []
  for (let n = 0; n < ROUND_TRIPS; n++) {
    const start = performance.now()
    const result = await run(n)
    micros.push((performance.now() - start) * 1000)
    mustEqual(result, n, 'the result')
  }
  return median(micros)
}

async function noopCases(bench: Bench): Promise<void> {
  const count = bench.options.count ?? COUNT
  const inOneGo: Measure = (pool) => perSecond(count, () => sumOf(pool, count))
  const untilBarrier: Measure = (pool) => perSecond(count, () => barrierOver(pool, count))
  const common = { unit: 'tasks/s', better: 'higher', warmUp: false } as const
  // The rivals have no other way to wait than for each promise. A twentieth of the calls tells their rates, which do not grow with the number.
  const rivals = rivalsOf((pool) => perSecond(count / 20, () => sumOf(pool, count / 20)))
  const raw = rivalsOf(inOneGo, ['raw'])
  await bench.contest({
    ...common,
    case: `noop: ${count} in one go, barrier`,
    ours: sampleOf(insitu, untilBarrier),
    rivals: { ...rivals, ...raw },
  })
  await bench.contest({ ...common, case: `noop: ${count} in one go, each result awaited`, ours: sampleOf(insitu, inOneGo), rivals: raw })
  await bench.contest({
    ...common,
    case: `noop: ${count} in one go on processes, barrier`,
    ours: sampleOf(onProcesses, untilBarrier),
    rivals: raw,
  })
}

const rttCases = (bench: Bench): Promise<void> =>
  bench.contest({
    case: 'rtt: one there and back',
    unit: 'us',
    better: 'lower',
    ours: sampleOf(insitu, roundTrip),
    rivals: rivalsOf(roundTrip),
  })

const GROUPS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  noop: noopCases,
  rtt: rttCases,
  metg: metgCases,
  shapes: shapeCases,
  scale: scaleCases,
  persistent: persistentCases,
}

export const tasks: Benchmark = {
  name: 'tasks',
  about:
    'tasks on two workers, beside piscina, tinypool and raw messages: noop, rtt, metg, shapes, scale, persistent (in a file); all, or those named behind it',
  cases: Object.keys(GROUPS),
  async run(bench: Bench) {
    for (const [name, group] of Object.entries(GROUPS)) if (bench.wants(name)) await group(bench)
  },
}
