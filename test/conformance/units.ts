import assert from 'node:assert/strict'
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { getByID, transact, watch } from '../../runtime/index.js'
import { GroupTooLargeError, NotFoundError, ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { all, refused } from './expect.js'
import { Anything, Item, Totals } from './model.js'

const item = (text: string): Item => Object.assign(new Item(), { text })
const textOf = (ctx: CaseContext, id: string): Promise<string> => ctx.other(async () => (await Item.getByID(id as never)).text)

/** What units of work leave behind: at once, after failures, with collections. And watching what others leave. */
export const units: readonly Case[] = [
  law('I115', 'who watches an object sees what others store, the last change always, and its end', async (ctx) => {
    const o = await item('0').makePersistent()
    const seen: string[] = []
    const watching = (async () => {
      for await (const { text } of watch(o)) seen.push(text)
    })()
    await ctx.other(async () => {
      const theirs = await Item.getByID(o.getID()!)
      for (let i = 1; i <= 5; i++) {
        theirs.text = String(i)
        await theirs.save()
      }
    })
    for (let waits = 0; seen.at(-1) !== '5' && waits < 3000; waits++) await delay(10)
    await ctx.other(async () => (await Item.getByID(o.getID()!)).deletePersistent())
    await watching
    assert.equal(seen.at(-1), '5')
    assert.deepEqual(seen, [...new Set(seen)].sort())
    const stop = new AbortController()
    const other = await item('x').makePersistent()
    setTimeout(() => stop.abort(), 20)
    for await (const _ of watch(other, { signal: stop.signal })) assert.fail('nobody changed it')
    await refused(ValidationError, async () => {
      for await (const _ of watch(new Item()));
    })
  }),

  law(
    'I114',
    'a unit of work that is too large is refused as a whole, and smaller ones go through',
    async (ctx) => {
      const { groupBytesMax } = ctx.store.backend.capabilities
      const each = 32 * 1024 * 1024
      const value = new Uint8Array(each)
      const made = Array.from({ length: Math.ceil(groupBytesMax / each) + 1 }, () => Object.assign(new Anything(), { value }))
      const first = made[0]!
      first.second = made.slice(1)
      const error = await refused(GroupTooLargeError, () => first.makePersistent(ctx.alias('huge')))
      assert.match(error.message, /bulk\(\)/)
      await ctx.other(() => refused(NotFoundError, () => Anything.getByAlias(ctx.alias('huge'))))
      first.second = null
      await first.makePersistent(ctx.alias('huge'))
      await first.deletePersistent()
    },
    (backend) =>
      backend.capabilities.groupBytesMax > 512 * 1024 * 1024 ? 'groups of this backend are as large as this machine’s memory' : undefined,
  ),

  law('I116', 'saves and persists of one object at once do not disturb each other', async (ctx) => {
    const o = item('first')
    await Promise.all([o.makePersistent(ctx.alias('x')), o.makePersistent(ctx.alias('y')), o.makePersistent()])
    o.text = 'second'
    await Promise.all([o.save(), o.save(), o.save()])
    assert.equal(await textOf(ctx, o.getID()!), 'second')
    assert.deepEqual(await o.aliases(), [ctx.alias('x'), ctx.alias('y')].sort())
  }),

  law('I117', 'unsaved rows are dropped with unsaved fields when an object is reloaded with discard', async (ctx) => {
    const o = await new Totals().makePersistent()
    o.rows.set({ name: 'kept' }, {})
    await o.save()
    o.rows.set({ name: 'dropped' }, {})
    o.rows.delete({ name: 'kept' })
    await o.reload({ discard: true })
    assert.deepEqual(await all(o.rows.keys()), [{ name: 'kept' }])
    await o.save()
    await ctx.other(async () => assert.equal(await (await Totals.getByID(o.getID()!)).rows.count(), 1))
  }),

  law('I118', 'deleting deep takes along objects that own collections', async (ctx) => {
    const holder = new Anything()
    const inner = new Totals()
    inner.rows.set({ name: 'x' }, {})
    holder.value = inner
    await holder.makePersistent()
    const id = inner.getID()!
    await holder.deletePersistent({ deep: true })
    await ctx.other(() => refused(NotFoundError, () => getByID(id)))
  }),

  law('I119', 'collections of objects made in a transaction are read inside, and are whole after it, also after it failed', async (ctx) => {
    const made = new Totals()
    const names = async (o: Totals): Promise<string[]> => (await all(o.rows.keys())).map(({ name }) => name)
    const body = async (fail: boolean): Promise<void> => {
      await made.makePersistent()
      made.rows.set({ name: 'inside' }, {})
      assert.deepEqual(await names(made), ['inside'])
      assert.equal(await made.rows.count(), 1)
      if (fail) throw new Error('on purpose')
    }
    await assert.rejects(transact(() => body(true)))
    assert.equal(made.getID(), null)
    assert.deepEqual(await names(made), ['inside'])
    await transact(() => body(false))
    assert.deepEqual(await names(made), ['inside'])
    await ctx.other(async () => assert.deepEqual(await names(await Totals.getByID(made.getID()!)), ['inside']))
  }),

  law('I126', 'an object that a transaction deletes takes its collections along', async (ctx) => {
    const o = await new Totals().makePersistent()
    o.rows.set({ name: 'x' }, {})
    await o.save()
    const id = o.getID()!
    const table = (await o.rows.split(1))[0]!
    await transact(async () => (await Totals.getByID(id)).deletePersistent())
    await ctx.other(() => refused(NotFoundError, () => getByID(id)))
    await refused(NotFoundError, () => all(table.keys()))
  }),

  law('I430', 'what a transaction has begun and does not wait for is done whole, or is refused and leaves nothing', async (ctx) => {
    for (let turns = 0; turns < 4; turns++) {
      const [o, gone] = [await item('o').makePersistent(), await item('gone').makePersistent(ctx.alias(`gone${turns}`))]
      await gone.addAlias(ctx.alias(`alsoGone${turns}`))
      let begun: readonly Promise<unknown>[] = []
      await transact(async () => {
        const [inside, going] = [await Item.getByID(o.getID()!), await Item.getByID(gone.getID()!)]
        begun = [inside.addAlias(ctx.alias(`more${turns}`)), new Item().makePersistent(ctx.alias(`made${turns}`)), going.deletePersistent()]
        for (const one of begun) one.catch(() => {})
        for (let i = 0; i < turns; i++) await nextTurn()
      })
      const [named, made, deleted] = await Promise.allSettled(begun)
      for (const one of [named, made, deleted]) if (one?.status === 'rejected') assert.equal(one.reason.code, 'ERR_UNIT_ENDED')
      assert.equal(named?.status === 'fulfilled', await isThere(ctx, `more${turns}`))
      assert.equal(made?.status === 'fulfilled', await isThere(ctx, `made${turns}`))
      for (const name of ['gone', 'alsoGone']) assert.equal(deleted?.status === 'rejected', await isThere(ctx, `${name}${turns}`))
    }
  }),
]

const isThere = (ctx: CaseContext, name: string): Promise<boolean> =>
  ctx.other(() =>
    Item.getByAlias(ctx.alias(name)).then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof NotFoundError)
        return false
      },
    ),
  )
