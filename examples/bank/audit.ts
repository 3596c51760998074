import { connect, main } from 'insitu'
import { Bank } from './bank.js'
import { ACCOUNTS, BALANCE, bankArguments } from './command-line.js'

/** Counts the money: audit.ts [STORE STORE]. Exit code 1 if there is more or less than was put in. */
main(import.meta, async () => {
  const { urls } = bankArguments('audit.ts')
  const bank = await Bank.open([await connect(urls[0]), await connect(urls[1])], ACCOUNTS, BALANCE)
  const total = await bank.total()
  console.log(`${total} in ${ACCOUNTS} accounts of two stores`)
  if (total !== ACCOUNTS * BALANCE) process.exitCode = 1
})
