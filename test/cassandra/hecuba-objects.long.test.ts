/** Objects that Hecuba itself and insitu make, read, change and delete for each other. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { connect, StorageDict, StorageObject, StorageSets, type Store, t } from '../../runtime/index.js'
import { ConflictError, NotFoundError, SchemaMismatchError } from '../../src/errors.js'
import { all } from '../conformance/expect.js'
import { CassandraRing, whyNoOwnCassandra } from '../servers/cassandra.js'
import { requireServer } from '../servers/require-server.js'
import { notRun } from '../tools/not-run.js'
import { HecubaItself } from './hecuba-itself.js'
import { failureOf, rawClient, urlOf } from './kit.js'

class Author extends StorageObject {
  static readonly typeName = 'model#Author'
  static readonly columns = { name: t.text, born: t.date }
  name: string | null = null
  born: string | null = null
}

class Book extends StorageObject {
  static readonly typeName = 'model#Book'
  static readonly columns = {
    title: t.text,
    pages: t.i32,
    copies: t.i64,
    price: t.f64,
    weight: t.f32,
    open: t.bool,
    cover: t.blob,
    printed: t.timestamp,
    at: t.time,
    author: t.ref(() => Author),
    words: StorageDict,
    tags: StorageSets,
  }
  title: string | null = null
  pages: number | null = null
  copies: bigint | null = null
  price: number | null = null
  weight: number | null = null
  open: boolean | null = null
  cover: Uint8Array | null = null
  printed: Date | null = null
  at: string | null = null
  author: Author | null = null
  words = new StorageDict({ word: t.text }, { n: t.i32 })
  tags = new StorageSets({ page: t.i32 }, t.text)
}

/** The same table as Hecuba's Author, with other fields. */
class Other extends StorageObject {
  static readonly typeName = 'other#Shelf'
  static readonly columns = { room: t.i32 }
  room: number | null = null
}

const KEYSPACE = 'my_app'

const MODEL = `
from hecuba import StorageDict, StorageObj
class Author(StorageObj):
    '''
    @ClassField name str
    @ClassField born date
    '''
class Book(StorageObj):
    '''
    @ClassField title str
    @ClassField pages int
    @ClassField copies long
    @ClassField price double
    @ClassField weight float
    @ClassField open bool
    @ClassField cover bytearray
    @ClassField printed datetime
    @ClassField at time
    @ClassField author model.Author
    @ClassField words dict<<word:str>, n:int>
    @ClassField tags dict<<page:int>, element:set<str>>
    '''
class Shelf(StorageObj):
    '''
    @ClassField room str
    '''
`
const IMPORTS = 'import datetime\nfrom model import Author, Book, Shelf\n'

describe('cassandra: objects in layout=hecuba, with Hecuba itself', function () {
  this.timeout(600_000)
  let ring: CassandraRing | undefined
  let itself: HecubaItself | undefined
  let store: Store | undefined
  before(async function () {
    requireServer(this, whyNoOwnCassandra())
    const found = await HecubaItself.install()
    if (typeof found === 'string') return notRun(this, found)
    itself = found
    await itself.module('model', MODEL)
    ring = await CassandraRing.start()
    const raw = await rawClient(ring)
    for (const keyspace of [KEYSPACE, 'hecuba'])
      await raw.execute(`CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`)
    await raw.shutdown()
    store = await connect(`${urlOf(ring, KEYSPACE)}&layout=hecuba`)
  })
  after(async () => {
    await store?.close()
    await ring?.stop()
    await itself?.remove()
  })

  const hecuba = async (program: string): Promise<string> => (await itself!.run(ring!, KEYSPACE, `${IMPORTS}${program}`)).at(-1)!
  const run = <T>(body: () => Promise<T>): Promise<T> => store!.run(body)

  it('Hecuba reads every field of what insitu made, follows its references, and insitu sees what it changed there', async () => {
    const book = await run(async () => {
      const author = Object.assign(new Author(), { name: 'Ann', born: '1940-01-31' })
      await author.makePersistent('Ann')
      const made = Object.assign(new Book(), { title: 'Sea', pages: 7, copies: 2n ** 60n, price: 1.5, weight: 0.5, open: true, author })
      Object.assign(made, { cover: Uint8Array.of(1, 2), printed: new Date(Date.UTC(2020, 1, 29, 12)), at: '23:59:01' })
      made.words.set({ word: 'tree' }, { n: 3 })
      made.tags.addTo({ page: 1 }, 'wet')
      return made.makePersistent('Sea')
    })
    assert.equal(
      await hecuba(`
b = Book("sea")
print(b.title, b.pages, b.copies, b.price, b.weight, b.open, b.cover, b.printed, b.at)
print(b.author.name, b.author.born, sorted(tuple(x) for x in b.words.items()), sorted(b.tags[1]))
b.title = "Lake"
b.pages = 8
b.words["leaf"] = 4
b.tags[1].add("cold")
b.author.name = "Anna"
b.sync()
print(b.storage_id)
`),
      book.getID(),
    )
    assert.equal(
      await hecuba('b = Book.get_by_alias("sea")\nprint(b.copies, b.weight, b.cover, b.printed, b.at)'),
      `${2n ** 60n} 0.5 b'\\x01\\x02' 2020-02-29 12:00:00 23:59:01.000000000`,
    )
    book.price = 2
    assert.ok((await failureOf(() => book.save())) instanceof ConflictError) // it was read before
    await book.reload({ discard: true })
    assert.deepEqual([book.title, book.pages, book.price], ['Lake', 8, 1.5])
    assert.deepEqual(await all(book.words), [
      [{ word: 'leaf' }, { n: 4 }],
      [{ word: 'tree' }, { n: 3 }],
    ])
    assert.deepEqual((await all(book.tags.elements({ page: 1 }))).sort(), ['cold', 'wet'])
    const author = await run(() => Author.getByAlias('ann'))
    assert.deepEqual([author.name, author.born], ['Anna', '1940-01-31'])
    book.price = 2
    await book.save()
    assert.equal(await hecuba('b = Book("sea")\nprint(b.title, b.price, sorted(b.words.keys()))'), "Lake 2.0 ['leaf', 'tree']")
  })

  it('insitu opens what Hecuba made, with its dicts and objects, and Hecuba sees what insitu changed there', async () => {
    await hecuba(`
b = Book("theirs")
b.title = "Moor"
b.pages = 3
b.copies = 2**40
b.open = False
b.printed = datetime.datetime(2021, 1, 1)
b.at = datetime.time(1, 2, 3)
b.words["bog"] = 1
b.tags[2].add("dry")
b.author.name = "Bob"
b.author.born = datetime.date(1940, 2, 29)
b.cover = bytearray(b"xyz")
b.sync()
`)
    const book = await run(() => Book.getByAlias('theirs'))
    assert.deepEqual([book.title, book.pages, book.copies, book.price, book.open], ['Moor', 3, 2n ** 40n, null, false])
    assert.deepEqual([book.at, book.printed, Buffer.from(book.cover!).toString()], ['01:02:03', new Date(Date.UTC(2021, 0, 1)), 'xyz'])
    const author = await run(() => Author.getByID(book.author!.getID()!))
    assert.deepEqual([author.name, author.born], ['Bob', '1940-02-29'])
    assert.deepEqual(await all(book.words), [[{ word: 'bog' }, { n: 1 }]])
    book.title = 'Fen'
    book.price = 0.25
    book.words.set({ word: 'reed' }, { n: 2 })
    book.tags.addTo({ page: 2 }, 'wet')
    await book.save()
    author.name = 'Robert'
    await author.save()
    assert.equal(
      await hecuba('b = Book("theirs")\nprint(b.title, b.pages, b.price, b.author.name, sorted(b.words.keys()), sorted(b.tags[2]))'),
      "Fen 3 0.25 Robert ['bog', 'reed'] ['dry', 'wet']",
    )
  })

  it('an attribute that only the other side has set, or made a dict for, is there', async () => {
    await run(() => Object.assign(new Book(), { title: 'Bare' }).makePersistent('bare'))
    await hecuba('b = Book("bare")\nb.words["new"] = 5\nb.author.name = "Nobody"\nb.sync()')
    const book = await run(() => Book.getByAlias('bare'))
    await book.reload({ discard: true })
    assert.deepEqual(await book.words.get({ word: 'new' }), { n: 5 })
    assert.equal((await run(() => Author.getByID(book.author!.getID()!))).name, 'Nobody')
    await hecuba('b = Book("half")\nb.title = "Half"')
    const half = await run(() => Book.getByAlias('half'))
    half.words.set({ word: 'mine' }, { n: 6 })
    half.author = Object.assign(new Author(), { name: 'Sue' }) // without a name of its own
    await half.save()
    assert.equal(await hecuba('b = Book("half")\nprint(b.title, b.words["mine"], b.author.name)'), 'Half 6 Sue')
  })

  it('what one side deletes is gone for the other', async () => {
    const book = await run(() => Book.getByAlias('half'))
    await book.deletePersistent()
    assert.equal(
      await hecuba(`
b = Book("half")
try:
    print(b.title)
except AttributeError:
    print("nothing")
Book("bare").delete_persistent()
`),
      'nothing',
    )
    assert.ok((await failureOf(() => run(() => Book.getByAlias('bare')))) instanceof NotFoundError)
    assert.equal((await run(() => Book.getByAlias('half'))).title, null) // made again by the program above
  })

  it('fields of other types are refused on both sides', async () => {
    await hecuba('s = Shelf("shelf")\ns.room = "blue"')
    const error = await failureOf(() => run(() => Other.getByAlias('shelf')))
    assert.ok(error instanceof SchemaMismatchError, inspect(error))
    assert.match(error.message, /room/)
    assert.ok((await failureOf(() => run(() => new Other().makePersistent('another')))) instanceof SchemaMismatchError)
  })
})
