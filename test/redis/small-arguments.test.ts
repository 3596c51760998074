import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { connect, StorageDict, StorageObject, StorageStream, type Store, t, transact } from 'insitu'
import { GroupTooLargeError, ValidationError } from '../../src/errors.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, startedForEach } from './kit.js'

class Shelf extends StorageObject {
  static readonly typeName = 'test/redis/Shelf'
  text = ''
  rows = new StorageDict({ key: t.text }, { bytes: t.blob })
  items = new StorageStream<string>()
}

/** The least that a server lets it be. */
const LEAST = 1024 * 1024
const OPTIONS = ['--proto-max-bulk-len', String(LEAST)]

describe('redis: a server that takes short arguments only (proto-max-bulk-len)', function () {
  this.timeout(60_000)
  const started = startedForEach()
  let store: Store | undefined
  before(function () {
    this.timeout(300_000)
    requireRedis(this)
  })
  afterEach(async () => {
    await store?.close()
    store = undefined
  })

  const opened = async (server: { readonly url: string }): Promise<Shelf> => {
    store = await connect(`${server.url}?namespace=${freshNamespace()}&patienceMs=1000`, { patienceMs: 1000 })
    return store.run(() => new Shelf().makePersistent('shelf'))
  }

  const refusesFields = async (shelf: Shelf): Promise<void> => {
    shelf.text = 'x'.repeat(LEAST)
    const error = await failureOf(() => shelf.save())
    assert.ok(error instanceof ValidationError, inspect(error))
    assert.equal(error['code'], 'ERR_CELL_TOO_LARGE')
    assert.match(error.message, /"text".*proto-max-bulk-len 1048576.*CONFIG SET/)
    shelf.text = 'y'.repeat(LEAST - 1) // the byte that says it is text
    await shelf.save()
  }

  it('refuses a larger field by name, before anything is sent, and takes the next', async () => {
    await refusesFields(await opened(await started(RedisServer.start(OPTIONS))))
  })

  it('refuses a larger field as a Cluster does, and in a unit of work over two slots nothing of it is there', async () => {
    const shelf = await opened(await started(RedisCluster.start(0, OPTIONS)))
    await refusesFields(shelf)
    const other = await store!.run(() => new Shelf().makePersistent('other'))
    const both = (first: number, second: number): Promise<unknown> =>
      store!.run(() =>
        transact(async () => {
          const [a, b] = [await Shelf.getByAlias('shelf'), await Shelf.getByAlias('other')]
          a.text = 'a'.repeat(first)
          b.text = 'b'.repeat(second)
          await Promise.all([a.save(), b.save()])
        }),
      )
    const error = await failureOf(() => both(10, LEAST))
    assert.ok(error instanceof GroupTooLargeError || error instanceof ValidationError, inspect(error))
    await shelf.reload()
    await other.reload()
    assert.deepEqual([shelf.text[0], other.text], ['y', ''])
    await both(LEAST / 2, LEAST / 2)
    await other.reload()
    assert.equal(other.text.length, LEAST / 2)
  })

  it('refuses larger rows, items and objects, and takes what is more in many', async () => {
    const shelf = await opened(await started(RedisServer.start(OPTIONS)))
    shelf.rows.set({ key: 'large' }, { bytes: new Uint8Array(LEAST) })
    assert.equal((await failureOf(() => shelf.save()))['code'], 'ERR_CELL_TOO_LARGE')
    shelf.rows.delete({ key: 'large' })
    assert.equal((await failureOf(() => shelf.items.append('x'.repeat(LEAST))))['code'], 'ERR_CELL_TOO_LARGE')
    const wide = Object.assign(new Shelf(), Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`field${i}`, 'x'.repeat(9_000)])))
    const error = await failureOf(() => store!.run(() => wide.makePersistent('wide')))
    assert.ok(error instanceof GroupTooLargeError, inspect(error))
    for (let i = 0; i < 200; i++) shelf.rows.set({ key: `${i}` }, { bytes: new Uint8Array(6_000) })
    await shelf.save()
    assert.equal(await shelf.rows.count(), 200)
  })
})
