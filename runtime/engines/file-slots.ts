/**
 * Slots that processes share, which cannot share memory in Node: in a file in memory, without a name, that all of them have open. To look
 * at a slot is to read it, which takes a microsecond and sees what another process has written as soon as it has; a message takes thirty.
 *
 * A read beside a write may see a part of it. So a value is written before the state that tells of it and read after that, and a state stands
 * there twice: where the two differ, one looks again.
 */
import { randomUUID } from 'node:crypto'
import { ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { At, endOf, type LaneSlots, STATE_BITS, STATE_MASK, USES_MASK } from './lane-slots.js'
import type { Carried } from './messages.js'
import { BYTES, SlotValues, WORDS } from './slot-values.js'

/** Words of a slot. */
const STATE = 0
const TWICE = 1
const STATE_BYTES = 8
/** Words of a slot in the second part of the file: the use that a worker has begun, and the one that the driver wants back. */
const BEGUN = 0
const WANTED = 4
const CLAIM_BYTES = 8

/** Between two looks of a lane that sleeps. The system adds some 50 microseconds; a longer one, and a longer look before it, made lanes wait for each other. */
const NAP_MS = 0.02

export class FileSlots implements LaneSlots {
  readonly looks = 256
  /** What this process has seen of the file: an end stays one for whoever waits for it. */
  readonly #seen: SlotValues
  /** Of the driver: the last use of each slot. */
  readonly #given: Int32Array
  /** Of a worker: the last use of each slot that was its own. */
  readonly #own: Int32Array
  readonly #word = new Int32Array(1)
  readonly #nap = new Int32Array(new SharedArrayBuffer(4))

  constructor(
    readonly file: number,
    /** How many there are. */
    readonly shared: number,
  ) {
    this.#seen = new SlotValues(new ArrayBuffer(shared * BYTES))
    this.#given = new Int32Array(shared)
    this.#own = new Int32Array(shared)
  }

  /** Those of a run that begins: what one before it has left is gone. */
  static of(slots: number, file: number): FileSlots {
    ftruncateSync(file, 0)
    ftruncateSync(file, slots * (BYTES + CLAIM_BYTES))
    return new FileSlots(file, slots)
  }

  give(slot: number): number {
    // What is written by an earlier use says the same as nothing.
    return (this.#given[slot] = (this.#given[slot]! % USES_MASK) + 1)
  }

  /** What this worker has not ended need not be looked for. */
  keep(slot: number, use: number): void {
    this.#own[slot] = use
  }

  isTaken(slot: number, use: number): boolean {
    this.#look(slot)
    return this.#known(slot, use) === At.VOID
  }

  at(slot: number, use: number): At {
    const known = this.#known(slot, use)
    if (known >= At.DONE || this.#own[slot] === use) return known
    this.#look(slot)
    return this.#known(slot, use)
  }

  #known(slot: number, use: number): At {
    return stateOf(this.#seen.words[slot * WORDS + STATE]!, use)
  }

  #look(slot: number): void {
    const { words, bytes } = this.#seen
    const [from, first] = [slot * BYTES, slot * WORDS]
    const before = words[first + STATE]
    do readSync(this.file, bytes, from, STATE_BYTES, from)
    while (words[first + STATE] !== words[first + TWICE])
    if (words[first + STATE] !== before) readSync(this.file, bytes, from + STATE_BYTES, BYTES - STATE_BYTES, from + STATE_BYTES)
  }

  /**
   * Each side says what it wants before it looks at what the other one says, so that never both have the task. If both want it the driver stands
   * back; the worker waits for it to do so, or to take the task.
   */
  claim(slot: number, use: number, to: typeof At.BEGUN | typeof At.VOID): boolean {
    if (to === At.VOID) {
      this.#say(slot, WANTED, use)
      if (this.#said(slot, BEGUN) !== use) return true
      this.#say(slot, WANTED, 0)
      return false
    }
    this.#say(slot, BEGUN, use)
    while (this.#said(slot, WANTED) === use) if (this.isTaken(slot, use)) return false
    return true
  }

  #say(slot: number, what: number, use: number): void {
    this.#word[0] = use
    writeSync(this.file, this.#word, 0, 4, this.shared * BYTES + slot * CLAIM_BYTES + what)
  }

  #said(slot: number, what: number): number {
    readSync(this.file, this.#word, 0, 4, this.shared * BYTES + slot * CLAIM_BYTES + what)
    return this.#word[0]!
  }

  publish(slot: number, use: number, value: Carried, hasEffects: boolean): void {
    // Of a task that is out of time, whose worker ends it all the same: the slot may be another one's by then.
    if (this.isTaken(slot, use)) return
    const isHere = this.#seen.write(slot, value)
    if (isHere) {
      const from = slot * BYTES + STATE_BYTES
      writeSync(this.file, this.#seen.bytes, from, this.#seen.endOf(slot) - from, from)
    }
    this.#end(slot, use, endOf(isHere, hasEffects))
  }

  void(slot: number, use: number): void {
    if (!this.isTaken(slot, use)) this.#end(slot, use, At.VOID)
  }

  #end(slot: number, use: number, at: At): void {
    const { words, bytes } = this.#seen
    words[slot * WORDS + STATE] = words[slot * WORDS + TWICE] = (use << STATE_BITS) | at
    writeSync(this.file, bytes, slot * BYTES, STATE_BYTES, slot * BYTES)
  }

  sleep(slot: number, use: number, ms: number): boolean {
    for (const end = performance.now() + ms; this.at(slot, use) < At.DONE; ) {
      if (performance.now() >= end) return false
      Atomics.wait(this.#nap, 0, 0, NAP_MS)
    }
    return true
  }

  read(slot: number): Carried {
    return this.#seen.read(slot)
  }
}

/** What the word of a slot says of a use: of one to come, that it is given. */
function stateOf(word: number, use: number): At {
  const later = ((word >> STATE_BITS) - use) & USES_MASK
  if (later === 0) return (word & STATE_MASK) as At
  return later > USES_MASK / 2 ? At.GIVEN : At.VOID
}

/** Under which number a worker process has the file. */
export const FILE_IN_WORKER = 4

let opened: { readonly file: number | undefined } | undefined

/** The file of this program, if one can be made; workers get it when they are started. No folder shows it, and it is gone with the last of them. */
export const slotFile = (): number | undefined => (opened ??= { file: openUnnamed('/dev/shm') ?? openUnnamed(tmpdir()) }).file

function openUnnamed(folder: string): number | undefined {
  const path = join(folder, `insitu-lanes-${randomUUID()}`)
  try {
    const file = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    return file
  } catch {
    return undefined
  }
}
