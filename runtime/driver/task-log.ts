import type { TaskGraph } from '../observe/run-record.js'
import { taskDefinition } from '../tasks/task.js'
import { IntList } from './int-list.js'
import type { TaskState } from './task-record.js'

const STATES: readonly TaskState[] = ['pending', 'done', 'failed', 'cancelled', 'ignored']
const CODES = Object.fromEntries(STATES.map((name, i) => [name, i])) as Record<TaskState, number>
/** Of a longer run the edges are not kept: nobody can read the picture. */
const DRAWN_TASKS_MAX = 100_000

/** Every task of the run in a few bytes, for figures and pictures: records of settled tasks are dropped. */
export class TaskLog {
  readonly counts: Record<TaskState, number> = { pending: 0, done: 0, failed: 0, cancelled: 0, ignored: 0 }
  readonly #fn = new IntList()
  readonly #state = new IntList()
  readonly #worker = new IntList()
  readonly #edges = new IntList()
  readonly #lastUse = new Map<number, { writer: number; readers: number[] }>()

  get length(): number {
    return this.#fn.length
  }

  add(fn: number): void {
    this.#fn.push(fn)
    this.#state.push(0)
    this.#worker.push(-1)
    this.counts.pending++
  }

  sent(task: number, worker: number): void {
    this.#worker.set(task, worker)
  }

  workerOf(task: number): number {
    return this.#worker.at(task)
  }

  settled(task: number, state: TaskState): void {
    this.#state.set(task, CODES[state])
    this.counts.pending--
    this.counts[state]++
  }

  nameOf(task: number): string {
    return task < this.length ? taskDefinition(this.#fn.at(task)).name : 'task'
  }

  /** `to` takes what `from` makes. */
  draw(from: number, to: number): void {
    if (to >= DRAWN_TASKS_MAX) return
    this.#edges.push(from)
    this.#edges.push(to)
  }

  /** `task` uses a persistent object: behind its last writer or, when it writes, behind those who read since. */
  drawUse(datum: number, task: number, isWrite: boolean): void {
    if (task >= DRAWN_TASKS_MAX) return this.#lastUse.clear()
    const last = this.#lastUse.get(datum) ?? { writer: -1, readers: [] }
    this.#lastUse.set(datum, last)
    if (!isWrite || last.readers.length === 0) {
      if (last.writer >= 0 && last.writer !== task) this.draw(last.writer, task)
    } else for (const reader of last.readers) if (reader !== task) this.draw(reader, task)
    if (!isWrite) last.readers.push(task)
    else {
      last.writer = task
      last.readers = []
    }
  }

  /** `placeOf`: what people call the place of a worker. */
  graph(placeOf: (worker: number) => string | number): TaskGraph {
    const nodes = Array.from({ length: this.length }, (_, id) => ({
      id,
      name: this.nameOf(id),
      state: STATES[this.#state.at(id)]!,
      worker: this.#worker.at(id) < 0 ? -1 : placeOf(this.#worker.at(id)),
    }))
    return { nodes, edges: this.#edgeList() }
  }

  #edgeList(): (readonly [number, number])[] {
    const seen = new Set<string>()
    const edges: (readonly [number, number])[] = []
    for (let i = 0; i < this.#edges.length; i += 2) {
      const edge = [this.#edges.at(i), this.#edges.at(i + 1)] as const
      if (seen.has(String(edge))) continue
      seen.add(String(edge))
      edges.push(edge)
    }
    return edges
  }
}
