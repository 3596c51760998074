/** Decimals of any length as text (`-12.50`): a number would round, a bigint has no fraction. The scale is kept: `1.50` stays `1.50`. */

const DECIMAL = /^([+-]?)0*(\d+)(?:\.(\d+))?$/

/** The one spelling of a decimal with its scale: no plus, no leading zeros, no minus before zero; `undefined` when it is no decimal. */
export function decimalText(text: string): string | undefined {
  const parts = DECIMAL.exec(text)
  if (!parts) return undefined
  const [, sign, whole, fraction] = parts
  const digits = fraction === undefined ? whole! : `${whole}.${fraction}`
  return sign === '-' && /[1-9]/.test(digits) ? `-${digits}` : digits
}

/** As a key `1.5` and `1.50` are one number, so a key drops the scale. `text` is canonical. */
export const decimalKeyText = (text: string): string => (text.includes('.') ? text.replace(/\.?0+$/, '') : text)

/** sign × 0.digits × 10^exponent, the first and the last digit not 0; zero has no digits. */
export interface DecimalParts {
  readonly negative: boolean
  readonly exponent: number
  readonly digits: string
}

export function decimalParts(text: string): DecimalParts | undefined {
  const canonical = decimalText(text)
  if (canonical === undefined) return undefined
  const negative = canonical.startsWith('-')
  const [whole = '', fraction = ''] = (negative ? canonical.slice(1) : canonical).split('.')
  const all = whole + fraction
  const first = all.search(/[1-9]/)
  if (first < 0) return { negative: false, exponent: 0, digits: '' }
  return { negative, exponent: whole.length - first, digits: all.slice(first).replace(/0+$/, '') }
}

/** Back to the spelling that `decimalKeyText` gives. */
export function decimalOfParts({ negative, exponent, digits }: DecimalParts): string {
  if (digits === '') return '0'
  const whole = exponent > 0 ? digits.slice(0, exponent).padEnd(exponent, '0') : '0'
  const fraction = exponent > 0 ? digits.slice(exponent) : digits.padStart(digits.length - exponent, '0')
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

/** The exact sum of two canonical decimals, with the longer scale of the two. */
export function decimalSum(a: string, b: string): string {
  const scale = Math.max(scaleOf(a), scaleOf(b))
  const sum = scaled(a, scale) + scaled(b, scale)
  if (scale === 0) return String(sum)
  const digits = String(sum < 0n ? -sum : sum).padStart(scale + 1, '0')
  return `${sum < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}

const scaleOf = (text: string): number => (text.includes('.') ? text.length - text.indexOf('.') - 1 : 0)

const scaled = (text: string, scale: number): bigint => BigInt(text.replace('.', '') + '0'.repeat(scale - scaleOf(text)))
