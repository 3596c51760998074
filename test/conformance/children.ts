import assert from 'node:assert/strict'
import { barrier, transact } from '../../runtime/index.js'
import { NotFoundError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import * as tasks from './children-tasks.js'
import { refused, thrown } from './expect.js'
import { Counter, Counts, Item } from './model.js'

const counter = (n: number): Promise<Counter> => Object.assign(new Counter(), { n }).makePersistent()
const stored = (ctx: CaseContext, o: Counter): Promise<number> => ctx.other(async () => (await Counter.getByID(o.getID()!)).n)

async function goesOnWithout(ctx: CaseContext, policy: 'FAIL' | 'IGNORE', told: string): Promise<void> {
  const [o, rows, other, alias] = [
    await new Item().makePersistent(),
    await new Counts().makePersistent(),
    await counter(3),
    ctx.alias('never'),
  ]
  rows.counts.set({ word: 'gone' }, { n: 1 })
  await rows.counts.save()
  assert.deepEqual(await tasks.goOnWithout(o, rows, alias, other, policy), [told, 'before', [1, 2], 3])
  await ctx.other(async () => {
    const item = await Item.getByID(o.getID()!)
    assert.deepEqual([item.text, item.list], ['before', [1, 2]])
    const { counts } = await Counts.getByID(rows.getID()!)
    const words = await Promise.all(['old', 'new', 'gone', 'later'].map(async (word) => (await counts.get({ word }))?.n))
    assert.deepEqual(words, [5n, undefined, 1n, 7n])
    assert.equal((await Counter.getByID(other.getID()!)).n, 3)
    await refused(NotFoundError, () => Item.getByAlias(alias))
  })
}

/** Tasks that call tasks, and transactions that do. */
export const childCases: readonly Case[] = [
  law('I320', 'what a child has changed in its parent’s place before it failed is not stored, and the parent may go on', async (ctx) => {
    await goesOnWithout(ctx, 'FAIL', 'spoilt')
    await goesOnWithout(ctx, 'IGNORE', 'undefined')
  }),

  law('I321', 'a child in its parent’s place runs again, as its policy says, from what was there before', async (ctx) => {
    const o = await counter(1)
    assert.deepEqual(await tasks.addAtLastInside(o), [12, 12, [3]])
    assert.equal(await stored(ctx, o), 12)
  }),

  law('I322', 'a task ends once the children that it has not awaited have ended, and fails if one of them did', async (ctx) => {
    const [mine, other] = [await counter(1), await counter(1)]
    assert.equal(await tasks.callAndReturn(mine, other), 'returned')
    assert.deepEqual([await stored(ctx, mine), await stored(ctx, other)], [3, 6])
    const error = await thrown(() => tasks.failUnawaited(mine))
    assert.ok(error instanceof AggregateError, String(error))
    assert.deepEqual(
      error.errors.map((e: Error) => e.message),
      ['unawaited'],
    )
    assert.equal(await stored(ctx, mine), 3)
    await barrier()
  }),

  law('I323', 'barrier, waitOn and group in a task wait for its children, and tell failures once', async () => {
    for (const how of ['barrier', 'waitOn', 'group'] as const) assert.equal(await tasks.waitInside(await counter(1), how), 3, how)
    assert.deepEqual(await tasks.failInside(), [
      ['one', 'two'],
      ['ERR_TASK_FAILED', 'three'],
    ])
    await barrier()
  }),

  law('I559', 'a volatile value that a child writes is what that makes of it for children behind, and for waitOn', async () => {
    assert.deepEqual(await tasks.writeAndHandOn(), [0, 2, 2, 2])
  }),

  law('I324', 'what task calls in a transaction write is stored with it, awaited or not; of one that failed nothing', async (ctx) => {
    const o = await counter(1)
    const seen = await transact(async () => {
      tasks.add(o, 1)
      tasks.slowly(o, 10)
      return tasks.add(o, 100)
    })
    assert.deepEqual([seen, o.n, await stored(ctx, o)], [112, 112, 112])
    const failed = await thrown(() =>
      transact(async () => {
        await tasks.add(o, 1)
        tasks.fail('unawaited')
      }),
    )
    assert.ok(failed instanceof AggregateError, String(failed))
    assert.equal(await stored(ctx, o), 112)
    await o.reload({ discard: true })
    const list: number[] = []
    assert.equal(await transact(() => tasks.addAtLast(o, list)), 113)
    assert.deepEqual([list, await stored(ctx, o)], [[3], 113])
  }),
]
