/**
 * Many arguments as one: a list in MessagePack, which scripts read with `cmsgpack`. The driver spends more on an argument than all of us
 * on an object. Large ones go beside it, since they would be copied twice more.
 */
import type { Cells } from '../../src/backend.js'
import { encodeCell, fieldOf } from './redis-cells.js'
import type { Argument } from './redis-link.js'

/** Beyond it an argument goes by itself. */
const LARGE_BYTES = 16 * 1024
/** The longest prefix of an item. */
const PREFIX = 5
/** Bytes of UTF-8 that a code unit takes at most. */
const UNIT_BYTES_MAX = 3
/** What fits behind a prefix of one byte. */
const SHORT = 32

/** How far a pack had come. */
export interface PackMark {
  readonly at: number
  readonly count: number
  readonly large: number
}

export class ArgumentPack {
  #buffer: Buffer
  /** Behind the room for the head. */
  #at = PREFIX
  #count = 0
  #largeBytes = 0
  readonly #positions: number[] = []
  readonly #large: Argument[] = []

  /** Of all that was added. */
  get bytes(): number {
    return this.#at + this.#largeBytes
  }

  get count(): number {
    return this.#count
  }

  constructor(bytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(bytes)
  }

  mark(): PackMark {
    return { at: this.#at, count: this.#count, large: this.#large.length }
  }

  /** Takes back what was added since. */
  reset({ at, count, large }: PackMark): void {
    this.#at = at
    this.#count = count
    this.#large.length = large
    this.#positions.length = large
  }

  /** What all that is not large takes. */
  get listBytes(): number {
    return this.#at
  }

  largeSince({ large }: PackMark): readonly Argument[] {
    return this.#large.slice(large)
  }

  addAll(args: readonly Argument[]): void {
    for (const arg of args) this.add(arg)
  }

  add(arg: Argument): void {
    this.#count++
    if (typeof arg === 'number') this.#addNumber(arg)
    else if (arg.length > LARGE_BYTES) this.#addLarge(arg)
    else this.#addString(arg)
  }

  /** A number that is told later, by `tell`. */
  leave(): number {
    this.#count++
    this.#need(0)
    this.#buffer[this.#at] = 0xce
    const place = this.#at + 1
    this.#at += PREFIX
    return place
  }

  tell(place: number, n: number): void {
    this.#buffer.writeUInt32BE(n, place)
  }

  /** An object as it is to stand: object.lua has the form. Its cells are small. */
  addObject(head: string, cells: Cells): void {
    this.#count++
    this.#need(0)
    const start = this.#at
    this.#at += PREFIX
    this.#raw(head)
    this.#listHead(cells.size * 2)
    for (const [name, cell] of cells) {
      this.#addString(fieldOf(name))
      this.#addString(encodeCell(cell))
    }
    this.#buffer[start] = 0xdb
    this.#buffer.writeUInt32BE(this.#at - start - PREFIX, start + 1)
  }

  /** The list, the places in it that large arguments take (from 1), and these. */
  arguments(): Argument[] {
    return [this.list(), packed(this.#positions), ...this.#large]
  }

  #addNumber(n: number): void {
    this.#need(0)
    if (n < 0x80) this.#buffer[this.#at++] = n
    else {
      this.#buffer[this.#at] = 0xce
      this.#at = this.#buffer.writeUInt32BE(n, this.#at + 1)
    }
  }

  #addLarge(arg: Exclude<Argument, number>): void {
    this.#positions.push(this.#count)
    this.#large.push(arg)
    this.#largeBytes += arg.length
    this.#addNumber(0)
  }

  #addString(arg: string | Buffer): void {
    if (typeof arg === 'string') this.#addText(arg)
    else this.#addBytes(arg)
  }

  #addText(text: string): void {
    this.#need(text.length * UNIT_BYTES_MAX)
    if (text.length < SHORT && this.#writeShort(text)) return
    const length = this.#buffer.write(text, this.#at + PREFIX)
    this.#head(length)
    this.#at += length
  }

  /** Short text is mostly ASCII, and by hand then quicker than by a call into the engine. */
  #writeShort(text: string): boolean {
    const start = this.#at + 1
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return false
      this.#buffer[start + i] = unit
    }
    this.#buffer[this.#at] = 0xa0 | text.length
    this.#at = start + text.length
    return true
  }

  #addBytes(bytes: Buffer): void {
    this.#need(bytes.length)
    this.#head(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #raw(text: string): void {
    this.#need(text.length * UNIT_BYTES_MAX)
    this.#at += this.#buffer.write(text, this.#at)
  }

  #listHead(count: number): void {
    this.#need(0)
    if (count < 16) this.#buffer[this.#at++] = 0x90 | count
    else {
      this.#buffer[this.#at] = 0xdd
      this.#at = this.#buffer.writeUInt32BE(count, this.#at + 1)
    }
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

  /** All that was added, if none of it is large. */
  list(): Buffer {
    this.#buffer[0] = 0xdd
    this.#buffer.writeUInt32BE(this.#count, 1)
    return this.#buffer.subarray(0, this.#at)
  }
}

/** A short list of small arguments. */
export function packed(args: readonly Argument[]): Buffer {
  const pack = new ArgumentPack(16 + args.length * 64)
  pack.addAll(args)
  return pack.list()
}
