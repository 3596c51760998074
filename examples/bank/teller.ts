import { connect, main } from 'insitu'
import { Bank } from './bank.js'
import { ACCOUNTS, BALANCE, bankArguments } from './command-line.js'

/** Moves money between random accounts: teller.ts NAME TRANSFERS [STORE STORE]. Start many; kill some. */
main(import.meta, async () => {
  const { name, count, urls } = bankArguments('teller.ts', 'NAME', 'TRANSFERS')
  const bank = await Bank.open([await connect(urls[0]), await connect(urls[1])], ACCOUNTS, BALANCE)
  for (let n = 0; n < count; n++) {
    const from = Math.floor(Math.random() * ACCOUNTS)
    const to = (from + 1 + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS
    await bank.transfer({ teller: name, n, from, to, amount: 1 + Math.floor(Math.random() * 10) })
  }
  console.log(`${name}: ${count} transfers`)
})
