/** Text in which words are as frequent as in a language: the word of rank r stands in proportion to 1 / r. Always the same text. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'

const VOCABULARY = 50_000
const LINE_WORDS = 12
const CHUNK_BYTES = 1024 * 1024
/** Eight pieces of 8 MiB, as `producer.ts` cuts them. */
const FILE_MB = 67

/** Writes `mb` megabytes as files of up to 67 MB. */
export async function writeTexts(folder: string, mb: number): Promise<void> {
  const words = wordsOf()
  for (let left = mb, file = 0; left > 0; left -= FILE_MB, file++)
    await writeText(join(folder, `text-${String(file).padStart(3, '0')}.txt`), Math.min(left, FILE_MB) * 1_000_000, words)
}

async function writeText(path: string, bytes: number, words: Iterator<string, never>): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) await file.write(textOf(Math.min(left, CHUNK_BYTES), words))
  } finally {
    await file.close()
  }
}

/** Exactly that many bytes: all characters are ASCII, and the last word is cut where it must be. */
function textOf(bytes: number, words: Iterator<string, never>): string {
  let text = ''
  for (let n = 1; text.length < bytes - 1; n++) text += words.next().value + (n % LINE_WORDS === 0 ? '\n' : ' ')
  return `${text.slice(0, bytes - 1)}\n`
}

function* wordsOf(): Generator<string, never> {
  const random = generator()
  const vocabulary = Array.from({ length: VOCABULARY }, (_, rank) => wordOf(rank))
  const upTo = cumulative()
  for (;;) yield vocabulary[rankAt(upTo, random() * upTo[VOCABULARY - 1]!)]!
}

/** Frequent words are short, as in languages. */
const wordOf = (rank: number): string => `${(rank + 10).toString(36)}${'aeiou'[rank % 5]}${rank > 500 ? 'ting' : ''}`

function cumulative(): Float64Array {
  let sum = 0
  return Float64Array.from({ length: VOCABULARY }, (_, rank) => (sum += 1 / (rank + 1)))
}

/** The first rank whose cumulative weight is above `at`. */
function rankAt(upTo: Float64Array, at: number): number {
  let low = 0
  let high = VOCABULARY - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (upTo[middle]! > at) high = middle
    else low = middle + 1
  }
  return low
}

/** Numbers in [0, 1), 32-bit linear congruential: quick, and good enough for which word comes next. */
function generator(): () => number {
  let state = 1
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
