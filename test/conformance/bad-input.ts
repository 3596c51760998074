import assert from 'node:assert/strict'
import {
  consolidateVersion,
  loadAll,
  newReplica,
  newVersion,
  StorageDict,
  StorageObject,
  StorageStream,
  t,
  transact,
  watch,
} from '../../runtime/index.js'
import { type Cell, Packed } from '../../src/backend.js'
import { CorruptError, InsituError, NotFoundError, UnknownClassError, UnsupportedError, ValidationError } from '../../src/errors.js'
import type { ClassId, Id } from '../../src/ids.js'
import { VALUE_DEPTH_MAX } from '../../src/limits.js'
import { type Case, type CaseContext, law } from './case.js'
import { fieldOf, group, put, send, standing, thing } from './contract-kit.js'
import { all, refused, thrown } from './expect.js'
import { Anything, Counts, Dog, Item, Lost, Person, Point } from './model.js'

/** Cells of an object, damaged by `change` behind the core's back. */
async function damage(ctx: CaseContext, id: Id, change: (name: string, cell: Cell) => Cell): Promise<void> {
  const { backend } = ctx.store
  const [found] = await backend.find([id])
  const { stamp, cells } = await standing(backend, found!.ref!)
  const set = new Map([...cells].map(([name, cell]) => [name, change(name, cell)]))
  await backend.commit(group([{ do: 'put', ref: found!.ref!, set, expect: stamp }]))
}

const repack =
  (change: (bytes: Uint8Array) => Uint8Array) =>
  (_: string, cell: Cell): Cell =>
    cell instanceof Packed ? new Packed(change(cell.bytes)) : cell

/** What must be refused, with nothing lost. */
export const badInput: readonly Case[] = [
  law('I539', 'an option of another name is refused by name, and nothing is done', async (ctx) => {
    const o = await Object.assign(new Counts(), { title: 'stored' }).makePersistent(ctx.alias('o'))
    o.counts.set({ word: 'a' }, { n: 1 })
    await o.save()
    o.title = 'unsaved'
    const wrong = <O>(options: O): O => options
    const misspelt: [option: string, call: () => unknown][] = [
      ['ifExist', () => new Counts().makePersistent(ctx.alias('o'), wrong({ ifExist: 'replace' }) as object)],
      ['Deep', () => o.deletePersistent(wrong({ Deep: true }) as object)],
      ['discards', () => o.reload(wrong({ discards: true }) as object)],
      ['deph', () => Counts.getByAlias(ctx.alias('o'), wrong({ deph: 1 }) as object)],
      ['deph', () => Counts.getByID(o.getID()!, wrong({ deph: 1 }) as object)],
      ['checks', () => transact(() => void (o.title = 'done'), wrong({ checks: true }) as object)],
      ['partitions', () => new StorageDict({ a: t.text, b: t.text }, {}, wrong({ partitions: ['b'] }) as object)],
      ['limits', () => all(o.counts.range({}, wrong({ limits: 0 }) as object))],
      ['reversed', () => all(o.counts.where({ word: 'a' }, wrong({ reversed: true }) as object))],
      ['prefixes', () => o.counts.aggregate({ rows: 'count' }, wrong({ prefixes: {} }) as object)],
      ['prefixes', () => o.counts.groupBy(['word'], { rows: 'count' }, wrong({ prefixes: {} }) as object)],
      ['signals', () => o.counts.bulk([[{ word: 'b' }, { n: 2 }]], wrong({ signals: 1 }) as object)],
      ['timeoutMS', () => all(watch(o, wrong({ timeoutMS: 1 }) as object))],
      ['groups', () => all(new StorageStream().consume(wrong({ groups: 'a' }) as object))],
    ]
    for (const [option, call] of misspelt) {
      const error = await refused(ValidationError, call)
      assert.deepEqual([error.code, error.option], ['ERR_CALL_OPTION', option])
      assert.match(error.message, new RegExp(`no option ${option}: it takes `))
    }
    assert.equal(o.title, 'unsaved')
    await ctx.other(async () => {
      const { title, counts } = await Counts.getByAlias(ctx.alias('o'))
      assert.deepEqual([title, await counts.count()], ['stored', 1])
    })
  }),

  law('C57', 'contents in a format that this version does not know are reported as such', async (ctx) => {
    const o = await Object.assign(new Anything(), { value: new Map([['a', [1, 2]]]) }).makePersistent()
    const changed: boolean[] = []
    await damage(ctx, o.getID()!, (name, cell) => {
      if (!(cell instanceof Packed)) return cell
      changed.push(true)
      return repack((bytes) => Uint8Array.of(0xee, ...bytes.subarray(1)))(name, cell)
    })
    assert.ok(changed.length > 0, 'a Map is a packed cell')
    await ctx.other(async () => {
      const error = await refused(InsituError, () => Anything.getByID(o.getID()!))
      assert.ok([CorruptError.kind, UnsupportedError.kind].includes(error.name), error.name)
    })
  }),

  law('D14', 'an object of a class that this program does not have is a typed error, not a hang', async (ctx) => {
    const { backend } = ctx.store
    const ref = thing('somewhere-else/module#Unheard' as ClassId)
    await send(backend, put(ref, { v: 1 }))
    const error = await refused(UnknownClassError, () => Item.getByID(ref.id))
    assert.match(error.message, /Unheard/)
    assert.equal(await fieldOf(backend, ref, 'v'), 1)
  }),

  law('I100', 'functions, symbols and other values that cannot be stored are refused with the path, and nothing is stored', async () => {
    const bad: [string, unknown, RegExp][] = [
      ['function', () => 1, /value/],
      ['symbol', Symbol('s'), /value/],
      ['in an object', { deep: [{ callback: () => 1 }] }, /value\.deep\[0\]\.callback/],
      ['in a map', new Map([['k', Symbol('s')]]), /value/],
      ['promise', Promise.resolve(1), /value/],
      ['weak map', new WeakMap(), /value/],
    ]
    for (const [what, value, path] of bad) {
      const child = new Dog()
      const o = Object.assign(new Anything(), { value, second: child })
      const error = (await refused(ValidationError, () => o.makePersistent())) as InsituError & { path?: string }
      assert.match(`${error.path} ${error.message}`, path, what)
      assert.equal(o.getID(), null, what)
      assert.equal(child.getID(), null, what)
    }
  }),

  law('I101', 'a save that is refused leaves the stored object as it was', async (ctx) => {
    const o = await Object.assign(new Anything(), { value: 1 }).makePersistent()
    o.value = 2
    o.second = () => 1
    await refused(ValidationError, () => o.save())
    assert.equal((await ctx.other(() => Anything.getByID(o.getID()!))).value, 1)
    o.second = null
    await o.save()
    assert.equal((await ctx.other(() => Anything.getByID(o.getID()!))).value, 2)
  }),

  law('I102', 'a class that could not be brought back is refused before anything is stored', async (ctx) => {
    const alias = ctx.alias('lost')
    const o = new Lost('name')
    const error = await refused(ValidationError, () => o.makePersistent(alias))
    assert.match(error.message, /Lost/)
    assert.match(error.message, /restore/)
    assert.equal(o.getID(), null)
    await refused(NotFoundError, () => Item.getByAlias(alias))
    const owner = Object.assign(new Anything(), { value: [o] })
    await refused(ValidationError, () => owner.makePersistent())
    assert.equal(owner.getID(), null)
  }),

  law('I103', 'hostile bytes in a cell are a typed error: cut off, flipped, random, empty', async (ctx) => {
    const value = { list: [1, 'two', 3n, new Map([[{ k: 1 }, new Set(['x'])]])], grid: new Float64Array(8), text: 'x'.repeat(50) }
    const hostile: ((bytes: Uint8Array, i: number) => Uint8Array)[] = [
      (bytes, i) => bytes.slice(0, Math.floor((bytes.length * (i + 1)) / 12)),
      (bytes, i) => bytes.map((b, at) => (at === Math.floor((bytes.length * i) / 10) ? b ^ 0xff : b)),
      (_, i) => Uint8Array.from({ length: 64 }, (_, at) => (at * 37 + i * 101 + 11) & 255),
      (_, i) => new Uint8Array(i ? 16 : 0).fill(0xff),
    ]
    for (const change of hostile) {
      for (let i = 0; i < 10; i++) {
        const o = await Object.assign(new Anything(), { value }).makePersistent()
        await damage(
          ctx,
          o.getID()!,
          repack((bytes) => change(bytes, i)),
        )
        // A flipped bit may leave another valid value; what must not be is a foreign error, a crash or a polluted prototype.
        await ctx.other(() =>
          Anything.getByID(o.getID()!).then(
            () => {},
            (error: unknown) => assert.ok(error instanceof InsituError, `${String(error)} for ${change} ${i}`),
          ),
        )
      }
    }
    assert.equal(Object.getPrototypeOf({}), Object.prototype)
  }),

  law('I104', 'a value nested deeper than the limit is refused by a typed error, with nothing stored', async () => {
    let deep: unknown[] = []
    for (let i = 0; i < VALUE_DEPTH_MAX + 10; i++) deep = [deep]
    const o = Object.assign(new Anything(), { value: deep })
    await refused(ValidationError, () => o.makePersistent())
    assert.equal(o.getID(), null)
  }),

  law('I105', 'an id that is no id, and an alias that is no text, are refused', async () => {
    for (const id of ['', 'not an id', 5, null, {}]) await refused(InsituError, () => Item.getByID(id as never))
    for (const alias of [5, null, {}, Symbol('s')]) {
      await refused(ValidationError, () => Item.getByAlias(alias as never))
    }
    const o = new Item()
    await refused(ValidationError, () => o.makePersistent(5 as never))
    await refused(ValidationError, () => o.makePersistent(''))
    assert.equal(o.getID(), null)
  }),

  law('I106', 'an object of another store cannot be stored by accident as a copy', async (ctx) => {
    const dog = await new Dog().makePersistent()
    await ctx.other(async () => {
      const mine = await Dog.getByID(dog.getID()!)
      assert.equal(mine.getID(), dog.getID())
      const p = await Object.assign(new Person(), { dog: mine }).makePersistent()
      assert.equal(p.dog!.getID(), dog.getID())
    })
  }),

  law('I286', 'one object or one key where a list of them is wanted is a TypeError, and no empty list', async (ctx) => {
    const o = await new Counts().makePersistent(ctx.alias('o'))
    // as a program without types would
    const wrong: (() => unknown)[] = [
      () => Reflect.apply(loadAll, undefined, [o]),
      () => Reflect.apply(o.counts.getMany, o.counts, [{ word: 'a' }]),
      () => Reflect.apply(o.counts.setMany, o.counts, [{ word: 'a' }]),
    ]
    for (const call of wrong) assert.ok((await thrown(call)) instanceof TypeError)
  }),

  law(
    'I290',
    'a class whose settings are none is refused before anything is stored, and methods of their names are no settings',
    async (ctx) => {
      class Merges extends StorageObject {
        static readonly merge = 'field'
      }
      class Leaves extends StorageObject {
        static readonly transient = 'cache'
        cache = 1
      }
      class Names extends StorageObject {
        static readonly fields = { centre: Point }
        centre = new Point()
      }
      for (const one of [new Merges(), new Leaves(), new Names()]) {
        const { message } = await refused(ValidationError, () => one.makePersistent(ctx.alias('none')))
        assert.match(message, /static (?:merge|transient|fields)/)
        assert.equal(one.getID(), null)
      }
      class Sums extends StorageObject {
        static merge(a: number, b: number): number {
          return a + b
        }
        n = Sums.merge(1, 2)
      }
      await new Sums().makePersistent(ctx.alias('sums'))
      assert.equal((await Sums.getByAlias(ctx.alias('sums'))).n, 3)
    },
  ),

  law('I507', 'a class without a name is refused when an object is to be stored, and has one by `static typeName`', async (ctx) => {
    const classes = [(() => class extends StorageObject {})(), (() => class extends Item {})()]
    for (const nameless of classes) {
      const o = new nameless()
      const { code } = await refused(ValidationError, () => o.makePersistent())
      assert.equal(code, 'ERR_CLASS_CANNOT_BE_REBUILT')
      assert.equal(o.getID(), null)
    }
    const named = (() =>
      class extends Item {
        static readonly typeName = 'insitu/conformance#NamedBySetting'
      })()
    const o = await Object.assign(new named(), { n: 3 }).makePersistent()
    assert.equal((await ctx.other(() => named.getByID(o.getID()!))).n, 3)
  }),

  law(
    'I508',
    'what `store()` and `static restore` give is looked at: no fields, or another thing, is told, not stored as nothing',
    async () => {
      let given: unknown
      let restored: unknown
      class Kept {
        static restore(): unknown {
          return restored
        }
        store(): unknown {
          return given
        }
      }
      class Sealed extends StorageObject {
        static readonly typeName = 'insitu/conformance#Sealed'
        static restore(): Sealed {
          return new Sealed()
        }
        store(): unknown {
          return given
        }
      }
      class Keeper extends StorageObject {
        static readonly typeName = 'insitu/conformance#Keeper'
        static fields = { kept: () => Kept }
        kept = new Kept()
      }
      for (given of [undefined, null, 5, 'text', Promise.resolve({ n: 1 }), new Map([['n', 1]])])
        for (const o of [new Sealed(), new Keeper()]) {
          await refused(ValidationError, () => o.makePersistent())
          assert.equal(o.getID(), null)
        }
      given = { n: 1 }
      const o = await new Keeper().makePersistent()
      for (restored of [undefined, {}, Promise.resolve(new Kept())]) {
        const { code } = await refused(ValidationError, () => o.reload({ discard: true }))
        assert.equal(code, 'ERR_CLASS_CANNOT_BE_REBUILT')
      }
    },
  ),

  law('I509', 'wrong arguments are told by what they are, and by the promise of the call', async (ctx) => {
    const o = await new Item().makePersistent()
    const { counts: rows } = await new Counts().makePersistent()
    const wrong: [RegExp, () => unknown][] = []
    for (const none of [undefined, null, 5, {}]) {
      wrong.push([/newVersion\(\) wants/, () => newVersion(none as never)], [/newReplica\(\) wants/, () => newReplica(none as never)])
      wrong.push([/consolidateVersion\(\) wants/, () => consolidateVersion(none as never)])
      wrong.push([/watch\(\) wants/, () => watch(none as never).next()], [/setMany\(\) wants/, async () => rows.setMany(none as never)])
    }
    for (const [says, act] of wrong) {
      const error = await thrown(act)
      assert.ok(error instanceof TypeError && says.test(error.message), String(error))
    }
    for (const options of [null, 'open', 5]) {
      const made: Promise<unknown> = new Item().makePersistent(ctx.alias('options'), options as never)
      assert.ok((await thrown(() => made)) instanceof TypeError)
    }
    assert.deepEqual(await o.aliases(), [])
  }),
]
