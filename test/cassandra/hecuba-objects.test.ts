/** Objects in `layout=hecuba`, looked at through CQL, and written through it as Hecuba writes: a column at a time, without asking. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { Client, types } from 'cassandra-driver'
import { v5 } from 'uuid'
import { connect, getByID, StorageDict, StorageObject, type Store, t, transact } from '../../runtime/index.js'
import { AliasTakenError, ConflictError, NotFoundError, SchemaMismatchError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { collect } from '../../src/gc/collect.js'
import { all } from '../conformance/expect.js'
import { failureOf, Keyspace, siteFor } from './kit.js'

class Author extends StorageObject {
  static readonly typeName: string = 'shop/model#Author'
  static readonly columns = { name: t.text, born: t.date }
  name: string | null = ''
  born: string | null = null
}

class Book extends StorageObject {
  static readonly typeName = 'shop/model#Book'
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
  }
  title: string | null = 'none'
  pages: number | null = 0
  copies: bigint | null = 0n
  price: number | null = 0
  weight: number | null = 0
  open: boolean | null = false
  cover: Uint8Array | null = null
  printed: Date | null = null
  at: string | null = null
  author: Author | null = null
  words = new StorageDict({ word: t.text }, { n: t.i32 })
}

describe('cassandra: objects in layout=hecuba', function () {
  this.timeout(120_000)
  let keyspace: Keyspace
  let raw: Client
  let store: Store
  let url: string
  before(async function () {
    const site = await siteFor(this)
    raw = new Client({ contactPoints: [...site.contactPoints], protocolOptions: { port: site.port }, localDataCenter: site.dataCentre })
    await raw.execute(`CREATE KEYSPACE IF NOT EXISTS hecuba WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`)
    keyspace = await Keyspace.on(site)
    url = `${keyspace.url}&layout=hecuba`
    store = await connect(url)
  })
  after(async () => {
    await store?.close()
    await keyspace?.drop()
    await raw?.shutdown()
  })

  const cql = async (query: string, params: readonly unknown[] = []): Promise<readonly types.Row[]> =>
    (await raw.execute(query, [...params], { prepare: true })).rows
  const idOf = (name: string): string => v5(`${keyspace.name}.${name}`, v5.DNS)
  const rowOf = async (table: string, id: string): Promise<types.Row | undefined> =>
    (await cql(`SELECT * FROM ${keyspace.name}.${table} WHERE storage_id = ?`, [id]))[0]
  const noteOf = async (id: string): Promise<types.Row | undefined> =>
    (await cql('SELECT * FROM hecuba.istorage WHERE storage_id = ?', [id]))[0]
  /** As `book.title = 'x'` in Python. */
  const write = async (table: string, name: string, column: string, value: unknown): Promise<void> => {
    await cql(`INSERT INTO ${keyspace.name}.${table} (storage_id, ${column}) VALUES (?, ?)`, [idOf(name), value])
  }
  /** As `Class("name")` in Python, for a name that nobody has. */
  const make = async (className: string, name: string, columns: readonly (readonly [string, string])[]): Promise<void> => {
    await cql('INSERT INTO hecuba.istorage (storage_id, class_name, name, tokens, columns) VALUES (?, ?, ?, ?, ?)', [
      idOf(name),
      className,
      `${keyspace.name}.${name}`,
      [],
      columns.map(([field, type]) => new types.Tuple(field, type)),
    ])
  }
  /** What another program sees. */
  const elsewhere = async <T>(body: () => Promise<T>): Promise<T> => {
    const other = await connect(url)
    try {
      return await other.run(body)
    } finally {
      await other.close()
    }
  }

  it('an object is a row of the table of its class, under the id that Hecuba makes of the name, and a row in istorage', async () => {
    await store.run(async () => {
      const author = Object.assign(new Author(), { name: 'Ann', born: '1940-01-31' })
      const book = Object.assign(new Book(), { title: 'Sea', pages: 7, copies: 2n ** 60n, price: 1.5, weight: 0.1, open: true })
      Object.assign(book, { cover: Uint8Array.of(1, 2), printed: new Date(5), at: '23:59:00', author })
      await author.makePersistent('Ann')
      book.words.set({ word: 'tree' }, { n: 3 })
      await book.makePersistent('Sea')
      assert.equal(book.getID(), idOf('sea'))
    })
    const columns = await cql('SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?', [
      keyspace.name,
      'book',
    ])
    const shown = columns
      .filter(({ column_name: name }) => !String(name).startsWith('~'))
      .map((row) => `${String(row.column_name)} ${String(row.type)} ${String(row.kind)}`)
    assert.deepEqual(shown.sort(), [
      'at time regular',
      'author uuid regular',
      'copies bigint regular',
      'cover blob regular',
      'open boolean regular',
      'pages int regular',
      'price double regular',
      'printed timestamp regular',
      'storage_id uuid partition_key',
      'title text regular',
      'weight float regular',
      'words uuid regular',
    ])
    const row = (await rowOf('book', idOf('sea')))!
    assert.deepEqual([row.title, row.pages, String(row.copies), row.price, row.open], ['Sea', 7, String(2n ** 60n), 1.5, true])
    assert.equal(String(row.author), idOf('ann'))
    const note = (await noteOf(idOf('sea')))!
    assert.deepEqual([note.class_name, note.name, note.primary_keys], ['shop.model.Book', `${keyspace.name}.sea`, null])
    assert.equal(
      String(note.columns),
      '(title,text),(pages,int),(copies,bigint),(price,double),(weight,float),(open,boolean),(cover,blob),(printed,timestamp),(at,time),(author,shop.model.Author),(words,StorageDict)',
    )
    const dict = (await noteOf(String(row.words)))!
    assert.deepEqual([String(dict.primary_keys), String(dict.columns)], ['(word,text)', '(n,int)'])
    const [word] = await cql(`SELECT * FROM ${String(dict.name)}`)
    assert.deepEqual([word!.word, word!.n], ['tree', 3])
  })

  it('another program opens it by its name with all it leads to, and a save changes what was changed', async () => {
    await elsewhere(async () => {
      const book = await Book.getByAlias('Sea')
      assert.deepEqual([book.title, book.pages, book.copies, book.open], ['Sea', 7, 2n ** 60n, true])
      assert.deepEqual([book.weight, book.cover, book.printed, book.at], [Math.fround(0.1), Uint8Array.of(1, 2), new Date(5), '23:59:00'])
      assert.deepEqual(await all(book.words), [[{ word: 'tree' }, { n: 3 }]])
      const author = await Author.getByID(book.author!.getID()!)
      assert.deepEqual([author.name, author.born], ['Ann', '1940-01-31'])
      book.pages = 8
      book.words.set({ word: 'leaf' }, { n: 1 })
      await book.save()
      assert.deepEqual(await book.aliases(), ['sea'])
    })
    assert.equal((await rowOf('book', idOf('sea')))!.pages, 8)
    const book = await store.run(() => Book.getByAlias('sea'))
    assert.equal(book.pages, 8)
    assert.equal(await book.words.count(), 2)
  })

  it('what Hecuba made is opened by its name, changed and deleted', async () => {
    await store.run(() => new Author().makePersistent('somebody')) // the table of the class
    await make('__main__.Author', 'theirs', [
      ['name', 'text'],
      ['born', 'date'],
    ])
    const empty = await store.run(() => Author.getByAlias('theirs'))
    assert.deepEqual([empty.name, empty.born], [null, null])
    await write('author', 'theirs', 'name', 'Bob')
    await empty.reload()
    assert.equal(empty.name, 'Bob')
    empty.born = '2000-02-29'
    await empty.save()
    assert.deepEqual(
      [String((await rowOf('author', idOf('theirs')))!.born), (await noteOf(idOf('theirs')))!.class_name],
      ['2000-02-29', '__main__.Author'],
    )
    assert.ok((await failureOf(() => store.run(() => new Author().makePersistent('theirs')))) instanceof AliasTakenError)
    await empty.deletePersistent()
    assert.deepEqual([await noteOf(idOf('theirs')), (await rowOf('author', idOf('theirs')))?.name ?? null], [undefined, null])
    assert.ok((await failureOf(() => store.run(() => Author.getByAlias('theirs')))) instanceof NotFoundError)
  })

  it('a write of Hecuba in between is a conflict to who read the object before, and is seen by who reads it again', async () => {
    const [mine, others] = await Promise.all([store.run(() => Book.getByAlias('sea')), connect(url)])
    await write('book', 'sea', 'title', 'Lake')
    mine.pages = 9
    const error = await failureOf(() => mine.save())
    assert.ok(error instanceof ConflictError, inspect(error))
    const book = await others.run(() => Book.getByAlias('sea'))
    assert.deepEqual([book.title, book.pages], ['Lake', 8])
    book.pages = 10
    await book.save()
    await mine.reload({ discard: true })
    assert.deepEqual([mine.title, mine.pages], ['Lake', 10])
    await others.close()
  })

  it('what Hecuba deletes is gone, and may be made again by either', async () => {
    const author = await store.run(() => new Author().makePersistent('brief'))
    await cql(`DELETE FROM ${keyspace.name}.author WHERE storage_id = ?`, [idOf('brief')])
    await cql('DELETE FROM hecuba.istorage WHERE storage_id = ?', [idOf('brief')])
    assert.ok((await failureOf(() => author.reload())) instanceof NotFoundError)
    const again = await store.run(() => Object.assign(new Author(), { name: 'again' }).makePersistent('brief'))
    await again.deletePersistent()
    await make('shop.model.Author', 'brief', [
      ['name', 'text'],
      ['born', 'date'],
    ])
    await write('author', 'brief', 'name', 'third')
    assert.equal((await elsewhere(() => Author.getByAlias('brief'))).name, 'third')
    assert.ok(await noteOf(idOf('brief')))
  })

  it('lists hold them, whoever made them', async () => {
    const names: string[] = []
    for await (const page of store.backend.aliases({ prefix: '' })) for (const [alias] of page) names.push(alias)
    assert.deepEqual(names.sort(), ['ann', 'brief', 'sea', 'somebody'])
    let objects = 0
    for await (const page of store.backend.objects({})) objects += page.length
    assert.equal(objects, 4)
  })

  it('a transaction over several of them is whole', async () => {
    const nobody = await failureOf(() =>
      store.run(() =>
        transact(async () => {
          const [ann, sea] = [await Author.getByAlias('ann'), await Book.getByAlias('sea')]
          ann.name = 'Anna'
          sea.title = 'Ocean'
          await new Author().makePersistent('fresh')
          throw new Error('no')
        }),
      ),
    )
    assert.equal(nobody.message, 'no')
    assert.equal((await rowOf('author', idOf('ann')))!.name, 'Ann')
    await store.run(() =>
      transact(async () => {
        const [ann, sea] = [await Author.getByAlias('ann'), await Book.getByAlias('sea')]
        ann.name = 'Anna'
        sea.title = 'Ocean'
        sea.words.set({ word: 'wave' }, { n: 1 })
        await (await Author.getByAlias('somebody')).deletePersistent()
        await Object.assign(new Author(), { name: 'Fred' }).makePersistent('fresh')
      }),
    )
    assert.deepEqual([(await rowOf('author', idOf('ann')))!.name, (await rowOf('book', idOf('sea')))!.title], ['Anna', 'Ocean'])
    await elsewhere(async () => {
      assert.equal((await Author.getByAlias('fresh')).name, 'Fred')
      assert.deepEqual(await (await Book.getByAlias('sea')).words.get({ word: 'wave' }), { n: 1 })
      assert.ok((await failureOf(() => Author.getByAlias('somebody'))) instanceof NotFoundError)
    })
    assert.equal((await noteOf(idOf('fresh')))!.name, `${keyspace.name}.fresh`)
    assert.equal(await noteOf(idOf('somebody')), undefined)
  })

  it('one name has one maker', async () => {
    const made = await Promise.allSettled(
      Array.from({ length: 4 }, (_, i) => elsewhere(() => Object.assign(new Author(), { name: `n${i}` }).makePersistent('once'))),
    )
    assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const one of made) if (one.status === 'rejected') assert.ok(one.reason instanceof AliasTakenError, inspect(one.reason))
    const opened = await elsewhere(() => new Author().makePersistent('once', { ifExists: 'open' }))
    assert.match(String(opened.name), /^n\d$/)
  })

  it('who dies between an object and its note leaves one that the next reader notes, or forgets', async () => {
    const author = await store.run(() => Object.assign(new Author(), { name: 'Eve' }).makePersistent('eve'))
    await cql('DELETE FROM hecuba.istorage WHERE storage_id = ?', [idOf('eve')])
    await cql(`UPDATE ${keyspace.name}.author SET "~noted" = null WHERE storage_id = ?`, [idOf('eve')])
    assert.equal((await elsewhere(() => Author.getByAlias('eve'))).name, 'Eve')
    const note = (await noteOf(idOf('eve')))!
    assert.deepEqual([note.name, note.class_name], [`${keyspace.name}.eve`, 'shop.model.Author'])
    await author.deletePersistent()
    await make('shop.model.Author', 'eve', [
      ['name', 'text'],
      ['born', 'date'],
    ])
    const { '~gone': gone } = (await rowOf('author', idOf('eve')))!
    await cql("UPDATE hecuba.istorage SET istorage_props['gone'] = ? WHERE storage_id = ?", [String(gone), idOf('eve')])
    assert.ok((await failureOf(() => elsewhere(() => Author.getByAlias('eve')))) instanceof NotFoundError)
    assert.equal(await noteOf(idOf('eve')), undefined)
  })

  it('an object without a name is reached by reference and by id, in a program that has not met its class', async () => {
    const book = await store.run(async () => {
      const made = Object.assign(new Book(), { author: Object.assign(new Author(), { name: 'Sue' }) })
      return made.makePersistent('holder')
    })
    const id = book.author!.getID()!
    assert.equal((await noteOf(id))!.name, `${keyspace.name}.o${id.replaceAll('-', '_')}`)
    assert.equal(((await elsewhere(() => getByID(id))) as Author).name, 'Sue')
    assert.deepEqual(await book.author!.aliases(), [])
  })

  it('garbage is collected around them', async () => {
    const before = await count()
    await collect(store.backend, { nowMs: Date.now() + 3 * 3_600_000 })
    assert.equal(await count(), before)
    const ann = await store.run(() => Author.getByAlias('ann'))
    assert.equal(ann.name, 'Anna')
  })

  const count = async (): Promise<number> => {
    let objects = 0
    for await (const page of store.backend.objects({})) objects += page.length
    return objects
  }

  describe('refuses, each with what to do', () => {
    class Loose extends StorageObject {
      static readonly typeName = 'shop/model#Loose'
      n = 1
    }
    const columns = (name: string, declared: Record<string, unknown>, fields: object): StorageObject => {
      class Refused extends StorageObject {
        static readonly typeName = `shop/model#${name}`
        static readonly columns = declared
      }
      return Object.assign(new Refused(), fields)
    }
    const cases: readonly (readonly [what: string, object: () => StorageObject, error: RegExp])[] = [
      ['a list', () => columns('R1', { l: t.list(t.text) }, { l: ['a'] }), /R1\.l .*StorageDict/],
      ['a decimal', () => columns('R2', { d: t.decimal }, { d: '1' }), /R2\.d of type decimal; it has text/],
      ['a uuid', () => columns('R3', { u: t.uuid }, {}), /R3\.u of type uuid/],
      ['a name in capitals', () => columns('R4', { pagesLeft: t.i32 }, {}), /R4\.pagesLeft: lower case/],
      ['a word of CQL', () => columns('R5', { token: t.text }, {}), /R5\.token/],
      ['a class that is one', () => columns('Table', { n: t.i32 }, {}), /class called Table.*rename/],
      [
        'an object of a class without columns',
        () => columns('R6', { r: t.ref(() => Loose) }, { r: new Loose() }),
        /R6\.r.*has no static columns/,
      ],
    ]
    for (const [what, object, message] of cases)
      it(what, async () => {
        const error = await failureOf(() => store.run(() => object().makePersistent()))
        assert.ok(error instanceof UnsupportedError, inspect(error))
        assert.equal(error.code, 'ERR_HECUBA_LAYOUT')
        assert.match(error.message, message)
      })

    it('a subclass in place of the declared class, which Hecuba would not open', async () => {
      class Poet extends Author {
        static override readonly typeName = 'shop/model#Poet'
      }
      const book = Object.assign(new Book(), { author: new Poet() })
      const error = await failureOf(() => store.run(() => book.makePersistent('poem')))
      assert.equal(error.code, 'ERR_HECUBA_LAYOUT', inspect(error))
      assert.match(error.message, /author: a shop\/model#Poet/)
      assert.equal(await noteOf(idOf('poem')), undefined)
    })

    it('another name, no name, or the name of another object', async () => {
      const ann = await store.run(() => Author.getByAlias('ann'))
      for (const run of [
        () => ann.addAlias('annie'),
        () => ann.removeAlias('ann'),
        () => store.run(() => new Author().makePersistent('ann', { ifExists: 'replace' })),
        () => store.run(() => new Author().makePersistent('not/a name')),
        () => store.run(() => new Author().makePersistent('elsewhere.ann')),
      ])
        assert.equal((await failureOf(run)).code, 'ERR_HECUBA_LAYOUT')
      assert.deepEqual(await ann.aliases(), ['ann'])
    })

    it('a name that a dict has, and a class of the same name', async () => {
      class Words extends StorageDict.of({ word: t.text }, { n: t.i32 }) {
        static readonly typeName = 'shop/words#Words'
      }
      await store.run(() => new Words().makePersistent('list'))
      assert.ok((await failureOf(() => store.run(() => new Author().makePersistent('LIST')))) instanceof AliasTakenError)
      class Author2 extends StorageObject {
        static readonly typeName = 'other/model#author'
        static readonly columns = { name: t.text }
      }
      assert.ok((await failureOf(() => store.run(() => new Author2().makePersistent('second')))) instanceof SchemaMismatchError)
    })

    it('columns of other types than the table has', async () => {
      await cql(`CREATE TABLE ${keyspace.name}.shelf (storage_id uuid PRIMARY KEY, room text)`)
      const error = await failureOf(() => store.run(() => columns('Shelf', { room: t.i32 }, { room: 1 }).makePersistent('s')))
      assert.ok(error instanceof SchemaMismatchError, inspect(error))
      assert.match(error.message, /room: int, and table shelf has text/)
    })

    it('a value that the column cannot hold', async () => {
      const error = await failureOf(() => store.run(() => Object.assign(new Book(), { pages: 1.5 }).makePersistent('wrong')))
      assert.ok(error instanceof ValidationError, inspect(error))
      assert.equal(error.path, 'pages')
    })
  })
})
