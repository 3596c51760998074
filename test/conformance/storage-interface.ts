import assert from 'node:assert/strict'
import {
  consolidateVersion,
  executeTask,
  finish,
  getByID,
  getLocations,
  getResult,
  init,
  newReplica,
  newVersion,
  TaskContext,
} from '../../runtime/index.js'
import { InsituError, NotFoundError, UnsupportedError } from '../../src/errors.js'
import { type Id, newId } from '../../src/ids.js'
import { type Case, law } from './case.js'
import { refused, thrown } from './expect.js'
import { Counter, Item } from './model.js'

/** What a task runtime asks of a store. */
export const storageInterface: readonly Case[] = [
  law('H81', 'locations of a stored object are its hosts with bytes, by object or by id; of an unknown id a typed error', async () => {
    const o = await Object.assign(new Item(), { text: 'x'.repeat(1000) }).makePersistent()
    for (const what of [o, o.getID()!]) {
      const locations = await getLocations(what)
      assert.ok(locations.length >= 1)
      assert.equal(locations[0]!.role, 'primary')
      assert.ok(locations[0]!.bytes >= 1000)
    }
    await refused(NotFoundError, () => getLocations(newId()))
  }),

  law('I475', 'locations of what is no id are a typed error that names it, as everywhere', async () => {
    for (const text of ['rubbish', '', 'x'.repeat(36)]) {
      const error = await refused(NotFoundError, () => getLocations(text as Id))
      assert.equal(error.id, text)
    }
  }),

  law('H82', 'versions and replicas work or are refused by a typed error, and a version never has its original’s id', async () => {
    const o = await new Item().makePersistent()
    const id = o.getID()!
    const attempts: (() => PromiseLike<unknown>)[] = [() => newReplica(id), () => consolidateVersion(id), () => newVersion(id)]
    for (const attempt of attempts) {
      const result = await Promise.resolve()
        .then(attempt)
        .catch((error: unknown) => {
          assert.ok(error instanceof InsituError, String(error))
          assert.match(error.code, /^ERR_/)
        })
      assert.notEqual(result, id)
    }
    assert.equal((await Item.getByID(id)).getID(), id)
  }),

  law('I90', 'the storage runtime interface is there in full', async () => {
    for (const member of [init, finish, getLocations, getByID, newReplica, newVersion, consolidateVersion, executeTask, getResult]) {
      assert.equal(typeof member, 'function')
    }
    assert.ok(TaskContext)
  }),

  law('I91', 'getResult gives the result of executeTask, and its error', async () => {
    const o = await Object.assign(new Counter(), { n: 20 }).makePersistent()
    assert.equal(await getResult(executeTask(o, 'doubled')), 40)
    await thrown(() => getResult(executeTask(o, 'nothing' as 'doubled')))
    await refused(InsituError, () => executeTask(o, 'save' as 'doubled'))
  }),

  law('I92', 'one id gives one object, none gives none', async () => {
    const o = await new Item().makePersistent()
    const found: unknown = await getByID(o.getID()!)
    assert.equal(found, o)
    await refused(NotFoundError, () => getByID(newId()))
  }),

  law('I93', 'replicas are refused where the backend keeps none', async (ctx) => {
    const o = await new Item().makePersistent()
    if (!ctx.store.backend.replicas) await refused(UnsupportedError, () => newReplica(o.getID()!))
  }),
]
