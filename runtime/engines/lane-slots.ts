/**
 * Memory that the driver and the workers of a run share: a slot for each task that follows others in a lane, or that others follow.
 * A slot tells how far its task is and holds its result, if that is small. So a worker sees that what it waits for has ended, and takes the
 * result, without a message; and the driver has a task back that nobody has begun, also from a worker whose event loop does not turn.
 *
 * A slot is used again, by further tasks: its state carries a number that grows with each use, so that who holds an old one notices.
 */
import type { Carried } from './messages.js'
import { BYTES, SlotValues, WORDS } from './slot-values.js'

/** States of a slot; those from DONE on are ends. */
export const At = { GIVEN: 0, BEGUN: 1, DONE: 2, DONE_WITH_EFFECTS: 3, ELSEWHERE: 4, VOID: 5 } as const
export type At = (typeof At)[keyof typeof At]

export interface LaneSlots {
  /** What a worker is told, which shares it by that: the memory of threads; of processes, how many slots their file has. */
  readonly shared: SharedArrayBuffer | number
  /** Looks at a slot that take some 300 microseconds. */
  readonly looks: number
  /** Begins a further use of a slot that nobody uses. */
  give(slot: number): number
  /** The task is this worker's to end. */
  keep(slot: number, use: number): void
  /** Whether the driver has this worker's task back. */
  isTaken(slot: number, use: number): boolean
  /** How far a task is; VOID also if the slot is used for another one. */
  at(slot: number, use: number): At
  /** Whether the task is the caller's now: its worker's to run (BEGUN), or the driver's to give to somebody else (VOID). */
  claim(slot: number, use: number, to: typeof At.BEGUN | typeof At.VOID): boolean
  /** The task has ended well. */
  publish(slot: number, use: number, value: Carried, hasEffects: boolean): void
  /** This attempt will not end well: nobody may wait for it. */
  void(slot: number, use: number): void
  /** Sleeps until the task has got further, for so long at most. Whether it has. */
  sleep(slot: number, use: number, ms: number): boolean
  /** The result of a task that is DONE, as the last look has found it. */
  read(slot: number): Carried
}

export const STATE_BITS = 3
export const STATE_MASK = (1 << STATE_BITS) - 1
export const USES_MASK = 2 ** (31 - STATE_BITS) - 1

export const endOf = (isHere: boolean, hasEffects: boolean): At => (isHere ? (hasEffects ? At.DONE_WITH_EFFECTS : At.DONE) : At.ELSEWHERE)

/** Words of a slot. */
const STATE = 0
const SLEEPERS = 1

/** Slots that threads share. */
export class ThreadSlots implements LaneSlots {
  readonly looks = 8192
  readonly #values: SlotValues
  readonly #words: Int32Array

  constructor(readonly shared: SharedArrayBuffer) {
    this.#values = new SlotValues(shared)
    this.#words = this.#values.words
  }

  static of(slots: number): ThreadSlots {
    return new ThreadSlots(new SharedArrayBuffer(slots * BYTES))
  }

  give(slot: number): number {
    const use = ((this.#words[slot * WORDS + STATE]! >> STATE_BITS) + 1) & USES_MASK
    Atomics.store(this.#words, slot * WORDS + SLEEPERS, 0)
    Atomics.store(this.#words, slot * WORDS + STATE, (use << STATE_BITS) | At.GIVEN)
    return use
  }

  keep(): void {}

  isTaken(slot: number, use: number): boolean {
    return this.at(slot, use) !== At.GIVEN
  }

  at(slot: number, use: number): At {
    const word = Atomics.load(this.#words, slot * WORDS + STATE)
    return word >> STATE_BITS === use ? ((word & STATE_MASK) as At) : At.VOID
  }

  claim(slot: number, use: number, to: typeof At.BEGUN | typeof At.VOID): boolean {
    const given = (use << STATE_BITS) | At.GIVEN
    return Atomics.compareExchange(this.#words, slot * WORDS + STATE, given, (use << STATE_BITS) | to) === given
  }

  publish(slot: number, use: number, value: Carried, hasEffects: boolean): void {
    // Of a task that is out of time, whose worker ends it all the same: the slot may be another one's by then.
    if (this.at(slot, use) === At.VOID) return
    this.#end(slot, use, endOf(this.#values.write(slot, value), hasEffects))
  }

  void(slot: number, use: number): void {
    this.#end(slot, use, At.VOID)
  }

  /** Of this use, and no other; what is void stays so. */
  #end(slot: number, use: number, at: At): void {
    const index = slot * WORDS + STATE
    for (;;) {
      const before = Atomics.load(this.#words, index)
      if (before >> STATE_BITS !== use) return
      if ((before & STATE_MASK) === At.VOID) break
      if (Atomics.compareExchange(this.#words, index, before, (use << STATE_BITS) | at) === before) break
    }
    // To wake somebody costs more than an empty task: only those who say that they sleep are woken. They say so before they look again.
    if (Atomics.load(this.#words, slot * WORDS + SLEEPERS) !== 0) Atomics.notify(this.#words, index)
  }

  sleep(slot: number, use: number, ms: number): boolean {
    const index = slot * WORDS + STATE
    Atomics.store(this.#words, slot * WORDS + SLEEPERS, 1)
    const word = Atomics.load(this.#words, index)
    if (word >> STATE_BITS !== use || (word & STATE_MASK) >= At.DONE) return true
    return Atomics.wait(this.#words, index, word, ms) !== 'timed-out'
  }

  read(slot: number): Carried {
    return this.#values.read(slot)
  }
}
