/**
 * Decimals as the driver has them, and back. By their bytes, in numbers of the language: what the driver's own arithmetic makes of many
 * digits takes ever longer, and of more than 308 never ends.
 */
import type { types } from 'cassandra-driver'
import { CorruptError } from '../../src/errors.js'
import type { DriverModule } from './cassandra-driver-loader.js'

/** Digits that a decimal may have: more than any key or value has that was written here, few enough to be held. */
const DIGITS_MAX = 16 * 1024 * 1024
const SCALE_BYTES = 4

/** `text` is canonical: see src/dict/decimal.ts. */
export function driverDecimal({ types }: DriverModule, text: string): types.BigDecimal {
  const point = text.indexOf('.')
  const scale = point < 0 ? 0 : text.length - point - 1
  const head = Buffer.alloc(SCALE_BYTES)
  head.writeInt32BE(scale)
  return types.BigDecimal.fromBuffer(Buffer.concat([head, bytesOf(BigInt(text.replace('.', '')))]))
}

/**
 * Other clients write 1E+5 as such: one digit, and a scale below zero.
 * @throws CorruptError for one that would be longer than can be held
 */
export function decimalFrom({ types }: DriverModule, value: types.BigDecimal): string {
  const bytes = types.BigDecimal.toBuffer(value)
  const scale = bytes.readInt32BE(0)
  if (Math.abs(scale) > DIGITS_MAX) throw new CorruptError(`a decimal of another client has ${Math.abs(scale)} digits`)
  const whole = integerOf(bytes.subarray(SCALE_BYTES))
  if (scale <= 0) return whole === 0n ? '0' : `${whole}${'0'.repeat(-scale)}`
  const digits = String(whole < 0n ? -whole : whole).padStart(scale + 1, '0')
  return `${whole < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

/** Two's complement, the highest byte first, as few as hold the sign too. */
function bytesOf(whole: bigint): Buffer {
  const magnitude = (whole < 0n ? ~whole : whole).toString(16)
  const length = Math.floor((magnitude.length * 4) / 8) + 1
  const hex = BigInt.asUintN(length * 8, whole).toString(16)
  return Buffer.from(hex.padStart(length * 2, '0'), 'hex')
}

const integerOf = (bytes: Buffer): bigint =>
  bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
