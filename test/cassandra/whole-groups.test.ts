/** Units of work that are more than a server takes in one go: whole all the same, or refused before anything of them is stored. */
import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { Client } from 'cassandra-driver'
import { connect, StorageDict, StorageObject, type Store, t, transact } from '../../runtime/index.js'
import { GroupTooLargeError, ValidationError } from '../../src/errors.js'
import { failureOf, Keyspace, siteFor } from './kit.js'

const MIB = 1024 * 1024
const ROWS = 12_000

class Depot extends StorageObject {
  static readonly typeName = 'insitu/test#Depot'
  title = ''
  rows = new StorageDict({ p: t.text, k: t.i32 }, { text: t.text })
  guarded = new StorageDict({ p: t.text, k: t.i32 }, { text: t.text }, { writes: 'cas' })
}

type Batch = (queries: readonly unknown[], options?: { readonly logged?: boolean }) => Promise<unknown>

describe('cassandra: units of work above what a server takes at once', function () {
  this.timeout(120_000)
  let keyspace: Keyspace
  let store: Store
  before(async function () {
    keyspace = await Keyspace.on(await siteFor(this))
    store = await connect(keyspace.url)
  })
  after(async function () {
    this.timeout(120_000)
    await store?.close()
    await keyspace?.drop()
  })

  const made = (alias: string): Promise<Depot> => store.run(() => new Depot().makePersistent(alias))
  /** Title and rows as another program finds them. */
  async function found(alias: string): Promise<readonly [string, number, number]> {
    const other = await connect(keyspace.url)
    try {
      return await other.run(async () => {
        const depot = await Depot.getByAlias(alias)
        return [depot.title, await depot.rows.count(), await depot.guarded.count()] as const
      })
    } finally {
      await other.close()
    }
  }

  it('a row that is too large is refused with all of its unit, and nothing is held by it', async () => {
    const depot = await made('large')
    const large = 'x'.repeat(17 * MIB)
    const error = await failureOf(() =>
      store.run(() =>
        transact(async () => {
          const mine = await Depot.getByAlias('large')
          mine.title = 'changed'
          mine.rows.set({ p: 'a', k: 1 }, { text: 'y'.repeat(3 * MIB) })
          mine.rows.set({ p: 'a', k: 2 }, { text: large })
          mine.rows.set({ p: 'b', k: 1 }, { text: 'beside' })
        }),
      ),
    )
    assert.ok(error instanceof ValidationError, inspect(error).slice(0, 500))
    assert.equal(error.code, 'ERR_CELL_TOO_LARGE')
    assert.deepEqual(await found('large'), ['', 0, 0])
    const alone = await failureOf(() =>
      store.run(() =>
        transact(async () => {
          depot.rows.set({ p: 'a', k: 1 }, { text: 'y'.repeat(3 * MIB) })
          depot.rows.set({ p: 'a', k: 2 }, { text: large })
        }),
      ),
    )
    assert.equal(alone.code, 'ERR_CELL_TOO_LARGE')
    const guarded = await failureOf(() =>
      store.run(() =>
        transact(async () => {
          for (let k = 0; k < 5; k++) depot.guarded.set({ p: 'a', k }, { text: large.slice(0, 4 * MIB) })
        }),
      ),
    )
    assert.ok(guarded instanceof GroupTooLargeError, inspect(guarded).slice(0, 500))
    const numerous = await failureOf(() =>
      store.run(() =>
        transact(async () => {
          for (let k = 0; k < ROWS; k++) depot.guarded.set({ p: 'a', k }, { text: '' })
        }),
      ),
    )
    assert.ok(numerous instanceof GroupTooLargeError, inspect(numerous).slice(0, 500))
    assert.match(numerous.message, /bulk\(\)/)
    await store.run(async () => {
      depot.title = 'still mine'
      depot.rows.set({ p: 'a', k: 3 }, { text: 'small' })
      await depot.save()
    })
    assert.deepEqual(await found('large'), ['still mine', 1, 0])
  })

  it('of the rows of one partition all are there, or none, also where their writer stops in the middle', async () => {
    await made('many')
    const real = Client.prototype.batch as Batch
    let sent = 0
    let wakeUp = (): void => {}
    const asleep = new Promise<void>((resolve) => {
      wakeUp = resolve
    })
    const stopping: Batch = async function (this: Client, queries, options) {
      if (options?.logged === false && queries.length > 1000 && ++sent > 1) await asleep
      return real.call(this, queries, options)
    }
    const stopped = await connect(keyspace.url)
    let work: Promise<unknown> | undefined
    Client.prototype.batch = stopping as typeof Client.prototype.batch
    try {
      work = stopped
        .run(() =>
          transact(async () => {
            const depot = await Depot.getByAlias('many')
            for (let k = 0; k < ROWS; k++) depot.rows.set({ p: 'a', k }, { text: `row ${k}` })
          }),
        )
        .catch(() => {})
      while (sent < 2) await new Promise((resolve) => setTimeout(resolve, 20))
    } finally {
      Client.prototype.batch = real as typeof Client.prototype.batch
    }
    const rows = (await found('many'))[1]
    wakeUp()
    await work
    await stopped.close()
    assert.equal(rows, ROWS)
  })
})
