import assert from 'node:assert/strict'
import { transact } from '../../runtime/index.js'
import { AliasTakenError, InsituError, NotFoundError, ValidationError } from '../../src/errors.js'
import { ALIAS_BYTES_MAX } from '../../src/limits.js'
import { type Case, law } from './case.js'
import { refused, thrown } from './expect.js'
import { Counts, Item } from './model.js'

const item = (text: string): Item => Object.assign(new Item(), { text })

/** Names of objects. */
export const aliases: readonly Case[] = [
  law('C5', 'a second object under a taken alias is refused, the first is intact and the second stays volatile', async (ctx) => {
    const alias = ctx.alias('taken')
    const first = await item('first').makePersistent(alias)
    const second = item('second')
    const error = await refused(AliasTakenError, () => second.makePersistent(alias))
    assert.equal(error.code, 'ERR_ALIAS_TAKEN')
    assert.equal(second.getID(), null)
    await ctx.other(async () => {
      await refused(AliasTakenError, () => item('third').makePersistent(alias))
      const found = await Item.getByAlias(alias)
      assert.deepEqual([found.getID(), found.text], [first.getID(), 'first'])
    })
    await second.makePersistent(ctx.alias('free'))
    assert.equal(second.text, 'second')
  }),

  law('C6', 'an object persisted again keeps its id and gains the further alias', async (ctx) => {
    const [a, b] = [ctx.alias('a'), ctx.alias('b')]
    const o = await item('x').makePersistent(a)
    const id = o.getID()
    await o.makePersistent(a)
    await o.makePersistent(b)
    assert.equal(o.getID(), id)
    assert.deepEqual(await o.aliases(), [a, b].sort())
    await ctx.other(async () => assert.equal((await Item.getByAlias(b)).getID(), id))
  }),

  law('D2', 'lookup by alias gives the same live instance in that program', async (ctx) => {
    const o = await item('x').makePersistent(ctx.alias('live'))
    assert.equal(await Item.getByAlias(ctx.alias('live')), o)
  }),

  law('D9', 'an object that cannot be stored leaves no alias behind', async (ctx) => {
    const alias = ctx.alias('none')
    const bad = Object.assign(item('x'), { callback: () => 1 })
    await refused(ValidationError, () => bad.makePersistent(alias))
    assert.equal(bad.getID(), null)
    await refused(NotFoundError, () => Item.getByAlias(alias))
    await item('free').makePersistent(alias)
  }),

  law('D10', 'an unknown alias is a typed error that names it', async (ctx) => {
    const alias = ctx.alias('unknown')
    const error = await refused(NotFoundError, () => Item.getByAlias(alias))
    assert.equal(error.code, 'ERR_NOT_FOUND')
    assert.ok(error.message.includes(alias), error.message)
  }),

  law('D11', 'a removed alias is gone and the object lives on under its others', async (ctx) => {
    const [a, b] = [ctx.alias('a'), ctx.alias('b')]
    const o = await item('x').makePersistent(a)
    await o.addAlias(b)
    await o.removeAlias(a)
    assert.deepEqual(await o.aliases(), [b])
    await ctx.other(async () => {
      await refused(NotFoundError, () => Item.getByAlias(a))
      assert.equal((await Item.getByAlias(b)).getID(), o.getID())
    })
    await refused(NotFoundError, () => o.removeAlias(a))
  }),

  law('D13', 'an alias cannot be added to a volatile object', async (ctx) => {
    const alias = ctx.alias('volatile')
    const error = await thrown(() => item('x').addAlias(alias))
    assert.ok(error instanceof InsituError || error instanceof TypeError, String(error))
    await refused(NotFoundError, () => Item.getByAlias(alias))
  }),

  law('H7', 'asking for an unknown alias creates nothing', async (ctx) => {
    const alias = ctx.alias('ask')
    await refused(NotFoundError, () => Counts.getByAlias(alias))
    await refused(NotFoundError, () => Item.getByAlias(alias))
    await item('x').makePersistent(alias)
  }),

  law('H10', 'a dictionary persisted under a name in use is refused and the rows there are untouched', async (ctx) => {
    const alias = ctx.alias('rows')
    const first = new Counts()
    first.counts.set({ word: 'a' }, { n: 1 })
    await first.makePersistent(alias)
    const second = new Counts()
    second.counts.set({ word: 'a' }, { n: 2 })
    await refused(AliasTakenError, () => second.makePersistent(alias))
    await ctx.other(async () => assert.deepEqual(await (await Counts.getByAlias(alias)).counts.get({ word: 'a' }), { n: 1n }))
  }),

  law('H17', 'of eight programs that claim one name at once one wins, and all can write to what it made', async (ctx) => {
    const alias = ctx.alias('race')
    const stores = await Promise.all(Array.from({ length: 8 }, () => ctx.program()))
    const results = await Promise.allSettled(stores.map((s, i) => s.run(() => item(`${i}`).makePersistent(alias))))
    const winners = results.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []))
    assert.equal(winners.length, 1)
    for (const r of results) if (r.status === 'rejected') assert.ok(r.reason instanceof AliasTakenError, String(r.reason))
    const opened = await Promise.all(stores.map((s) => s.run(() => new Counts().makePersistent(ctx.alias('shared'), { ifExists: 'open' }))))
    assert.equal(new Set(opened.map((o) => o.getID())).size, 1)
    for (const [i, o] of opened.entries()) {
      await stores[i]!.run(async () => {
        o.counts.set({ word: `w${i}` }, { n: i })
        await o.save()
      })
    }
    assert.equal(await ctx.other(async () => (await Counts.getByAlias(ctx.alias('shared'))).counts.count()), 8)
  }),

  law('I20', 'with ifExists open the new object takes over the stored one: id, contents and rows', async (ctx) => {
    const alias = ctx.alias('open')
    const stored = Object.assign(new Counts(), { title: 'stored' })
    stored.counts.set({ word: 'a' }, { n: 1 })
    await stored.makePersistent(alias, { ifExists: 'open' })
    await ctx.other(async () => {
      const mine = await Object.assign(new Counts(), { title: 'mine' }).makePersistent(alias, { ifExists: 'open' })
      assert.equal(mine.getID(), stored.getID())
      assert.equal(mine.title, 'stored')
      assert.deepEqual(await mine.counts.get({ word: 'a' }), { n: 1n })
    })
  }),

  law('I21', 'with ifExists replace the alias moves, and who holds the old object keeps it', async (ctx) => {
    const alias = ctx.alias('replace')
    const old = await item('old').makePersistent(alias)
    const fresh = await ctx.other(() => item('new').makePersistent(alias, { ifExists: 'replace' }))
    assert.notEqual(fresh.getID(), old.getID())
    await ctx.other(async () => assert.equal((await Item.getByAlias(alias)).text, 'new'))
    await old.reload()
    assert.equal(old.text, 'old')
    assert.deepEqual(await old.aliases(), [])
  }),

  law('I22', 'two programs that replace one alias at once leave it at one complete object', async (ctx) => {
    const alias = ctx.alias('replace-race')
    const stores = await Promise.all([ctx.program(), ctx.program(), ctx.program()])
    const make = (text: string): Counts => {
      const o = Object.assign(new Counts(), { title: text })
      for (let i = 0; i < 20; i++) o.counts.set({ word: `${i}` }, { n: Number(text) })
      return o
    }
    await Promise.all(stores.map((s, i) => s.run(() => make(`${i}`).makePersistent(alias, { ifExists: 'replace' }))))
    await ctx.other(async () => {
      const winner = await Counts.getByAlias(alias)
      let rows = 0
      for await (const [, { n }] of winner.counts) {
        rows++
        assert.equal(n, BigInt(winner.title))
      }
      assert.equal(rows, 20)
    })
  }),

  law('I23', 'an alias may be any text up to the limit, and a longer one is refused', async (ctx) => {
    const names = ['__proto__', 'constructor', 'ünïcødé 東京 🦊', 'a/b:c{d}*?[e]\u0000'].map((n) => ctx.alias(n))
    const longest = ctx.alias('').padEnd(ALIAS_BYTES_MAX, 'x')
    for (const alias of [...names, longest]) {
      const o = await item(alias).makePersistent(alias)
      assert.equal((await ctx.other(() => Item.getByAlias(alias))).getID(), o.getID())
      assert.deepEqual(await o.aliases(), [alias])
    }
    const o = item('long')
    await refused(ValidationError, () => o.makePersistent(`${longest}x`))
    await refused(ValidationError, () => o.makePersistent(ctx.alias('é'.repeat(ALIAS_BYTES_MAX / 2))))
    assert.equal(o.getID(), null)
  }),

  law('I24', 'deleting an object frees all its names', async (ctx) => {
    const names = [ctx.alias('1'), ctx.alias('2')]
    const o = await item('x').makePersistent(names[0])
    await o.addAlias(names[1]!)
    await o.deletePersistent()
    // They are gone from the store, not only left without an object.
    assert.deepEqual(await ctx.store.find(names.map((alias) => ({ alias }))), [undefined, undefined])
    for (const alias of names) {
      await refused(NotFoundError, () => Item.getByAlias(alias))
      await item('again').makePersistent(alias)
    }
  }),

  law('I25', 'adding or removing an alias that belongs to another object is refused', async (ctx) => {
    const [a, b] = [await item('a').makePersistent(ctx.alias('a')), await item('b').makePersistent(ctx.alias('b'))]
    await refused(AliasTakenError, () => a.addAlias(ctx.alias('b')))
    for (const alias of [ctx.alias('b'), ctx.alias('nobody')]) await refused(NotFoundError, () => a.removeAlias(alias))
    assert.deepEqual(await a.aliases(), [ctx.alias('a')])
    assert.deepEqual(await b.aliases(), [ctx.alias('b')])
  }),

  law(
    'I431',
    'of calls in one transaction that ask for a name at the same time one gets it, and the others are told whose it is',
    async (ctx) => {
      const [a, b] = [item('a'), item('b')]
      const [c, d] = [await item('c').makePersistent(ctx.alias('c')), await item('d').makePersistent(ctx.alias('d'))]
      await transact(async () => {
        const made = await Promise.allSettled([a.makePersistent(ctx.alias('new')), b.makePersistent(ctx.alias('new'))])
        assert.deepEqual(made.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
        const inside = [await Item.getByAlias(ctx.alias('c')), await Item.getByAlias(ctx.alias('d'))]
        const { by } = await refused(AliasTakenError, () => Promise.all(inside.map((o) => o.addAlias(ctx.alias('further')))))
        assert.ok([c, d].some((o) => o.getID() === by))
      })
      assert.equal([a, b].filter((o) => o.getID()).length, 1)
      assert.deepEqual(await (a.getID() ? a : b).aliases(), [ctx.alias('new')])
      const further = await Promise.all([c, d].map(async (o) => (await o.aliases()).includes(ctx.alias('further'))))
      assert.deepEqual(further.sort(), [false, true])
    },
  ),

  law('I506', 'a stored object that is refused a further name is stored no further: its changes stay unsaved', async (ctx) => {
    await item('first').makePersistent(ctx.alias('taken'))
    const second = await item('second').makePersistent()
    second.text = 'changed'
    for (const options of [{}, { ifExists: 'open' }] as const)
      await refused(AliasTakenError, () => second.makePersistent(ctx.alias('taken'), options))
    const stored = (): Promise<string> => ctx.other(async () => (await Item.getByID(second.getID()!)).text)
    assert.deepEqual([second.text, await stored()], ['changed', 'second'])
    await second.makePersistent(ctx.alias('free'))
    assert.equal(await stored(), 'changed')
  }),
]
