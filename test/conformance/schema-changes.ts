import assert from 'node:assert/strict'
import { StorageDict, StorageObject, t, update } from '../../runtime/index.js'
import { SchemaMismatchError, UnknownClassError, UnsavedChangesError, ValidationError } from '../../src/errors.js'
import { field, transient } from '../../src/objects/decorators.js'
import { type Case, law } from './case.js'
import { refused } from './expect.js'

class Point {
  x = 0
  y = 0
  norm(): number {
    return Math.hypot(this.x, this.y)
  }
}

class Decorated extends StorageObject {
  static readonly typeName = 'insitu/conformance#Decorated'
  @field(() => Point) centre = new Point()
  @field(() => Point) corners: Point[] = []
  @transient cache: string[] = []
  kept = ''
}

/** Classes that changed between the program that stored and the one that loads, and what decorators say of fields. */
export const schemaChanges: readonly Case[] = [
  law('I120', 'a field that the class gained has its default, changes nothing by itself, and is stored once it is another', async (ctx) => {
    const typeName = 'insitu/conformance#Gains'
    class Before extends StorageObject {
      static readonly typeName = typeName
      a = 1
    }
    class After extends StorageObject {
      static readonly typeName = typeName
      a = 0
      list: number[] = [7]
      rows = new StorageDict({ k: t.text }, { v: t.i64 })
    }
    const o = await new Before().makePersistent()
    await ctx.other(async () => {
      const copy = await After.getByID(o.getID()!)
      assert.deepEqual([copy.a, copy.list], [1, [7]])
      await copy.reload()
      await update(copy, (it) => void it.list.push(8))
      copy.rows.set({ k: 'x' }, { v: 1 })
      await copy.save()
    })
    await ctx.other(async () => {
      const copy = await After.getByID(o.getID()!)
      assert.deepEqual(copy.list, [7, 8])
      assert.deepEqual(await copy.rows.get({ k: 'x' }), { v: 1n })
      copy.list.push(9)
      await refused(UnsavedChangesError, () => copy.reload())
    })
  }),

  law('I536', 'what is stored where the class now has a dict is a mismatch that names the field', async (ctx) => {
    const typeName = 'insitu/conformance#Tabled'
    class Before extends StorageObject {
      static readonly typeName = typeName
      rows: unknown = 0
    }
    class After extends StorageObject {
      static readonly typeName = typeName
      rows = new StorageDict({ k: t.text }, { v: t.i64 })
    }
    for (const rows of [5, 'text', [['k', 1]], new Map([['k', 1]])]) {
      const o = await Object.assign(new Before(), { rows }).makePersistent()
      await ctx.other(async () => {
        const error = await refused(SchemaMismatchError, () => After.getByID(o.getID()!))
        assert.equal(error.field, 'After.rows')
      })
    }
    const none = await Object.assign(new Before(), { rows: null }).makePersistent()
    await ctx.other(async () => assert.equal((await After.getByID(none.getID()!)).rows, null))
  }),

  law('I121', 'a field that the class lost comes back, and one made transient stays in the store unseen', async (ctx) => {
    const typeName = 'insitu/conformance#Loses'
    class Before extends StorageObject {
      static readonly typeName = typeName
      a = 1
      gone = 'still here'
      cache = 'stored'
    }
    class After extends StorageObject {
      static readonly typeName = typeName
      static transient = ['cache']
      a = 0
      cache = 'fresh'
    }
    const o = await new Before().makePersistent()
    await ctx.other(async () => {
      const copy = await After.getByID(o.getID()!)
      assert.deepEqual([Reflect.get(copy, 'gone'), copy.cache], ['still here', 'fresh'])
      await copy.reload()
      copy.a = 2
      await copy.save()
    })
    await o.reload()
    assert.deepEqual([o.a, o.gone, o.cache], [2, 'still here', 'stored'])
  }),

  law('I122', 'programs with the old and the new name of a field read and write the same field', async (ctx) => {
    const typeName = 'insitu/conformance#Renames'
    class Before extends StorageObject {
      static readonly typeName = typeName
      size = 1
    }
    class After extends StorageObject {
      static readonly typeName = typeName
      static renamed = { bytes: 'size' }
      bytes = 0
    }
    const o = await Object.assign(new Before(), { size: 7 }).makePersistent()
    await ctx.other(async () => {
      const copy = await After.getByID(o.getID()!)
      assert.deepEqual([copy.bytes, Object.keys(copy)], [7, ['bytes']])
      await copy.reload()
      copy.bytes = 8
      await copy.save()
      assert.equal(copy.bytes, 8)
    })
    await o.reload()
    assert.equal(o.size, 8)
    const fresh = await new After().makePersistent()
    await ctx.other(async () => assert.deepEqual(Object.keys(await After.getByID(fresh.getID()!)), ['bytes']))
  }),

  law('I123', 'a field whose declared type changed is a schema mismatch, and the stored value is untouched', async (ctx) => {
    const typeName = 'insitu/conformance#Retypes'
    class Before extends StorageObject {
      static readonly typeName = typeName
      n: unknown = 'text'
    }
    class After extends StorageObject {
      static readonly typeName = typeName
      static fields = { n: () => Number }
      n: unknown = 0
    }
    const o = await new Before().makePersistent()
    await ctx.other(() => refused(SchemaMismatchError, () => After.getByID(o.getID()!)))
    await o.reload()
    assert.equal(o.n, 'text')
    await refused(ValidationError, () => Object.assign(new After(), { n: 'x' }).makePersistent())
  }),

  law('I124', 'a nested class that the class no longer names is a typed error', async (ctx) => {
    const typeName = 'insitu/conformance#Unnests'
    class Before extends StorageObject {
      static readonly typeName = typeName
      static fields = { inner: () => Point }
      inner = new Point()
    }
    class After extends StorageObject {
      static readonly typeName = typeName
      inner: unknown = null
    }
    const o = await new Before().makePersistent()
    await ctx.other(() => refused(UnknownClassError, () => After.getByID(o.getID()!)))
  }),

  law('I125', 'decorators name nested classes and leave fields out, as their twins without decorators do', async (ctx) => {
    const o = new Decorated()
    Object.assign(o.centre, { x: 3, y: 4 })
    o.corners.push(new Point())
    o.cache.push('not stored')
    o.kept = 'stored'
    await o.makePersistent()
    await ctx.other(async () => {
      const copy = await Decorated.getByID(o.getID()!)
      assert.deepEqual([copy.centre.norm(), copy.corners[0] instanceof Point, copy.cache, copy.kept], [5, true, [], 'stored'])
    })
  }),

  law('I514', 'whatever built-in type is declared for a field is looked at when it is saved and loaded', async (ctx) => {
    const wanted: [{ readonly name: string; readonly prototype: object }, unknown, unknown][] = [
      [Map, new Map([['a', 1]]), {}],
      [Set, new Set([1]), new Map()],
      [Array, [1], { 0: 1, length: 1 }],
      [Float64Array, new Float64Array(1), [0]],
      [RegExp, /a/, 'a'],
    ]
    for (const [type, right, wrong] of wanted) {
      const typeName = `insitu/conformance#Typed${type.name}`
      class Before extends StorageObject {
        static readonly typeName = typeName
        field: unknown = wrong
      }
      class After extends StorageObject {
        static readonly typeName = typeName
        static fields = { field: () => type }
        field: unknown = right
      }
      const [old, o] = [await new Before().makePersistent(), await new After().makePersistent()]
      await ctx.other(() => refused(SchemaMismatchError, () => After.getByID(old.getID()!)))
      o.field = wrong
      assert.equal((await refused(ValidationError, () => o.save()))['path'], 'field')
      o.field = null
      await o.save()
    }
  }),
]
