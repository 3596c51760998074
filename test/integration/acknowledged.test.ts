/** What is told to a program has the level that its store waits for: on a file, it is on the disk. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { barrier, connect, finish, INOUT, type Store, TaskContext, transact, update, waitOn } from '../../runtime/index.js'
import * as t from './hostile-tasks.js'

/** What is not waited for is not over when the call has returned. */
const FLUSH_MS = 40

describe('what was stored is on the disk', function () {
  this.timeout(60_000)
  let folder: string
  let store: Store
  let box: t.Box
  /** Flushes that are over. */
  let over: string[]

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-acknowledged-'))
    store = await connect(`nvram:${join(folder, 'store')}`)
    const flush = store.backend.flush.bind(store.backend)
    store.backend.flush = async (ack) => {
      await flush(ack)
      await delay(FLUSH_MS)
      over.push(ack)
    }
    over = []
    box = await new t.Box().makePersistent()
  })
  after(async () => {
    await finish()
    await rm(folder, { recursive: true })
  })

  const ways: Readonly<Record<string, () => PromiseLike<unknown>>> = {
    'an object is made persistent': () => new t.Box().makePersistent(),
    'an object is made persistent under a name': () => new t.Box().makePersistent('named'),
    'an object has a further name': () => box.addAlias('further'),
    'an object is saved': () => Object.assign(box, { n: box.n + 1 }).save(),
    'an object is updated': () => update(box, (it) => void it.n++),
    'a transaction is over': () => transact(async () => Object.assign(await t.Box.getByID(box.getID()!), { n: 50 })),
    'a TaskContext is over': () => new TaskContext([box], { directions: [INOUT] }).run((it: t.Box) => void it.n++),
    'a task is awaited': () => box.add(1),
    'an object that tasks change is waited for': () => {
      void box.add(1)
      return waitOn(box)
    },
    'all tasks are waited for': () => {
      void box.add(1)
      return barrier()
    },
    'an object is deleted': async () => box.deletePersistent(),
  }
  for (const [when, act] of Object.entries(ways))
    it(`when ${when}`, async () => {
      await box.reload({ discard: true })
      await barrier()
      over = []
      await act()
      expect(over).to.include('durable')
    })
})

describe('the end of a program', function () {
  this.timeout(60_000)

  it('waits for tasks that nobody awaited, and saves rows that nobody saved', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-finish-'))
    try {
      await connect(`nvram:${join(folder, 'store')}`)
      const box = await new t.Box().makePersistent('box')
      const shelf = await new t.Shelf().makePersistent('shelf')
      for (let i = 0; i < 3; i++) void t.addSlowly(box, 50)
      shelf.rows.set({ name: 'unsaved' }, { n: 1 })
      await finish()
      await connect(`nvram:${join(folder, 'store')}`)
      expect((await t.Box.getByAlias('box')).n).to.equal(3)
      expect(await (await t.Shelf.getByAlias('shelf')).rows.count()).to.equal(1)
      await finish()
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
