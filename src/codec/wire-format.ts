/** What writer and reader of the wire agree on: MessagePack, and one extension (fixext 1) whose data byte says what the next value is. */
/** Code of our extension. msgpackr's own are letters of ASCII below 'z'; libraries start at 1 and count up. */
export const WIRE_EXTENSION = 0x5b

/**
 * Deepest nesting on the wire. Messages, ops and rows are shallow, and users' values are written flat (value-format.ts), so that this
 * need not be VALUE_DEPTH_MAX: msgpackr takes a kilobyte of stack for a level, and a thousand of those is all that a thread has.
 */
export const WIRE_DEPTH_MAX = 200

/** Stored in files: numbers are never reused for another meaning. */
export const WireTag = {
  /** Not written: a plain `bin`. */
  bytes: 0,
  minusZero: 1,
  /** Text with lone surrogates, as UTF-16LE bytes. */
  utf16: 2,
  /** Beyond 64 bits, as signed hexadecimal text. */
  bigint: 3,
  /** Milliseconds, NaN when invalid. */
  date: 4,
  /** [id, class id]. */
  ref: 5,
  packed: 6,
  /** [key, value, key, value …]. */
  map: 7,
  set: 8,
  /** A plain object with keys that a map of text cannot hold: [key, value …]. */
  object: 9,
} as const
export type WireTag = (typeof WireTag)[keyof typeof WireTag]
