/**
 * Many arguments as one: a list in MessagePack, which scripts read with `cmsgpack`. The driver spends more on an argument than all of us
 * on an object. Large ones go beside it, since they would be copied twice more.
 */
import type { Argument } from './redis-link.js'

/** Beyond it an argument goes by itself. */
const LARGE_BYTES = 16 * 1024
/** The longest prefix of an item. */
const PREFIX = 5
/** Bytes of UTF-8 that a code unit takes at most. */
const UNIT_BYTES_MAX = 3

export class ArgumentPack {
  #buffer = Buffer.allocUnsafe(4096)
  /** Behind the room for the head. */
  #at = PREFIX
  #count = 0
  readonly #positions: number[] = []
  readonly #large: Argument[] = []

  addAll(args: readonly Argument[]): void {
    for (const arg of args) this.add(arg)
  }

  add(arg: Argument): void {
    this.#count++
    if (typeof arg === 'number') this.#addNumber(arg)
    else if (arg.length > LARGE_BYTES) this.#addLarge(arg)
    else if (typeof arg === 'string') this.#addText(arg)
    else this.#addBytes(arg)
  }

  /** The list, the places in it that large arguments take (from 1), and these. */
  arguments(): Argument[] {
    const positions = new ArgumentPack()
    positions.addAll(this.#positions)
    return [this.#finish(), positions.#finish(), ...this.#large]
  }

  #addNumber(n: number): void {
    this.#need(0)
    if (n < 0x80) this.#buffer[this.#at++] = n
    else {
      this.#buffer[this.#at] = 0xce
      this.#at = this.#buffer.writeUInt32BE(n, this.#at + 1)
    }
  }

  #addLarge(arg: Argument): void {
    this.#positions.push(this.#count)
    this.#large.push(arg)
    this.#addNumber(0)
  }

  #addText(text: string): void {
    this.#need(text.length * UNIT_BYTES_MAX)
    const bytes = text.length < SHORT ? this.#writeShort(text) : -1
    if (bytes >= 0) return
    const length = this.#buffer.write(text, this.#at + PREFIX)
    this.#head(length)
    this.#at += length
  }

  /** Short text is mostly ASCII, and by hand then quicker than by a call into the engine. */
  #writeShort(text: string): number {
    const start = this.#at + 1
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return -1
      this.#buffer[start + i] = unit
    }
    this.#buffer[this.#at] = 0xa0 | text.length
    this.#at = start + text.length
    return text.length
  }

  #addBytes(bytes: Buffer): void {
    this.#need(bytes.length)
    this.#head(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Always the longest form: no second look at how long it is. */
  #head(length: number): void {
    this.#buffer[this.#at] = 0xdb
    this.#at = this.#buffer.writeUInt32BE(length, this.#at + 1)
  }

  #need(bytes: number): void {
    const needed = this.#at + bytes + PREFIX
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }

  #finish(): Buffer {
    this.#buffer[0] = 0xdd
    this.#buffer.writeUInt32BE(this.#count, 1)
    return this.#buffer.subarray(0, this.#at)
  }
}

/** What fits behind a prefix of one byte. */
const SHORT = 32
