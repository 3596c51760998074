/** Moves money between accounts in two stores: each step one transfer, told by its number. Two such programs share the accounts. */
import { Bank } from '../../examples/bank/bank.js'
import { connect, type Store } from '../../runtime/index.js'
import { type Program, report } from './child.js'
import { Findings } from './findings.js'
import { partOf } from './part-of.js'
import type { Lane, Order, Report } from './protocol.js'
import { randomOf } from './random.js'

const ACCOUNTS = 6
const BALANCE = 1000
/** Short, so that what a killed program held is free again while the next ones live. */
const LEASE_MS = 200

export async function bankProgram({ url, lane }: Order): Promise<Program> {
  const open = (name: string): Promise<Store> => connect(partOf(url, name), { ack: 'committed', leaseMs: LEASE_MS, patienceMs: 10_000 })
  const stores = [await open('bank-a'), await open('bank-b')] as const
  const bank = await Bank.open(stores, ACCOUNTS, BALANCE)
  return {
    check: () => check(bank, lane),
    close: async () => {
      for (const store of stores) await store.close()
    },
    work: () => work(bank, lane),
  }
}

async function work(bank: Bank, lane: Lane): Promise<never> {
  const known = [...lane.acknowledged, ...lane.begun.map(({ n }) => n)]
  for (let n = Math.max(0, ...known) + 1; ; n++) {
    report({ say: 'begun', step: { n } })
    await bank.transfer(transferOf(lane, n))
    report({ say: 'done', n })
  }
}

function transferOf({ name: teller }: Lane, n: number): Parameters<Bank['transfer']>[0] {
  const random = randomOf(n)
  const from = Math.floor(random() * ACCOUNTS)
  return { teller, n, from, to: (from + 1 + Math.floor(random() * (ACCOUNTS - 1))) % ACCOUNTS, amount: 1 + Math.floor(random() * 9) }
}

async function check(bank: Bank, lane: Lane): Promise<Extract<Report, { say: 'found' }>> {
  const findings = new Findings()
  const total = await bank.total()
  if (total !== ACCOUNTS * BALANCE) findings.add(total < ACCOUNTS * BALANCE ? 'lost' : 'doubled', `there are ${total}`)
  const moves = await movesOf(bank, lane.name)
  for (const [n, amounts] of moves)
    if (amounts.length !== 2 || amounts[0]! + amounts[1]! !== 0n) findings.add('torn', `transfer ${n} moved ${amounts.join(' and ')}`)
  const standing = [...moves.keys()]
  findings.steps(
    standing,
    lane.acknowledged,
    lane.begun.map(({ n }) => n),
  )
  return findings.found(standing)
}

/** What a teller's transfers did to the accounts, by number. */
async function movesOf(bank: Bank, teller: string): Promise<Map<number, bigint[]>> {
  const moves = new Map<number, bigint[]>()
  for (const account of bank.accounts)
    for await (const [{ n }, { amount }] of account.moves.range({ teller })) {
      const key = Number(n)
      moves.set(key, [...(moves.get(key) ?? []), amount])
    }
  return moves
}
