/** The tasks of random programs: a module of its own, since workers import it. */
import { setTimeout as delay } from 'node:timers/promises'
import { COMMUTATIVE, CONCURRENT, IN, IN_DELETE, INOUT, OUT, StorageDict, StorageObject, TaskContext, t, task, transact } from 'insitu'
import { isFirst } from '../conformance/is-first.js'
import { type ChildKind, type Hands, type Order, perform, type Stored, type Thing } from './runtime-body.js'
import { noteEnd, noteWorker } from './runtime-pids.js'

export class Cell extends StorageObject implements Stored {
  born = 0
  n = 0
  sum = 0
  bytes = new Uint8Array(0)
  rows = new StorageDict({ at: t.i32 }, { x: t.i32 })
  counts = new StorageDict({ at: t.i32 }, { n: t.counter })

  async row(at: number): Promise<number | undefined> {
    return (await this.rows.get({ at }))?.x
  }
  setRow(at: number, x: number): void {
    this.rows.set({ at }, { x })
  }
  dropRow(at: number): void {
    this.rows.delete({ at })
  }
  countRow(at: number, by: number): void {
    this.counts.add({ at }, 'n', by)
  }
  async remove(): Promise<void> {
    await this.deletePersistent()
  }

  @task.method({ target: INOUT })
  async write(inputs: unknown, order: Order): Promise<unknown> {
    return performHere(order, [this, null], inputs)
  }
  @task.method()
  async look(inputs: unknown, order: Order): Promise<unknown> {
    return performHere(order, [this, null], inputs)
  }
  @task.method({ target: COMMUTATIVE })
  async addTo(inputs: unknown, order: Order): Promise<unknown> {
    return performHere(order, [this, null], inputs)
  }
}

const hands = (): Hands => ({
  attempt: TaskContext.current?.number ?? 1,
  make: async (born) => Object.assign(new Cell(), { born }).makePersistent(),
  transact: async (_, body) => transact(async () => body()),
  child: async (kind, order, thing, inputs) => call(kind, order, thing, inputs),
  wait: (ms) => delay(ms),
  die,
})

async function call(kind: ChildKind, order: Order, thing: Thing | null, inputs: unknown): Promise<unknown> {
  if (kind === 'held') return tasks.inout(thing, null, inputs, order)
  if (kind === 'reads') return tasks.reads(thing, null, inputs, order)
  if (kind === 'retries') return tasks.retries(null, null, inputs, order)
  if (kind === 'many') return Promise.all([1, 2, 3].map((i) => tasks.reads(null, null, i, order)))
  return tasks.reads(null, null, inputs, order)
}

/** Ends the worker, once for each marker; late: when the body has ended and its commit may be under way. */
function die(marker: string, late: boolean): void {
  if (marker === '' || !isFirst(marker)) return
  noteEnd()
  if (late) setImmediate(() => setImmediate(() => process.exit(1)))
  else process.exit(1)
}

/** Objects inside of values are handles. */
export async function loadInside(value: unknown): Promise<void> {
  if (value instanceof Cell) await value.load()
  else if (value instanceof Map) for (const one of value.values()) await loadInside(one)
  else if (value instanceof Uint8Array) return
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) await loadInside(one)
}

async function performHere(order: Order, things: readonly (Thing | null)[], inputs: unknown): Promise<unknown> {
  noteWorker()
  await loadInside(inputs)
  return perform(hands(), order, things, inputs)
}

const body = (a: Thing | null, b: Thing | null, inputs: unknown, order: Order): Promise<unknown> => performHere(order, [a, b], inputs)
const listed = (all: readonly Thing[], inputs: unknown, order: Order): Promise<unknown> => performHere(order, all, inputs)

/** By what they do with their two things. */
export const tasks = {
  reads: task(body),
  inout: task(body, { args: [INOUT, IN] }),
  both: task(body, { args: [INOUT, INOUT] }),
  out: task(body, { args: [OUT, IN] }),
  concurrent: task(body, { args: [CONCURRENT, IN] }),
  concurrently: task(body, { args: [CONCURRENT, CONCURRENT] }),
  commutative: task(body, { args: [COMMUTATIVE, IN] }),
  commutatively: task(body, { args: [COMMUTATIVE, COMMUTATIVE] }),
  mixed: task(body, { args: [COMMUTATIVE, INOUT] }),
  last: task(body, { args: [IN_DELETE, INOUT] }),
  retries: task(body, { args: [INOUT, COMMUTATIVE], onFailure: 'RETRY' }),
  ignored: task(body, { args: [INOUT, INOUT], onFailure: 'IGNORE' }),
  stops: task(body, { args: [INOUT, IN], onFailure: 'FAIL' }),
}
export const lists = {
  all: task(listed, { args: [INOUT] }),
  look: task(listed),
}
