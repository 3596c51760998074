import type { Chance } from './chance.js'

export interface Mutant {
  readonly bytes: Uint8Array
  readonly how: string
}

/** Bytes that mean much to one reader or another: ends of ranges, lengths of 32 bits, tags, escapes. */
const TELLING = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x90, 0xc0, 0xc1, 0xc6, 0xd4, 0xdb, 0xdd, 0xdf, 0xfe, 0xff]
const HUGE = [
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0x7f, 0xff, 0xff, 0xff],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0x7f, 0xff, 0xff, 0xff],
  [0xce, 0xff, 0xff, 0xff, 0xff],
]
const PROTO = Buffer.concat([Buffer.of(0xa9), Buffer.from('__proto__')])
const RANDOM_MUTANTS = 60

/** Every byte flipped, every length cut, and some of what chance makes: replaced, grown, torn out, mixed with another sample. */
export function* mutantsOf(whole: Uint8Array, other: Uint8Array, chance: Chance): Generator<Mutant, void, void> {
  for (let at = 0; at < whole.length; at++) {
    const bytes = Uint8Array.from(whole)
    bytes[at]! ^= 1 << chance.below(8)
    yield { bytes, how: `byte ${at} flipped` }
  }
  for (let length = 0; length < whole.length; length++) yield { bytes: whole.slice(0, length), how: `cut to ${length} bytes` }
  for (let nth = 0; nth < RANDOM_MUTANTS; nth++) yield randomMutant(whole, other, chance)
}

function randomMutant(whole: Uint8Array, other: Uint8Array, chance: Chance): Mutant {
  const at = chance.below(whole.length + 1)
  const until = Math.min(whole.length, at + chance.below(16))
  const put = (what: Uint8Array | readonly number[], from = at, to = at): Uint8Array =>
    Uint8Array.from([...whole.subarray(0, from), ...what, ...whole.subarray(to)])
  switch (chance.below(9)) {
    case 0:
      return { bytes: chance.bytes(chance.below(64)), how: 'random' }
    case 1:
      return { bytes: put(chance.bytes(1 + chance.below(40)), whole.length, whole.length), how: 'grown at the end' }
    case 2:
      return { bytes: put(chance.bytes(1 + chance.below(8))), how: `grown at ${at}` }
    case 3:
      return { bytes: put([], at, until), how: `torn out from ${at} to ${until}` }
    case 4:
      return { bytes: put([chance.one(TELLING)], at, Math.min(whole.length, at + 1)), how: `a telling byte at ${at}` }
    case 5:
      return { bytes: put(chance.one(HUGE), at, Math.min(whole.length, at + 5)), how: `a huge length at ${at}` }
    case 6:
      return { bytes: put(PROTO, at, until), how: `__proto__ at ${at}` }
    case 7:
      return { bytes: put(other.subarray(chance.below(other.length + 1))), how: `mixed with another from ${at}` }
    default:
      return { bytes: Uint8Array.from([...whole.subarray(at), ...whole.subarray(0, at)]), how: `turned at ${at}` }
  }
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
