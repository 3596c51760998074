import assert from 'node:assert/strict'
import { transact, update } from '../../runtime/index.js'
import { ConflictError, InsituError, NotFoundError, UnsavedChangesError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused } from './expect.js'
import { Counter, Counts, Item } from './model.js'

const numberOf = (ctx: CaseContext, o: Counter): Promise<number> => ctx.other(async () => (await Counter.getByID(o.getID()!)).n)

const countElsewhere = (ctx: CaseContext, o: Counter): Promise<unknown> =>
  ctx.other(async () => update(await Counter.getByID(o.getID()!), (one) => void one.n++))

/** The object under an alias is looked for; `undefined` if the name is free. */
const found = (alias: string): Promise<Item | undefined> =>
  Item.getByAlias(alias).catch((error: unknown) => {
    if (!(error instanceof NotFoundError)) throw error
    return undefined
  })

/** Bodies of transactions that run again after a conflict, and what is one. */
export const runsAgain: readonly Case[] = [
  law(
    'I530',
    'a body that runs again does nothing twice to an instance of the program, and is refused where nobody can tell',
    async (ctx) => {
      const [mine, theirs] = [await new Counter().makePersistent(), await new Counter().makePersistent()]
      let runs = 0
      /** Somebody else is faster in the first run. */
      const again = async (change: () => Promise<unknown>, isToldInside = false): Promise<void> => {
        runs = 0
        await transact(async () => {
          runs++
          const inside = await Counter.getByID(theirs.getID()!)
          inside.n += 10
          if (runs === 1) await countElsewhere(ctx, theirs)
          const changing = isToldInside ? undefined : change()
          if (isToldInside) mine.n++
          if (isToldInside) await inside.save()
          await (changing ?? mine.save())
        })
      }
      const counted = async (): Promise<void> => {
        mine.n++
        await mine.save()
      }
      await refused(UnsavedChangesError, () => again(counted))
      assert.deepEqual([runs, await numberOf(ctx, mine), await numberOf(ctx, theirs)], [2, 0, 1])
      await mine.reload({ discard: true })
      await refused(UnsavedChangesError, () => again(counted, true))
      assert.deepEqual([runs, await numberOf(ctx, mine), await numberOf(ctx, theirs)], [2, 0, 2])
      await mine.reload({ discard: true })
      await again(() => update(mine, (o) => void o.n++))
      assert.deepEqual([runs, await numberOf(ctx, mine), await numberOf(ctx, theirs)], [2, 1, 13])
      await again(async () => {
        mine.n = 7
        await mine.save()
      })
      assert.deepEqual([runs, await numberOf(ctx, mine), await numberOf(ctx, theirs)], [2, 7, 24])
      mine.n = 8 // before, and so once
      await again(() => mine.save())
      assert.deepEqual([runs, await numberOf(ctx, mine), await numberOf(ctx, theirs)], [2, 8, 35])
    },
  ),

  law('I531', 'a name that a checking transaction found free, and that is given before its end, is a conflict', async (ctx) => {
    const o = await new Item().makePersistent()
    for (const writes of [true, false]) {
      const alias = ctx.alias(`name ${writes}`)
      let runs = 0
      const look = (): Promise<boolean> =>
        transact(
          async () => {
            runs++
            const isFree = (await found(alias)) === undefined
            if (runs === 2) await ctx.other(() => new Item().makePersistent(alias))
            if (writes) (await Item.getByID(o.getID()!)).text = `free: ${isFree}, ${runs}`
            return isFree
          },
          { check: true },
        )
      assert.deepEqual([await look(), runs], [true, 1])
      assert.deepEqual([await look(), runs], [false, 3])
      if (writes) await ctx.other(async () => assert.equal((await Item.getByID(o.getID()!)).text, 'free: false, 3'))
    }
  }),

  law('I542', 'unsaved rows of a dict that is gone are told at the end, and keep no other rows from being stored', async (ctx) => {
    const [gone, stays] = [await new Counts().makePersistent(), await new Counts().makePersistent()]
    const store = await ctx.program()
    await store.run(async () => {
      const [one, other] = [await Counts.getByID(gone.getID()!), await Counts.getByID(stays.getID()!)]
      one.counts.set({ word: 'lost' }, { n: 1 })
      other.counts.set({ word: 'kept' }, { n: 2 })
    })
    await gone.deletePersistent()
    await refused(InsituError, () => store.close())
    assert.deepEqual(await stays.counts.get({ word: 'kept' }), { n: 2n })
  }),

  law('I541', 'a save of fields and rows of what somebody has deleted is a conflict, on every store', async (ctx) => {
    const o = new Counts()
    o.counts.set({ word: 'a' }, { n: 1 })
    await o.makePersistent()
    await ctx.other(async () => (await Counts.getByID(o.getID()!)).deletePersistent())
    o.title = 'unsaved'
    o.counts.set({ word: 'b' }, { n: 2 })
    const error = await refused(ConflictError, () => o.save())
    assert.deepEqual([(error.ref as { id: string }).id, error.found], [o.getID(), null])
    assert.equal(o.title, 'unsaved')
    await o.deletePersistent()
  }),
]
