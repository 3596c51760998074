import { StorageDict, StorageObject, type Store, t, transact } from 'insitu'

export class Account extends StorageObject {
  balance = 0
  /** What came in and went out, by teller and the teller's own number of the transfer. */
  moves = new StorageDict({ teller: t.text, n: t.i64 }, { amount: t.i64 })
}

export interface Transfer {
  readonly teller: string
  readonly n: number
  /** Numbers of accounts. */
  readonly from: number
  readonly to: number
  readonly amount: number
}

/** Accounts in two stores, taking turns: a transfer between neighbours is one unit of work over both. */
export class Bank {
  static async open(stores: readonly [Store, Store], count: number, balance: number): Promise<Bank> {
    const accounts: Account[] = []
    for (let i = 0; i < count; i++) {
      const account = Object.assign(new Account(), { balance })
      // Whoever comes first opens the account with its money; the others find it.
      accounts.push(await stores[i % 2]!.run(() => account.makePersistent(`bank/account-${i}`, { ifExists: 'open' })))
    }
    return new Bank(stores, accounts)
  }

  private constructor(
    readonly stores: readonly [Store, Store],
    readonly accounts: readonly Account[],
  ) {}

  /** Moves money, once for each number of a teller: a teller that does not know what became of a transfer sends it again. */
  async transfer({ teller, n, from, to, amount }: Transfer): Promise<void> {
    await this.stores[0].run(() =>
      transact(async () => {
        const [source, target] = [await this.#fresh(from), await this.#fresh(to)]
        if (await source.moves.has({ teller, n })) return
        source.balance -= amount
        target.balance += amount
        source.moves.set({ teller, n }, { amount: -amount })
        target.moves.set({ teller, n }, { amount })
      }),
    )
  }

  #fresh(i: number): Promise<Account> {
    return this.stores[i % 2]!.run(() => Account.getByID(this.accounts[i]!.getID()!))
  }

  /** All the money. Two reads are no snapshot, so the accounts are read until two rounds agree. */
  async total(): Promise<number> {
    for (let before = ''; ; ) {
      const balances: number[] = []
      for (let i = 0; i < this.accounts.length; i++) balances.push((await this.#fresh(i)).balance)
      if (String(balances) === before) return balances.reduce((sum, n) => sum + n, 0)
      before = String(balances)
    }
  }
}
