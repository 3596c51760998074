/**
 * What the scheduler itself costs, submit to settled, with a driver that does nothing but answer. It has no rival: the figure is the
 * share of a task's time that is not the threads', the messages' or the store's.
 */
import {
  Access,
  type Commands,
  createState,
  Kind,
  type RuntimeEvent,
  type RuntimeState,
  statsOf,
  step,
} from '../runtime/scheduler/index.js'
import type { Bench, Benchmark } from './harness.js'

const COUNT = 200_000
/** Width of the stencil. */
const WIDTH = 1000
const SUBMIT_BATCH = 10_000
const WORKERS = 4
/** Most tasks pending where a program waits for earlier ones; without that the columns grow to the whole graph. */
const WINDOW = 20_000

type Shape = 'independent' | 'chain' | 'stencil'
const SHAPES: readonly Shape[] = ['independent', 'chain', 'stencil']

/** Flat accesses of tasks [first, first + count). Data: one per task, its result. */
function accessesOf(shape: Shape, first: number, count: number): Int32Array {
  const flat: number[] = []
  for (let t = first; t < first + count; t++) {
    if (shape === 'chain') flat.push(t, 0, Access.WRITE)
    if (shape === 'stencil') pushStencil(flat, t)
  }
  return Int32Array.from(flat)
}

function pushStencil(flat: number[], t: number): void {
  const x = t % WIDTH
  for (const d of [-1, 0, 1]) if (t >= WIDTH && x + d >= 0 && x + d < WIDTH) flat.push(t, t - WIDTH + d, Access.READ)
  flat.push(t, t, Access.WRITE)
}

function submission(shape: Shape, first: number, count: number): RuntimeEvent[] {
  const events: RuntimeEvent[] = []
  if (shape === 'stencil') events.push({ on: 'DataDeclared', first, count, kind: Kind.RENAMED, holds: 1 })
  events.push({ on: 'TasksSubmitted', first, count, fn: new Int32Array(count), accesses: accessesOf(shape, first, count) })
  if (shape === 'stencil') events.push({ on: 'DataReleased', data: Int32Array.from({ length: count }, (_, i) => first + i) })
  return events
}

function submissions(shape: Shape, tasks: number): RuntimeEvent[][] {
  const batches: RuntimeEvent[][] = []
  for (let first = 0; first < tasks; first += SUBMIT_BATCH) batches.push(submission(shape, first, Math.min(SUBMIT_BATCH, tasks - first)))
  return batches
}

function answers(commands: Commands): RuntimeEvent[] {
  const events: RuntimeEvent[] = []
  for (const c of commands) {
    if (c.do !== 'StartTasks') continue
    const microseconds = new Float64Array(c.tasks.length).fill(1)
    events.push({ on: 'TasksFinished', worker: c.worker, tasks: c.tasks, attempts: c.attempts, microseconds })
  }
  return events
}

function withWorkers(shape: Shape): RuntimeState {
  const state = createState()
  const workers = Array.from({ length: WORKERS }, (_, worker) => ({ worker, slots: 1, host: 0 }))
  step(state, [{ on: 'WorkersJoined', workers }], 0)
  if (shape === 'chain') step(state, [{ on: 'DataDeclared', first: 0, count: 1, kind: Kind.KEPT }], 0)
  return state
}

/** Microseconds a task inside `step`. */
async function microsOf(shape: Shape, tasks: number, window: number): Promise<number> {
  const batches = submissions(shape, tasks)
  const state = withWorkers(shape)
  let insideMs = 0
  const timed = (events: RuntimeEvent[]): RuntimeEvent[] => {
    const before = performance.now()
    const commands = step(state, events, 0)
    insideMs += performance.now() - before
    return answers(commands)
  }
  for (let pending: RuntimeEvent[] = []; batches.length > 0 || pending.length > 0; ) {
    const { waiting, ready, assigned } = statsOf(state)
    if (batches.length > 0 && waiting + ready + assigned < window) pending.push(...timed(batches.shift()!))
    else pending = timed(pending)
  }
  const { done } = statsOf(state)
  if (done !== tasks) throw new Error(`${shape}: ${done} of ${tasks} done`)
  return (insideMs * 1000) / tasks
}

export const scheduler: Benchmark = {
  name: 'scheduler',
  about: 'what `step` costs a task: independent ones, a chain, a stencil of three dependencies',
  async run(bench: Bench) {
    const count = bench.options.count ?? COUNT
    const common = { unit: 'us/task', better: 'lower', rivals: {} } as const
    for (const shape of SHAPES) {
      const windowed = `${shape}, at most ${WINDOW} of ${count} pending`
      await bench.contest({ ...common, case: windowed, ours: () => microsOf(shape, count, WINDOW) })
      await bench.contest({ ...common, case: `${shape}, all ${count} pending`, ours: () => microsOf(shape, count, count) })
    }
  },
}
