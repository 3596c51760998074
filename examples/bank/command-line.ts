export const ACCOUNTS = 10
export const BALANCE = 1000

export interface BankArguments {
  readonly name: string
  readonly count: number
  readonly urls: readonly [string, string]
}

/** `[NAME TRANSFERS] [STORE STORE]`; wrong usage ends the program with code 2. */
export function bankArguments(program: string, ...wanted: readonly string[]): BankArguments {
  const args = process.argv.slice(2)
  const [name = '', transfers = '0'] = args.slice(0, wanted.length)
  const [first = 'nvram:.insitu/bank-a', second = 'nvram:.insitu/bank-b', ...more] = args.slice(wanted.length)
  const count = Number(transfers)
  if (args.length < wanted.length || more.length > 0 || !Number.isInteger(count)) {
    console.error(`usage: ${[program, ...wanted].join(' ')} [STORE STORE]`)
    process.exit(2)
  }
  return { name, count, urls: [first, second] }
}
