/** `static columns`: what a class says of its fields holds on every store. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { connect, StorageDict, StorageObject, type Store, t } from '../../runtime/index.js'
import { ValidationError } from '../../src/errors.js'
import { declaredFields } from '../../src/objects/declared-columns.js'

class Author extends StorageObject {
  static readonly columns = { name: t.text }
  name: string | null = null
}

class Book extends StorageObject {
  static readonly columns = { title: t.text, pages: t.i32, author: t.ref(() => Author), words: StorageDict }
  static readonly transient = ['note']
  title: string | null = ''
  pages: number | null = null
  author: Author | null = null
  words: StorageDict<any, any> | null = new StorageDict({ word: t.text }, { n: t.i32 })
  note = Symbol('of no matter')
}

describe('static columns', () => {
  let store: Store
  before(async () => void (store = await connect('memory:declared-columns')))
  after(() => store.close())

  const failureOf = async (fields: object): Promise<ValidationError> => {
    const error: unknown = await store
      .run(() => Object.assign(new Book(), fields).makePersistent())
      .then(
        () => undefined,
        (e: unknown) => e,
      )
    assert.ok(error instanceof ValidationError, inspect(error))
    return error
  }

  it('what fits is stored and comes back, null in any field included', async () => {
    await store.run(async () => {
      const book = Object.assign(new Book(), { title: 'Sea', pages: 7, author: new Author() })
      book.words!.set({ word: 'a' }, { n: 1 })
      const { title, pages, author } = await Book.getByID((await book.makePersistent()).getID()!)
      assert.deepEqual([title, pages, author instanceof Author], ['Sea', 7, true])
      await Object.assign(new Book(), { title: null, words: null }).makePersistent()
      book.pages = 2 ** 31
      await assert.rejects(book.save(), /column 'pages' wants i32/)
    })
  })

  it('what does not is refused by its name', async () => {
    assert.match((await failureOf({ pages: 1.5 })).message, /'pages' wants i32/)
    assert.match((await failureOf({ title: undefined })).message, /'title' wants text.* got nothing/)
    assert.match((await failureOf({ author: new Book() })).message, /'author' wants a Author/)
    assert.match((await failureOf({ words: new Map() })).message, /Book\.words is declared a collection/)
    assert.match((await failureOf({ more: 1 })).message, /Book\.more is not among .* static columns/)
  })

  it('a declaration that is none is refused', async () => {
    for (const columns of [{ n: t.i32, m: Number }, { n: t.counter }, { n: StorageDict, m: 'text' }] as const) {
      class Wrong extends StorageObject {
        static readonly typeName = `declared/wrong#${inspect(columns)}`
        static readonly columns = columns
      }
      await assert.rejects(
        store.run(() => new Wrong().makePersistent()),
        { code: 'ERR_COLUMN_INVALID' },
      )
    }
  })

  it('a static member of that name about something else declares nothing', async () => {
    for (const columns of [3, ['a', 'b'], { width: 80 }, null]) {
      class Sheet extends StorageObject {
        static readonly typeName = `declared/sheet#${inspect(columns)}`
        static readonly columns = columns
        any = 1
      }
      assert.equal(declaredFields(Sheet), undefined)
      await store.run(() => new Sheet().makePersistent())
    }
  })

  it('a store is told names and types in the order of the declaration', () => {
    const fields = declaredFields(Book)!
    assert.deepEqual(
      fields.map(({ name, type }) => [name, type]),
      [
        ['title', 'text'],
        ['pages', 'i32'],
        ['author', 'ref'],
        ['words', 'dict'],
      ],
    )
    assert.match(fields[2]!.of!, /#Author$/)
    assert.deepEqual(
      fields[3]!.columns!.keys.map(({ name }) => name),
      ['word'],
    )
    class Free extends StorageObject {}
    assert.equal(declaredFields(Free), undefined)
  })
})
