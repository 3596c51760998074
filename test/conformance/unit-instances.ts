import assert from 'node:assert/strict'
import { getByID, loadAll, transact, update } from '../../runtime/index.js'
import { AliasTakenError, ConflictError, NotFoundError, NotLoadedError, UnsavedChangesError, WrongClassError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused } from './expect.js'
import { Dog, Family, Item, Person, Profile } from './model.js'

const storedText = (ctx: CaseContext, o: Item): Promise<string> => ctx.other(async () => (await Item.getByID(o.getID()!)).text)

/** Which instances a program has of an object: after transactions, and of what was deleted. */
export const unitInstances: readonly Case[] = [
  law('I230', 'after a transaction the handles that it met are the program’s, can be loaded, and saved', async (ctx) => {
    await ctx.other(async () => {
      const dog = Object.assign(new Dog(), { name: 'Rex' })
      const head = Object.assign(new Person(), { dog, friends: [new Person()] })
      await Object.assign(new Family(), { head }).makePersistent(ctx.alias('family'))
    })
    const met: Person[] = []
    const failure = new Error('of the body')
    for (const end of [() => Promise.reject(failure), () => Promise.resolve()])
      await transact(async () => {
        met.push((await Family.getByAlias(ctx.alias('family'))).head!)
        await end()
      }).catch((error: unknown) => assert.equal(error, failure))
    const [failed, head] = met as [Person, Person]
    assert.equal((await Family.getByAlias(ctx.alias('family'))).head, head)
    assert.equal(await getByID(head.getID()!), head)
    head.name = 'head'
    await head.save()
    assert.equal(await head.dog!.load(), await Dog.getByID(head.dog!.getID()!))
    head.dog!.name = 'Max'
    await head.dog!.save()
    await loadAll(head.friends)
    await failed.load()
    failed.age = 9
    await failed.save()
    const seen = await ctx.other(async () => (await Family.getByAlias(ctx.alias('family'), { depth: 2 })).head!)
    assert.deepEqual([seen.name, seen.age, seen.dog!.name], ['head', 9, 'Max'])
  }),

  law('I535', 'what a transaction gives is the program’s own instance of an object, up to date', async (ctx) => {
    const [mine, other] = [await new Item().makePersistent(ctx.alias('mine')), await new Item().makePersistent()]
    const inside = (text?: string): Promise<Item> =>
      transact(async () => {
        const one = await Item.getByAlias(ctx.alias('mine'))
        if (text !== undefined) one.text = text
        return one
      })
    assert.equal(await inside('changed'), mine)
    assert.equal(mine.text, 'changed')
    await ctx.other(async () => update(await Item.getByID(mine.getID()!), (one) => void (one.text = 'elsewhere')))
    assert.equal(await inside(), mine)
    assert.equal(mine.text, 'elsewhere')
    const [a, b] = [mine.getID()!, other.getID()!]
    const given = await transact(async () => ({
      list: await getByID(a, b),
      map: new Map([['b', await Item.getByID(b)]]),
      set: new Set([await Item.getByID(a)]),
      deep: { record: Object.freeze([await Item.getByID(a)]) },
    }))
    assert.deepEqual([given.list[0] === mine, given.list[1] === other], [true, true])
    assert.deepEqual([given.map.get('b') === other, given.set.has(mine)], [true, true])
    assert.equal(given.deep.record[0]?.getID(), a)
    mine.text = 'unsaved'
    assert.equal(await inside(), mine)
    assert.equal(mine.text, 'unsaved')
    await ctx.other(async () => {
      const fresh = await inside()
      assert.equal(await Item.getByID(a), fresh)
    })
  }),

  law('I537', 'a handle has no JSON: neither it nor what refers to it is turned into an empty object', async (ctx) => {
    const head = Object.assign(new Person(), { name: 'head' })
    await Object.assign(new Family(), { head }).makePersistent(ctx.alias('family'))
    await ctx.other(async () => {
      const family = await Family.getByAlias(ctx.alias('family'))
      for (const what of [family.head, family, { list: [family.head] }]) {
        const error = await refused(NotLoadedError, () => JSON.stringify(what))
        assert.match(error.message, /Person.*load\(\)/)
      }
      await family.head!.load()
      assert.match(JSON.stringify(family), /"head":\{"name":"head"/)
    })
  }),

  law('I231', 'a transaction that changed two instances of one object is refused, and nothing of it is stored', async (ctx) => {
    const mine = await Object.assign(new Item(), { text: 'stored' }).makePersistent()
    mine.n = 1
    const twice = transact(async () => {
      const inside = await Item.getByID(mine.getID()!)
      inside.text = 'inside'
      await mine.save()
    })
    await refused(UnsavedChangesError, () => twice)
    const deleted = transact(async () => {
      const inside = await Item.getByID(mine.getID()!)
      await mine.save()
      await inside.deletePersistent()
    })
    await refused(UnsavedChangesError, () => deleted)
    assert.equal(await storedText(ctx, mine), 'stored')
    await transact(async () => {
      await Item.getByID(mine.getID()!)
      await mine.save()
    })
    assert.equal((await ctx.other(() => Item.getByID(mine.getID()!))).n, 1)
    await transact(async () => {
      await mine.save()
      mine.n = 2
      await mine.deletePersistent()
    })
    assert.deepEqual([mine.getID(), mine.n], [null, 2])
  }),

  law('I234', 'of two instances of one object that are saved in one turn, the second meets a conflict', async (ctx) => {
    const mine = await new Item().makePersistent()
    let inside = mine
    await transact(async () => {
      inside = await Item.getByID(mine.getID()!)
    })
    assert.notEqual(inside, mine)
    mine.text = 'mine'
    inside.n = 1
    const [first, second] = await Promise.allSettled([mine.save(), inside.save()])
    assert.equal(first.status, 'fulfilled')
    assert.ok(second.status === 'rejected' && second.reason instanceof ConflictError)
    const seen = await ctx.other(() => Item.getByID(mine.getID()!))
    assert.deepEqual([seen.text, seen.n], ['mine', 0])
  }),

  law('I235', 'an instance beside the one that a transaction changed is not taken for as new as that', async (ctx) => {
    const mine = await new Item().makePersistent()
    let inside = mine
    await transact(async () => {
      inside = await Item.getByID(mine.getID()!)
      mine.text = 'mine'
      await mine.save()
    })
    inside.n = 1
    await refused(ConflictError, () => inside.save())
    assert.equal(await storedText(ctx, mine), 'mine')
    const doneWell = transact(
      async () => {
        await Item.getByID(mine.getID()!)
        mine.text = 'again'
        await mine.save()
      },
      { check: true },
    )
    await doneWell
    assert.equal(await storedText(ctx, mine), 'again')
  }),

  law('I236', 'what a transaction deletes is gone for it, keeps no name, and is not what references then lead to', async (ctx) => {
    const dog = Object.assign(new Dog(), { name: 'Rex' })
    const owner = await Object.assign(new Person(), { dog }).makePersistent()
    await transact(async () => {
      await dog.deletePersistent()
      await dog.deletePersistent()
      for (const act of [
        () => dog.addAlias(ctx.alias('dog')),
        () => dog.makePersistent(ctx.alias('dog')),
        () => dog.save(),
        () => dog.reload(),
      ])
        await refused(NotFoundError, act)
      const made = await new Dog().makePersistent()
      await made.deletePersistent()
      assert.equal(made.getID(), null)
    })
    assert.equal(dog.getID(), null)
    await refused(NotFoundError, () => Dog.getByAlias(ctx.alias('dog')))
    await owner.reload({ discard: true })
    assert.notEqual(owner.dog, dog)
    await refused(NotFoundError, () => owner.dog!.load())
    const gone = await new Item().makePersistent()
    await ctx.other(async () => (await Item.getByID(gone.getID()!)).deletePersistent())
    await transact(() => gone.deletePersistent())
    assert.equal(gone.getID(), null)
  }),

  law('I237', 'in a transaction a handle that is saved stays one, and what was made inside is of its class', async (ctx) => {
    const owner = await Object.assign(new Person(), { dog: new Dog() }).makePersistent(ctx.alias('owner'))
    assert.notEqual(owner.getID(), null)
    await ctx.other(() =>
      transact(async () => {
        const { dog } = await Person.getByAlias(ctx.alias('owner'))
        await dog!.save()
        await refused(NotLoadedError, () => dog!.name)
        const made = await new Item().makePersistent()
        await refused(WrongClassError, () => Dog.getByID(made.getID()!))
        assert.equal(await Item.getByID(made.getID()!), made)
      }),
    )
  }),

  law('I238', 'a transaction whose name was taken meanwhile runs again', async (ctx) => {
    const mine = await Object.assign(new Item(), { text: 'mine' }).makePersistent()
    let runs = 0
    await transact(async () => {
      runs++
      await mine.makePersistent(ctx.alias('name'), { ifExists: 'replace' })
      if (runs === 1) await ctx.other(() => new Item().makePersistent(ctx.alias('name')))
    })
    assert.equal(runs, 2)
    assert.equal((await ctx.other(() => Item.getByAlias(ctx.alias('name')))).text, 'mine')
    runs = 0
    const claimed = transact(async () => {
      runs++
      await mine.addAlias(ctx.alias('other'))
      if (runs === 1) await ctx.other(() => new Item().makePersistent(ctx.alias('other')))
    })
    await refused(AliasTakenError, () => claimed)
    assert.equal(runs, 2)
  }),

  law('I246', 'after a transaction its objects refer to the instances that the program has, as new as what it met', async (ctx) => {
    const ids = await ctx.other(async () => {
      const dog = Object.assign(new Dog(), { name: 'Rex' })
      const head = Object.assign(new Person(), { dog, friends: [Object.assign(new Person(), { dog })] })
      const family = await Object.assign(new Family(), { head }).makePersistent(ctx.alias('family'))
      return { family: family.getID()!, head: head.getID()!, friend: head.friends[0]!.getID()!, dog: dog.getID()! }
    })
    const [dog, friend] = [await Dog.getByID(ids.dog), await Person.getByID(ids.friend)]
    await ctx.other(async () => {
      const theirs = await Dog.getByID(ids.dog)
      theirs.name = 'Max'
      await theirs.save()
    })
    const made = new Person()
    const head = await transact(async () => {
      const met = (await Family.getByAlias(ctx.alias('family'), { depth: 3 })).head!
      assert.equal(met.dog!.name, 'Max')
      made.friends = [met.friends[0]!]
      await made.makePersistent()
      return met
    })
    assert.equal(head.dog, dog)
    assert.equal(dog.name, 'Max')
    assert.deepEqual(
      [head.friends, made.friends].map(([one]) => one === friend),
      [true, true],
    )
    dog.name = 'Bello'
    await dog.save()
    assert.equal((await Family.getByAlias(ctx.alias('family'), { depth: 3 })).head!.dog!.name, 'Bello')
  }),

  law('I247', 'an instance of the program that a transaction has saved is what is found there', async (ctx) => {
    const mine = await Object.assign(new Item(), { text: 'stored' }).makePersistent(ctx.alias('mine'))
    await transact(async () => {
      mine.text = 'saved'
      await mine.save()
      assert.equal(await Item.getByID(mine.getID()!), mine)
      assert.equal(await Item.getByAlias(ctx.alias('mine')), mine)
      assert.equal(mine.text, 'saved')
      mine.n = 7
    })
    assert.equal(await storedText(ctx, mine), 'saved')
    assert.equal((await ctx.other(() => Item.getByID(mine.getID()!))).n, 7)
    await transact(async () => {
      mine.text = 'again'
      await mine.save()
      await (await Item.getByID(mine.getID()!)).deletePersistent()
    })
    assert.equal(mine.getID(), null)
    await refused(NotFoundError, () => ctx.other(() => Item.getByAlias(ctx.alias('mine'))))
  }),

  law('I459', 'update of an instance of the program in a transaction begins with what is stored, each time the body runs', async (ctx) => {
    const [mine, beside] = [await new Item().makePersistent(), await new Item().makePersistent()]
    const theirs = (o: Item): Promise<Item> => ctx.other(async () => update(await Item.getByID(o.getID()!), (q) => void (q.n += 10)))
    let runs = 0
    const both = (): Promise<void> =>
      transact(async () => {
        const other = await Item.getByID(beside.getID()!)
        await update(mine, (o) => void o.n++)
        await update(mine, (o) => void o.list.push(o.n))
        if (runs++ === 0) await theirs(beside)
        other.n++
      })
    await both()
    assert.deepEqual([runs, mine.n, mine.list], [2, 1, [1]])
    await theirs(mine)
    await both()
    const stored = await ctx.other(() => Item.getByID(mine.getID()!))
    assert.deepEqual([mine.n, stored.n, stored.list], [12, 12, [1, 12]])
    await assert.rejects(
      transact(async () => {
        await update(mine, (o) => void o.n++)
        throw new RangeError('no')
      }),
      RangeError,
    )
    assert.equal(mine.n, 12)
    mine.text = 'unsaved'
    await refused(UnsavedChangesError, () => transact(() => update(mine, (o) => void o.n++)))
    assert.deepEqual([mine.text, mine.n], ['unsaved', 12])
  }),

  law('I248', 'a stale instance of a class that merges fields is saved in a transaction as outside of it', async (ctx) => {
    const mine = await Object.assign(new Profile(), { nick: 'a', mail: 'b' }).makePersistent()
    const change = (field: 'nick' | 'mail', to: string): Promise<void> =>
      ctx.other(async () => {
        const theirs = await Profile.getByID(mine.getID()!)
        theirs[field] = to
        await theirs.save()
      })
    await change('mail', 'theirs')
    mine.nick = 'mine'
    await transact(() => mine.save())
    assert.deepEqual([mine.nick, mine.mail], ['mine', 'theirs'])
    const stored = await ctx.other(() => Profile.getByID(mine.getID()!))
    assert.deepEqual([stored.nick, stored.mail], ['mine', 'theirs'])
    await change('nick', 'theirs')
    mine.nick = 'both'
    await refused(ConflictError, () => transact(() => mine.save(), { retries: 2 }))
    assert.equal(mine.nick, 'both')
  }),

  law('I232', 'a handle that is deleted keeps what it was of, and one of what is gone stays a handle', async (ctx) => {
    await ctx.other(async () => {
      const members = ['a', 'b', 'c'].map((name) => Object.assign(new Person(), { name }))
      await Object.assign(new Family(), { members }).makePersistent(ctx.alias('family'))
    })
    const family = await Family.getByAlias(ctx.alias('family'))
    const [a, b, c] = family.members as [Person, Person, Person]
    const id = a.getID()!
    await a.deletePersistent()
    await transact(() => b.deletePersistent())
    await ctx.other(async () => (await Person.getByID(c.getID()!)).deletePersistent())
    await c.deletePersistent()
    assert.deepEqual([a.getID(), a.name, b.getID(), b.name], [null, 'a', null, 'b'])
    assert.notEqual(c.getID(), null)
    await refused(NotFoundError, () => c.load())
    await refused(NotFoundError, () => Person.getByID(id))
    await family.save() // it refers to them still, and stores them anew
    assert.notEqual(a.getID(), id)
    const names = await ctx.other(async () =>
      (await loadAll((await Family.getByAlias(ctx.alias('family'))).members.slice(0, 2))).map((p) => p.name),
    )
    assert.deepEqual(names, ['a', 'b'])
  }),

  law('I233', 'a version that was deleted keeps nothing from being deleted with what alone reaches it', async (ctx) => {
    const dog = await Object.assign(new Dog(), { name: 'Rex' }).makePersistent()
    const person = await Object.assign(new Person(), { dog }).makePersistent()
    const version = await dog.newVersion()
    const other = await Object.assign(new Person(), { dog: await new Dog().makePersistent() }).makePersistent()
    const standing = await other.dog!.newVersion()
    await version.deletePersistent()
    const [gone, kept] = [dog.getID()!, other.dog!.getID()!]
    for (const one of [person, other]) await one.deletePersistent({ deep: true })
    await ctx.other(async () => {
      await refused(NotFoundError, () => Dog.getByID(gone))
      await Dog.getByID(kept)
      await Dog.getByID(standing.getID()!)
    })
  }),
]
