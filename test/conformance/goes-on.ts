import assert from 'node:assert/strict'
import { StorageObject, transact, update, watch } from '../../runtime/index.js'
import { ConflictError, NotFoundError, UnavailableError, UnsavedChangesError, ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { all, refused } from './expect.js'
import { InterruptedBackend } from './faulty-backend.js'
import { ForwardingBackend } from './forwarding-backend.js'
import { Anything, Counter, Measures, Owners, Person, Profile, Totals } from './model.js'

const cannotBeStored = (): void => {}

/** The program's own instance of a stored object, with a field that no save would take. */
async function spoilt(ctx: CaseContext): Promise<Anything> {
  const o = await new Anything().makePersistent(ctx.alias('o'))
  o.value = cannotBeStored
  return o
}

const theirs = (ctx: CaseContext): Promise<Anything> => ctx.other(() => Anything.getByAlias(ctx.alias('o')))

/** An object that this program has, and that another one has deleted. */
async function deletedElsewhere(ctx: CaseContext): Promise<Counter> {
  const o = await new Counter().makePersistent(ctx.alias('o'))
  await ctx.other(async () => (await Counter.getByAlias(ctx.alias('o'))).deletePersistent())
  return o
}

/** What one instance or one program is in trouble with stops nobody else, and is told for what it is. */
export const goesOn: readonly Case[] = [
  law(
    'I280',
    'a transaction counts once also where the program has an instance of its object that cannot be stored as it is',
    async (ctx) => {
      const o = await spoilt(ctx)
      let runs = 0
      const given = await transact(async () => {
        runs++
        ;(await Anything.getByAlias(ctx.alias('o'))).second = 'of the transaction'
        return 'done'
      })
      assert.deepEqual([given, runs, o.value], ['done', 1, cannotBeStored])
      assert.equal((await theirs(ctx)).second, 'of the transaction')
      await refused(ValidationError, () => o.save())
      await refused(UnsavedChangesError, () => o.reload())
      await refused(UnsavedChangesError, () => update(o, () => {}))
      await o.reload({ discard: true })
      assert.deepEqual([o.value, o.second], [null, 'of the transaction'])
    },
  ),

  law('I281', 'an instance that cannot be stored as it is can be watched, and a version of it be consolidated', async (ctx) => {
    const o = await spoilt(ctx)
    const changes = watch(o)
    const next = changes.next()
    await ctx.other(async () => update(await Anything.getByAlias(ctx.alias('o')), (there) => void (there.second = 1)))
    assert.equal((await next).value, o)
    await changes.return()
    const version = await o.newVersion()
    version.second = 2
    await version.save()
    await version.consolidateVersion()
    assert.deepEqual([version.getID(), o.value, (await theirs(ctx)).second], [o.getID(), cannotBeStored, 2])
  }),

  law('I282', "with merge 'fields' a save goes through however often others were faster with other fields", async (ctx) => {
    await new Profile().makePersistent(ctx.alias('o'))
    const other = await ctx.program()
    const there = await other.run(() => Profile.getByAlias(ctx.alias('o')))
    let backend!: InterruptedBackend
    const store = await ctx.wrapped((inner) => (backend = new InterruptedBackend(inner)))
    let left = 15
    backend.interrupt = async () => {
      if (left-- > 0) backend.before = 0
      there.seen++
      await there.save()
    }
    await store.run(async () => {
      const o = await Profile.getByAlias(ctx.alias('o'))
      o.name = 'mine'
      backend.before = 0
      await o.save()
      assert.deepEqual([o.name, o.seen, left], ['mine', 16, -1])
    })
    await there.reload()
    assert.deepEqual([there.name, there.seen], ['mine', 16])
  }),

  law('I283', 'what another program has deleted takes no name: NotFoundError, in a transaction at its first run', async (ctx) => {
    const o = await deletedElsewhere(ctx)
    const id = o.getID()
    for (const give of [
      () => o.addAlias(ctx.alias('a')),
      () => o.makePersistent(ctx.alias('b')),
      () => o.makePersistent(ctx.alias('c'), { ifExists: 'replace' }),
    ])
      assert.equal((await refused(NotFoundError, give)).id, id)
    let runs = 0
    await refused(NotFoundError, () =>
      transact(() => {
        runs++
        return o.addAlias(ctx.alias('d'))
      }),
    )
    assert.equal(runs, 1)
    for (const name of ['a', 'b', 'c', 'd']) await refused(NotFoundError, () => StorageObject.getByAlias(ctx.alias(name)))
    // its contents are still here, and can be stored as another object
    o.n = 5
    await refused(ConflictError, () => o.save())
    await o.deletePersistent()
    await o.makePersistent(ctx.alias('a'))
    assert.notEqual(o.getID(), id)
    assert.equal((await ctx.other(() => Counter.getByAlias(ctx.alias('a')))).n, 5)
  }),

  law('I284', 'rows that the program has not saved go with a transaction that saves their owner, once, or stay unsaved', async (ctx) => {
    const o = await new Totals().makePersistent(ctx.alias('o'))
    await new Counter().makePersistent(ctx.alias('n'))
    const stored = (name: string) => ctx.other(async () => (await Totals.getByAlias(ctx.alias('o'))).rows.get({ name }))
    o.rows.set({ name: 'before' }, { note: 'kept' })
    o.rows.add({ name: 'before' }, 'hits', 5)
    const failure = new Error('of the body')
    const failed = transact(async () => {
      await o.save()
      assert.deepEqual(await o.rows.get({ name: 'before' }), { hits: 5n, note: 'kept' })
      o.rows.set({ name: 'inside' }, {})
      throw failure
    })
    await assert.rejects(failed, failure)
    assert.deepEqual([await stored('before'), await o.rows.count()], [undefined, 1])
    let runs = 0
    await transact(async () => {
      await o.save()
      o.rows.add({ name: 'before' }, 'hits', 1)
      ;(await Counter.getByAlias(ctx.alias('n'))).n++
      if (runs++ === 0) await ctx.other(async () => update(await Counter.getByAlias(ctx.alias('n')), (there) => void (there.n += 10)))
    })
    assert.deepEqual([runs, await stored('before')], [2, { hits: 6n, note: 'kept' }])
    await o.save()
    assert.deepEqual(await stored('before'), { hits: 6n, note: 'kept' })
  }),

  law(
    'I285',
    'an unsaved row leads to its object also where a transaction that made that one persistent failed, or ran again',
    async (ctx) => {
      const owners = await new Owners().makePersistent(ctx.alias('owners'))
      await new Counter().makePersistent(ctx.alias('n'))
      const [ada, bob] = ['ada', 'bob'].map((name) => Object.assign(new Person(), { name })) as [Person, Person]
      for (const person of [ada, bob]) owners.rows.set({ name: person.name }, { person })
      const failure = new Error('of the body')
      const failed = transact(async () => {
        await ada.makePersistent()
        throw failure
      })
      await assert.rejects(failed, failure)
      let runs = 0
      await transact(async () => {
        await bob.makePersistent()
        ;(await Counter.getByAlias(ctx.alias('n'))).n++
        if (runs++ === 0) await ctx.other(async () => update(await Counter.getByAlias(ctx.alias('n')), (there) => void (there.n += 10)))
      })
      assert.equal(runs, 2)
      await owners.save()
      await ctx.other(async () => {
        const { rows } = await Owners.getByAlias(ctx.alias('owners'))
        for (const one of [ada, bob]) {
          const { person } = (await rows.get({ name: one.name }))!
          await person.load()
          assert.deepEqual([person.name, person.getID()], [one.name, one.getID()])
        }
      })
    },
  ),

  law(
    'I287',
    'rows of more bytes than one group takes are saved by the program in several, by their owner and by their dict',
    async (ctx) => {
      const o = await new Measures().makePersistent(ctx.alias('o'))
      const { groupBytesMax, rowsAtOnce } = ctx.store.backend.capabilities
      const MIB = 1024 * 1024
      // A small server that takes little at once has not the memory for much more than the program keeps.
      const each = rowsAtOnce ? MIB : (groupBytesMax > 64 * MIB ? 16 * MIB : groupBytesMax) / 16
      const write = (names: string): void => {
        for (const name of names) for (let i = 0; i < 6; i++) o.rows.set({ name: `${name}${i}` }, { bytes: new Uint8Array(each).fill(i) })
      }
      write('abc')
      await o.save()
      write('d')
      await o.rows.save()
      const [count, last] = await ctx.other(async () => {
        const { rows } = await Measures.getByAlias(ctx.alias('o'))
        return [await rows.count(), await rows.get({ name: 'd5' })] as const
      })
      assert.deepEqual([count, last!.bytes!.length, last!.bytes![0]], [24, each, 5])
    },
  ),

  law('I288', 'a watcher that is given a time ends after it, and takes none that no timer can wait', async (ctx) => {
    const o = await new Counter().makePersistent(ctx.alias('o'))
    assert.deepEqual(await all(watch(o, { timeoutMs: 30 })), [])
    for (const timeoutMs of [-1, Number.NaN]) await refused(ValidationError, () => all(watch(o, { timeoutMs })))
    o.n = 1
    await o.save()
  }),

  law('I291', 'what is deleted is gone, once, also where the store cannot remove its rows at once', async (ctx) => {
    class KeepsRows extends ForwardingBackend {
      override async drop(): Promise<void> {
        throw new UnavailableError('no room')
      }
    }
    const store = await ctx.wrapped((inner) => new KeepsRows(inner))
    await store.run(async () => {
      for (const remove of [(o: Totals) => o.deletePersistent(), (o: Totals) => transact(() => o.deletePersistent())]) {
        const o = await new Totals().makePersistent(ctx.alias('o'))
        o.rows.set({ name: 'a' }, {})
        await o.save()
        await remove(o)
        assert.equal(o.getID(), null)
        await refused(NotFoundError, () => Totals.getByAlias(ctx.alias('o')))
      }
    })
  }),

  law('I414', 'a new object that comes into a row while its collection is being saved is stored with the next save', async (ctx) => {
    const o = await new Owners().makePersistent(ctx.alias('o'))
    const put = (name: string): Person => {
      const person = Object.assign(new Person(), { name })
      o.rows.set({ name }, { person })
      return person
    }
    // at any moment of the save
    for (let turns = 0; turns < 25; turns++) {
      put(`first ${turns}`)
      const saved = o.rows.save()
      for (let i = 0; i < turns; i++) await Promise.resolve()
      const later = put(`later ${turns}`)
      await saved
      await o.rows.save()
      assert.notEqual(later.getID(), null, `a row of an object that is not stored, after ${turns} turns`)
    }
    await ctx.other(async () => {
      const rows = await all((await Owners.getByAlias(ctx.alias('o'))).rows.entries())
      for (const [{ name }, { person }] of rows) assert.equal((await person.load()).name, name)
      assert.equal(rows.length, 50)
    })
  }),

  law('I570', 'an object that a row refers to and that is deleted before the row is saved stays deleted', async (ctx) => {
    const o = await new Owners().makePersistent(ctx.alias('o'))
    const made = async (name: string): Promise<Person> => {
      const person = Object.assign(new Person(), { name })
      o.rows.set({ name }, { person })
      return person.makePersistent()
    }
    const gone = await made('gone')
    await gone.deletePersistent()
    const again = await made('again')
    await again.deletePersistent()
    o.rows.set({ name: 'anew' }, { person: again })
    await o.rows.save()
    assert.equal(gone.getID(), null, 'stored once more, where no row leads to it')
    assert.notEqual(again.getID(), null, 'a row leads to it as it is after it was deleted')
    await ctx.other(async () => {
      const { rows } = await Owners.getByAlias(ctx.alias('o'))
      for (const name of ['gone', 'again']) {
        const row = await rows.get({ name })
        assert(row, `the row of what was deleted`)
        await refused(NotFoundError, () => row.person.load())
      }
      assert.equal((await (await rows.get({ name: 'anew' }))!.person.load()).name, 'again')
    })
  }),

  law('I571', 'an object that a row refers to and that is made and deleted in one transaction stays volatile', async (ctx) => {
    const person = Object.assign(new Person(), { name: 'gone' })
    await transact(async () => {
      const o = await new Owners().makePersistent(ctx.alias('o'))
      o.rows.set({ name: 'gone' }, { person })
      await person.makePersistent()
      await person.deletePersistent()
    })
    assert.equal(person.getID(), null)
    await ctx.other(async () => {
      const row = await (await Owners.getByAlias(ctx.alias('o'))).rows.get({ name: 'gone' })
      await refused(NotFoundError, () => row!.person.load())
    })
  }),
]
