import pc from 'picocolors'

/** Data for programs and pipes goes to stdout, text for people to stderr: a pipe never meets a sentence. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`)
export const complain = (text: string): void => say(`${pc.red('insitu:')} ${text}`)

/** One line of data: JSON, or columns between tabs. */
export function put(json: boolean | undefined, data: Readonly<Record<string, unknown>>, columns: readonly unknown[]): void {
  process.stdout.write(`${json ? toJson(data) : columns.map(printable).join('\t')}\n`)
}

/** Stored text may hold line ends, tabs and terminal codes; a line stays a line. */
const printable = (value: unknown): string =>
  String(value ?? '-').replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)

/** JSON for what JSON lacks: bigints as numbers while exact, else text. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? exact(item) : item), indent)

const exact = (n: bigint): number | string => (BigInt(Number(n)) === n && Number.isSafeInteger(Number(n)) ? Number(n) : String(n))

export const bytes = (n: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = n < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(n) / 3))
  return `${step === 0 ? n : (n / 1000 ** step).toFixed(1)} ${units[step]}`
}
