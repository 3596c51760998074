/**
 * Dates and times of day as ISO text. JavaScript's Date is a moment, not a day, and ends at milliseconds, so text is the only form
 * that keeps both exact; it is what `Temporal.PlainDate` and `Temporal.PlainTime` print and parse.
 */

const DAY_MS = 86_400_000
const NANOS_PER_SECOND = 1_000_000_000
export const NANOS_PER_DAY = 86_400 * NANOS_PER_SECOND
/** 0000-01-01 and 9999-12-31, the days that four digits can name. */
export const FIRST_DAY = -719_528
export const LAST_DAY = 2_932_896

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/
const TIME = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?$/

/** Days since 1970-01-01 of `YYYY-MM-DD`; `undefined` when there is no such day. */
export function dayOf(text: string): number | undefined {
  if (!DATE.test(text)) return undefined
  // Date.parse takes ISO days as UTC and lets 30 February through as NaN or as March, depending on the engine: so print it back.
  const day = Date.parse(`${text}T00:00:00Z`) / DAY_MS
  return Number.isNaN(day) || dayText(day) !== text ? undefined : day
}

export const dayText = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10)

/** Nanoseconds since midnight of `HH:MM:SS[.fraction]`; below 2^47, so exact in a number. */
export function nanosOf(text: string): number | undefined {
  const parts = TIME.exec(text)
  if (!parts) return undefined
  const [, hours, minutes, seconds, fraction = ''] = parts
  return (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * NANOS_PER_SECOND + Number(fraction.padEnd(9, '0'))
}

/** The one spelling of a time: no fraction when it is zero, else without trailing zeros. */
export function nanosText(nanos: number): string {
  const seconds = Math.floor(nanos / NANOS_PER_SECOND)
  const fraction = nanos % NANOS_PER_SECOND
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map((n) => String(n).padStart(2, '0')).join(':')
  return fraction === 0 ? clock : `${clock}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`
}
