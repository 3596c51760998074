import { grownFloat32, grownFloat64, grownInt16, grownInt32, grownUint8, nextCapacity } from './columns.js'
import { NONE } from './constants.js'

/** Bits of `marks`. */
export const Mark = {
  /** Was asked to stop; settles as cancelled unless it succeeds first. */
  CANCELLING: 1,
  /** The program was told of this failure. */
  SEEN: 2,
  /** Was asked back from its worker. */
  RECALLED: 4,
  /** An attempt of it was given up before it told how it ended: it may have committed, or yet commit. */
  UNSURE: 8,
  /** Others may have been given to workers that wait for its result there. */
  LEADS: 16,
  /** One of them is in the same lane, so that further ones rather go elsewhere. */
  SUCCEEDED: 32,
} as const

/** Struct of arrays, one row a task. Rows are never dropped: a settled task costs the 90 bytes of its row and nothing else. */
export class TaskTable {
  count = 0
  capacity = 0
  status = new Uint8Array(0)
  /** Accesses not yet granted plus promises outstanding: 0 = may run. */
  missing = new Int32Array(0)
  promises = new Int32Array(0)
  /** First of its accesses while it is pending (see AccessPool). */
  access = new Int32Array(0)
  /** Ready: the queue it stands in. Assigned or ended there: its worker. */
  at = new Int32Array(0)
  /** Neighbours in that queue or in the worker's list: a task stands in one list at most. */
  next = new Int32Array(0)
  prev = new Int32Array(0)
  fn = new Int32Array(0)
  pinned = new Int32Array(0)
  cause = new Int32Array(0)
  attempt = new Int32Array(0)
  /** Expected microseconds, as counted when it was assigned. */
  charge = new Float64Array(0)
  /** When it was assigned. */
  since = new Float64Array(0)
  /** Microseconds that the submitter expects, or NONE. */
  expect = new Float32Array(0)
  /** Expected microseconds from its beginning to the end of the longest chain behind it. */
  rank = new Float32Array(0)
  /** What it needs of its host: an index of `state.needs`. */
  need = new Int16Array(0)
  /** Ready: data that its host lacks for it, by the last plan. */
  lacks = new Int32Array(0)
  /** The host where it is going to run as far as can be told, or NONE. */
  bound = new Int16Array(0)
  policy = new Uint8Array(0)
  flags = new Uint8Array(0)
  marks = new Uint8Array(0)
  level = new Uint8Array(0)
  errors = new Uint8Array(0)
  conflicts = new Uint8Array(0)
  losses = new Uint8Array(0)
  reason = new Uint8Array(0)
  why = new Uint8Array(0)
  /** Bytes that its placement expected to move. */
  moves = new Float64Array(0)

  reserve(rows: number): void {
    if (rows <= this.capacity) return
    const n = nextCapacity(this.capacity, rows)
    this.status = grownUint8(this.status, n)
    this.missing = grownInt32(this.missing, n)
    this.promises = grownInt32(this.promises, n)
    this.access = grownInt32(this.access, n, NONE)
    this.at = grownInt32(this.at, n, NONE)
    this.next = grownInt32(this.next, n, NONE)
    this.prev = grownInt32(this.prev, n, NONE)
    this.fn = grownInt32(this.fn, n)
    this.pinned = grownInt32(this.pinned, n, NONE)
    this.cause = grownInt32(this.cause, n, NONE)
    this.charge = grownFloat64(this.charge, n)
    this.since = grownFloat64(this.since, n)
    this.expect = grownFloat32(this.expect, n)
    this.rank = grownFloat32(this.rank, n)
    this.need = grownInt16(this.need, n)
    this.lacks = grownInt32(this.lacks, n)
    this.bound = grownInt16(this.bound, n, NONE)
    this.attempt = grownInt32(this.attempt, n)
    this.growBytes(n)
    this.moves = grownFloat64(this.moves, n)
    this.capacity = n
  }

  private growBytes(n: number): void {
    this.policy = grownUint8(this.policy, n)
    this.flags = grownUint8(this.flags, n)
    this.marks = grownUint8(this.marks, n)
    this.level = grownUint8(this.level, n)
    this.errors = grownUint8(this.errors, n)
    this.conflicts = grownUint8(this.conflicts, n)
    this.losses = grownUint8(this.losses, n)
    this.reason = grownUint8(this.reason, n)
    this.why = grownUint8(this.why, n)
  }
}
