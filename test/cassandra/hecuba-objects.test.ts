/** Objects in `layout=hecuba`: what another program sees of them through CQL, and what becomes of what it writes. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { connect, consolidateVersion, finish, getByID, newVersion, transact, update } from '../../runtime/index.js'
import { AliasTakenError, ConflictError, NotFoundError } from '../../src/errors.js'
import { collect } from '../../src/gc/collect.js'
import { all } from '../conformance/expect.js'
import { Author, Book, write } from './hecuba-model.js'
import { HecubaSite } from './hecuba-site.js'
import { failureOf } from './kit.js'

describe('cassandra: objects in layout=hecuba', function () {
  this.timeout(120_000)
  let at: HecubaSite
  before(async function () {
    at = await HecubaSite.open(this)
  })
  after(() => at?.close())

  it('an object is a row of the table of its class, under the id that Hecuba makes of the name, and a row in istorage', async () => {
    await at.run(async () => {
      const author = Object.assign(new Author(), { name: 'Ann', born: '1940-01-31' })
      const book = Object.assign(new Book(), { title: 'Sea', pages: 7, copies: 2n ** 60n, price: 1.5, weight: 0.1, open: true })
      Object.assign(book, { cover: Uint8Array.of(1, 2), printed: new Date(5), at: '23:59:00', author })
      await author.makePersistent('Ann')
      book.words.set({ word: 'tree' }, { n: 3 })
      await book.makePersistent('Sea')
      assert.equal(book.getID(), at.idOf('sea'))
    })
    const columns = await at.cql('SELECT column_name, type, kind FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?', [
      at.keyspace.name,
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
    const row = (await at.rowOf('book', at.idOf('sea')))!
    assert.deepEqual([row.title, row.pages, String(row.copies), row.price, row.open], ['Sea', 7, String(2n ** 60n), 1.5, true])
    assert.equal(String(row.author), at.idOf('ann'))
    const note = (await at.noteOf(at.idOf('sea')))!
    assert.deepEqual([note.class_name, note.name, note.primary_keys], ['shop.model.Book', `${at.keyspace.name}.sea`, null])
    assert.equal(
      String(note.columns),
      '(title,text),(pages,int),(copies,bigint),(price,double),(weight,float),(open,boolean),(cover,blob),(printed,timestamp),(at,time),(author,shop.model.Author),(words,StorageDict)',
    )
    const dict = (await at.noteOf(String(row.words)))!
    assert.deepEqual([String(dict.primary_keys), String(dict.columns)], ['(word,text)', '(n,int)'])
    const [word] = await at.cql(`SELECT * FROM ${String(dict.name)}`)
    assert.deepEqual([word!.word, word!.n], ['tree', 3])
  })

  it('another program opens it by its name with all it leads to, and a save changes what was changed', async () => {
    await at.elsewhere(async () => {
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
    assert.equal((await at.rowOf('book', at.idOf('sea')))!.pages, 8)
    const book = await at.run(() => Book.getByAlias('sea'))
    assert.equal(book.pages, 8)
    assert.equal(await book.words.count(), 2)
  })

  it('what Hecuba made is opened by its name, changed and deleted', async () => {
    await at.run(() => new Author().makePersistent('somebody')) // the table of the class
    await at.make('__main__.Author', 'theirs', [
      ['name', 'text'],
      ['born', 'date'],
    ])
    const empty = await at.run(() => Author.getByAlias('theirs'))
    assert.deepEqual([empty.name, empty.born], [null, null])
    await at.write('author', 'theirs', 'name', 'Bob')
    await empty.reload()
    assert.equal(empty.name, 'Bob')
    empty.born = '2000-02-29'
    await empty.save()
    assert.deepEqual(
      [String((await at.rowOf('author', at.idOf('theirs')))!.born), (await at.noteOf(at.idOf('theirs')))!.class_name],
      ['2000-02-29', '__main__.Author'],
    )
    assert.ok((await failureOf(() => at.run(() => new Author().makePersistent('theirs')))) instanceof AliasTakenError)
    await empty.deletePersistent()
    assert.deepEqual([await at.noteOf(at.idOf('theirs')), (await at.rowOf('author', at.idOf('theirs')))?.name ?? null], [undefined, null])
    assert.ok((await failureOf(() => at.run(() => Author.getByAlias('theirs')))) instanceof NotFoundError)
  })

  it('a write of Hecuba in between is a conflict to who read the object before, and is seen by who reads it again', async () => {
    const [mine, others] = await Promise.all([at.run(() => Book.getByAlias('sea')), connect(at.url)])
    await at.write('book', 'sea', 'title', 'Lake')
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

  it('while Hecuba writes one field, programs that count in another lose no count, and none of what it wrote', async () => {
    await at.run(() => new Book().makePersistent('count'))
    let isOver = false
    const count = (): Promise<void> =>
      at.elsewhere(async () => {
        const book = await Book.getByAlias('count')
        for (let i = 0; i < 10; i++) await update(book, (it) => void (it.pages = (it.pages ?? 0) + 1))
      })
    const writing = (async () => {
      for (let i = 0; ; i++) {
        await at.write('book', 'count', 'title', `t${i}`)
        if (isOver) return `t${i}`
        await delay(20)
      }
    })()
    await Promise.all([count(), count()])
    isOver = true
    const last = await writing
    const row = (await at.rowOf('book', at.idOf('count')))!
    assert.deepEqual([row.pages, row.title], [20, last])
  })

  it('what Hecuba deletes is gone, and may be made again by either', async () => {
    const author = await at.run(() => new Author().makePersistent('brief'))
    await at.cql(`DELETE FROM ${at.keyspace.name}.author WHERE storage_id = ?`, [at.idOf('brief')])
    await at.cql('DELETE FROM hecuba.istorage WHERE storage_id = ?', [at.idOf('brief')])
    assert.ok((await failureOf(() => author.reload())) instanceof NotFoundError)
    const again = await at.run(() => Object.assign(new Author(), { name: 'again' }).makePersistent('brief'))
    await again.deletePersistent()
    await at.make('shop.model.Author', 'brief', [
      ['name', 'text'],
      ['born', 'date'],
    ])
    await at.write('author', 'brief', 'name', 'third')
    assert.equal((await at.elsewhere(() => Author.getByAlias('brief'))).name, 'third')
    assert.ok(await at.noteOf(at.idOf('brief')))
  })

  it('lists hold them, whoever made them', async () => {
    const names: string[] = []
    for await (const page of at.store.backend.aliases({ prefix: '' })) for (const [alias] of page) names.push(alias)
    assert.deepEqual(names.sort(), ['ann', 'brief', 'count', 'sea', 'somebody'])
    let objects = 0
    for await (const page of at.store.backend.objects({})) objects += page.length
    assert.equal(objects, 5)
  })

  it('a transaction over several of them is whole', async () => {
    const nobody = await failureOf(() =>
      at.run(() =>
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
    assert.equal((await at.rowOf('author', at.idOf('ann')))!.name, 'Ann')
    await at.run(() =>
      transact(async () => {
        const [ann, sea] = [await Author.getByAlias('ann'), await Book.getByAlias('sea')]
        ann.name = 'Anna'
        sea.title = 'Ocean'
        sea.words.set({ word: 'wave' }, { n: 1 })
        await (await Author.getByAlias('somebody')).deletePersistent()
        await Object.assign(new Author(), { name: 'Fred' }).makePersistent('fresh')
      }),
    )
    assert.deepEqual([(await at.rowOf('author', at.idOf('ann')))!.name, (await at.rowOf('book', at.idOf('sea')))!.title], ['Anna', 'Ocean'])
    await at.elsewhere(async () => {
      assert.equal((await Author.getByAlias('fresh')).name, 'Fred')
      assert.deepEqual(await (await Book.getByAlias('sea')).words.get({ word: 'wave' }), { n: 1 })
      assert.ok((await failureOf(() => Author.getByAlias('somebody'))) instanceof NotFoundError)
    })
    assert.equal((await at.noteOf(at.idOf('fresh')))!.name, `${at.keyspace.name}.fresh`)
    assert.equal(await at.noteOf(at.idOf('somebody')), undefined)
  })

  it('one name has one maker', async () => {
    const made = await Promise.allSettled(
      Array.from({ length: 4 }, (_, i) => at.elsewhere(() => Object.assign(new Author(), { name: `n${i}` }).makePersistent('once'))),
    )
    assert.equal(made.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const one of made) if (one.status === 'rejected') assert.ok(one.reason instanceof AliasTakenError, inspect(one.reason))
    const opened = await at.elsewhere(() => new Author().makePersistent('once', { ifExists: 'open' }))
    assert.match(String(opened.name), /^n\d$/)
  })

  it('who dies between an object and its note leaves one that the next reader notes, or forgets', async () => {
    const author = await at.run(() => Object.assign(new Author(), { name: 'Eve' }).makePersistent('eve'))
    await at.cql('DELETE FROM hecuba.istorage WHERE storage_id = ?', [at.idOf('eve')])
    await at.cql(`UPDATE ${at.keyspace.name}.author SET "~noted" = null WHERE storage_id = ?`, [at.idOf('eve')])
    assert.equal((await at.elsewhere(() => Author.getByAlias('eve'))).name, 'Eve')
    const note = (await at.noteOf(at.idOf('eve')))!
    assert.deepEqual([note.name, note.class_name], [`${at.keyspace.name}.eve`, 'shop.model.Author'])
    await author.deletePersistent()
    await at.make('shop.model.Author', 'eve', [
      ['name', 'text'],
      ['born', 'date'],
    ])
    const { '~gone': gone } = (await at.rowOf('author', at.idOf('eve')))!
    await at.cql("UPDATE hecuba.istorage SET istorage_props['gone'] = ? WHERE storage_id = ?", [String(gone), at.idOf('eve')])
    assert.ok((await failureOf(() => at.elsewhere(() => Author.getByAlias('eve')))) instanceof NotFoundError)
    assert.equal(await at.noteOf(at.idOf('eve')), undefined)
  })

  it('an object without a name is reached by reference and by id, in a program that has not met its class', async () => {
    const book = await at.run(async () => {
      const made = Object.assign(new Book(), { author: Object.assign(new Author(), { name: 'Sue' }) })
      return made.makePersistent('holder')
    })
    const id = book.author!.getID()!
    assert.equal((await at.noteOf(id))!.name, `${at.keyspace.name}.o${id.replaceAll('-', '_')}`)
    assert.equal(((await at.elsewhere(() => getByID(id))) as Author).name, 'Sue')
    assert.deepEqual(await book.author!.aliases(), [])
  })

  it('garbage is collected around them', async () => {
    const before = await at.count()
    await collect(at.store.backend, { nowMs: Date.now() + 3 * 3_600_000 })
    assert.equal(await at.count(), before)
    const ann = await at.run(() => Author.getByAlias('ann'))
    assert.equal(ann.name, 'Anna')
  })

  it('a version is an object without a name, and its original takes it in', async () => {
    await at.run(async () => {
      const ann = await Author.getByAlias('ann')
      const version = await newVersion(ann)
      assert.ok(version instanceof Author)
      version.name = 'Annette'
      await version.save()
      assert.equal((await at.rowOf('author', at.idOf('ann')))!.name, 'Anna')
      await consolidateVersion(version)
    })
    assert.equal((await at.rowOf('author', at.idOf('ann')))!.name, 'Annette')
  })

  it('tasks change them on worker threads, each once, and what they changed lies there', async () => {
    await at.run(async () => {
      const book = await new Book().makePersistent('task')
      assert.deepEqual(await Promise.all([1, 2, 3].map((pages) => write(book, pages))), [1, 3, 6])
      await book.reload()
      assert.equal(book.pages, 6)
      assert.equal(await book.words.count(), 3)
    })
    await finish() // closes the store as well
    const row = (await at.rowOf('book', at.idOf('task')))!
    assert.equal(row.pages, 6)
    const [{ count: rows } = { count: 0 }] = await at.cql(`SELECT COUNT(*) FROM ${String((await at.noteOf(String(row.words)))!.name)}`)
    assert.equal(Number(rows), 3)
  })
})
