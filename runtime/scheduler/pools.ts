/**
 * Rows that come and go with the pending part of the graph; freed rows are used again, so memory follows what is pending.
 *
 * Here a row's fields lie side by side (eight integers, half a cache line) and not in columns: rows are met in the order of the
 * graph, which is random in memory, so a column each would cost a cache miss each.
 */
import { grownFloat64, grownInt32, nextCapacity } from './columns.js'
import { NONE } from './constants.js'

const SHIFT = 3

class Rows {
  /** Rows ever used: those below it are in use or in the free list. */
  size = 0
  free = NONE
  protected rows = new Int32Array(0)

  /** An unused row; `link` is the field by which free rows hang together. */
  protected takeRow(link: number): number {
    const row = this.free
    if (row === NONE) return this.append()
    this.free = this.rows[(row << SHIFT) + link]!
    return row
  }

  protected giveRow(row: number, link: number): void {
    this.rows[(row << SHIFT) + link] = this.free
    this.free = row
  }

  private append(): number {
    if (this.size << SHIFT === this.rows.length) this.rows = grownInt32(this.rows, nextCapacity(this.size, 0) << SHIFT)
    return this.size++
  }
}

/** One row for each (task, datum) pair of a pending task: the edges of the graph. */
export class AccessPool extends Rows {
  take(task: number, datum: number, mode: number, nextOfTask: number): number {
    const a = this.takeRow(2)
    const { rows } = this
    const at = a << SHIFT
    rows[at] = task
    rows[at + 1] = NONE
    rows[at + 2] = nextOfTask
    rows[at + 3] = NONE
    rows[at + 4] = datum
    rows[at + 5] = mode
    rows[at + 6] = 0
    rows[at + 7] = 0
    return a
  }

  give(a: number): void {
    this.rows[a << SHIFT] = NONE
    this.giveRow(a, 2)
  }

  /** NONE = free, or the task left before the group opened and the group frees the row. */
  task(a: number): number {
    return this.rows[a << SHIFT]!
  }

  leaveToGroup(a: number): void {
    this.rows[a << SHIFT] = NONE
  }

  /** NONE once its group was dropped. */
  group(a: number): number {
    return this.rows[(a << SHIFT) + 1]!
  }

  setGroup(a: number, group: number): void {
    this.rows[(a << SHIFT) + 1] = group
  }

  /** Also links the free rows. */
  nextOfTask(a: number): number {
    return this.rows[(a << SHIFT) + 2]!
  }

  nextOfGroup(a: number): number {
    return this.rows[(a << SHIFT) + 3]!
  }

  setNextOfGroup(a: number, next: number): void {
    this.rows[(a << SHIFT) + 3] = next
  }

  datum(a: number): number {
    return this.rows[(a << SHIFT) + 4]!
  }

  mode(a: number): number {
    return this.rows[(a << SHIFT) + 5]!
  }

  setMode(a: number, mode: number): void {
    this.rows[(a << SHIFT) + 5] = mode
  }

  isGranted(a: number): boolean {
    return this.rows[(a << SHIFT) + 6] === 1
  }

  grant(a: number): void {
    this.rows[(a << SHIFT) + 6] = 1
  }

  /** Whether it stands in its group's list. */
  isListed(a: number): boolean {
    return this.rows[(a << SHIFT) + 7] === 1
  }

  setListed(a: number, listed: boolean): void {
    this.rows[(a << SHIFT) + 7] = listed ? 1 : 0
  }

  takeBack(a: number): void {
    this.rows[(a << SHIFT) + 6] = 0
  }
}

/** One row for each run of accesses of one datum that need not wait for one another. */
export class GroupPool extends Rows {
  take(datum: number, mode: number): number {
    const g = this.takeRow(4)
    const { rows } = this
    const at = g << SHIFT
    rows[at] = datum
    rows[at + 1] = 0
    rows[at + 2] = NONE
    rows[at + 3] = NONE
    rows[at + 4] = NONE
    rows[at + 5] = mode
    rows[at + 6] = NONE
    rows[at + 7] = 0
    return g
  }

  give(g: number): void {
    this.rows[g << SHIFT] = NONE
    this.giveRow(g, 4)
  }

  datum(g: number): number {
    return this.rows[g << SHIFT]!
  }

  /** Members that have not settled. */
  pending(g: number): number {
    return this.rows[(g << SHIFT) + 1]!
  }

  /** Gives the new number. */
  addPending(g: number, by: number): number {
    const at = (g << SHIFT) + 1
    return (this.rows[at] = this.rows[at]! + by)
  }

  /** First of the members not yet granted, in order of submission. */
  first(g: number): number {
    return this.rows[(g << SHIFT) + 2]!
  }

  setFirst(g: number, a: number): void {
    this.rows[(g << SHIFT) + 2] = a
  }

  last(g: number): number {
    return this.rows[(g << SHIFT) + 3]!
  }

  setLast(g: number, a: number): void {
    this.rows[(g << SHIFT) + 3] = a
  }

  /** The group behind it in its datum's chain; also links the free rows. */
  next(g: number): number {
    return this.rows[(g << SHIFT) + 4]!
  }

  setNext(g: number, next: number): void {
    this.rows[(g << SHIFT) + 4] = next
  }

  mode(g: number): number {
    return this.rows[(g << SHIFT) + 5]!
  }

  /** COMMUTATIVE: the member that has its turn, or NONE. */
  turn(g: number): number {
    return this.rows[(g << SHIFT) + 6]!
  }

  setTurn(g: number, a: number): void {
    this.rows[(g << SHIFT) + 6] = a
  }

  /** Whether other accesses came behind it, which were cancelled: later ones of its mode are no neighbours of it. */
  isCut(g: number): boolean {
    return this.rows[(g << SHIFT) + 7] === 1
  }

  setCut(g: number): void {
    this.rows[(g << SHIFT) + 7] = 1
  }
}

/** One row for each (datum, host) that holds bytes of it. */
export class LocationPool {
  size = 0
  capacity = 0
  free = NONE
  host = new Int32Array(0)
  next = new Int32Array(0)
  bytes = new Float64Array(0)

  take(host: number, bytes: number, next: number): number {
    let l = this.free
    if (l === NONE) l = this.append()
    else this.free = this.next[l]!
    this.host[l] = host
    this.bytes[l] = bytes
    this.next[l] = next
    return l
  }

  give(l: number): void {
    this.next[l] = this.free
    this.free = l
  }

  private append(): number {
    if (this.size === this.capacity) this.grow()
    return this.size++
  }

  private grow(): void {
    const n = nextCapacity(this.capacity, 0)
    this.host = grownInt32(this.host, n)
    this.next = grownInt32(this.next, n, NONE)
    this.bytes = grownFloat64(this.bytes, n)
    this.capacity = n
  }
}
