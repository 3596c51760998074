/**
 * Memory that the driver and the worker threads of a run share: a slot for each task that follows others in a lane, or that others follow.
 * A slot tells how far its task is and holds its result, if that is small. So a worker sees that what it waits for has ended, and takes the
 * result, without a message; and the driver has a task back that nobody has begun, also from a worker whose event loop does not turn.
 *
 * A slot is used again, by further tasks: its state carries a number that grows with each use, so that who holds an old one notices.
 */
import type { Carried } from './messages.js'

/** States of a slot; those from DONE on are ends. */
export const At = { GIVEN: 0, BEGUN: 1, DONE: 2, DONE_WITH_EFFECTS: 3, ELSEWHERE: 4, VOID: 5 } as const
export type At = (typeof At)[keyof typeof At]

const BYTES = 256
const WORDS = BYTES / 4
/** Words of a slot. The values come at byte HEAD. */
const STATE = 0
const SLEEPERS = 1
const KIND = 2
const LENGTH = 3
const HEAD = 16
const ROOM = BYTES - HEAD

const STATE_BITS = 3
const STATE_MASK = (1 << STATE_BITS) - 1
const USES_MASK = 2 ** (31 - STATE_BITS) - 1

const Type = { UNDEFINED: 0, NULL: 1, TRUE: 2, FALSE: 3, NUMBER: 4, TEXT: 5, BYTES: 6 } as const

export class LaneSlots {
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  readonly #units: Uint16Array
  readonly #bytes: Uint8Array

  constructor(readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory)
    this.#numbers = new Float64Array(memory)
    this.#units = new Uint16Array(memory)
    this.#bytes = new Uint8Array(memory)
  }

  static of(slots: number): LaneSlots {
    return new LaneSlots(new SharedArrayBuffer(slots * BYTES))
  }

  get count(): number {
    return this.#words.length / WORDS
  }

  /** Begins a further use of a slot that nobody uses. */
  give(slot: number): number {
    const use = ((this.#words[slot * WORDS + STATE]! >> STATE_BITS) + 1) & USES_MASK
    Atomics.store(this.#words, slot * WORDS + SLEEPERS, 0)
    Atomics.store(this.#words, slot * WORDS + STATE, (use << STATE_BITS) | At.GIVEN)
    return use
  }

  /** How far a task is; VOID also if the slot is used for another one. */
  at(slot: number, use: number): At {
    const word = Atomics.load(this.#words, slot * WORDS + STATE)
    return word >> STATE_BITS === use ? ((word & STATE_MASK) as At) : At.VOID
  }

  /** Whether the task is the caller's now: its worker's to run (BEGUN), or the driver's to give to somebody else (VOID). */
  claim(slot: number, use: number, to: typeof At.BEGUN | typeof At.VOID): boolean {
    const given = (use << STATE_BITS) | At.GIVEN
    return Atomics.compareExchange(this.#words, slot * WORDS + STATE, given, (use << STATE_BITS) | to) === given
  }

  /** The task has ended well. */
  publish(slot: number, use: number, value: Carried, hasEffects: boolean): void {
    const isHere = this.#write(slot, value)
    this.#end(slot, use, isHere ? (hasEffects ? At.DONE_WITH_EFFECTS : At.DONE) : At.ELSEWHERE)
  }

  /** This attempt will not end well: nobody may wait for it. */
  void(slot: number, use: number): void {
    this.#end(slot, use, At.VOID)
  }

  #end(slot: number, use: number, at: At): void {
    Atomics.store(this.#words, slot * WORDS + STATE, (use << STATE_BITS) | at)
    // To wake somebody costs more than an empty task: only those who say that they sleep are woken. They say so before they look again.
    if (Atomics.load(this.#words, slot * WORDS + SLEEPERS) !== 0) Atomics.notify(this.#words, slot * WORDS + STATE)
  }

  /** Sleeps until the task has got further, for so long at most. Whether it has. */
  sleep(slot: number, use: number, ms: number): boolean {
    const index = slot * WORDS + STATE
    Atomics.store(this.#words, slot * WORDS + SLEEPERS, 1)
    const word = Atomics.load(this.#words, index)
    if (word >> STATE_BITS !== use || (word & STATE_MASK) >= At.DONE) return true
    return Atomics.wait(this.#words, index, word, ms) !== 'timed-out'
  }

  #write(slot: number, value: Carried): boolean {
    const at = slot * WORDS
    switch (typeof value) {
      case 'number':
        this.#numbers[(slot * BYTES + HEAD) / 8] = value
        this.#words[at + KIND] = Type.NUMBER
        return true
      case 'undefined':
        this.#words[at + KIND] = Type.UNDEFINED
        return true
      case 'boolean':
        this.#words[at + KIND] = value ? Type.TRUE : Type.FALSE
        return true
      case 'string':
        return this.#writeText(slot, value)
      case 'bigint':
        return false
    }
    if (value !== null) return value.k === 'v' && !value.f && this.#writeBytes(slot, value.b)
    this.#words[at + KIND] = Type.NULL
    return true
  }

  #writeText(slot: number, text: string): boolean {
    if (text.length > ROOM / 2) return false
    const from = (slot * BYTES + HEAD) / 2
    for (let i = 0; i < text.length; i++) this.#units[from + i] = text.charCodeAt(i)
    this.#words[slot * WORDS + KIND] = Type.TEXT
    this.#words[slot * WORDS + LENGTH] = text.length
    return true
  }

  #writeBytes(slot: number, bytes: Uint8Array): boolean {
    if (bytes.length > ROOM) return false
    this.#bytes.set(bytes, slot * BYTES + HEAD)
    this.#words[slot * WORDS + KIND] = Type.BYTES
    this.#words[slot * WORDS + LENGTH] = bytes.length
    return true
  }

  /** The result of a task that is DONE. */
  read(slot: number): Carried {
    const at = slot * WORDS
    const length = this.#words[at + LENGTH]!
    switch (this.#words[at + KIND]) {
      case Type.NUMBER:
        return this.#numbers[(slot * BYTES + HEAD) / 8]
      case Type.NULL:
        return null
      case Type.TRUE:
        return true
      case Type.FALSE:
        return false
      case Type.TEXT: {
        const from = (slot * BYTES + HEAD) / 2
        return String.fromCharCode(...this.#units.subarray(from, from + length))
      }
      case Type.BYTES:
        return { k: 'v', b: this.#bytes.slice(slot * BYTES + HEAD, slot * BYTES + HEAD + length) }
      default:
        return undefined
    }
  }
}
