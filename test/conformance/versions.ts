import assert from 'node:assert/strict'
import { getByID, transact } from '../../runtime/index.js'
import { ConflictError, NotFoundError, UnavailableError, UnsavedChangesError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { type Case, type CaseContext, law, type Needs } from './case.js'
import { all, refused } from './expect.js'
import { FaultyBackend, OvertakenBackend } from './faulty-backend.js'
import { Anything, Item, Library, Person, Totals } from './model.js'

const item = (text: string): Item => Object.assign(new Item(), { text })
const textOf = (ctx: CaseContext, id: string): Promise<string> => ctx.other(async () => (await Item.getByID(id as never)).text)

async function tablesIn({ store: { backend } }: CaseContext): Promise<number> {
  let count = 0
  for await (const page of backend.upkeep!.tables()) count += page.length
  return count
}

const listsTables: Needs = ({ upkeep }) => (upkeep ? undefined : 'it does not list tables')

/** Versions of objects, and fields too large for one group. */
export const versions: readonly Case[] = [
  law('C38', 'of ten chained versions the last becomes the original, and every id between is unknown', async (ctx) => {
    const alias = ctx.alias('chain')
    const o = await item('0').makePersistent(alias)
    const id = o.getID()!
    const ids: string[] = []
    let last = o
    for (let i = 1; i <= 10; i++) {
      last = await last.newVersion()
      last.text = String(i)
      await last.save()
      ids.push(last.getID()!)
    }
    assert.equal(new Set([id, ...ids]).size, 11)
    assert.equal(await textOf(ctx, id), '0')
    await last.consolidateVersion()
    assert.equal(last.getID(), id)
    assert.equal(await textOf(ctx, id), '10')
    assert.equal(await ctx.other(async () => (await Item.getByAlias(alias)).text), '10')
    for (const gone of ids) await ctx.other(() => refused(NotFoundError, () => getByID(gone as never)))
  }),

  law('C39', 'what was changed in memory and not stored is not in a new version', async (ctx) => {
    const o = await item('stored').makePersistent()
    o.text = 'only in memory'
    const version = await o.newVersion()
    assert.equal(version.text, 'stored')
    assert.equal(o.text, 'only in memory')
    assert.equal(await textOf(ctx, version.getID()!), 'stored')
  }),

  law('D34', 'a version changes alone; consolidated, whoever refers to the original sees what it holds', async (ctx) => {
    const dog = Object.assign(new Person(), { name: 'holder' })
    const friend = Object.assign(new Person(), { name: 'before' })
    dog.friends = [friend]
    await dog.makePersistent()
    const version = await friend.newVersion()
    version.name = 'after'
    await version.save()
    const seen = (): Promise<string> =>
      ctx.other(async () => (await Person.getByID(dog.getID()!, { depth: 1 })).friends.map(({ name }) => name).join())
    assert.equal(await seen(), 'before')
    await version.consolidateVersion()
    assert.equal(await seen(), 'after')
    assert.equal(friend.name, 'after', 'the original’s instance is brought up to date')
  }),

  law('D35', 'a version of a version that is consolidated gives the original its value', async (ctx) => {
    const o = await item('first').makePersistent()
    const second = await o.newVersion()
    const third = await second.newVersion()
    third.text = 'third'
    await third.save()
    await third.consolidateVersion()
    assert.equal(await textOf(ctx, o.getID()!), 'third')
    await ctx.other(() => refused(NotFoundError, () => Item.getByID(second.getID()!)))
  }),

  law('I567', 'names of a version, and of one between, are the original’s once it is consolidated', async (ctx) => {
    const aliases = ['original', 'between', 'last'].map((name) => ctx.alias(name)) as [string, string, string]
    const o = await item('first').makePersistent(aliases[0])
    const between = await o.newVersion()
    await between.addAlias(aliases[1])
    const last = await between.newVersion()
    last.text = 'last'
    await last.save()
    await last.addAlias(aliases[2])
    await last.consolidateVersion()
    for (const alias of aliases)
      await ctx.other(async () => {
        const found = await Item.getByAlias(alias)
        assert.deepEqual([found.getID(), found.text], [o.getID(), 'last'])
      })
    assert.deepEqual(await ctx.other(async () => (await Item.getByID(o.getID()!)).aliases()), aliases.toSorted())
  }),

  law('D54', 'of two sibling versions the second to be consolidated meets a conflict, and nothing of it is stored', async (ctx) => {
    const o = await item('original').makePersistent()
    const [a, b] = [await o.newVersion(), await o.newVersion()]
    a.text = 'a'
    b.text = 'b'
    await a.save()
    await b.save()
    await a.consolidateVersion()
    await refused(ConflictError, () => b.consolidateVersion())
    assert.equal(await textOf(ctx, o.getID()!), 'a')
    assert.equal(await textOf(ctx, b.getID()!), 'b')
  }),

  law('I505', 'of two sibling versions the second meets a conflict although the first has changed nothing', async (ctx) => {
    const o = await item('original').makePersistent()
    const [a, b] = [await o.newVersion(), await o.newVersion()]
    await a.consolidateVersion()
    b.text = 'b'
    await b.save()
    await refused(ConflictError, () => b.consolidateVersion())
    assert.equal(await textOf(ctx, o.getID()!), 'original')
    assert.equal(await textOf(ctx, b.getID()!), 'b')
    await o.reload()
    o.text = 'goes on'
    await o.save()
    assert.equal(await textOf(ctx, o.getID()!), 'goes on')
  }),

  law(
    'I569',
    'what somebody stores in the original while a version of it is consolidated stays, and the version conflicts',
    async (ctx) => {
      let backend!: OvertakenBackend
      const store = await ctx.wrapped((inner) => (backend = new OvertakenBackend(inner)))
      await store.run(async () => {
        const o = await item('original').makePersistent()
        const id = o.getID()!
        const version = Object.assign(await o.newVersion(), { text: 'version' })
        await version.save()
        backend.overtake = () => ctx.other(async () => Object.assign(await Item.getByID(id), { text: 'meanwhile' }).save())
        backend.overtaken = id
        await refused(ConflictError, () => version.consolidateVersion())
        assert.equal(await textOf(ctx, id), 'meanwhile')
        assert.equal(await textOf(ctx, version.getID()!), 'version')
      })
    },
  ),

  law('I110', 'a version has collections of its own, counters included, and gives them to the original', async (ctx) => {
    const o = await new Totals().makePersistent()
    o.rows.set({ name: 'x' }, { note: 'old' })
    o.rows.add({ name: 'x' }, 'hits', 3n)
    await o.save()
    const version = await o.newVersion()
    version.rows.add({ name: 'x' }, 'hits', 4n)
    version.rows.set({ name: 'y' }, { note: 'new' })
    await version.save()
    const rows = (id: string): Promise<unknown[]> => ctx.other(async () => all(((await getByID(id as never)) as Totals).rows.entries()))
    const old = [[{ name: 'x' }, { note: 'old', hits: 3n }]]
    const changed = [
      [{ name: 'x' }, { note: 'old', hits: 7n }],
      [{ name: 'y' }, { note: 'new', hits: 0n }],
    ]
    assert.deepEqual(await rows(o.getID()!), old)
    assert.deepEqual(await rows(version.getID()!), changed)
    await version.consolidateVersion()
    assert.deepEqual(await rows(o.getID()!), changed)
    version.rows.delete({ name: 'y' })
    await version.save()
    assert.deepEqual(await rows(o.getID()!), changed.slice(0, 1))
  }),

  law('I532', 'rows of an original that were saved since the first version of it was made are a conflict', async (ctx) => {
    const o = await new Totals().makePersistent()
    for (const name of ['x', 'y']) o.rows.set({ name }, { note: 'first' })
    await o.save()
    const rows = (of: Totals): Promise<unknown[]> => ctx.other(async () => all((await Totals.getByID(of.getID()!)).rows.entries()))
    const first = await rows(o)
    const changes: ((o: Totals) => void)[] = [
      ({ rows }) => rows.set({ name: 'x' }, { note: 'second' }),
      ({ rows }) => rows.add({ name: 'x' }, 'hits', 1n),
      ({ rows }) => rows.delete({ name: 'y' }),
      ({ rows }) => rows.set({ name: 'z' }, {}),
    ]
    for (const change of changes) {
      const version = await (await o.newVersion()).newVersion()
      version.rows.set({ name: 'of the version' }, {})
      await version.save()
      const before = await rows(o)
      const after = await ctx.other(async () => {
        const theirs = await Totals.getByID(o.getID()!)
        change(theirs)
        await theirs.save()
        return all(theirs.rows.entries())
      })
      assert.notDeepEqual(after, before)
      await refused(ConflictError, () => version.consolidateVersion())
      assert.deepEqual(await rows(o), after)
      assert.equal((await rows(version)).length, before.length + 1)
    }
    for (const name of ['x', 'y', 'z']) o.rows.delete({ name })
    await o.rows.save()
    for (const name of ['x', 'y']) o.rows.set({ name }, { note: 'first' })
    await o.rows.save()
    assert.deepEqual(await rows(o), first)
    const version = await o.newVersion()
    version.rows.delete({ name: 'x' })
    await version.save()
    await version.consolidateVersion()
    assert.deepEqual(await rows(o), first.slice(1))
  }),

  law(
    'I568',
    'what a consolidated version has replaced leaves no table behind',
    async (ctx) => {
      const before = await tablesIn(ctx)
      const o = await new Totals().makePersistent()
      const between = await o.newVersion()
      const last = await between.newVersion()
      last.rows.set({ name: 'x' }, { note: 'last' })
      await last.save()
      assert.equal((await tablesIn(ctx)) - before, 3)
      await last.consolidateVersion()
      assert.equal((await tablesIn(ctx)) - before, 1)
    },
    listsTables,
  ),

  law('I111', 'references of a version lead to the same objects, and deleting it leaves the original alone', async (ctx) => {
    const o = new Library()
    o.keeper = Object.assign(new Person(), { name: 'K' })
    o.books.set({ title: 't' }, { year: 1 })
    await o.makePersistent()
    const version = await o.newVersion()
    assert.equal(version.keeper, o.keeper)
    await version.deletePersistent()
    await ctx.other(async () => {
      const copy = await Library.getByID(o.getID()!, { depth: 1 })
      assert.equal(copy.keeper?.name, 'K')
      assert.deepEqual(await copy.books.get({ title: 't' }), { year: 1 })
    })
  }),

  law('I112', 'what is no version cannot be consolidated, nor one with unsaved changes, nor inside a transaction', async () => {
    const o = await item('o').makePersistent()
    await refused(ValidationError, () => o.consolidateVersion())
    await refused(ValidationError, () => new Item().newVersion())
    const version = await o.newVersion()
    version.text = 'unsaved'
    await refused(UnsavedChangesError, () => version.consolidateVersion())
    await refused(UnsupportedError, () => transact(() => o.newVersion()))
  }),

  law('C46', 'a field larger than one chunk comes back whole, is replaced, and leaves nothing behind', async (ctx) => {
    const size = 65 * 1024 * 1024
    const o = new Anything()
    o.value = new Uint8Array(size).fill(7)
    o.second = 'small'
    await o.makePersistent()
    const sum = (): Promise<number[]> =>
      ctx.other(async () => {
        const { value } = await Anything.getByID(o.getID()!)
        const bytes = value as Uint8Array
        return [bytes.length, bytes[0]!, bytes[size >> 1]!, bytes.at(-1)!]
      })
    assert.deepEqual(await sum(), [size, 7, 7, 7])
    ;(o.value as Uint8Array)[size >> 1] = 8
    await o.save()
    assert.deepEqual(await sum(), [size, 7, 8, 7])
    o.value = new Uint8Array(3).fill(1)
    await o.save()
    assert.deepEqual(await sum(), [3, 1, undefined, 1])
    const chunks = await all(ctx.store.backend.objects({ classId: 'insitu#chunk' as never }))
    assert.deepEqual(chunks.flat(), [])
  }),

  law('I113', 'a large field whose storing fails half-way leaves no readable half', async (ctx) => {
    let faulty: FaultyBackend | undefined
    const store = await ctx.wrapped((backend) => (faulty = new FaultyBackend(backend)))
    await store.run(async () => {
      const o = Object.assign(new Anything(), { value: new Uint8Array(65 * 1024 * 1024).fill(1) })
      faulty!.failCommits({ skip: 2, times: 1, after: false, error: () => new UnavailableError('the store is away') })
      await refused(UnavailableError, () => o.makePersistent(ctx.alias('half')))
      await ctx.other(() => refused(NotFoundError, () => Anything.getByAlias(ctx.alias('half'))))
      await o.makePersistent(ctx.alias('half'))
    })
    await ctx.other(async () => {
      assert.equal(((await Anything.getByAlias(ctx.alias('half'))).value as Uint8Array).at(-1), 1)
    })
  }),
]
