/** Reads row keys: see row-key.ts. Bytes from a store are data: every step is checked. */
import { type Cell, type ColumnType, Ref } from '../backend.js'
import { CorruptError } from '../errors.js'
import { type ClassId, type Id, readUuid } from '../ids.js'
import { dayText, FIRST_DAY, LAST_DAY, NANOS_PER_DAY, nanosText } from './calendar.js'
import { decimalOfParts } from './decimal.js'
import { DECIMAL_EXPONENT_MAX } from './key-writer.js'

type ScalarType = Extract<ColumnType, string>

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
export const corrupt = (what: string): Error => new CorruptError(`stored row key ${what}`)

/** Up to here the high half of 64 bits makes, with the low one, a number without loss. */
const SAFE_HIGH = 2 ** 20

export class KeyReader {
  readonly #bytes: Buffer
  #at: number

  constructor(bytes: Uint8Array, from = 0) {
    this.#at = from
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  cell(type: ColumnType): Cell {
    if (typeof type === 'string') return this.#scalar(type)
    if ('tupleOf' in type) return type.tupleOf.map((of) => this.cell(of))
    throw corrupt('has a column type that cannot be a key')
  }

  #scalar(type: ScalarType): Cell {
    switch (type) {
      case 'text':
        return this.#text()
      case 'bool':
        return this.#bool()
      case 'i32':
        return this.#i32()
      case 'i64':
        return this.#i64()
      case 'f32':
        return this.#number(4)
      case 'f64':
        return this.#number(8)
      case 'decimal':
        return this.#decimal()
      case 'blob':
        return Uint8Array.prototype.slice.call(this.#content().bytes)
      case 'uuid':
        return this.#id()
      case 'date':
        return this.#date()
      case 'time':
        return this.#time()
      case 'timestamp':
        return this.#timestamp()
      case 'ref':
        return new Ref(this.#id() as Id, this.#text() as ClassId)
      case 'counter':
        throw corrupt('has a counter column')
      default:
        return type satisfies never
    }
  }

  /** Moves past `length` bytes and gives where they start. */
  #pass(length: number): number {
    const start = this.#at
    if (start + length > this.#bytes.length) throw corrupt('is cut off')
    this.#at = start + length
    return start
  }

  #take(length: number): Buffer {
    const start = this.#pass(length)
    return this.#bytes.subarray(start, this.#at)
  }

  #bool(): boolean {
    const byte = this.#take(1)[0]!
    if (byte > 1) throw corrupt('has a bad bool')
    return byte === 1
  }

  #i32(): number {
    return this.#bytes.readInt32BE(this.#pass(4)) ^ -0x8000_0000 // the sign bit, flipped back
  }

  #i64(): bigint {
    const start = this.#pass(8)
    const high = this.#bytes.readInt32BE(start) ^ -0x8000_0000
    const low = this.#bytes.readUInt32BE(start + 4)
    // Most are small: a number is quicker to make.
    return high >= -SAFE_HIGH && high < SAFE_HIGH ? BigInt(high * 2 ** 32 + low) : (BigInt(high) << 32n) | BigInt(low)
  }

  /** A number has one form: its other zero, and other kinds of NaN, are no key's. */
  #number(length: 4 | 8): number {
    const view = this.#float(length)
    const number = length === 4 ? view.getFloat32(0) : view.getFloat64(0)
    const isOurs = Number.isNaN(number)
      ? view.getUint32(0) === (length === 4 ? 0x7fc0_0000 : 0x7ff8_0000) && (length === 4 || view.getUint32(4) === 0)
      : !Object.is(number, -0)
    if (!isOurs) throw corrupt('has a bad number')
    return number
  }

  #float(length: 4 | 8): DataView {
    const bytes = Uint8Array.prototype.slice.call(this.#take(length))
    if (bytes[0]! & 0x80) bytes[0]! ^= 0x80
    else for (let i = 0; i < length; i++) bytes[i]! ^= 0xff
    return new DataView(bytes.buffer)
  }

  #id(): string {
    return readUuid(this.#take(16), 0)
  }

  #date(): string {
    const day = this.#i32()
    if (day < FIRST_DAY || day > LAST_DAY) throw corrupt('has a bad date')
    return dayText(day)
  }

  #time(): string {
    const nanos = this.#take(6).readUIntBE(0, 6)
    if (nanos >= NANOS_PER_DAY) throw corrupt('has a bad time')
    return nanosText(nanos)
  }

  #timestamp(): Date {
    const date = new Date(Number(this.#i64()))
    if (Number.isNaN(date.getTime())) throw corrupt('has a bad timestamp')
    return date
  }

  #text(): string {
    const { bytes, ascii } = this.#content()
    if (ascii) return bytes.toString('latin1')
    try {
      return utf8.decode(bytes)
    } catch (cause) {
      throw new CorruptError('stored row key has text that is not UTF-8', { cause })
    }
  }

  /** Content up to its end, without escapes. */
  #content(): { bytes: Buffer; ascii: boolean } {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0) throw corrupt('is cut off')
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end + 1
    let seen = 0
    let escapes = 0
    for (let i = 0; i < bytes.length; i++) {
      seen |= bytes[i]!
      if (bytes[i] === 1) {
        escapes++
        i++ // what stands behind an escape is checked when it is undone
      }
    }
    return { bytes: escapes === 0 ? bytes : unescaped(bytes, escapes), ascii: seen < 0x80 }
  }

  #decimal(): string {
    const sign = this.#take(1)[0]!
    if (sign === 1) return '0'
    if (sign !== 0 && sign !== 2) throw corrupt('has a bad decimal')
    const flip = sign === 0 ? 0xff : 0
    const exponentBytes = Buffer.from(this.#take(4))
    for (let i = 0; i < 4; i++) exponentBytes[i]! ^= flip
    exponentBytes[0]! ^= 0x80
    let digits = ''
    for (let pair = this.#take(1)[0]! ^ flip; pair !== 0; pair = this.#take(1)[0]! ^ flip) {
      if (pair > 100) throw corrupt('has a bad decimal')
      digits += String(pair - 1).padStart(2, '0')
    }
    const exponent = exponentBytes.readInt32BE()
    // canonical forms only; the exponent is bounded so that damage cannot ask for gigabytes of zeros
    if (!/^[1-9]/.test(digits) || digits.endsWith('00') || Math.abs(exponent) > DECIMAL_EXPONENT_MAX) throw corrupt('has a bad decimal')
    return decimalOfParts({ negative: sign === 0, exponent, digits: digits.replace(/0$/, '') })
  }
}

function unescaped(bytes: Buffer, escapes: number): Buffer {
  const out = Buffer.allocUnsafe(bytes.length - escapes)
  let to = 0
  for (let from = 0; from < bytes.length; from++) {
    if (bytes[from] !== 1) out[to++] = bytes[from]!
    else {
      const escaped = bytes[++from]
      if (escaped !== 1 && escaped !== 2) throw corrupt('has a bad escape')
      out[to++] = escaped - 1
    }
  }
  return out
}
