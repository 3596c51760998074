import assert from 'node:assert/strict'
import { connect, StorageSets, t, transact, update } from '../../runtime/index.js'
import { AliasTakenError, ConflictError, NotFoundError, UnsavedChangesError, ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { fillShelf, firstStops } from './conformance-tasks.js'
import { all, refused } from './expect.js'
import { type Books, booksOf, Counter, Index, Routes, routesOf, Shelf, Twofold, Visits } from './model.js'

const titlesIn = async (books: Books | null): Promise<string[]> => (books ? (await all(books.keys())).map(({ title }) => title).sort() : [])

/** What another program finds under an alias. */
const found = <T>(ctx: CaseContext, name: string, body: (shelf: Shelf) => T | Promise<T>): Promise<T> =>
  ctx.other(async () => body(await Shelf.getByAlias(ctx.alias(name), { depth: 1 })))
const titles = (ctx: CaseContext, name: string): Promise<string[]> => found(ctx, name, (shelf) => titlesIn(shelf.books))

const shelf = (ctx: CaseContext, name: string): Promise<Shelf> => new Shelf().makePersistent(ctx.alias(name))

/** Collections that an object has not had from its beginning. */
export const lateDicts: readonly Case[] = [
  law(
    'I260',
    'a collection that comes into an object in a transaction is stored with its rows, and goes on in the program',
    async (ctx) => {
      await shelf(ctx, 'a')
      let mine = new Shelf()
      await transact(async () => {
        mine = await Shelf.getByAlias(ctx.alias('a'))
        mine.books = booksOf('one')
        mine.books.set({ title: 'two' }, { pages: 2 })
        mine.next = Object.assign(new Shelf(), { books: booksOf('of the next') })
      })
      assert.deepEqual(await titles(ctx, 'a'), ['one', 'two'])
      assert.deepEqual(await found(ctx, 'a', ({ next }) => titlesIn(next!.books)), ['of the next'])
      mine.books!.set({ title: 'three' }, { pages: 3 })
      await mine.save()
      assert.deepEqual(await titles(ctx, 'a'), ['one', 'three', 'two'])

      const own = await shelf(ctx, 'own')
      own.books = booksOf('saved inside')
      await transact(() => own.save())
      own.books.set({ title: 'later' }, { pages: 1 })
      await own.save()
      assert.deepEqual(await titles(ctx, 'own'), ['later', 'saved inside'])
    },
  ),

  law('I261', 'after a conflict it is stored once, after a failure it is volatile with its rows and can be saved', async (ctx) => {
    await shelf(ctx, 'a')
    let runs = 0
    let mine = new Shelf()
    const body = async (): Promise<void> => {
      mine = await Shelf.getByAlias(ctx.alias('a'))
      mine.books = booksOf(`run ${++runs}`)
      if (runs !== 2) await found(ctx, 'a', (its) => update(its, (o) => void o.more.push(booksOf('beside'))))
    }
    await transact(body)
    assert.deepEqual([runs, await titles(ctx, 'a')], [2, ['run 2']])
    await refused(ConflictError, () => transact(body, { retries: 0 }))
    assert.deepEqual([await titles(ctx, 'a'), await titlesIn(mine.books)], [['run 2'], ['run 3']])
    const failed = mine.books!
    failed.set({ title: 'more' }, { pages: 4 })
    await Object.assign(new Shelf(), { books: failed }).makePersistent(ctx.alias('b'))
    assert.deepEqual(await titles(ctx, 'b'), ['more', 'run 3'])
  }),

  law('I262', "one that is taken out of its field again before the transaction ends stands in nobody's way", async (ctx) => {
    await transact(async () => {
      const made = await shelf(ctx, 'a')
      made.books = booksOf('one')
      await made.save()
      made.books = null
      const gone = new Shelf()
      gone.books = booksOf('two')
      await gone.makePersistent()
      gone.books.set({ title: 'three' }, { pages: 3 })
      gone.books = null
    })
    assert.equal(await found(ctx, 'a', ({ books }) => books), null)
  }),

  law('I263', 'a collection that comes into an object in a task is stored with its rows', async (ctx) => {
    const o = await shelf(ctx, 'a')
    await Promise.all([fillShelf(o, 'one'), new Counter().makePersistent()])
    assert.deepEqual(await titles(ctx, 'a'), ['one'])
    assert.deepEqual(await found(ctx, 'a', ({ next }) => titlesIn(next!.books)), ['one, part 2'])
  }),

  law('I264', 'collections deep in the fields of an object are stored, go on, and end with it as those in its fields do', async (ctx) => {
    const made = Object.assign(new Shelf(), { more: [booksOf('one')], named: new Map([['a', { books: booksOf('of a') }]]) })
    await shelf(ctx, 'taken')
    await refused(AliasTakenError, () => made.makePersistent(ctx.alias('taken')))
    await transact(() => made.makePersistent(ctx.alias('a')))
    made.more[0]!.set({ title: 'two' }, { pages: 2 })
    await made.save()
    await ctx.other(async () => {
      const its = await transact(async () => {
        const loaded = await Shelf.getByAlias(ctx.alias('a'))
        loaded.more[0]!.set({ title: 'three' }, { pages: 3 })
        return loaded
      })
      its.more[0]!.set({ title: 'four' }, { pages: 4 })
      its.named.get('a')!.books.set({ title: 'more of a' }, { pages: 1 })
      await its.save()
    })
    assert.deepEqual(await found(ctx, 'a', ({ more }) => titlesIn(more[0]!)), ['four', 'one', 'three', 'two'])
    assert.deepEqual(await found(ctx, 'a', ({ named }) => titlesIn(named.get('a')!.books)), ['more of a', 'of a'])
    await made.deletePersistent()
    made.more[0]!.set({ title: 'again' }, { pages: 1 })
    await made.makePersistent(ctx.alias('a'))
    assert.deepEqual(await found(ctx, 'a', ({ more }) => titlesIn(more[0]!)), ['again'])
  }),

  law('I265', 'a collection that an object holds twice is one where it comes back, and stays so', async (ctx) => {
    const o = new Twofold()
    o.books.set({ title: 'one' }, { pages: 1 })
    Object.assign(o, { first: o.books, list: [o.books] })
    await o.makePersistent(ctx.alias('o'))
    await ctx.other(async () => {
      const its = await Twofold.getByAlias(ctx.alias('o'))
      const { books } = its
      const areOne = (): boolean => its.first === books && its.books === books && its.list[0] === books
      assert.ok(areOne())
      await its.reload()
      assert.ok(areOne())
      its.books = booksOf('another')
      await its.save()
    })
    await o.reload()
    assert.deepEqual([await titlesIn(o.first), await titlesIn(o.books), await titlesIn(o.list[0]!)], [['one'], ['another'], ['one']])
  }),

  law('I266', 'a collection put in the place of a stored one is let go by reload, with its rows', async (ctx) => {
    const o = Object.assign(new Shelf(), { books: booksOf('stored') })
    await o.makePersistent(ctx.alias('o'))
    const { books } = o
    o.books = booksOf('put')
    await refused(UnsavedChangesError, () => o.reload())
    await o.reload({ discard: true })
    assert.ok(o.books === books)
    await o.save()
    assert.deepEqual([await titlesIn(o.books), await titles(ctx, 'o')], [['stored'], ['stored']])
  }),

  law('I267', 'calls that make one object persistent at once agree on one, with the names of all', async (ctx) => {
    for (const ifExists of ['error', 'open', 'replace'] as const) {
      const o = Object.assign(new Shelf(), { books: booksOf(ifExists) })
      const name = ctx.alias(ifExists)
      const given = await Promise.all([undefined, name, name, `${name}/2`].map((alias) => o.makePersistent(alias, { ifExists })))
      assert.ok(given.every((one) => one === o))
      assert.deepEqual(await o.aliases(), [name, `${name}/2`])
      assert.deepEqual(await titles(ctx, ifExists), [ifExists])
    }
  }),

  law('I268', 'elements come into a set and leave it all or none; sets that no constructor makes come back as such', async (ctx) => {
    const o = new Index()
    o.further = new StorageSets({ word: t.text }, t.text)
    const word = 'in'
    o.files.addTo({ word }, 'a', 'b', 'c')
    o.further.addTo({ word }, 'x')
    for (const wrong of ['\ud800', 'y'.repeat(2000)]) {
      await refused(ValidationError, () => o.files.addTo({ word }, 'd', wrong))
      await refused(ValidationError, () => o.files.removeFrom({ word }, 'a', wrong))
    }
    assert.deepEqual(await all(o.files.elements({ word })), ['a', 'b', 'c'])
    await o.makePersistent(ctx.alias('o'))
    await ctx.other(async () => {
      const its = await Index.getByAlias(ctx.alias('o'))
      assert.deepEqual(await all(its.further!.elements({ word })), ['x'])
      const parts = await its.files.split(2)
      const sizes = await Promise.all(parts.map((part) => part.sizeOf({ word })))
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        3,
      )
    })
  }),

  law('I269', 'a dict of counters that stands alone is added to at once, as one in a field is', async (ctx) => {
    const o = await new Visits().makePersistent(ctx.alias('o'))
    await Promise.all([o.increment({ page: 'a' }, 'n'), o.increment({ page: 'a' }, 'n', 2)])
    assert.deepEqual(await ctx.other(async () => (await Visits.getByAlias(ctx.alias('o'))).get({ page: 'a' })), { n: 3n })
  }),

  law('I270', 'what is new in a unit of work has no parts yet, and steps of references are whole', async (ctx) => {
    await transact(async () => {
      const made = Object.assign(new Shelf(), { books: booksOf('one') })
      await made.makePersistent(ctx.alias('a'))
      const { message } = await refused(ValidationError, () => made.books.split(2))
      assert.match(message, /unit of work/)
    })
    for (const depth of [1.5, -1, Number.NaN]) await refused(ValidationError, () => Shelf.getByAlias(ctx.alias('a'), { depth }))
    assert.ok(await Shelf.getByAlias(ctx.alias('a'), { depth: Number.POSITIVE_INFINITY }))
  }),

  law(
    'I271',
    'records keep the names of their fields where only the stored columns are known: in tasks, in parts, deep in a field',
    async (ctx) => {
      const o = new Routes()
      const stops = [{ name: 'harbour', at: { x: 1, y: 2 } }]
      o.routes.set({ n: 1 }, { stops })
      o.further = [routesOf()]
      o.further[0]!.set({ n: 1 }, { stops })
      await o.makePersistent(ctx.alias('o'))
      assert.deepEqual(await firstStops(o.routes, 2), ['harbour at 1'])
      assert.deepEqual((await o.routes.get({ n: 2 }))?.stops, [{ name: 'made by a task', at: { x: 2 } }])
      for (const part of await o.routes.split(1))
        assert.deepEqual((await firstStops(part, 2)).sort(), ['harbour at 1', 'made by a task at 2'])
      await ctx.other(async () => {
        const { further } = await Routes.getByAlias(ctx.alias('o'))
        assert.deepEqual(await further[0]!.get({ n: 1 }), { stops })
      })
    },
  ),

  law('I272', 'a collection of an object in another store is refused with its path, and nothing is stored', async (ctx) => {
    const far = await connect('memory:elsewhere')
    try {
      const theirs = await far.run(() => Object.assign(new Shelf(), { books: booksOf('far') }).makePersistent())
      const o = Object.assign(new Shelf(), { more: [theirs.books] })
      const { path } = await refused(ValidationError, () => o.makePersistent(ctx.alias('o')))
      assert.equal(path, 'more[0]')
      assert.equal(o.getID(), null)
      await refused(NotFoundError, () => Shelf.getByAlias(ctx.alias('o')))
    } finally {
      await far.close()
    }
  }),
]
