/** What `layout=hecuba` has no place for is refused before anything is stored, each with what to do. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { StorageDict, StorageObject, t } from '../../runtime/index.js'
import { AliasTakenError, SchemaMismatchError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { Author, Book } from './hecuba-model.js'
import { HecubaSite } from './hecuba-site.js'
import { failureOf } from './kit.js'

describe('cassandra: objects in layout=hecuba, refused', function () {
  this.timeout(120_000)
  let at: HecubaSite
  before(async function () {
    at = await HecubaSite.open(this)
  })
  after(() => at?.close())

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
      const error = await failureOf(() => at.run(() => object().makePersistent()))
      assert.ok(error instanceof UnsupportedError, inspect(error))
      assert.equal(error.code, 'ERR_HECUBA_LAYOUT')
      assert.match(error.message, message)
    })

  it('a subclass in place of the declared class, which Hecuba would not open', async () => {
    class Poet extends Author {
      static override readonly typeName = 'shop/model#Poet'
    }
    const book = Object.assign(new Book(), { author: new Poet() })
    const error = await failureOf(() => at.run(() => book.makePersistent('poem')))
    assert.equal(error.code, 'ERR_HECUBA_LAYOUT', inspect(error))
    assert.match(error.message, /author: a shop\/model#Poet/)
    assert.equal(await at.noteOf(at.idOf('poem')), undefined)
  })

  it('another name, no name, or the name of another object', async () => {
    const ann = await at.run(() => new Author().makePersistent('ann'))
    for (const run of [
      () => ann.addAlias('annie'),
      () => ann.removeAlias('ann'),
      () => at.run(() => new Author().makePersistent('ann', { ifExists: 'replace' })),
      () => at.run(() => new Author().makePersistent('not/a name')),
      () => at.run(() => new Author().makePersistent('elsewhere.ann')),
    ])
      assert.equal((await failureOf(run)).code, 'ERR_HECUBA_LAYOUT')
    assert.deepEqual(await ann.aliases(), ['ann'])
  })

  it('a name that a dict has, and a class of the same name', async () => {
    class Words extends StorageDict.of({ word: t.text }, { n: t.i32 }) {
      static readonly typeName = 'shop/words#Words'
    }
    await at.run(() => new Words().makePersistent('list'))
    assert.ok((await failureOf(() => at.run(() => new Author().makePersistent('LIST')))) instanceof AliasTakenError)
    class Author2 extends StorageObject {
      static readonly typeName = 'other/model#author'
      static readonly columns = { name: t.text }
    }
    assert.ok((await failureOf(() => at.run(() => new Author2().makePersistent('second')))) instanceof SchemaMismatchError)
  })

  it('a class that has objects from before it had columns', async () => {
    await at.run(() => new Loose().makePersistent())
    const late = columns('Loose', { n: t.i32 }, { n: 1 })
    const error = await failureOf(() => at.elsewhere(() => late.makePersistent('late')))
    assert.ok(error instanceof SchemaMismatchError, inspect(error))
    assert.match(error.message, /from before it had static columns/)
  })

  it('columns of other types than the table has', async () => {
    await at.cql(`CREATE TABLE ${at.keyspace.name}.shelf (storage_id uuid PRIMARY KEY, room text)`)
    const error = await failureOf(() => at.run(() => columns('Shelf', { room: t.i32 }, { room: 1 }).makePersistent('s')))
    assert.ok(error instanceof SchemaMismatchError, inspect(error))
    assert.match(error.message, /room: int, and table shelf has text/)
  })

  it('a value that the column cannot hold', async () => {
    const error = await failureOf(() => at.run(() => Object.assign(new Book(), { pages: 1.5 }).makePersistent('wrong')))
    assert.ok(error instanceof ValidationError, inspect(error))
    assert.equal(error.path, 'pages')
  })
})
