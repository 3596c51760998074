import { grownFloat64, grownInt32, grownUint8, nextCapacity } from './columns.js'
import { Kind, NONE } from './constants.js'

/** `poisonMode` of data whose every later access is cancelled. */
export const ANY_MODE = 255

/** One row a datum: its chain of groups, who holds it, and whether a writer failed. */
export class DataTable {
  capacity = 0
  kind = new Uint8Array(0)
  /** First group of the chain: the only open one. */
  head = new Int32Array(0)
  /** Last group: the only one that may take further tasks. */
  tail = new Int32Array(0)
  holds = new Int32Array(0)
  /** Renamed: a writer was submitted. */
  written = new Uint8Array(0)
  /** Renamed: the task that writes it. */
  writer = new Int32Array(0)
  /** The task whose failure left this datum without a write that later tasks count on. */
  poison = new Int32Array(0)
  /** Accesses of this mode are spared: they run beside, not after, the task that failed. */
  poisonMode = new Uint8Array(0)
  /** The last task that named it, to notice a task that names a datum twice. */
  touched = new Int32Array(0)
  /** First of its locations (see LocationPool), and its size there. */
  location = new Int32Array(0)
  bytes = new Float64Array(0)

  reserve(rows: number): void {
    if (rows <= this.capacity) return
    const n = nextCapacity(this.capacity, rows)
    this.kind = grownUint8(this.kind, n)
    this.head = grownInt32(this.head, n, NONE)
    this.tail = grownInt32(this.tail, n, NONE)
    this.holds = grownInt32(this.holds, n)
    this.written = grownUint8(this.written, n)
    this.writer = grownInt32(this.writer, n, NONE)
    this.poison = grownInt32(this.poison, n, NONE)
    this.poisonMode = grownUint8(this.poisonMode, n)
    this.touched = grownInt32(this.touched, n, NONE)
    this.location = grownInt32(this.location, n, NONE)
    this.bytes = grownFloat64(this.bytes, n)
    this.capacity = n
  }

  declare(d: number, kind: Kind, holds: number): void {
    this.kind[d] = kind
    this.holds[d] = holds
    this.written[d] = 0
    this.writer[d] = NONE
    this.poison[d] = NONE
    this.poisonMode[d] = ANY_MODE
    this.touched[d] = NONE
  }

  isKnown(d: number): boolean {
    return d >= 0 && d < this.capacity && this.kind[d] !== Kind.VOID
  }
}
