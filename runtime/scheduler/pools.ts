/** Rows that come and go with the pending part of the graph; freed rows are used again, so memory follows what is pending. */
import { grownFloat64, grownInt32, grownUint8, nextCapacity } from './columns.js'
import { NONE } from './constants.js'

/** One row for each (task, datum) pair of a pending task: the edges of the graph. */
export class AccessPool {
  size = 0
  capacity = 0
  free = NONE
  /** NONE = free, or the task left before the group opened and the group frees the row. */
  task = new Int32Array(0)
  datum = new Int32Array(0)
  /** NONE once its group was dropped. */
  group = new Int32Array(0)
  nextOfTask = new Int32Array(0)
  nextOfGroup = new Int32Array(0)
  mode = new Uint8Array(0)
  granted = new Uint8Array(0)

  take(task: number, datum: number, mode: number): number {
    let a = this.free
    if (a === NONE) a = this.append()
    else this.free = this.nextOfTask[a]!
    this.task[a] = task
    this.datum[a] = datum
    this.mode[a] = mode
    this.group[a] = NONE
    this.granted[a] = 0
    this.nextOfTask[a] = NONE
    this.nextOfGroup[a] = NONE
    return a
  }

  give(a: number): void {
    this.task[a] = NONE
    this.group[a] = NONE
    this.nextOfTask[a] = this.free
    this.free = a
  }

  private append(): number {
    if (this.size === this.capacity) this.grow()
    return this.size++
  }

  private grow(): void {
    const n = nextCapacity(this.capacity, 0)
    this.task = grownInt32(this.task, n, NONE)
    this.datum = grownInt32(this.datum, n)
    this.group = grownInt32(this.group, n, NONE)
    this.nextOfTask = grownInt32(this.nextOfTask, n, NONE)
    this.nextOfGroup = grownInt32(this.nextOfGroup, n, NONE)
    this.mode = grownUint8(this.mode, n)
    this.granted = grownUint8(this.granted, n)
    this.capacity = n
  }
}

/** One row for each run of accesses of one datum that need not wait for one another. */
export class GroupPool {
  size = 0
  capacity = 0
  free = NONE
  datum = new Int32Array(0)
  /** Members that have not settled. */
  pending = new Int32Array(0)
  /** Members not yet granted, in order of submission. */
  first = new Int32Array(0)
  last = new Int32Array(0)
  next = new Int32Array(0)
  mode = new Uint8Array(0)

  take(datum: number, mode: number): number {
    let g = this.free
    if (g === NONE) g = this.append()
    else this.free = this.next[g]!
    this.datum[g] = datum
    this.mode[g] = mode
    this.pending[g] = 0
    this.first[g] = NONE
    this.last[g] = NONE
    this.next[g] = NONE
    return g
  }

  give(g: number): void {
    this.datum[g] = NONE
    this.next[g] = this.free
    this.free = g
  }

  private append(): number {
    if (this.size === this.capacity) this.grow()
    return this.size++
  }

  private grow(): void {
    const n = nextCapacity(this.capacity, 0)
    this.datum = grownInt32(this.datum, n, NONE)
    this.pending = grownInt32(this.pending, n)
    this.first = grownInt32(this.first, n, NONE)
    this.last = grownInt32(this.last, n, NONE)
    this.next = grownInt32(this.next, n, NONE)
    this.mode = grownUint8(this.mode, n)
    this.capacity = n
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
