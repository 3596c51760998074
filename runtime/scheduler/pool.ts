import { IN_POOL, NONE } from './constants.js'
import type { TaskTable } from './task-table.js'

/** So few newcomers are put into their places one by one. */
const FEW = 8

/**
 * Ready tasks that are worth a thought before they start: known to be long, or with needs. They stand in the order in which they
 * should start and belong to no host until they do.
 */
export class Pool {
  length = 0
  /** In order, with some that have left. */
  private sorted: number[] = []
  private readonly newcomers: number[] = []

  constructor(private readonly tasks: TaskTable) {}

  add(task: number): void {
    this.tasks.at[task] = IN_POOL
    this.newcomers.push(task)
    this.length++
  }

  drop(task: number): void {
    this.tasks.at[task] = NONE
    this.length--
  }

  /** Higher priority first, then what the longest chain waits for, then what was submitted first. */
  private readonly compare = (a: number, b: number): number => {
    const { level, rank } = this.tasks
    return level[b]! - level[a]! || rank[b]! - rank[a]! || a - b
  }

  /** Puts all into order; `anew` once ranks have changed. */
  order(anew: boolean): void {
    const { newcomers } = this
    if (anew || newcomers.length > FEW) this.sortAll()
    else for (const task of newcomers) this.sorted.splice(this.placeOf(task), 0, task)
    newcomers.length = 0
  }

  /** The one that should start first, or NONE. Ordered by the last `order`. */
  first(): number {
    for (const task of this.sorted) if (this.has(task)) return task
    return this.newcomers.find((task) => this.has(task)) ?? NONE
  }

  /** Visits in order until told to stop. What leaves during the visit is let go. */
  visit(look: (task: number) => boolean): void {
    const { sorted } = this
    const stay: number[] = []
    let at = 0
    for (; at < sorted.length; at++) {
      const task = sorted[at]!
      if (!this.has(task)) continue
      if (!look(task)) break
      if (this.has(task)) stay.push(task)
    }
    if (stay.length < at) this.sorted = stay.length === 0 ? sorted.slice(at) : stay.concat(sorted.slice(at))
  }

  /** In no order. */
  *[Symbol.iterator](): Generator<number> {
    for (const task of this.sorted) if (this.has(task)) yield task
    for (const task of this.newcomers) if (this.has(task)) yield task
  }

  private has(task: number): boolean {
    return this.tasks.at[task] === IN_POOL
  }

  private sortAll(): void {
    this.sorted = [...this].sort(this.compare)
  }

  private placeOf(task: number): number {
    let low = 0
    let high = this.sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.compare(this.sorted[middle]!, task) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
