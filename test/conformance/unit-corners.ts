import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { getLocations, transact, update } from '../../runtime/index.js'
import { ConflictError, NotFoundError, UnsavedChangesError, UnsupportedError, ValidationError, WrongClassError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused, thrown } from './expect.js'
import { Anything, Counter, Family, Item, Profile, SealedProfile, Totals } from './model.js'

const numberOf = (ctx: CaseContext, o: Counter): Promise<number> => ctx.other(async () => (await Counter.getByID(o.getID()!)).n)
const storedProfile = (ctx: CaseContext, o: Profile): Promise<Profile> => ctx.other(() => Profile.getByID(o.getID()!))

/** Another program changes a profile. */
const elsewhere = (ctx: CaseContext, o: Profile, change: (o: Profile) => void): Promise<unknown> =>
  ctx.other(async () => update(await Profile.getByID(o.getID()!), change))

const elsewhereCounts = (ctx: CaseContext, o: Counter): Promise<unknown> =>
  ctx.other(async () =>
    update(await Counter.getByID(o.getID()!), (one) => {
      one.n += 1
    }),
  )

/** Units of work inside each other, beside each other, and after their end. */
export const unitCorners: readonly Case[] = [
  law(
    'I180',
    'a transaction counts once also where the program has unsaved changes of the same object, whose save then conflicts',
    async (ctx) => {
      const o = await new Counter().makePersistent(ctx.alias('o'))
      const clean = await new Counter().makePersistent(ctx.alias('clean'))
      o.n = -1
      let runs = 0
      const given = await transact(async () => {
        runs++
        for (const name of ['o', 'clean']) (await Counter.getByAlias(ctx.alias(name))).n += 7
        return 'done'
      })
      assert.deepEqual([given, runs, await numberOf(ctx, o), clean.n], ['done', 1, 7, 7])
      assert.equal(o.n, -1)
      await refused(ConflictError, () => o.save())
      await o.reload({ discard: true })
      assert.equal(o.n, 7)
    },
  ),

  law('I181', 'an update inside an update of the same object is part of it, and one of another object takes its turn', async (ctx) => {
    const [a, b] = await Promise.all([new Counter().makePersistent(), new Counter().makePersistent()])
    await update(a, async (one) => {
      one.n++
      await update(a, (same) => {
        same.n++
      })
      await Promise.all([1, 2, 3].map(() => update(b, (other) => delay(1).then(() => void other.n++))))
    })
    assert.deepEqual([await numberOf(ctx, a), await numberOf(ctx, b)], [2, 3])
    let later: Promise<unknown> = Promise.resolve()
    await update(a, () => {
      later = delay(30).then(() => update(a, (one) => void one.n++)) // in its body, and not part of it
    })
    await later
    assert.equal(await numberOf(ctx, a), 3)
    const failure = new Error('of the body')
    const failed = update(a, async (one) => {
      one.n = 100
      await update(b, (other) => {
        other.n = 100
        throw failure
      })
    })
    assert.equal(await thrown(() => failed), failure)
    assert.deepEqual([await numberOf(ctx, a), await numberOf(ctx, b)], [3, 3])
  }),

  law('I182', 'updates that each want inside what the other holds all end, and each counts once', async (ctx) => {
    const ring = await Promise.all([1, 2, 3].map(() => new Counter().makePersistent()))
    const both = (first: Counter, second: Counter): Promise<unknown> =>
      update(first, async (one) => {
        one.n++
        await delay(2)
        await update(second, (other) => {
          other.n += 10
        })
      })
    await Promise.all(ring.map((o, i) => both(o, ring[(i + 1) % ring.length]!)))
    // The inner one is a save of its own: who gave way before it has not done it, who did it does not give way any more.
    assert.deepEqual(await Promise.all(ring.map((o) => numberOf(ctx, o))), [11, 11, 11])
  }),

  law('I183', 'a transaction inside an update of the same object is refused, before it has done anything', async (ctx) => {
    const o = await new Counter().makePersistent(ctx.alias('o'))
    await refused(UnsavedChangesError, () =>
      update(o, async (one) => {
        one.n++
        await transact(async () => {
          ;(await Counter.getByAlias(ctx.alias('o'))).n += 10
        })
      }),
    )
    assert.deepEqual([o.n, await numberOf(ctx, o)], [0, 0])
  }),

  law('I184', 'what comes after the end of a transaction is refused, and instances of one that failed can be saved', async (ctx) => {
    const o = await new Counter().makePersistent(ctx.alias('o'))
    const totals = await new Totals().makePersistent(ctx.alias('totals'))
    let late: Promise<unknown>[] = []
    let leaked = o
    let itHasEnded = (): void => {}
    const after = new Promise<void>((resolve) => {
      itHasEnded = resolve
    })
    await transact(async () => {
      const inside = await Counter.getByAlias(ctx.alias('o'))
      const rows = (await Totals.getByAlias(ctx.alias('totals'))).rows
      inside.n = 1
      late = [
        after.then(() => refused(UnsupportedError, () => inside.save())),
        after.then(() => refused(UnsupportedError, () => new Item().makePersistent())),
        after.then(() => refused(UnsupportedError, () => new Item().makePersistent(ctx.alias('late')))),
        after.then(() => refused(UnsupportedError, () => inside.deletePersistent())),
        after.then(() => refused(UnsupportedError, () => rows.set({ name: 'late' }, {}))),
        after.then(() => refused(UnsupportedError, () => transact(() => void inside.n++))),
      ]
    })
    itHasEnded()
    await Promise.all(late)
    await refused(NotFoundError, () => Item.getByAlias(ctx.alias('late')))
    assert.equal(await totals.rows.has({ name: 'late' }), false)
    const failure = new Error('of the body')
    const failed = transact(async () => {
      leaked = await Counter.getByAlias(ctx.alias('o'))
      leaked.n = 5
      throw failure
    })
    assert.equal(await thrown(() => failed), failure)
    assert.equal(await numberOf(ctx, o), 1)
    leaked.n++
    await leaked.save()
    assert.equal(await numberOf(ctx, o), 6)
  }),

  law('I276', 'an instance that a transaction loaded and deleted goes on with its object when the transaction fails', async (ctx) => {
    const o = await new Counter().makePersistent()
    const met = await ctx.other(async () => {
      let inside: Counter | undefined
      const failed = transact(async () => {
        inside = await Counter.getByID(o.getID()!)
        inside.n = 5
        await inside.deletePersistent()
        throw new RangeError('no')
      })
      await thrown(() => failed)
      const { n } = inside!
      await inside!.save()
      assert.equal(await numberOf(ctx, o), n)
      await inside!.reload({ discard: true })
      await update(inside!, (one) => {
        one.n += 1
      })
      await inside!.deletePersistent()
      return inside!
    })
    assert.equal(met.getID(), null)
    await refused(NotFoundError, () => o.reload())
  }),

  law('I277', 'an instance that is left of a first attempt, and saved by the next one, is the one that references lead to', async (ctx) => {
    const o = await new Counter().makePersistent()
    const holder = await Object.assign(new Family(), { members: [o] as unknown[] }).makePersistent(ctx.alias('holder'))
    await ctx.other(async () => {
      let met: Counter | undefined
      await transact(async () => {
        if (!met) {
          met = await Counter.getByID(o.getID()!)
          met.n = 1
          await elsewhereCounts(ctx, o)
        } else {
          await met.reload({ discard: true })
          met.n += 10
          await met.save()
        }
      })
      const { members } = await Family.getByAlias(ctx.alias('holder'))
      assert.equal(members[0], met)
      assert.equal(await Counter.getByID(o.getID()!), met)
      assert.equal(met!.n, 11)
    })
    assert.equal(holder.members[0], o)
    assert.equal(await numberOf(ctx, o), 11)
  }),

  law('I192', 'a transaction that failed, or ran again, leaves nothing in what the program then loads', async (ctx) => {
    await ctx.other(() => new Counter().makePersistent(ctx.alias('o')))
    const failure = new Error('of the body')
    let held: Counter | undefined
    const failed = transact(async () => {
      held = await Counter.getByAlias(ctx.alias('o'))
      held.n = 5
      throw failure
    })
    assert.equal(await thrown(() => failed), failure)
    const o = await Counter.getByAlias(ctx.alias('o'))
    assert.deepEqual([o.n, o === held], [0, false])

    await ctx.other(() => new Counter().makePersistent(ctx.alias('again')))
    const tried: Counter[] = []
    await transact(async () => {
      const inside = await Counter.getByAlias(ctx.alias('again'))
      inside.n += 10
      tried.push(inside)
      if (tried.length > 1) return
      await ctx.other(async () => {
        const there = await Counter.getByAlias(ctx.alias('again'))
        there.n = 1
        await there.save()
      })
    })
    const again = await Counter.getByAlias(ctx.alias('again'))
    assert.deepEqual([tried.length, again.n, again === tried[1]], [2, 11, true])
    again.n++
    await again.save()
    assert.equal(await numberOf(ctx, again), 12)
  }),

  law('I185', 'in a transaction names are as they will be, and opening one takes over what it leads to', async (ctx) => {
    const o = await Object.assign(new Counter(), { n: 3 }).makePersistent(ctx.alias('o'))
    await o.addAlias(ctx.alias('old'))
    await ctx.other(() =>
      transact(async () => {
        const opened = new Counter()
        assert.equal(await opened.makePersistent(ctx.alias('o'), { ifExists: 'open' }), opened)
        assert.deepEqual([opened.getID(), opened.n], [o.getID(), 3])
        await opened.addAlias(ctx.alias('new'))
        await opened.removeAlias(ctx.alias('old'))
        assert.deepEqual(await opened.aliases(), [ctx.alias('new'), ctx.alias('o')])
        assert.equal(await Counter.getByAlias(ctx.alias('new')), opened)
        await refused(NotFoundError, () => Counter.getByAlias(ctx.alias('old')))
        const made = await new Item().makePersistent(ctx.alias('made'))
        assert.equal(await Item.getByAlias(ctx.alias('made')), made)
        assert.equal(await Item.getByID(made.getID()!), made)
        opened.n = 4
        await refused(WrongClassError, () => new Item().makePersistent(ctx.alias('o'), { ifExists: 'open' }))
      }),
    )
    assert.equal(await numberOf(ctx, o), 4)
    assert.deepEqual(await o.aliases(), [ctx.alias('new'), ctx.alias('o')])
    await ctx.other(() =>
      transact(async () => {
        await refused(WrongClassError, () => new Item().makePersistent(ctx.alias('o'), { ifExists: 'open' }))
      }),
    )
  }),

  law('I186', "with merge 'fields' a stale save goes through while others changed other fields, and conflicts over one", async (ctx) => {
    const o: Profile & { extra?: unknown } = new Profile()
    o.extra = 'undeclared'
    await o.makePersistent()
    await elsewhere(ctx, o, (p) => {
      p.seen = 9
    })
    // deleted fields stay deleted, declared ones and others
    delete o.name
    delete o.extra
    await o.save()
    assert.deepEqual([o.seen, Object.keys(o).sort()], [9, ['mail', 'nick', 'seen']])
    assert.deepEqual(Object.keys(await storedProfile(ctx, o)).sort(), ['mail', 'nick', 'seen'])
    await elsewhere(ctx, o, (p) => {
      p.seen = 10
    })
    o.seen = 11
    await refused(ConflictError, () => o.save())
    await o.reload({ discard: true })
    // what others deleted is a change of theirs
    o.extra = 1
    await o.save()
    await elsewhere(ctx, o, (p) => {
      delete (p as { extra?: number }).extra
    })
    o.extra = 2
    await refused(ConflictError, () => o.save())
  }),

  law('I187', "with merge 'fields' values that fields share stay shared, and what a class restores by itself merges too", async (ctx) => {
    const shared = { city: 'a' }
    const o = await Object.assign(new Profile(), { nick: shared, mail: shared }).makePersistent()
    await elsewhere(ctx, o, (p) => {
      p.seen = 1
    })
    shared.city = 'b'
    await o.save()
    assert.ok(o.nick === shared && o.mail === shared)
    const stored = await storedProfile(ctx, o)
    assert.deepEqual([stored.nick, stored.mail, stored.seen], [{ city: 'b' }, { city: 'b' }, 1])
    assert.equal(stored.nick, stored.mail)
    const sealed = await new SealedProfile('a').makePersistent()
    await ctx.other(async () => {
      const theirs = await SealedProfile.getByID(sealed.getID()!)
      theirs.see()
      await theirs.save()
    })
    sealed.become('b')
    await sealed.save()
    assert.deepEqual([sealed.store(), Object.keys(sealed)], [{ name: 'b', seen: 1 }, []])
    assert.deepEqual((await ctx.other(() => SealedProfile.getByID(sealed.getID()!))).store(), { name: 'b', seen: 1 })
  }),

  law(
    'I191',
    'fields that programs add at once are all kept when they merge, and what was not stored is gone after a reload',
    async (ctx) => {
      const o = await new Profile().makePersistent(ctx.alias('o'))
      const saves = Array.from({ length: 4 }, (_, i) =>
        ctx.other(async () => {
          const mine: Profile & Record<string, unknown> = Object.assign(await Profile.getByAlias(ctx.alias('o')))
          for (let round = 0; round < 3; round++) {
            mine[`field${i}`] = round
            await mine.save()
            assert.equal(((await ctx.other(() => storedProfile(ctx, o))) as typeof mine)[`field${i}`], round)
          }
        }),
      )
      await Promise.all(saves)
      const found = Object.assign({}, await storedProfile(ctx, o))
      assert.deepEqual(found, { ...new Profile(), field0: 2, field1: 2, field2: 2, field3: 2 })
      const again: Item & { extra?: number } = await new Item().makePersistent()
      again.extra = 1
      await again.reload({ discard: true })
      assert.equal(Object.hasOwn(again, 'extra'), false)
      again.extra = 1
      await again.save()
      assert.equal(((await ctx.other(() => Item.getByID(again.getID()!))) as typeof again).extra, 1)
    },
  ),

  law('I188', 'options that say nothing, and memory that was transferred, are refused by a typed error', async (ctx) => {
    await refused(ValidationError, () => new Item().makePersistent(ctx.alias('x'), { ifExists: 'overwrite' as 'replace' }))
    await new Item().makePersistent(ctx.alias('x'))
    await refused(ValidationError, () => Item.getByAlias(ctx.alias('x'), { depth: -1 }))
    for (const make of [() => new Uint8Array(8), () => new Float64Array(8), () => new DataView(new ArrayBuffer(8))]) {
      const view = make()
      structuredClone(view.buffer, { transfer: [view.buffer] })
      const error = await refused(ValidationError, () => Object.assign(new Anything(), { value: { view } }).makePersistent())
      assert.equal(error.path, 'value.view')
      await refused(ValidationError, () => Object.assign(new Anything(), { value: view }).makePersistent())
      await refused(ValidationError, () => Object.assign(new Anything(), { value: view.buffer }).makePersistent())
    }
  }),

  law(
    'I190',
    'what cannot be stored in an object that is stored along is told with its class, and nothing of either is stored',
    async (ctx) => {
      const inner = Object.assign(new Anything(), { value: { deep: [Symbol('s')] } })
      const outer = Object.assign(new Family(), { members: [inner] as unknown[] })
      const error = await refused(ValidationError, () => outer.makePersistent(ctx.alias('outer')))
      assert.deepEqual([error.path, error.className], ['value.deep[0]', 'Anything'])
      assert.match(error.message, /Anything/)
      assert.deepEqual([outer.getID(), inner.getID()], [null, null])
      await refused(NotFoundError, () => Family.getByAlias(ctx.alias('outer')))
    },
  ),

  law('I189', 'locations of an object that somebody deleted are a typed error, and what is no pair is no row', async (ctx) => {
    const totals = await new Totals().makePersistent()
    for (const row of [undefined, 5, [{ name: 'a' }], { name: 'a' }]) {
      const rows = [[{ name: 'b' }, {}], row] as [{ name: string }, object][]
      await refused(ValidationError, () => totals.rows.setMany(rows))
      await refused(ValidationError, () => totals.rows.bulk(rows))
    }
    assert.ok((await totals.getLocations()).length > 0)
    await ctx.other(async () => (await Totals.getByID(totals.getID()!)).deletePersistent())
    await refused(NotFoundError, () => totals.getLocations())
    await refused(NotFoundError, () => getLocations(totals))
  }),
]
