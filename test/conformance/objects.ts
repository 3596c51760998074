/** A long file on purpose: one law after the other. */
import assert from 'node:assert/strict'
import { getByID, loadAll, transact, update } from '../../runtime/index.js'
import { InsituError, NotFoundError, NotLoadedError, UnsavedChangesError, WrongClassError } from '../../src/errors.js'
import { isIdText, newId } from '../../src/ids.js'
import { type Case, law, outlivesTheProgram } from './case.js'
import { refused } from './expect.js'
import { Anything, Counter, Dog, Family, Item, Library, Lookalike, Person, SpecialItem, Strict, Vault } from './model.js'
import { Item as TwinItem } from './model-twin.js'
import { renames } from './renames.js'
import { schemaChanges } from './schema-changes.js'

const item = (text: string, n = 0): Item => Object.assign(new Item(), { text, n })

/** A persistent object's fields as another program sees them. */
const seen = async (ctx: { other<T>(body: () => Promise<T>): Promise<T> }, o: Item): Promise<[string, number, number[]]> =>
  ctx.other(async () => {
    const copy = await Item.getByID(o.getID()!)
    return [copy.text, copy.n, copy.list]
  })

/** Life cycle, identity, handles, graphs of objects. */
export const objects: readonly Case[] = [
  law('C1', 'a volatile object made persistent without an alias has an id', async () => {
    const o = item('x')
    assert.equal(o.getID(), null)
    assert.equal(await o.makePersistent(), o)
    assert.ok(isIdText(o.getID()))
    assert.equal(o.getID()![14], '7', 'ids are uuids of version 7')
  }),

  law('C2', 'a deleted object has no id and keeps its contents in memory', async (ctx) => {
    const o = await item('kept', 3).makePersistent()
    const id = o.getID()!
    await o.deletePersistent()
    assert.equal(o.getID(), null)
    assert.deepEqual([o.text, o.n], ['kept', 3])
    await ctx.other(() => refused(NotFoundError, () => Item.getByID(id)))
  }),

  law('C3', 'deleting a volatile object does nothing', async () => {
    const o = item('volatile')
    await o.deletePersistent()
    assert.equal(o.getID(), null)
    assert.equal(o.text, 'volatile')
  }),

  law('C7', 'getByID of three ids gives three objects in the order asked', async (ctx) => {
    const made = [await item('a', 1).makePersistent(), await item('b', 2).makePersistent(), await item('c', 3).makePersistent()]
    const [a, b, c] = made.map((o) => o.getID()!) as [never, never, never]
    await ctx.other(async () => {
      const found = (await getByID(c, a, b)) as Item[]
      assert.deepEqual(
        found.map((o) => [o.text, o.n]),
        [
          ['c', 3],
          ['a', 1],
          ['b', 2],
        ],
      )
      assert.ok(found.every((o) => o instanceof Item))
    })
  }),

  law('C9', 'updatePersistent stores what changed in memory under the same id', async (ctx) => {
    const o = await item('old').makePersistent()
    const id = o.getID()
    o.text = 'new'
    assert.equal((await seen(ctx, o))[0], 'old', 'nobody sees a change before it is saved')
    await o.updatePersistent()
    assert.equal(o.getID(), id)
    assert.equal((await seen(ctx, o))[0], 'new')
  }),

  law('D1', 'every field of an object reads back, and a later change is seen by a later get', async (ctx) => {
    const o = Object.assign(new Person(), { name: 'Ada', age: 36, computers: [{ model: 'engine', year: 1843 }] })
    await o.makePersistent()
    const read = (): Promise<Person> => ctx.other(() => Person.getByID(o.getID()!))
    const first = await read()
    assert.deepEqual([first.name, first.age, first.dog, first.friends, first.computers], ['Ada', 36, null, [], o.computers])
    o.computers[0]!.year = 1844
    await o.save()
    assert.equal((await read()).computers[0]!.year, 1844)
  }),

  law('D3', 'persisting a family persists whom it reaches, with the same identities', async (ctx) => {
    const dog = Object.assign(new Dog(), { name: 'Rex' })
    const head = Object.assign(new Person(), { name: 'A', dog })
    const family = Object.assign(new Family(), { head, members: [head, Object.assign(new Person(), { name: 'B', dog, friends: [head] })] })
    await family.makePersistent()
    for (const o of [dog, head, family.members[1]!]) assert.ok(isIdText(o.getID()))
    await ctx.other(async () => {
      const found = await Family.getByID(family.getID()!)
      assert.equal(found.head, found.members[0])
      await loadAll(found.members)
      assert.equal(found.members[1]!.dog, found.head!.dog)
      assert.equal(found.members[1]!.friends[0], found.head)
      assert.equal(found.head!.dog!.getID(), dog.getID())
      assert.equal((await found.head!.dog!.load()).name, 'Rex')
    })
  }),

  law('D5', 'a persistent member of a new family keeps its id', async (ctx) => {
    const member = await Object.assign(new Person(), { name: 'first' }).makePersistent()
    const id = member.getID()
    const family = await Object.assign(new Family(), { members: [member] }).makePersistent()
    assert.equal(member.getID(), id)
    await ctx.other(async () => {
      const found = await Family.getByID(family.getID()!)
      assert.equal(found.members[0]!.getID(), id)
      assert.equal((await found.members[0]!.load()).name, 'first')
    })
  }),

  law(
    'D41',
    'an aliased object has the same id and contents after a full restart',
    async (ctx) => {
      const alias = ctx.alias('restarted')
      const id = await ctx.other(async () => (await item('before', 7).makePersistent(alias)).getID())
      await ctx.store.close()
      await ctx.other(async () => {
        const o = await Item.getByAlias(alias)
        assert.equal(o.getID(), id)
        assert.deepEqual([o.text, o.n], ['before', 7])
      })
    },
    outlivesTheProgram,
  ),

  law('D45', 'two hundred graphs of objects all read back', async (ctx) => {
    const made = Array.from({ length: 200 }, (_, i) =>
      Object.assign(new Person(), { name: `p${i}`, dog: Object.assign(new Dog(), { name: `d${i}` }) }),
    )
    await Promise.all(made.map((p) => p.makePersistent()))
    await ctx.other(async () => {
      const found = (await getByID(...made.map((p) => p.getID()!))) as Person[]
      await loadAll(found.map((p) => p.dog!))
      assert.deepEqual(
        found.map((p) => [p.name, p.dog!.name]),
        made.map((_, i) => [`p${i}`, `d${i}`]),
      )
    })
  }),

  law('H1', 'a volatile object has no id and no alias finds it', async (ctx) => {
    assert.equal(item('x').getID(), null)
    await refused(NotFoundError, () => Item.getByAlias(ctx.alias('nothing')))
  }),

  law('H5', 'an object rebuilt from its id in another program has its class, contents and id', async (ctx) => {
    const o = Object.assign(new SpecialItem(), { text: 's', n: 2, list: [1], extra: 'own' })
    await o.makePersistent()
    await ctx.other(async () => {
      const copy = await SpecialItem.getByID(o.getID()!)
      assert.notEqual(copy, o, 'another program has an instance of its own')
      assert.equal(copy.constructor, SpecialItem)
      assert.deepEqual([copy.getID(), copy.text, copy.n, copy.list, copy.extra], [o.getID(), 's', 2, [1], 'own'])
    })
  }),

  law('H6', 'an id that was never stored is not found', async () => {
    const error = await refused(NotFoundError, () => Item.getByID(newId()))
    assert.equal(error.code, 'ERR_NOT_FOUND')
    const o = await item('x').makePersistent()
    await refused(NotFoundError, () => getByID(o.getID()!, newId()))
  }),

  law('H13', 'a second delete is a no-op, also by another program', async (ctx) => {
    const alias = ctx.alias('deleted')
    const o = await item('x').makePersistent(alias)
    const copy = await ctx.other(() => Item.getByID(o.getID()!))
    await o.deletePersistent()
    await o.deletePersistent()
    await copy.deletePersistent()
    assert.equal(copy.getID(), null)
    await refused(NotFoundError, () => Item.getByAlias(alias))
    const again = await item('fresh').makePersistent(alias)
    assert.equal((await ctx.other(() => Item.getByAlias(alias))).text, 'fresh')
    assert.notEqual(again.getID(), null)
  }),

  law('H15', 'saving or reloading a volatile object is an error', async () => {
    for (const act of [() => item('x').save(), () => item('x').reload()]) {
      await assert.rejects(
        async () => act(),
        (e) => e instanceof InsituError || e instanceof TypeError,
      )
    }
  }),

  law('H49', 'an object opened by name with one field changed keeps its other fields', async (ctx) => {
    const alias = ctx.alias('one-field')
    await Object.assign(item('text', 5), { list: [1, 2] }).makePersistent(alias)
    await ctx.other(async () => {
      const o = await Item.getByAlias(alias)
      o.n = 6
      await o.save()
    })
    const o = await ctx.other(() => Item.getByAlias(alias))
    assert.deepEqual([o.text, o.n, o.list], ['text', 6, [1, 2]])
  }),

  law('H50', 'two classes of one name from two modules are two classes', async (ctx) => {
    const [a, b] = [await item('mine').makePersistent(), await new TwinItem().makePersistent()]
    await ctx.other(async () => {
      assert.equal((await TwinItem.getByID(b.getID()!)).title, 'twin')
      assert.equal((await Item.getByID(a.getID()!)).text, 'mine')
      await refused(WrongClassError, () => Item.getByID(b.getID()!))
      await refused(WrongClassError, () => TwinItem.getByID(a.getID()!))
    })
  }),

  law('H53', 'a deleted field is absent here and in another program, and a child shared by two parents survives', async (ctx) => {
    const dog = Object.assign(new Dog(), { name: 'shared' })
    const [p, q]: [Person, Person] = [Object.assign(new Person(), { dog }), Object.assign(new Person(), { dog })]
    for (const o of [p, q]) await o.makePersistent()
    delete (p as Partial<Person>).age
    p.dog = null
    await p.save()
    await ctx.other(async () => {
      const [one, two] = [await Person.getByID(p.getID()!), await Person.getByID(q.getID()!)]
      assert.ok(!Object.keys(one).includes('age'))
      assert.equal(one.dog, null)
      assert.equal((await two.dog!.load()).name, 'shared')
    })
  }),

  law('H54', 'a field that the class does not declare is stored too', async (ctx) => {
    const o = Object.assign(item('x'), { surprise: [1, 2] })
    await o.makePersistent()
    const copy = (await ctx.other(() => Item.getByID(o.getID()!))) as Item & { surprise?: number[] }
    assert.deepEqual(copy.surprise, [1, 2])
  }),

  law('H55', 'deleting takes the owned collections along and leaves referenced objects', async (ctx) => {
    const library = Object.assign(new Library(), { keeper: Object.assign(new Person(), { name: 'keeper' }) })
    library.books.set({ title: 'Emma' }, { year: 1815 })
    await library.makePersistent()
    const copy = await ctx.other(() => Library.getByID(library.getID()!))
    const keeper = library.keeper!.getID()!
    await library.deletePersistent()
    await ctx.other(async () => assert.equal((await Person.getByID(keeper)).name, 'keeper'))
    await refused(InsituError, () => copy.books.get({ title: 'Emma' }))
    // A collection is that of the object whose field first held it: another one that holds it takes nothing along.
    const kept = new Library()
    kept.books.set({ title: 'Persuasion' }, { year: 1817 })
    await kept.makePersistent()
    const guest = await Object.assign(new Anything(), { value: kept.books }).makePersistent()
    await guest.deletePersistent()
    const year = await ctx.other(async () => (await (await Library.getByID(kept.getID()!)).books.get({ title: 'Persuasion' }))?.year)
    assert.equal(year, 1817)
  }),

  law('I1', 'one object reached by id, alias and reference is one instance', async (ctx) => {
    const alias = ctx.alias('identity')
    const dog = await Object.assign(new Dog(), { name: 'Rex' }).makePersistent(alias)
    const owner = await Object.assign(new Person(), { dog }).makePersistent()
    assert.equal(await Dog.getByAlias(alias), dog, 'in the program that made it too')
    await ctx.other(async () => {
      const byReference = (await Person.getByID(owner.getID()!)).dog
      const byAlias = await Dog.getByAlias(alias)
      const byId = await Dog.getByID(dog.getID()!)
      assert.equal(byReference, byAlias)
      assert.equal(byAlias, byId)
      assert.equal((await getByID(dog.getID()!)) as unknown, byId)
      assert.equal(byReference!.name, 'Rex', 'loaded through one path, loaded through all')
    })
  }),

  law('I2', 'a handle knows class and id, refuses its fields, and loads', async (ctx) => {
    const owner = await Object.assign(new Person(), { dog: Object.assign(new Dog(), { name: 'Rex' }) }).makePersistent()
    await ctx.other(async () => {
      const { dog } = await Person.getByID(owner.getID()!)
      assert.ok(dog instanceof Dog)
      assert.ok(isIdText(dog.getID()))
      const error = await refused(NotLoadedError, () => dog.name)
      assert.match(error.message, /load\(\)/)
      await refused(NotLoadedError, () => {
        dog.name = 'x'
      })
      assert.equal(await dog.load(), dog)
      assert.equal(dog.name, 'Rex')
    })
  }),

  law('I3', 'loadAll loads many handles, and depth loads them along', async (ctx) => {
    const owner = new Family()
    owner.members = Array.from({ length: 20 }, (_, i) => Object.assign(new Person(), { name: `m${i}`, dog: new Dog() }))
    await owner.makePersistent(ctx.alias('family'))
    const names = owner.members.map((m) => m.name)
    await ctx.other(async () => {
      const { members } = await Family.getByAlias(ctx.alias('family'))
      await loadAll(members)
      assert.deepEqual(
        members.map((m) => m.name),
        names,
      )
      await refused(NotLoadedError, () => members[0]!.dog!.name)
    })
    await ctx.other(async () => {
      const { members } = await Family.getByAlias(ctx.alias('family'), { depth: 2 })
      assert.deepEqual(
        members.map((m) => m.name),
        names,
      )
      assert.equal(members[3]!.dog!.name, '')
    })
  }),

  law('I4', 'a handle can be stored in another object without being loaded', async (ctx) => {
    const owner = await Object.assign(new Person(), { dog: Object.assign(new Dog(), { name: 'Rex' }) }).makePersistent()
    const second = await ctx.other(async () => {
      const { dog } = await Person.getByID(owner.getID()!)
      const another = await Object.assign(new Person(), { dog }).makePersistent()
      await refused(NotLoadedError, () => dog!.name)
      return another.getID()!
    })
    await ctx.other(async () => assert.equal((await (await Person.getByID(second)).dog!.load()).name, 'Rex'))
  }),

  law('I5', 'loading a handle whose object is gone is not found', async (ctx) => {
    const dog = new Dog()
    const owner = await Object.assign(new Person(), { dog }).makePersistent()
    await ctx.other(async () => {
      const copy = await Person.getByID(owner.getID()!)
      await ctx.other(async () => (await Dog.getByID(dog.getID()!)).deletePersistent())
      await refused(NotFoundError, () => copy.dog!.load())
    })
  }),

  law('I6', 'changes in place are found: push, typed array element, Map.set, Set.add, nested field, Date', async (ctx) => {
    const o = new Anything()
    const value = {
      list: [1],
      grid: new Float64Array(4),
      map: new Map([['a', 1]]),
      set: new Set([1]),
      deep: { x: { y: 1 } },
      date: new Date(0),
    }
    o.value = value
    await o.makePersistent()
    const changes: (() => unknown)[] = [
      () => value.list.push(2),
      () => (value.grid[3] = 1.5),
      () => value.map.set('a', 2),
      () => value.set.add(2),
      () => (value.deep.x.y = 2),
      () => value.date.setTime(5),
    ]
    for (const change of changes) {
      change()
      await o.save()
      const copy = await ctx.other(() => Anything.getByID(o.getID()!))
      assert.deepStrictEqual(copy.value, value, String(change))
    }
  }),

  law('I7', 'a save without changes writes nothing, and one that changes a field leaves the others alone', async (ctx) => {
    const { backend } = ctx.store
    const o = await item('x').makePersistent()
    const revision = async (): Promise<number> => {
      const [found] = await backend.find([o.getID()!])
      return (await backend.read([found!.ref!]))[0]!.stamp.revision
    }
    const before = await revision()
    await o.save()
    assert.equal(await revision(), before)
    o.n = 1
    await o.save()
    assert.equal(await revision(), before + 1)
  }),

  law('I8', 'a cell that was set back to its base is no change', async (ctx) => {
    const o = await item('x').makePersistent()
    o.n = 5
    await ctx.other(() =>
      Item.getByID(o.getID()!).then((c) =>
        update(c, (i) => {
          i.text = 'theirs'
        }),
      ),
    )
    o.n = 0
    await o.save()
    assert.equal((await o.reload()).text, 'theirs')
  }),

  law('I9', 'reload takes the stored state and gives up own changes only when told to', async (ctx) => {
    const o = await item('mine').makePersistent()
    await ctx.other(async () =>
      update(await Item.getByID(o.getID()!), (i) => {
        i.text = 'theirs'
      }),
    )
    await o.reload()
    assert.equal(o.text, 'theirs')
    o.text = 'unsaved'
    await refused(UnsavedChangesError, () => o.reload())
    assert.equal(o.text, 'unsaved')
    await o.reload({ discard: true })
    assert.equal(o.text, 'theirs')
  }),

  law('I10', 'getting an object that is in memory brings it up to date when it is clean and leaves it when it is not', async (ctx) => {
    const [clean, dirty] = [await item('a').makePersistent(), await item('b').makePersistent()]
    await ctx.other(async () => {
      for (const o of [clean, dirty])
        await update(await Item.getByID(o.getID()!), (i) => {
          i.n = 9
        })
    })
    dirty.text = 'unsaved'
    assert.equal(await Item.getByID(clean.getID()!), clean)
    assert.equal(clean.n, 9)
    assert.equal(await Item.getByID(dirty.getID()!), dirty)
    assert.deepEqual([dirty.text, dirty.n], ['unsaved', 0])
  }),

  law('I11', 'cycles of objects are stored and come back as cycles', async (ctx) => {
    const [a, b] = [Object.assign(new Person(), { name: 'a' }), Object.assign(new Person(), { name: 'b' })]
    a.friends = [b, a]
    b.friends = [a]
    await a.makePersistent()
    await ctx.other(async () => {
      const one = await Person.getByID(a.getID()!)
      assert.equal(one.friends[1], one)
      assert.equal((await one.friends[0]!.load()).friends[0], one)
    })
  }),

  law('I12', 'a subclass is found through its base, another class is refused and both are named', async (ctx) => {
    const alias = ctx.alias('special')
    const o = await new SpecialItem().makePersistent(alias)
    await ctx.other(async () => {
      assert.ok((await Item.getByAlias(alias)) instanceof SpecialItem)
      const error = await refused(WrongClassError, () => Lookalike.getByAlias(alias))
      assert.match(error.message, /SpecialItem/)
      assert.match(error.message, /Lookalike/)
      await refused(WrongClassError, () => Lookalike.getByID(o.getID()!))
    })
  }),

  law('I13', 'a class with its own restore comes back through it, private state included', async (ctx) => {
    const strict = await new Strict('needed').makePersistent()
    const vault = await new Vault(42).makePersistent()
    await ctx.other(async () => {
      const copy = await Strict.getByID(strict.getID()!)
      assert.ok(copy instanceof Strict)
      assert.equal(copy.name, 'needed')
      assert.equal(copy.getID(), strict.getID())
      assert.ok((await Vault.getByID(vault.getID()!)).opensWith(42))
    })
  }),

  law('I14', 'a volatile object given to a stored one becomes persistent with the next save', async (ctx) => {
    const p = await new Person().makePersistent()
    p.dog = Object.assign(new Dog(), { name: 'late' })
    assert.equal(p.dog.getID(), null)
    await p.save()
    assert.ok(isIdText(p.dog.getID()))
    await ctx.other(async () => assert.equal((await (await Person.getByID(p.getID()!)).dog!.load()).name, 'late'))
  }),

  law('I15', 'a transaction changes several objects together or not at all', async (ctx) => {
    const [a, b] = [await new Counter().makePersistent(), await new Counter().makePersistent()]
    await transact(async () => {
      const [x, y] = [await Counter.getByID(a.getID()!), await Counter.getByID(b.getID()!)]
      x.n -= 5
      y.n += 5
    })
    const values = (): Promise<number[]> => ctx.other(async () => ((await getByID(a.getID()!, b.getID()!)) as Counter[]).map((c) => c.n))
    assert.deepEqual(await values(), [-5, 5])
    await assert.rejects(
      transact(async () => {
        const x = await Counter.getByID(a.getID()!)
        x.n = 1000
        throw new RangeError('changed my mind')
      }),
      RangeError,
    )
    assert.deepEqual(await values(), [-5, 5])
  }),

  law('I16', 'deleting deep takes along what only the object reaches', async (ctx) => {
    const p = Object.assign(new Person(), { dog: Object.assign(new Dog(), { name: 'only' }) })
    await p.makePersistent()
    const dog = p.dog!.getID()!
    await p.deletePersistent({ deep: true })
    await ctx.other(() => refused(NotFoundError, () => Dog.getByID(dog)))
  }),

  ...schemaChanges,
  ...renames,
]
