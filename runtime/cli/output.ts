import { colorsOn } from './colors-config.js'
import { EXIT } from './exit-codes.js'

/** Data for programs and pipes goes to stdout, text for people to stderr: a pipe never meets a sentence. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`)
/** A message may repeat what is stored, or what was typed. */
export const complain = (text: string): void =>
  say(`${colorsOn(process.stderr).red('insitu:')} ${text.split('\n').map(printable).join('\n')}`)

/** One line of data: JSON, or columns between tabs. */
export function put(json: boolean | undefined, data: Readonly<Record<string, unknown>>, columns: readonly unknown[]): void {
  process.stdout.write(`${json ? toJson(data) : columns.map(printable).join('\t')}\n`)
}

/** What terminals obey, or what makes a line look like another one: control characters, other ends of lines, changes of direction. */
const OBEYED = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Stored text may hold line ends, tabs and terminal codes; a line stays a line. */
export const printable = (value: unknown): string =>
  String(value ?? '-').replace(OBEYED, (c) => (c > '\xff' ? unicode(c) : `\\x${hex(c, 2)}`))

/** JSON for what JSON lacks: bigints as numbers while exact, else text. It escapes some of what a terminal obeys, and here the rest. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? exact(item) : item), indent).replace(OBEYED, (c) =>
    c === '\n' ? c : unicode(c),
  )

const unicode = (c: string): string => `\\u${hex(c, 4)}`
const hex = (c: string, digits: number): string => c.charCodeAt(0).toString(16).padStart(digits, '0')

const exact = (n: bigint): number | string => (BigInt(Number(n)) === n && Number.isSafeInteger(Number(n)) ? Number(n) : String(n))

export const bytes = (n: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = n < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  return `${step === 0 ? n : (n / 1000 ** step).toFixed(1)} ${units[step]}`
}

let goesOn = false

/** What a command has begun to change it brings to an end, also when nobody reads any more what it says. */
export const goOnUnheard = (): void => void (goesOn = true)

/** A reader that has seen enough (`insitu ls | head`) is no error. */
export function watchOutput(): void {
  let isUnheard = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    isUnheard ||= error.code === 'EPIPE'
    if (isUnheard && goesOn) return
    if (isUnheard) process.exit(EXIT.ok)
    complain(`the output cannot be written: ${error.message}`)
    process.exit(EXIT.failed)
  })
  process.stderr.on('error', () => {}) // then there is nobody to tell
}
