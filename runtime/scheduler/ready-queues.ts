import { grownInt32, nextCapacity } from './columns.js'
import { NONE, PRIORITY_MAX, PRIORITY_MIN } from './constants.js'
import type { TaskTable } from './task-table.js'

const LEVELS = PRIORITY_MAX - PRIORITY_MIN + 1

/** A task's place in the 32 levels: one bit each, so that the highest level in use is found by counting zeroes. */
export const levelOf = (priority: number): number => Math.min(Math.max(priority, PRIORITY_MIN), PRIORITY_MAX) - PRIORITY_MIN

/** Queue 0 is for ready tasks that no living host can take yet; each host has one for tasks it may lose to others and one for pinned ones. */
export const QUEUE_ANYWHERE = 0
export const queueOf = (host: number): number => 2 * host + 1
export const pinnedQueueOf = (host: number): number => 2 * host + 2

/** First-in first-out per priority, linked through the task table: push, take and remove are O(1). */
export class ReadyQueues {
  private capacity = 0
  /** Bit l: level l has tasks. */
  mask = new Int32Array(0)
  length = new Int32Array(0)
  head = new Int32Array(0)
  tail = new Int32Array(0)

  constructor() {
    this.reserve(1)
  }

  reserve(queues: number): void {
    if (queues <= this.capacity) return
    const n = nextCapacity(this.capacity, queues)
    this.mask = grownInt32(this.mask, n)
    this.length = grownInt32(this.length, n)
    this.head = grownInt32(this.head, n * LEVELS, NONE)
    this.tail = grownInt32(this.tail, n * LEVELS, NONE)
    this.capacity = n
  }

  get queues(): number {
    return this.capacity
  }

  push(tasks: TaskTable, queue: number, task: number): void {
    const level = tasks.level[task]!
    const slot = queue * LEVELS + level
    const last = this.tail[slot]!
    tasks.at[task] = queue
    tasks.prev[task] = last
    tasks.next[task] = NONE
    if (last === NONE) this.head[slot] = task
    else tasks.next[last] = task
    this.tail[slot] = task
    this.mask[queue]! |= 1 << level
    this.length[queue]!++
  }

  remove(tasks: TaskTable, task: number): void {
    const queue = tasks.at[task]!
    const slot = queue * LEVELS + tasks.level[task]!
    const prev = tasks.prev[task]!
    const next = tasks.next[task]!
    if (prev === NONE) this.head[slot] = next
    else tasks.next[prev] = next
    if (next === NONE) this.tail[slot] = prev
    else tasks.prev[next] = prev
    if (this.head[slot] === NONE) this.mask[queue]! &= ~(1 << tasks.level[task]!)
    this.length[queue]!--
    tasks.at[task] = NONE
  }

  /** The highest level with tasks, or NONE. */
  topLevel(queue: number): number {
    return 31 - Math.clz32(this.mask[queue]!)
  }

  /** The task that starts next, or NONE. */
  first(queue: number): number {
    const level = this.topLevel(queue)
    return level === NONE ? NONE : this.head[queue * LEVELS + level]!
  }

  /** The task that would start last, or NONE. */
  last(queue: number): number {
    const mask = this.mask[queue]!
    if (mask === 0) return NONE
    const level = 31 - Math.clz32(mask & -mask)
    return this.tail[queue * LEVELS + level]!
  }

  headOf(queue: number, level: number): number {
    return this.head[queue * LEVELS + level]!
  }
}
