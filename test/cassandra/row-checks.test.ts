/** Rows that a transaction only read, where a domain is several partitions, or many rows are one. */
import assert from 'node:assert/strict'
import { connect, StorageDict, StorageObject, type Store, t, transact } from '../../runtime/index.js'
import type { Id } from '../../src/ids.js'
import { all } from '../conformance/expect.js'
import { Keyspace, siteFor } from './kit.js'

class Ledger extends StorageObject {
  static readonly typeName = 'insitu/test#Ledger'
  paid = 0
  bills = new StorageDict({ month: t.text, no: t.i32 }, { open: t.bool }, { writes: 'cas' })
  seats = new StorageDict({ hall: t.text, row: t.i32, seat: t.i32 }, { taken: t.bool }, { writes: 'cas', partition: ['hall', 'row'] })
}

const BILLS = 400

for (const [tables, query] of [
  ['tables of their own', '&ownTables=100'],
  ['a shared table', '&ownTables=0'],
] as const)
  describe(`cassandra: rows that were only read, in ${tables}`, function () {
    this.timeout(60_000)
    let keyspace: Keyspace
    let stores: [Store, Store]
    before(async function () {
      keyspace = await Keyspace.on(await siteFor(this))
      stores = [await connect(keyspace.url + query), await connect(keyspace.url + query)]
    })
    after(async () => {
      for (const store of stores ?? []) await store.close()
      await keyspace?.drop()
    })

    const ledger = (fill: (made: Ledger) => void): Promise<Id> =>
      stores[0].run(async () => {
        const made = new Ledger()
        fill(made)
        return (await made.makePersistent()).getID()!
      })

    it('are checked in whatever number', async () => {
      const id = await ledger(({ bills }) => {
        for (let no = 0; no < BILLS; no++) bills.set({ month: 'may', no }, { open: true })
      })
      let runs = 0
      await stores[0].run(() =>
        transact(
          async () => {
            const made = await Ledger.getByID(id)
            made.paid = (await all(made.bills.values())).filter(({ open }) => open).length
            if (runs++ > 0) return
            await stores[1].run(async () => {
              const { bills } = await Ledger.getByID(id)
              bills.set({ month: 'may', no: BILLS - 1 }, { open: false })
              await bills.save()
            })
          },
          { check: true },
        ),
      )
      assert.deepEqual([runs, await stores[1].run(async () => (await Ledger.getByID(id)).paid)], [2, BILLS - 1])
      await stores[1].run(async () => {
        const { bills } = await Ledger.getByID(id)
        for (let no = 0; no < 10; no++) bills.delete({ month: 'may', no })
        await bills.save()
        assert.equal(await bills.count(), BILLS - 10)
      })
    })

    it('hold in partitions that have a first key in common, also where nothing but rows is concerned', async () => {
      for (let nth = 0; nth < 5; nth++) {
        const id = await ledger(() => {})
        const take = async (store: Store, row: number, other: number): Promise<unknown> => {
          const { seats } = await store.run(() => Ledger.getByID(id))
          const key = (at: number) => ({ hall: 'a', row: at, seat: 1 })
          const body = async (): Promise<void> => {
            const isFree = (await seats.getMany([key(row), key(other)])).every((seat) => !seat)
            if (isFree) seats.set(key(row), { taken: true })
          }
          return store.run(() => transact(body, { check: true }))
        }
        await Promise.all([take(stores[0], 1, 2), take(stores[1], 2, 1)])
        assert.equal(await stores[0].run(async () => (await Ledger.getByID(id)).seats.count()), 1)
      }
    })
  })
