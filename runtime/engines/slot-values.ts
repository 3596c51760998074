/** How the result of a task lies in its slot (see lane-slots.ts): a word that says what it is, one for its length, then the value. */
import type { Carried } from './messages.js'

/** A slot. */
export const BYTES = 256
export const WORDS = BYTES / 4
/** Words of a slot; the first two are its state's. The value comes at byte HEAD. */
const KIND = 2
const LENGTH = 3
const HEAD = 16
const ROOM = BYTES - HEAD

const Type = { UNDEFINED: 0, NULL: 1, TRUE: 2, FALSE: 3, NUMBER: 4, TEXT: 5, BYTES: 6 } as const

export class SlotValues {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly #numbers: Float64Array
  readonly #units: Uint16Array

  constructor(memory: ArrayBufferLike) {
    this.words = new Int32Array(memory)
    this.bytes = new Uint8Array(memory)
    this.#numbers = new Float64Array(memory)
    this.#units = new Uint16Array(memory)
  }

  /** False for what does not fit into a slot. */
  write(slot: number, value: Carried): boolean {
    const at = slot * WORDS
    switch (typeof value) {
      case 'number':
        this.#numbers[(slot * BYTES + HEAD) / 8] = value
        this.words[at + KIND] = Type.NUMBER
        return true
      case 'undefined':
        this.words[at + KIND] = Type.UNDEFINED
        return true
      case 'boolean':
        this.words[at + KIND] = value ? Type.TRUE : Type.FALSE
        return true
      case 'string':
        return this.#writeText(slot, value)
      case 'bigint':
        return false
    }
    if (value !== null) return value.k === 'v' && !value.f && this.#writeBytes(slot, value.b)
    this.words[at + KIND] = Type.NULL
    return true
  }

  #writeText(slot: number, text: string): boolean {
    if (text.length > ROOM / 2) return false
    const from = (slot * BYTES + HEAD) / 2
    for (let i = 0; i < text.length; i++) this.#units[from + i] = text.charCodeAt(i)
    this.words[slot * WORDS + KIND] = Type.TEXT
    this.words[slot * WORDS + LENGTH] = text.length
    return true
  }

  #writeBytes(slot: number, bytes: Uint8Array): boolean {
    if (bytes.length > ROOM) return false
    this.bytes.set(bytes, slot * BYTES + HEAD)
    this.words[slot * WORDS + KIND] = Type.BYTES
    this.words[slot * WORDS + LENGTH] = bytes.length
    return true
  }

  /** The byte behind what a slot holds. */
  endOf(slot: number): number {
    const length = this.words[slot * WORDS + LENGTH]!
    const value = slot * BYTES + HEAD
    switch (this.words[slot * WORDS + KIND]) {
      case Type.NUMBER:
        return value + 8
      case Type.TEXT:
        return value + 2 * length
      case Type.BYTES:
        return value + length
      default:
        return value
    }
  }

  read(slot: number): Carried {
    const at = slot * WORDS
    const length = this.words[at + LENGTH]!
    switch (this.words[at + KIND]) {
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
        return { k: 'v', b: this.bytes.slice(slot * BYTES + HEAD, slot * BYTES + HEAD + length) }
      default:
        return undefined
    }
  }
}
