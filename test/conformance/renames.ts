import assert from 'node:assert/strict'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { ValidationError } from '../../src/errors.js'
import type { Id } from '../../src/ids.js'
import { type Case, type CaseContext, law } from './case.js'
import { refused } from './expect.js'

type Fields = Record<string, unknown>

/** A version of a class: of several under one name the one that is asked for last is what the program has. */
function version(name: string, fields: () => Fields, renamed: unknown = {}, merge?: 'fields') {
  return class extends StorageObject {
    static readonly typeName = `insitu/conformance#${name}`
    static readonly renamed = renamed
    static readonly merge = merge
    constructor() {
      super()
      Object.assign(this, fields())
    }
  }
}

type Version = ReturnType<typeof version>
type Loaded = InstanceType<Version> & Fields

/** What another program with this version of the class has of an object, once `change` has changed it there. */
const seenBy = (ctx: CaseContext, ctor: Version, id: Id, change?: (o: Loaded) => unknown): Promise<Fields> =>
  ctx.other(async () => {
    const o: Loaded = Object.assign(await ctor.getByID(id), {} as Fields)
    await o.reload() // refuses what counts as changed
    await change?.(o)
    await o.save()
    return { ...o }
  })

const stored = async (ctor: Version, fields: Fields): Promise<Id> => (await Object.assign(new ctor(), fields).makePersistent()).getID()!

/** Fields that a class has under other names than those in the store. */
export const renames: readonly Case[] = [
  law(
    'I500',
    'a class that has renamed a field makes objects that programs with the first and a third name read and change',
    async (ctx) => {
      const rows = () => new StorageDict({ k: t.text }, {})
      const first = () => version('Renamed', () => ({ a: 0, log: rows() }))
      const second = () => version('Renamed', () => ({ b: 0, journal: rows() }), { b: 'a', journal: 'log' })
      const third = () => version('Renamed', () => ({ c: 0, notes: rows() }), { c: 'a', notes: 'log' })
      const made: Loaded = Object.assign(new (second())(), { b: 'second' } as Fields)
      ;(made.journal as ReturnType<typeof rows>).set({ k: 'x' }, {})
      const id = (await made.makePersistent()).getID()!
      assert.equal((await seenBy(ctx, first(), id)).a, 'second')
      assert.equal((await seenBy(ctx, third(), id, (o) => Object.assign(o, { c: 'third' }))).c, 'third')
      const { a, log } = await seenBy(ctx, first(), id, (o) => (o.log as ReturnType<typeof rows>).set({ k: 'y' }, {}))
      assert.deepEqual([a, log instanceof StorageDict], ['third', true])
      await made.reload()
      assert.deepEqual([made.b, await (made.journal as ReturnType<typeof rows>).count()], ['third', 2])
      const inside = await transact(async () => stored(second(), { b: 'inside' }))
      assert.equal((await seenBy(ctx, first(), inside)).a, 'inside')
    },
  ),

  law('I501', 'what was stored under the new name of a field stays there, and is not changed by being loaded', async (ctx) => {
    const id = await stored(
      version('NewName', () => ({ b: 0 })),
      { b: 'new' },
    )
    const after = version('NewName', () => ({ b: 0 }), { b: 'a' })
    assert.deepEqual(await seenBy(ctx, after, id, (o) => Object.assign(o, { b: 'newer' })), { b: 'newer' })
    assert.deepEqual(
      await seenBy(
        ctx,
        version('NewName', () => ({ b: 0 })),
        id,
      ),
      { b: 'newer' },
    )
  }),

  law('I502', 'a field that takes the first name of a renamed one takes nothing from it, and loses nothing of its own', async (ctx) => {
    const before = () => version('NameAgain', () => ({ a: 0 }))
    const after = () => version('NameAgain', () => ({ b: 'b as made', a: 'a as made' }), { b: 'a' }, 'fields')
    const id = await stored(before(), { a: 7 })
    assert.deepEqual(await seenBy(ctx, after(), id, (o) => Object.assign(o, { b: 8 })), { b: 8, a: 'a as made' })
    assert.deepEqual(await seenBy(ctx, after(), id, (o) => Object.assign(o, { a: 'another' })), { b: 8, a: 'another' })
    assert.deepEqual(await seenBy(ctx, after(), id, (o) => Object.assign(o, { a: 'a as made' })), { b: 8, a: 'a as made' })
    assert.deepEqual(await seenBy(ctx, after(), id), { b: 8, a: 'a as made' })
    const made = await stored(after(), {})
    assert.deepEqual(await seenBy(ctx, after(), made), { b: 'b as made', a: 'a as made' })
    const both = after()
    const beside = await stored(before(), { a: 1 })
    await ctx.other(async () => {
      const mine: Loaded = Object.assign(await both.getByID(beside), {} as Fields)
      await ctx.other(async () => Object.assign(await both.getByID(beside), { a: 'theirs' }).save())
      mine.more = 5
      await mine.save()
      assert.deepEqual({ ...mine }, { b: 1, a: 'theirs', more: 5 })
    })
  }),

  law('I503', 'a renamed field that is deleted stays deleted, of objects from before and of new ones', async (ctx) => {
    const after = () => version('Deletes', () => ({ b: 'as made' }), { b: 'a' })
    const id = await stored(
      version('Deletes', () => ({ a: 0 })),
      {},
    )
    const drop = (o: Loaded): void => void Reflect.deleteProperty(o, 'b')
    assert.deepEqual(await seenBy(ctx, after(), id, drop), {})
    assert.deepEqual(await seenBy(ctx, after(), id), {})
    const made: Loaded = Object.assign(new (after())(), {} as Fields)
    drop(made)
    await made.makePersistent()
    assert.deepEqual(await seenBy(ctx, after(), made.getID()!), {})
  }),

  law('I504', 'names that could each stand for another field are refused before anything is stored', async () => {
    const wrong = [{ a: 'b', b: 'a' }, { b: 'a', c: 'a' }, { c: 'b', b: 'a' }, ['a'], 'a', { a: 'a' }, { a: 1 }]
    for (const [i, renamed] of wrong.entries()) {
      const ctor = version(`Wrong${i}`, () => ({ a: 1, b: 2 }), renamed)
      const o = new ctor()
      await refused(ValidationError, () => o.makePersistent())
      assert.equal(o.getID(), null)
    }
  }),
]
