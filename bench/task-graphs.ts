/** Graphs of tasks: Task Bench's stencil, shapes with empty tasks, and how the rate holds as they become many. */
import { barrier, connect, type Future, finish, init } from 'insitu'
import { begin, join, joinTask, point } from './bodies/graph-tasks.js'
import { type Bench, median, mustEqual } from './harness.js'

const WORKERS = 2
const STEPS = 1000
/** What a kernel takes, from the longest. */
const KERNELS_US = [1000, 500, 200, 100, 50, 20, 10, 5, 2, 1]
const PEAK_ROUNDS = 5
const PEAK_STEPS = 4
const PEAK_ITERATIONS = 20_000_000
const SHAPE_TASKS = 10_000
const FEW = 10_000
const MANY = 1_000_000
const WARM_ROUNDS = 3

type Isolation = 'thread' | 'process'

async function onWorkers<T>(isolation: Isolation, use: () => Promise<T>): Promise<T> {
  await connect('memory:')
  await init({ workers: WORKERS, isolation })
  try {
    return await use()
  } finally {
    await finish()
  }
}

// ---- METG

/** Iterations of the kernel in a microsecond when all workers are busy: the peak that the efficiency is a share of. Long kernels, so that the rest is nothing. */
async function peak(): Promise<number> {
  let best = 0
  for (let i = 0; i < PEAK_ROUNDS; i++) best = Math.max(best, PEAK_ITERATIONS / (await stencil(PEAK_STEPS, PEAK_ITERATIONS)))
  return best
}

/** Microseconds a step, from the first call to the last result. */
async function stencil(steps: number, iterations: number): Promise<number> {
  const start = performance.now()
  let [a, b] = [begin(1), begin(2)]
  for (let i = 0; i < steps; i++) [a, b] = [point(iterations, a, b), point(iterations, b, a)]
  const [x, y] = await Promise.all([a, b])
  const us = ((performance.now() - start) * 1000) / steps
  let [u, v] = [1, 2]
  for (let i = 0; i < steps; i++) [u, v] = [join(u, v), join(v, u)]
  mustEqual(`${x} ${y}`, `${u} ${v}`, 'the last step of the stencil')
  return us
}

/** Least of several runs: everything else that the machine does only adds. */
async function metg(samples: number, isolation: Isolation): Promise<number> {
  return onWorkers(isolation, async () => {
    for (let i = 0; i < WARM_ROUNDS; i++) await stencil(STEPS, 1)
    const iterationsPerUs = await peak()
    const efficiency: Efficiency[] = []
    for (const us of KERNELS_US) {
      const iterations = Math.max(1, Math.round(us * iterationsPerUs))
      const steps = Math.max(50, Math.min(STEPS, Math.round(200_000 / us)))
      let least = Number.POSITIVE_INFINITY
      for (let i = 0; i < samples; i++) least = Math.min(least, await stencil(steps, iterations))
      const share = iterations / iterationsPerUs / least
      efficiency.push({ us: least, share })
      if (share < 0.5) break
    }
    return halfOf(efficiency)
  })
}

/** Time of a task of which a share is the kernel's. */
interface Efficiency {
  readonly us: number
  readonly share: number
}

/** METG (50 %) as Task Bench defines it: the time of a task, kernel and all, where the efficiency passes a half, between the two that it was measured at. */
function halfOf(taken: readonly Efficiency[]): number {
  const below = taken.findIndex(({ share }) => share < 0.5)
  if (below < 0) return taken.at(-1)!.us
  if (below === 0) return Number.POSITIVE_INFINITY
  const [a, b] = [taken[below - 1]!, taken[below]!]
  return b.us + ((a.us - b.us) * (0.5 - b.share)) / (a.share - b.share)
}

// ---- shapes

type Value = Future<number> | number
type Join = (a: Value, b: Value) => Value

/** Each builds a graph of so many tasks and gives its end. */
const SHAPES: Readonly<Record<string, (count: number, next: Join) => Value>> = {
  chain: (count, next) => repeat(count, 0 as Value, (last, i) => next(last, i)),
  'merge tree': (count, next) => {
    let level: Value[] = Array.from({ length: count + 1 }, (_, i) => i)
    while (level.length > 1) level = pairs(level, next)
    return level[0]!
  },
  '2-D sum': (count, next) => {
    const side = Math.floor(Math.sqrt(count))
    const row: Value[] = Array.from({ length: side + 1 }, (_, i) => i)
    for (let y = 0; y < side; y++) for (let x = 1; x <= side; x++) row[x] = next(row[x - 1]!, row[x]!)
    return row[side]!
  },
  random: (count, next) => {
    const made: Value[] = [1, 2]
    let seed = 7
    const pick = (): Value => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0
      return made[made.length - 1 - ((seed >>> 8) % Math.min(made.length, 50))]!
    }
    return repeat(count, 0 as Value, () => made[made.push(next(pick(), pick())) - 1]!)
  },
  bag: (count, next) => repeat(count, 0 as Value, (_, i) => next(i, i)),
}

function repeat<T>(count: number, first: T, next: (before: T, i: number) => T): T {
  let last = first
  for (let i = 0; i < count; i++) last = next(last, i)
  return last
}

function pairs(level: readonly Value[], next: Join): Value[] {
  const above: Value[] = []
  for (let i = 0; i < level.length; i += 2) above.push(i + 1 < level.length ? next(level[i]!, level[i + 1]!) : level[i]!)
  return above
}

const plainJoin: Join = (a, b) => join(Number(a), Number(b))

async function shape(name: string, count: number): Promise<number> {
  const build = SHAPES[name]!
  let tasks = 0
  const start = performance.now()
  const end = build(count, (a, b) => {
    tasks++
    return joinTask(a, b)
  })
  await barrier()
  const us = ((performance.now() - start) * 1000) / tasks
  mustEqual(await end, build(count, plainJoin), `the end of ${name}`)
  return us
}

// ---- the cases

export async function metgCases(bench: Bench): Promise<void> {
  for (const isolation of ['thread', 'process'] as const) {
    const title = `metg of a stencil of width 2, on 2 ${isolation === 'thread' ? 'threads' : 'processes'}`
    await bench.contest({
      case: title,
      unit: 'us',
      better: 'lower',
      warmUp: false,
      ours: () => metg(Math.min(3, bench.options.samples), isolation),
      rivals: {},
    })
  }
}

export async function shapeCases(bench: Bench): Promise<void> {
  const count = bench.options.count ?? SHAPE_TASKS
  for (const name of Object.keys(SHAPES)) {
    const sample = (): Promise<number> =>
      onWorkers('thread', async () => {
        for (let i = 0; i < WARM_ROUNDS; i++) await shape(name, count)
        return shape(name, count)
      })
    await bench.contest({ case: `shapes: ${name}, ${count} empty tasks`, unit: 'us/task', better: 'lower', ours: sample, rivals: {} })
  }
}

/** Tasks a second, submitted in one go. */
async function rate(count: number): Promise<number> {
  const start = performance.now()
  for (let i = 0; i < count; i++) joinTask(i, 1)
  await barrier()
  return (count * 1000) / (performance.now() - start)
}

/** Of many tasks in one go against few, one after the other in one run; and heap of a call that is pending. */
export async function scaleCases(bench: Bench): Promise<void> {
  const many = bench.options.count ?? MANY
  const ratio = (): Promise<number> =>
    onWorkers('thread', async () => {
      for (let i = 0; i < WARM_ROUNDS; i++) await rate(FEW)
      const few = await medianRate(FEW, 5)
      return (await rate(many)) / few
    })
  await bench.contest({
    case: `scale: rate of ${many} against ${FEW}`,
    unit: 'ratio',
    better: 'higher',
    warmUp: false,
    ours: ratio,
    rivals: {},
  })
  const heap = (): Promise<number> =>
    onWorkers('thread', async () => {
      await rate(FEW)
      globalThis.gc?.()
      const before = process.memoryUsage().heapUsed
      for (let i = 0; i < many; i++) joinTask(i, 1)
      globalThis.gc?.()
      const bytes = (process.memoryUsage().heapUsed - before) / many
      await barrier()
      return bytes
    })
  await bench.contest({
    case: `scale: heap of one of ${many} pending`,
    unit: 'bytes',
    better: 'lower',
    warmUp: false,
    ours: heap,
    rivals: {},
  })
}

async function medianRate(count: number, times: number): Promise<number> {
  const all: number[] = []
  for (let i = 0; i < times; i++) all.push(await rate(count))
  return median(all)
}
