/** The column types that hold one plain value. */
import type { Cell, Ref } from '../backend.js'
import { isIdText } from '../ids.js'
import { dayOf, nanosOf, nanosText } from './calendar.js'
import { decimalKeyText, decimalText } from './decimal.js'
import { type Kind, refusal } from './kind.js'

const same = (cell: Cell): unknown => cell
const plain = (type: Kind['type'], wants: string, check: (value: unknown) => Cell | undefined, more: Partial<Kind> = {}): Kind => ({
  type,
  wants,
  toCell(value, path) {
    const cell = check(value)
    if (cell === undefined) throw refusal(path, wants, value)
    return cell
  },
  fromCell: same,
  ...more,
})

/** As keys, -0 and 0 are one, as they are in a Map. */
const withoutMinusZero = (cell: Cell): Cell => (cell === 0 ? 0 : cell)
// not slice: of a Buffer it gives a Buffer
const copyBytes = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

const text = plain('text', 'text (whole Unicode characters)', (v) => (typeof v === 'string' && v.isWellFormed() ? v : undefined))

const bool = plain('bool', 'true or false', (v) => (typeof v === 'boolean' ? v : undefined))

const i32 = plain('i32', 'i32, a whole number from -2147483648 to 2147483647', (v) =>
  typeof v === 'number' && (v | 0) === v ? v | 0 : undefined,
)

/** 64 bits. A number is taken while it is exact; beyond 2^53 it may stand for its neighbour. */
export function wholeNumber(v: unknown): bigint | undefined {
  if (typeof v === 'number') return Number.isSafeInteger(v) ? BigInt(v) : undefined
  return typeof v === 'bigint' && BigInt.asIntN(64, v) === v ? v : undefined
}

const i64 = plain('i64', 'i64, a bigint (or safe integer) from -2^63 to 2^63 - 1', wholeNumber)

const f32 = plain('f32', 'f32, a number (it is rounded to 32 bits)', (v) => (typeof v === 'number' ? Math.fround(v) : undefined), {
  toKeyCell: withoutMinusZero,
})

const f64 = plain('f64', 'f64, a number', (v) => (typeof v === 'number' ? v : undefined), { toKeyCell: withoutMinusZero })

const decimal = plain(
  'decimal',
  "decimal, text such as '-12.50' (or a bigint)",
  (v) => (typeof v === 'bigint' ? String(v) : typeof v === 'string' ? decimalText(v) : undefined),
  { toKeyCell: (cell) => decimalKeyText(cell as string) },
)

const blob = plain('blob', 'blob, a Uint8Array', (v) => (v instanceof Uint8Array ? copyBytes(v) : undefined), {
  fromCell: (cell) => copyBytes(cell as Uint8Array),
})

const uuid = plain('uuid', 'uuid, text of 36 characters', (v) => {
  const lower = typeof v === 'string' && v.length === 36 ? v.toLowerCase() : undefined
  return isIdText(lower) ? lower : undefined
})

const date = plain('date', "date, text such as '1940-01-31'", (v) => (typeof v === 'string' && dayOf(v) !== undefined ? v : undefined))

const time = plain('time', "time of day, text such as '23:59:59.123456'", (v) => {
  const nanos = typeof v === 'string' ? nanosOf(v) : undefined
  return nanos === undefined ? undefined : nanosText(nanos)
})

const timestamp = plain('timestamp', 'timestamp, a valid Date', (v) => (isValidDate(v) ? new Date(v) : undefined), {
  fromCell: (cell) => new Date(cell as Date),
})

const isValidDate = (v: unknown): v is Date => v instanceof Date && !Number.isNaN(v.getTime())

/** Never written as a value; `add` takes whole numbers, and sums are 64 bits on every backend. */
const counter = plain('counter', 'no value: change it with add(key, column, by)', () => undefined)

export const scalarKinds = { text, bool, i32, i64, f32, f64, decimal, blob, uuid, date, time, timestamp, counter }

// not instanceof: what brings an object back need not be a constructor
const isInstance = (value: object, of: { readonly prototype: object }): boolean => Object.prototype.isPrototypeOf.call(of.prototype, value)

/** References to objects of one class, looked up late so that classes may refer to each other; without `of` any class will do. */
export function refKind(of?: () => { readonly prototype: object }): Kind {
  return {
    type: 'ref',
    ...(of && { refersTo: of }),
    get wants() {
      return of ? `a ${of().prototype.constructor.name}` : 'a StorageObject'
    },
    toCell(value, path, refs) {
      if (typeof value !== 'object' || value === null || !(of === undefined || isInstance(value, of())))
        throw refusal(path, this.wants, value)
      return refs.refOf(value)
    },
    fromCell: (cell, refs) => refs.resolve(cell as Ref),
  }
}
