import assert from 'node:assert/strict'
import { transact, update } from '../../runtime/index.js'
import { ConflictError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { fillShelf } from './conformance-tasks.js'
import { all, refused } from './expect.js'
import { type Books, booksOf, Counter, Shelf } from './model.js'

const titlesIn = async (books: Books | null): Promise<string[]> => (books ? (await all(books.keys())).map(({ title }) => title).sort() : [])

/** What another program finds under an alias. */
const found = <T>(ctx: CaseContext, name: string, body: (shelf: Shelf) => T | Promise<T>): Promise<T> =>
  ctx.other(async () => body(await Shelf.getByAlias(ctx.alias(name), { depth: 1 })))
const titles = (ctx: CaseContext, name: string): Promise<string[]> => found(ctx, name, (shelf) => titlesIn(shelf.books))

const shelf = (ctx: CaseContext, name: string): Promise<Shelf> => new Shelf().makePersistent(ctx.alias(name))

/** Collections that an object has not had from its beginning. */
export const lateDicts: readonly Case[] = [
  law(
    'I245',
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

  law('I246', 'after a conflict it is stored once, after a failure it is volatile with its rows and can be saved', async (ctx) => {
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

  law('I247', "one that is taken out of its field again before the transaction ends stands in nobody's way", async (ctx) => {
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

  law('I248', 'a collection that comes into an object in a task is stored with its rows', async (ctx) => {
    const o = await shelf(ctx, 'a')
    await Promise.all([fillShelf(o, 'one'), new Counter().makePersistent()])
    assert.deepEqual(await titles(ctx, 'a'), ['one'])
    assert.deepEqual(await found(ctx, 'a', ({ next }) => titlesIn(next!.books)), ['one, part 2'])
  }),
]
