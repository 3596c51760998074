/** Dicts as Hecuba has them: against the layout of Hecuba 2.1, and with Hecuba itself. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import type { Client } from 'cassandra-driver'
import { v5 } from 'uuid'
import { connect, StorageDict, StorageObject, StorageSets, type Store, t } from '../../runtime/index.js'
import { AliasTakenError, SchemaMismatchError, UnavailableError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { all } from '../conformance/expect.js'
import { CassandraRing, whyNoOwnCassandra } from '../servers/cassandra.js'
import { requireServer } from '../servers/require-server.js'
import { notRun } from '../tools/not-run.js'
import { HecubaItself } from './hecuba-itself.js'
import { failureOf, rawClient, urlOf } from './kit.js'

class Words extends StorageDict.of({ word: t.text }, { n: t.i32 }) {
  static readonly typeName = 'shop/words#Words'
}
class Log extends StorageDict.of({ day: t.text, at: t.i64 }, { mood: t.text.optional(), level: t.f64.optional() }) {
  static readonly typeName = 'shop/log#Log'
}

/** Embedded sets: of the last key column, and of tuples. */
class Tags extends StorageDict.of({ doc: t.text, at: t.i64, tag: t.text }, {}) {
  static readonly typeName = 'shop/tags#Tags'
}
class Pairs extends StorageDict.of({ doc: t.text, tag_0: t.text, tag_1: t.i32 }, {}) {
  static readonly typeName = 'shop/tags#Pairs'
}
class Indexed extends StorageObject {
  static readonly typeName = 'shop/tags#Indexed'
  files = new StorageSets({ word: t.text }, t.text)
}

class Holder extends StorageObject {
  static readonly typeName = 'shop/holder#Holder'
  rows: unknown = null
}

const KEYSPACE = 'my_app'

describe('cassandra: layout=hecuba', function () {
  this.timeout(600_000)
  let ring: CassandraRing | undefined
  let raw: Client
  let store: Store
  before(async function () {
    this.timeout(300_000)
    requireServer(this, whyNoOwnCassandra())
    ring = await CassandraRing.start()
    raw = await rawClient(ring)
    await make(KEYSPACE)
    const error = await failureOf(() => connect(`${urlOf(ring!, KEYSPACE)}&layout=hecuba`))
    assert.ok(error instanceof UnavailableError, inspect(error))
    assert.match(String(error.statement), /^CREATE KEYSPACE hecuba WITH/)
    await make('hecuba')
    store = await connect(`${urlOf(ring, KEYSPACE)}&layout=hecuba`)
  })
  after(async () => {
    await store?.close()
    await raw?.shutdown()
    await ring?.stop()
  })

  const make = (keyspace: string): Promise<unknown> =>
    raw.execute(`CREATE KEYSPACE ${keyspace} WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}`)

  const shapeOf = async (table: string): Promise<readonly string[]> => {
    const query = 'SELECT column_name, kind, position, type FROM system_schema.columns WHERE keyspace_name = ? AND table_name = ?'
    const { rows } = await raw.execute(query, [KEYSPACE, table], { prepare: true })
    return rows.map((row) => `${String(row.column_name)} ${String(row.kind)} ${String(row.position)} ${String(row.type)}`).sort()
  }

  const istorage = async (id: string): Promise<Record<string, unknown>> =>
    (await raw.execute('SELECT * FROM hecuba.istorage WHERE storage_id = ?', [id], { prepare: true })).rows[0]!

  it('a dict is a table of its name with its columns alone, and a row in istorage under the id of that name', async () => {
    const words = await store.run(() => new Words().makePersistent('Words'))
    words.set({ word: 'tree' }, { n: 3 })
    await words.save()
    assert.deepEqual(await shapeOf('words'), ['n regular -1 int', 'word partition_key 0 text'])
    const row = await istorage('e2b2947e-d5d1-551b-bfcb-6c59f9f3fd73')
    assert.deepEqual([row.name, row.class_name], ['my_app.words', 'shop.words.Words'])
    assert.equal(String(row.primary_keys), '(word,text)')
    assert.equal(String(row.columns), '(n,int)')
    const tokens = (row.tokens as readonly { readonly elements: readonly unknown[] }[]).map(({ elements }) => elements.map(String))
    assert.deepEqual([tokens[0]![0], tokens.at(-1)![1]], [String(-(2n ** 63n)), String(2n ** 63n - 1n)])
    for (let i = 1; i < tokens.length; i++) assert.equal(tokens[i]![0], tokens[i - 1]![1])
    const { rows } = await raw.execute(`SELECT * FROM ${KEYSPACE}.words`)
    assert.deepEqual(
      rows.map((one) => [one.word, one.n]),
      [['tree', 3]],
    )
  })

  it('several keys are one partition column and clustering; what is not set is null; it is read again, split and deleted', async () => {
    const log = await store.run(() => new Log().makePersistent('log'))
    for (let at = 0; at < 20; at++) log.set({ day: at % 2 ? 'mon' : 'tue', at }, { ...(at % 3 && { mood: 'glad' }), level: at / 2 })
    await log.save()
    assert.deepEqual(await shapeOf('log'), [
      'at clustering 0 bigint',
      'day partition_key 0 text',
      'level regular -1 double',
      'mood regular -1 text',
    ])
    const again = await connect(`${urlOf(ring!, KEYSPACE)}&layout=hecuba`)
    const copy = await again.run(() => Log.getByAlias('log'))
    assert.deepEqual(
      (await all(copy.range({ day: 'mon' }))).map(([{ at }]) => Number(at)),
      [1, 3, 5, 7, 9, 11, 13, 15, 17, 19],
    )
    assert.deepEqual(await copy.get({ day: 'mon', at: 3 }), { level: 1.5 })
    const parts = await copy.split(4)
    let seen = 0
    for (const part of parts) seen += (await all(part)).length
    assert.equal(seen, 20)
    copy.delete({ day: 'mon', at: 1 })
    await copy.save()
    assert.equal(await copy.count(), 19)
    await copy.deletePersistent()
    await again.close()
    assert.deepEqual(await shapeOf('log'), [])
  })

  it('embedded sets are a row for each element, and noted as Hecuba notes them', async () => {
    const indexed = await store.run(() => new Indexed().makePersistent('indexed'))
    indexed.files.addTo({ word: 'in' }, 'a.txt', 'b.txt')
    await indexed.save()
    assert.deepEqual(await shapeOf('indexed'), ['element clustering 0 text', 'word partition_key 0 text'])
    const row = await istorage(v5('my_app.indexed', v5.DNS))
    assert.deepEqual([String(row.primary_keys), String(row.columns)], ['(word,text)', '(_set_element,text)'])
    await store.run(() => new Pairs().makePersistent('pairs'))
    const pairs = await istorage(v5('my_app.pairs', v5.DNS))
    assert.deepEqual([String(pairs.primary_keys), String(pairs.columns)], ['(doc,text)', '(_set_tag_0,text),(_set_tag_1,int)'])
    indexed.files.removeFrom({ word: 'in' }, 'a.txt')
    await indexed.save()
    assert.deepEqual(await all(indexed.files.elements({ word: 'in' })), ['b.txt'])
    assert.equal(await indexed.files.sizeOf({ word: 'in' }), 1)
  })

  it('what Hecuba has no place for is refused with what it has, and leaves nothing', async () => {
    const refusals: readonly unknown[] = [
      new StorageDict({ k: t.text }, { v: t.decimal }),
      new StorageDict({ k: t.text }, { v: t.set(t.text) }),
      new StorageDict({ k: t.text }, { v: t.counter }),
      new StorageDict({ k: t.uuid }, { v: t.text }),
      new StorageDict({ k: t.text }, { V: t.text }),
      new StorageDict({ k: t.text }, { token: t.text }),
      new StorageDict({ a: t.text, b: t.text }, { v: t.text }, { partition: ['a', 'b'] }),
      new StorageDict({ k: t.text }, { v: t.text }, { writes: 'cas' }),
      new StorageDict({ k: t.text }, {}),
      new StorageSets({ k: t.text }, t.tuple(t.text, t.i32)),
      new StorageSets({ k: t.text }, t.uuid),
    ]
    for (const [i, rows] of refusals.entries()) {
      const error = await failureOf(() => store.run(() => Object.assign(new Holder(), { rows }).makePersistent(`refused_${i}`)))
      assert.ok(error instanceof UnsupportedError, inspect(error))
      assert.equal(error.code, 'ERR_HECUBA_LAYOUT', error.message)
      assert.deepEqual(await shapeOf(`refused_${i}`), [])
    }
    for (const name of ['no spaces', 'other.words', 'select'])
      assert.equal((await failureOf(() => store.run(() => new Words().makePersistent(name)))).code, 'ERR_HECUBA_LAYOUT')
    const other = await connect(`${urlOf(ring!, KEYSPACE)}&layout=hecuba`)
    const words = await other.run(() => Words.getByAlias('Words'))
    words.set({ word: '' }, { n: 1 })
    assert.ok((await failureOf(() => words.save())) instanceof ValidationError)
    assert.ok((await failureOf(() => other.close())) instanceof ValidationError) // it is not forgotten either
  })

  it('a name that differs by its case alone is taken, and its rows stay', async () => {
    const error = await failureOf(() => store.run(() => new Words().makePersistent('WORDS')))
    assert.ok(error instanceof AliasTakenError, inspect(error))
    assert.deepEqual(await shapeOf('words'), ['n regular -1 int', 'word partition_key 0 text'])
    assert.equal((await raw.execute(`SELECT * FROM ${KEYSPACE}.words`)).rows.length, 1)
  })

  describe('with Hecuba itself', () => {
    let itself: HecubaItself
    before(async function () {
      this.timeout(300_000)
      const found = await HecubaItself.install()
      if (typeof found === 'string') return notRun(this, found)
      itself = found
    })
    after(() => itself?.remove())

    const hecuba = (program: string): Promise<readonly string[]> => itself.run(ring!, KEYSPACE, `${CLASSES}${program}`)

    it('reads what insitu wrote, and insitu reads what it wrote there', async () => {
      const lines = await hecuba(`
w = Words("words")
print(w.storage_id, sorted(tuple(one) for one in w.items()))
w["leaf"] = 4
w.sync()
`)
      assert.equal(lines.at(-1), "e2b2947e-d5d1-551b-bfcb-6c59f9f3fd73 [('tree', 3)]")
      const words = await store.run(() => Words.getByAlias('Words'))
      assert.deepEqual(
        (await all(words)).map(([{ word }, { n }]) => [word, n]),
        [
          ['leaf', 4],
          ['tree', 3],
        ],
      )
    })

    it('embedded sets go to and fro, also those of tuples', async () => {
      const pairs = await store.run(() => Pairs.getByAlias('pairs'))
      pairs.set({ doc: 'a', tag_0: 'x', tag_1: 1 }, {})
      await pairs.save()
      const lines = await hecuba(`
t = Tags("tags")
t["a", 1] = {"x", "y"}
t["b", 2].add("z")
t["a", 1].remove("y")
t.sync()
p = Pairs("pairs")
p["a"].add(("w", 2))
p.sync()
print(sorted(p["a"]), sorted(x for x in Indexed("indexed")["in"]))
`)
      assert.equal(lines.at(-1), "[('w', 2), ('x', 1)] ['b.txt']")
      assert.equal(await pairs.count(), 2)
      const tags = await store.run(() => new Tags().makePersistent('tags'))
      assert.deepEqual((await all(tags)).map(([{ doc, at, tag }]) => `${doc} ${at} ${tag}`).sort(), ['a 1 x', 'b 2 z'])
      tags.set({ doc: 'a', at: 1, tag: 'more' }, {})
      await tags.save()
      assert.equal((await hecuba('print(sorted(Tags("tags")["a", 1]))')).at(-1), "['more', 'x']")
    })

    it('a dict that it made is opened under its name, or refused where the columns differ, and stays when insitu lets it go', async () => {
      await hecuba(`
l = Log("theirs")
l["mon", 5] = ["glad", 1.5]
l.sync()
`)
      const error = await failureOf(() => store.run(() => new Words().makePersistent('theirs')))
      assert.ok(error instanceof SchemaMismatchError, inspect(error))
      const log = await store.run(() => new Log().makePersistent('theirs'))
      assert.deepEqual(await log.get({ day: 'mon', at: 5 }), { mood: 'glad', level: 1.5 })
      log.set({ day: 'mon', at: 6 }, { mood: 'sad', level: -1 })
      await log.save()
      assert.match(
        (await hecuba('print(sorted(tuple(k) + tuple(v) for k, v in Log("theirs").items()))')).at(-1)!,
        /'mon', 5, 'glad', 1.5\), \('mon', 6, 'sad', -1.0/,
      )
      await log.deletePersistent()
      assert.equal((await raw.execute(`SELECT * FROM ${KEYSPACE}.theirs`)).rows.length, 2)
    })
  })
})

const CLASSES = `from hecuba import StorageDict
class Words(StorageDict):
    '''
    @TypeSpec dict<<word:str>, n:int>
    '''
class Tags(StorageDict):
    '''
    @TypeSpec dict<<doc:str, at:long>, tag:set<str>>
    '''
class Pairs(StorageDict):
    '''
    @TypeSpec dict<<doc:str>, tag:set<str,int>>
    '''
class Indexed(StorageDict):
    '''
    @TypeSpec dict<<word:str>, element:set<str>>
    '''
class Log(StorageDict):
    '''
    @TypeSpec dict<<day:str, at:long>, mood:str, level:double>
    '''
`
