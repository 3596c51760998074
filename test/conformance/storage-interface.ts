import assert from 'node:assert/strict'
import {
  consolidateVersion,
  executeTask,
  finish,
  getByID,
  getLocations,
  getResult,
  INOUT,
  init,
  newReplica,
  newVersion,
  TaskContext,
} from '../../runtime/index.js'
import { InsituError, NotFoundError, UnsavedChangesError, UnsupportedError, WrongDirectionError } from '../../src/errors.js'
import { type Id, newId } from '../../src/ids.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused, thrown } from './expect.js'
import { Counter, Item } from './model.js'

const counter = (n: number): Promise<Counter> => Object.assign(new Counter(), { n }).makePersistent()

/** What each of them counts, for others. */
const counted = (ctx: CaseContext, ...counters: Counter[]): Promise<number[]> =>
  ctx.other(async () => Promise.all(counters.map(async (o) => (await Counter.getByID(o.getID()!)).n)))

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

  law('I538', 'an id is found in capitals too, as other tools write uuids', async (ctx) => {
    const o = await Object.assign(new Item(), { text: 'here' }).makePersistent()
    const id = o.getID()!.toUpperCase() as Id
    assert.notEqual(id, o.getID())
    assert.equal(await Item.getByID(id), o)
    assert.deepEqual(await getByID(id, o.getID()!), [o, o])
    assert.ok((await getLocations(id)).length >= 1)
    await ctx.other(async () => assert.equal((await Item.getByID(id)).text, 'here'))
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

  law('I476', 'newVersion and consolidateVersion take an object or its id, and do what its methods do', async (ctx) => {
    const o = await Object.assign(new Item(), { text: 'first' }).makePersistent()
    const id = o.getID()!
    for (const what of [o, id]) {
      const version = (await newVersion(what)) as Item
      assert.notEqual(version.getID(), id)
      assert.equal(version.text, o.text)
      version.text = typeof what === 'string' ? 'by id' : 'by object'
      await version.save()
      const own = version.getID()!
      await consolidateVersion(typeof what === 'string' ? own : version)
      assert.equal((await ctx.other(() => Item.getByID(id))).text, version.text)
      await refused(NotFoundError, () => ctx.other(() => getByID(own)))
    }
    for (const act of [newVersion, consolidateVersion]) await refused(NotFoundError, () => act(newId()))
  }),

  law(
    'I477',
    'a TaskContext gives its body loaded values, commits all that it changed together, and nothing when it throws',
    async (ctx) => {
      const [one, two, alias] = [await counter(1), await counter(2), ctx.alias('made')]
      const context = new TaskContext([one, two, 5], { directions: [INOUT, INOUT] })
      const sum = await context.run(async (a: Counter, b: Counter, by: number) => {
        a.n += by
        await a.save()
        await Object.assign(new Item(), { text: 'made' }).makePersistent(alias)
        b.n += by
        assert.deepEqual(await counted(ctx, one, two), [1, 2], 'nobody sees it before the end')
        return a.n + b.n
      })
      assert.equal(sum, 13)
      assert.deepEqual(await counted(ctx, one, two), [6, 7])
      assert.equal((await ctx.other(() => Item.getByAlias(alias))).text, 'made')
      const made = new Item()
      const failure = new RangeError('after the changes')
      const failed = await thrown(() =>
        context.run(async (a: Counter) => {
          a.n = 100
          await made.makePersistent()
          throw failure
        }),
      )
      assert.equal(failed, failure)
      assert.equal(made.getID(), null, 'what it made is volatile again')
      assert.deepEqual(await counted(ctx, one, two), [6, 7])
    },
  ),

  law('I478', 'a TaskContext refuses a change of what it takes IN, unsaved changes, and what is gone', async (ctx) => {
    const [one, two] = [await counter(1), await counter(2)]
    const both = new TaskContext([one, two], { directions: [INOUT] })
    const change = (_: Counter, b: Counter): void => {
      b.n = 20
    }
    await refused(WrongDirectionError, () => both.run(change))
    assert.deepEqual(await counted(ctx, one, two), [1, 2])
    one.n = 5
    await refused(UnsavedChangesError, () => both.run(change))
    await one.reload({ discard: true })
    await ctx.other(async () => (await Counter.getByID(two.getID()!)).deletePersistent())
    let hasRun = false
    const gone = await refused(NotFoundError, () => both.run(() => (hasRun = true)))
    assert.deepEqual([gone['id'], hasRun], [two.getID(), false])
  }),

  law('I93', 'replicas are refused where the backend keeps none', async (ctx) => {
    const o = await new Item().makePersistent()
    if (!ctx.store.backend.replicas) await refused(UnsupportedError, () => newReplica(o.getID()!))
  }),
]
