/**
 * Workers, their downloads and the clock, by the rules of the published makespans: which task may start, which download comes first,
 * how many go at once. Decides nothing that a scheduler decides.
 */
import type { Download, Links } from './links.js'
import type { Numbered } from './task-graph.js'

export interface Limits {
  /** Downloads of one worker at a time, and those of them from one source. */
  readonly downloads: number
  readonly downloadsFromOne: number
}

const LIMITS: Limits = { downloads: 4, downloadsFromOne: 2 }
export const NO_LIMITS: Limits = { downloads: Number.POSITIVE_INFINITY, downloadsFromOne: Number.POSITIVE_INFINITY }

interface Assignment {
  readonly task: number
  readonly worker: Worker
  readonly priority: number
  /** Tasks of a lower priority than this do not start while this one waits for units. */
  readonly block: number
  missing: number
}

/** An object that a worker wants and does not have. */
interface Wish {
  readonly object: number
  /** Of those who asked for it before any task of this worker needs it. */
  priority: number
  isUnderWay: boolean
}

class Worker {
  free: number
  readonly has = new Set<number>()
  readonly assigned = new Map<number, Assignment>()
  /** All inputs are here, highest priority first. */
  readonly prepared: Assignment[] = []
  readonly wishes = new Map<number, Wish>()
  readonly downloads: Download[] = []
  /** Something about it changed since tasks and downloads last began there. */
  isStale = true

  constructor(
    readonly index: number,
    readonly units: number,
  ) {
    this.free = units
  }
}

export interface Happened {
  /** Ended tasks, with their workers. */
  readonly ended: readonly { readonly task: number; readonly worker: number }[]
  /** Objects that arrived by download. */
  readonly arrived: readonly { readonly object: number; readonly worker: number }[]
}

export class Cluster {
  now = 0
  /** When the last task ended. */
  makespan = 0
  movedMib = 0
  readonly workers: readonly Worker[]
  /** The worker that made each object. */
  readonly #maker = new Map<number, Worker>()
  readonly #running: { readonly assignment: Assignment; readonly end: number }[] = []
  readonly #missing: number[]

  constructor(
    readonly numbered: Numbered,
    workers: number,
    units: number,
    readonly links: Links,
    readonly limits: Limits = LIMITS,
  ) {
    this.workers = Array.from({ length: workers }, (_, i) => new Worker(i, units))
    this.#missing = numbered.inputs.map((inputs) => inputs.length)
  }

  /** Its inputs come as soon as they exist; it starts when all are here and enough units are free. */
  assign(task: number, to: number, priority: number, block = Number.NEGATIVE_INFINITY): void {
    const worker = this.workers[to]!
    const inputs = this.numbered.inputs[task]!
    if (this.numbered.graph.tasks[task]!.units > worker.units) throw new Error(`task ${task} does not fit worker ${to}`)
    const assignment = { task, worker, priority, block, missing: inputs.filter((object) => !worker.has.has(object)).length }
    worker.assigned.set(task, assignment)
    for (const object of inputs) this.#want(worker, object, priority)
    if (assignment.missing === 0) this.#prepare(assignment)
  }

  /** Brings an object to a worker for a task that is going to be assigned there. */
  expect(object: number, to: number, priority: number): void {
    this.#want(this.workers[to]!, object, priority)
  }

  /** Whether it could be taken back: what runs goes on. */
  retract(task: number, from: number): boolean {
    const worker = this.workers[from]!
    const assignment = worker.assigned.get(task)
    if (assignment === undefined || this.#running.some((r) => r.assignment === assignment)) return false
    worker.assigned.delete(task)
    const at = worker.prepared.indexOf(assignment)
    if (at >= 0) worker.prepared.splice(at, 1)
    for (const object of this.numbered.inputs[task]!) {
      const wish = worker.wishes.get(object)
      const isWanted = this.numbered.readers[object]!.some((reader) => worker.assigned.has(reader))
      if (wish && !wish.isUnderWay && !isWanted) worker.wishes.delete(object)
    }
    return true
  }

  /** Lets tasks and downloads begin, then goes to the next moment at which something ends. */
  next(): Happened | undefined {
    for (const worker of this.workers) if (worker.isStale) this.#begin(worker)
    const end = this.#running.reduce((first, { end }) => Math.min(first, end), this.links.nextEnd())
    if (end === Number.POSITIVE_INFINITY) return undefined
    this.now = Math.max(this.now, end)
    const arrived = this.links.takeEnded(this.now).map((download) => this.#arrive(download))
    return { arrived, ended: this.#endTasks() }
  }

  #want(worker: Worker, object: number, priority: number): void {
    if (worker.has.has(object)) return
    worker.isStale = true
    const wish = worker.wishes.get(object)
    if (wish) wish.priority = Math.max(wish.priority, priority)
    else worker.wishes.set(object, { object, priority, isUnderWay: false })
  }

  #prepare(assignment: Assignment): void {
    const { prepared } = assignment.worker
    assignment.worker.isStale = true
    const at = prepared.findIndex(({ priority }) => priority < assignment.priority)
    prepared.splice(at < 0 ? prepared.length : at, 0, assignment)
  }

  #begin(worker: Worker): void {
    worker.isStale = false
    let block = Number.NEGATIVE_INFINITY
    for (const assignment of [...worker.prepared]) {
      if (assignment.priority < block) break
      const { seconds, units } = this.numbered.graph.tasks[assignment.task]!
      if (units > worker.free) {
        block = Math.max(block, assignment.block)
        continue
      }
      worker.free -= units
      worker.prepared.splice(worker.prepared.indexOf(assignment), 1)
      this.#running.push({ assignment, end: this.now + seconds })
    }
    this.#download(worker)
  }

  #download(worker: Worker): void {
    if (worker.wishes.size === 0) return
    this.#takeWhatHasNoSize(worker)
    if (worker.downloads.length >= this.limits.downloads) return
    const fromOne = (from: number): number => worker.downloads.filter((d) => d.from === from).length
    const open = [...worker.wishes.values()].filter(({ object, isUnderWay }) => {
      const maker = isUnderWay ? undefined : this.#maker.get(object)
      return maker !== undefined && fromOne(maker.index) < this.limits.downloadsFromOne
    })
    const urgency = new Map(open.map((wish) => [wish, this.#isUrgent(worker, wish.object)]))
    open.sort((a, b) => Number(urgency.get(b)) - Number(urgency.get(a)) || b.priority - a.priority)
    for (const wish of open) {
      const from = this.#maker.get(wish.object)!.index
      if (fromOne(from) >= this.limits.downloadsFromOne) continue
      const download = { from, to: worker.index, object: wish.object, mib: this.numbered.objects[wish.object]!.mib }
      wish.isUnderWay = true
      worker.downloads.push(download)
      this.links.open(download, this.now)
      if (worker.downloads.length >= this.limits.downloads) return
    }
  }

  #takeWhatHasNoSize(worker: Worker): void {
    let hasMore = false
    for (const { object } of [...worker.wishes.values()]) {
      if (this.numbered.objects[object]!.mib > 0 || !this.#maker.has(object)) continue
      this.#add(worker, object)
      hasMore = true
    }
    if (hasMore) this.#begin(worker)
  }

  /** For a task whose inputs all exist. */
  #isUrgent(worker: Worker, object: number): boolean {
    return this.numbered.readers[object]!.some((task) => this.#missing[task] === 0 && worker.assigned.has(task))
  }

  #arrive(download: Download): { object: number; worker: number } {
    const worker = this.workers[download.to]!
    worker.downloads.splice(worker.downloads.indexOf(download), 1)
    this.movedMib += download.mib
    this.#add(worker, download.object)
    return { object: download.object, worker: download.to }
  }

  #add(worker: Worker, object: number): void {
    worker.wishes.delete(object)
    worker.has.add(object)
    worker.isStale = true
    for (const task of this.numbered.readers[object]!) {
      const assignment = worker.assigned.get(task)
      if (assignment && --assignment.missing === 0) this.#prepare(assignment)
    }
  }

  /** Its downloads are urgent from now on. */
  #wakeFor(task: number): void {
    for (const worker of this.workers) if (worker.assigned.has(task)) worker.isStale = true
  }

  #endTasks(): { task: number; worker: number }[] {
    const ended: { task: number; worker: number }[] = []
    for (let i = 0; i < this.#running.length; i++) {
      const { assignment, end } = this.#running[i]!
      if (end > this.now) continue
      this.#running.splice(i--, 1)
      this.#end(assignment)
      ended.push({ task: assignment.task, worker: assignment.worker.index })
    }
    return ended
  }

  #end({ task, worker }: Assignment): void {
    worker.free += this.numbered.graph.tasks[task]!.units
    worker.isStale = true
    worker.assigned.delete(task)
    this.makespan = this.now
    const first = this.numbered.first[task]!
    for (let object = first; object < first + this.numbered.graph.tasks[task]!.outputs.length; object++) {
      this.#maker.set(object, worker)
      for (const reader of this.numbered.readers[object]!) if (--this.#missing[reader]! === 0) this.#wakeFor(reader)
      for (const other of this.workers) if (other.wishes.has(object)) other.isStale = true
      this.#add(worker, object)
    }
  }
}
