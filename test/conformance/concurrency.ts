import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { getByID, transact, update } from '../../runtime/index.js'
import type { Stamp } from '../../src/backend.js'
import { ConflictError, type InsituError, NotFoundError, UnknownOutcomeError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused } from './expect.js'
import { expectFault, FaultyBackend, RepeatingBackend } from './faulty-backend.js'
import { Anything, Counter, Item, Totals } from './model.js'

const numberOf = (ctx: CaseContext, o: Counter): Promise<number> => ctx.other(async () => (await Counter.getByID(o.getID()!)).n)

/** Many programs on the same objects. */
export const concurrency: readonly Case[] = [
  law('D51', 'a hundred concurrent increments from four programs end at a hundred', async (ctx) => {
    const o = await new Counter().makePersistent()
    const stores = await Promise.all([1, 2, 3, 4].map(() => ctx.program()))
    await Promise.all(
      stores.map((store) =>
        store.run(async () => {
          const mine = await Counter.getByID(o.getID()!)
          await Promise.all(
            Array.from({ length: 25 }, () =>
              update(mine, (c) => {
                c.n += 1
              }),
            ),
          )
        }),
      ),
    )
    assert.equal(await numberOf(ctx, o), 100)
  }),

  law('I50', 'a stale save conflicts, is retryable, carries both stamps and leaves store and memory alone', async (ctx) => {
    const o = await Object.assign(new Item(), { text: 'base' }).makePersistent()
    await ctx.other(async () =>
      update(await Item.getByID(o.getID()!), (i) => {
        i.text = 'theirs'
      }),
    )
    o.text = 'mine'
    const error = (await refused(ConflictError, () => o.save())) as InsituError & { expected?: Stamp; found?: Stamp }
    assert.equal(error.code, 'ERR_CONFLICT')
    assert.equal(error.retryable, true)
    assert.equal(error.expected?.revision, 1)
    assert.equal(error.found?.revision, 2)
    assert.notEqual(error.expected?.commit, error.found?.commit)
    assert.equal(o.text, 'mine')
    assert.equal((await ctx.other(() => Item.getByID(o.getID()!))).text, 'theirs')
    await o.reload({ discard: true })
    o.text = 'second try'
    await o.save()
    assert.equal((await ctx.other(() => Item.getByID(o.getID()!))).text, 'second try')
    // Of a class that does not merge its fields another field counts as well.
    const two = await Object.assign(new Anything(), { value: 1, second: 1 }).makePersistent()
    await ctx.other(async () => Object.assign(await Anything.getByID(two.getID()!), { second: 2 }).save())
    two.value = 2
    await refused(ConflictError, () => two.save())
    assert.equal((await ctx.other(() => Anything.getByID(two.getID()!))).value, 1)
  }),

  law(
    'I151',
    'with check a transaction that only reads sees one moment, and one that fails on what never was together runs again',
    async (ctx) => {
      const [a, b] = [await new Counter().makePersistent(), await new Counter().makePersistent()]
      const theirs = await ctx.program()
      const move = (by: number): Promise<unknown> =>
        theirs.run(() =>
          transact(async () => {
            const [from, to] = [await Counter.getByID(a.getID()!), await Counter.getByID(b.getID()!)]
            from.n -= by
            to.n += by
          }),
        )
      let runs = 0
      const sum = async (mayFail: boolean): Promise<number> => {
        const first = (await Counter.getByID(a.getID()!)).n
        if (runs++ === 0) await move(5)
        const both = first + (await Counter.getByID(b.getID()!)).n
        if (mayFail && both !== 0) throw new Error(`the sum is ${both}`)
        return both
      }
      assert.deepEqual([await transact(() => sum(false), { check: true }), runs], [0, 2])
      runs = 0
      assert.deepEqual([await transact(() => sum(true), { check: true }), runs], [0, 2])
      runs = 0
      assert.equal(await transact(() => sum(false)), 5, 'without check two reads are no snapshot')
      // What fails on objects as they are fails at once.
      runs = 1
      await assert.rejects(
        transact(
          async () => {
            await sum(true)
            throw new Error('for good')
          },
          { check: true },
        ),
        /for good/,
      )
      assert.equal(runs, 2)
      runs = 0
      await refused(ConflictError, () => transact(() => sum(true), { check: true, retries: 0 }))
    },
  ),

  law('I51', 'ten concurrent updates of one instance end at ten', async (ctx) => {
    const o = await new Counter().makePersistent()
    await Promise.all(
      Array.from({ length: 10 }, () =>
        update(o, (c) => {
          c.n += 1
        }),
      ),
    )
    assert.equal(o.n, 10)
    assert.equal(await numberOf(ctx, o), 10)
  }),

  law('I52', 'ten updates from each of three programs end at thirty, also when the body waits', async (ctx) => {
    const o = await new Counter().makePersistent()
    const stores = await Promise.all([1, 2, 3].map(() => ctx.program()))
    await Promise.all(
      stores.map((store) =>
        store.run(async () => {
          const mine = await Counter.getByID(o.getID()!)
          for (let i = 0; i < 10; i++) {
            await update(mine, async (c) => {
              const { n } = c
              await delay(0)
              c.n = n + 1
            })
          }
        }),
      ),
    )
    assert.equal(await numberOf(ctx, o), 30)
  }),

  law('I53', 'transfers between accounts by several programs at once keep the sum', async (ctx) => {
    const accounts = await Promise.all(Array.from({ length: 4 }, () => Object.assign(new Counter(), { n: 100 }).makePersistent()))
    const ids = accounts.map((a) => a.getID()!)
    const stores = await Promise.all([1, 2, 3].map(() => ctx.program()))
    const transfer = (from: number, to: number): Promise<void> =>
      transact(async () => {
        const [a, b] = (await getByID(ids[from]!, ids[to]!)) as Counter[]
        a!.n -= 7
        b!.n += 7
      })
    await Promise.all(
      stores.map((store, s) =>
        store.run(async () => {
          for (let i = 0; i < 6; i++) await transfer((s + i) % 4, (s + i + 1 + (i % 3)) % 4)
        }),
      ),
    )
    const sum = await ctx.other(async () => ((await getByID(...ids)) as Counter[]).reduce((n, a) => n + a.n, 0))
    assert.equal(sum, 400)
  }),

  law('I54', 'groups that are sent again by their commit id are applied once', async (ctx) => {
    const store = await ctx.wrapped((backend) => new RepeatingBackend(backend))
    const id = await store.run(async () => {
      const totals = new Totals()
      await totals.makePersistent()
      for (let i = 0; i < 5; i++) {
        totals.rows.add({ name: 'x' }, 'hits', 1)
        await totals.save()
      }
      return totals.getID()!
    })
    const row = await ctx.other(async () => (await Totals.getByID(id)).rows.get({ name: 'x' }))
    assert.equal(row?.hits, 5n)
  }),

  law('I55', 'when the outcome of a save is unknown, it is sent again or saved again and counts once', async (ctx) => {
    const faulty: { backend?: FaultyBackend } = {}
    const store = await ctx.wrapped((backend) => (faulty.backend = new FaultyBackend(backend)))
    const id = await store.run(async () => {
      const totals = await new Totals().makePersistent()
      totals.rows.add({ name: 'x' }, 'hits', 1)
      faulty.backend!.failCommits({ times: 1, after: true, error: () => new UnknownOutcomeError('cut', { retryable: true }) })
      await totals.save().catch(expectFault(UnknownOutcomeError, () => totals.save()))
      return totals.getID()!
    })
    const row = await ctx.other(async () => (await Totals.getByID(id)).rows.get({ name: 'x' }))
    assert.equal(row?.hits, 1n)
  }),

  law('I56', 'saving an object that was deleted underneath is refused and brings nothing back', async (ctx) => {
    const o = await new Item().makePersistent()
    await ctx.other(async () => (await Item.getByID(o.getID()!)).deletePersistent())
    const id = o.getID()!
    o.text = 'too late'
    await assert.rejects(o.save(), (e) => e instanceof ConflictError || e instanceof NotFoundError)
    await ctx.other(() => refused(NotFoundError, () => Item.getByID(id)))
  }),

  law('I57', 'saves of different objects by many programs at once are all kept', async (ctx) => {
    const stores = await Promise.all([1, 2, 3, 4].map(() => ctx.program()))
    const ids = await Promise.all(
      stores.flatMap((store, s) =>
        Array.from({ length: 10 }, (_, i) =>
          store.run(async () => {
            const o = await Object.assign(new Item(), { text: `${s}/${i}` }).makePersistent()
            o.n = i
            await o.save()
            return o.getID()!
          }),
        ),
      ),
    )
    const found = (await ctx.other(() => getByID(...ids))) as Item[]
    assert.deepEqual(
      found.map((o) => [o.text, o.n]),
      [0, 1, 2, 3].flatMap((s) => Array.from({ length: 10 }, (_, i) => [`${s}/${i}`, i])),
    )
  }),

  law('I58', 'a transaction with check sees that what it only read was changed', async (ctx) => {
    const [a, b] = [await new Counter().makePersistent(), await new Counter().makePersistent()]
    let runs = 0
    await transact(
      async () => {
        runs++
        const [x, y] = (await getByID(a.getID()!, b.getID()!)) as Counter[]
        y!.n = x!.n + 1
        if (runs === 1)
          await ctx.other(async () =>
            update(await Counter.getByID(a.getID()!), (c) => {
              c.n = 10
            }),
          )
      },
      { check: true },
    )
    assert.equal(await numberOf(ctx, b), 11)
    assert.ok(runs >= 2)
  }),

  law('I59', 'a transaction that meets a conflict runs again on fresh contents', async (ctx) => {
    const a = await new Counter().makePersistent()
    let runs = 0
    await transact(async () => {
      runs++
      const x = await Counter.getByID(a.getID()!)
      if (runs === 1)
        await ctx.other(async () =>
          update(await Counter.getByID(a.getID()!), (c) => {
            c.n = 10
          }),
        )
      x.n += 1
    })
    assert.equal(runs, 2)
    assert.equal(await numberOf(ctx, a), 11)
  }),
]
