import assert from 'node:assert/strict'
import { loadAll } from '../../runtime/index.js'
import { NotFoundError } from '../../src/errors.js'
import { type Case, type CaseContext, law } from './case.js'
import { Anything, Cached, Dog, Point, Shape, Sparse } from './model.js'

/** Stores a value and gives what another program reads. */
async function through<T>(ctx: CaseContext, value: T): Promise<T> {
  const o = await Object.assign(new Anything(), { value }).makePersistent()
  return ctx.other(async () => (await Anything.getByID(o.getID()!)).value as T)
}

async function same(ctx: CaseContext, value: unknown): Promise<void> {
  assert.deepStrictEqual(await through(ctx, value), value)
}

const typedArrays = [
  new Int8Array([-128, 127]),
  new Uint8Array([0, 255]),
  new Uint8ClampedArray([0, 255]),
  new Int16Array([-32768, 32767]),
  new Uint16Array([0, 65535]),
  new Int32Array([-(2 ** 31), 2 ** 31 - 1]),
  new Uint32Array([0, 2 ** 32 - 1]),
  new Float32Array([1.5, Number.NaN, -0]),
  new Float64Array([Math.PI, Number.POSITIVE_INFINITY, -0]),
  new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n]),
  new BigUint64Array([0n, 2n ** 64n - 1n]),
]

/** Values come back as they went in. */
export const values: readonly Case[] = [
  law(
    'D46',
    'a declared field that was never assigned reads as undefined, and one that the class gained later has its default',
    async (ctx) => {
      const o = await new Sparse().makePersistent()
      const copy = await ctx.other(() => Sparse.getByID(o.getID()!))
      assert.equal(copy.never, undefined)
      assert.deepEqual(Object.keys(copy).sort(), Object.keys(o).sort())
      assert.equal(copy.given, 'default')
    },
  ),

  law('I534', 'properties of an array beside its items come back, however many items it has', async (ctx) => {
    for (const length of [2, 17, 65, 3000]) {
      const value = Object.assign(new Array(length).fill('item'), { label: 'own', list: [1] })
      const copy = await through(ctx, value)
      assert.deepEqual([copy.length, copy.label, copy.list], [length, 'own', [1]])
      await same(ctx, value)
    }
    await same(ctx, new RegExp('(.)'.repeat(70)).exec('x'.repeat(70)))
    const o = await Object.assign(new Anything(), { value: new Array(100).fill(0) }).makePersistent()
    Object.assign(o.value as unknown[], { label: 'later' })
    await o.save()
    await ctx.other(async () => assert.equal(((await Anything.getByID(o.getID()!)).value as { label?: string }).label, 'later'))
  }),

  law('I30', 'undefined, null, NaN, -0, the infinities and booleans are kept apart', async (ctx) => {
    for (const value of [undefined, null, Number.NaN, -0, 0, Infinity, -Infinity, true, false, Number.MAX_SAFE_INTEGER, 5e-324, 1e308, 0.1])
      await same(ctx, value)
    await same(ctx, { a: undefined, b: null, c: [undefined, null, -0, Number.NaN] })
    assert.ok(Object.is(await through(ctx, -0), -0))
    const o = new Anything()
    o.value = 0
    await o.makePersistent()
    for (const value of [-0, 0, Number.NaN, null, undefined]) {
      o.value = value
      await o.save()
      const { value: found } = await ctx.other(() => Anything.getByID(o.getID()!))
      assert.ok(Object.is(found, value), `${String(value)} in the place of what was there`)
    }
  }),

  law('I31', 'bigints of any size keep their value and stay bigints', async (ctx) => {
    await same(ctx, [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n, -(2n ** 200n), 1n])
    await same(ctx, 7n)
  }),

  law('I32', 'every typed array comes back with its type and bytes, views without what lies around them', async (ctx) => {
    for (const array of typedArrays) await same(ctx, array)
    await same(ctx, { deep: typedArrays })
    await same(ctx, new Float64Array(0))
    const view = await through(ctx, new Uint8Array([1, 2, 3, 4, 5]).subarray(1, 3))
    assert.deepStrictEqual(view, Uint8Array.of(2, 3))
    const odd = new Float64Array(new ArrayBuffer(40), 8, 2).fill(1.5)
    assert.deepStrictEqual([...(await through(ctx, odd))], [1.5, 1.5])
  }),

  law('I33', 'Map and Set come back with keys of any type in their order', async (ctx) => {
    await same(
      ctx,
      new Map<unknown, unknown>([
        ['b', 1],
        ['a', 2],
        [1, 'n'],
        [2n, new Set([3, 1, 2])],
        [null, new Map()],
        [Number.NaN, 0],
      ]),
    )
    await same(ctx, new Set<unknown>(['z', 'a', 1n, undefined]))
    const [key] = [...(await through(ctx, new Map([[{ x: 1 }, 'object key']]))).keys()]
    assert.deepStrictEqual(key, { x: 1 })
    assert.deepEqual(
      [
        ...(
          await through(
            ctx,
            new Map([
              ['b', 1],
              ['a', 2],
            ]),
          )
        ).keys(),
      ],
      ['b', 'a'],
    )
  }),

  law('I34', 'Date and RegExp come back as instances', async (ctx) => {
    await same(ctx, [new Date(0), new Date('1940-01-01T00:00:00.123Z'), new Date(8.64e15)])
    await same(ctx, [/a+b/giu, /[\n/]/])
    assert.ok(Number.isNaN((await through(ctx, new Date(Number.NaN))).getTime()))
  }),

  law('I35', 'errors come back with class, message, code, cause and further fields', async (ctx) => {
    const cause = new TypeError('the reason')
    const copy = await through(ctx, Object.assign(new RangeError('too far', { cause }), { code: 'E_FAR', by: 3 }))
    assert.ok(copy instanceof RangeError)
    assert.deepEqual([copy.message, copy.code, copy.by], ['too far', 'E_FAR', 3])
    assert.ok(copy.cause instanceof TypeError)
    assert.equal(copy.cause.message, 'the reason')
    const own = await through(ctx, new NotFoundError('gone', { id: 'x' }))
    assert.ok(own instanceof NotFoundError)
    assert.deepEqual([own.code, own.message], ['ERR_NOT_FOUND', 'gone'])
  }),

  law('I36', 'cycles and shared values inside a field stay cycles and shared', async (ctx) => {
    const shared = { n: 1 }
    const value: { self?: unknown; list: unknown[]; map: Map<unknown, unknown> } = { list: [shared, shared], map: new Map() }
    value.self = value
    value.map.set('me', value.map)
    value.list.push(value.list)
    const copy = await through(ctx, value)
    assert.equal(copy.self, copy)
    assert.equal(copy.list[0], copy.list[1])
    assert.equal(copy.list[2], copy.list)
    assert.equal(copy.map.get('me'), copy.map)
  }),

  law('I37', 'a mutable value that two fields share is shared when it comes back', async (ctx) => {
    const shared = [1]
    const o = await Object.assign(new Anything(), { value: shared, second: { inside: shared } }).makePersistent()
    await ctx.other(async () => {
      const copy = (await Anything.getByID(o.getID()!)) as { value: number[]; second: { inside: number[] }; save(): Promise<void> }
      assert.equal(copy.value, copy.second.inside)
      copy.value.push(2)
      await copy.save()
    })
    await o.reload()
    assert.deepEqual(o.value, [1, 2])
    assert.equal((o.second as { inside: unknown }).inside, o.value)
  }),

  law('I38', 'instances of nested plain classes named in static fields come back as instances', async (ctx) => {
    const o = Object.assign(new Shape(), { centre: new Point(3, 4), corners: [new Point(1, 0), new Point(0, 1)] })
    await o.makePersistent()
    const copy = await ctx.other(() => Shape.getByID(o.getID()!))
    assert.ok(copy.centre instanceof Point)
    assert.equal(copy.centre.norm(), 5)
    assert.equal(copy.corners.length, 2)
    for (const corner of copy.corners) assert.ok(corner instanceof Point)
  }),

  law('I39', 'transient fields are neither stored nor changes', async (ctx) => {
    const o = new Cached()
    o.cache!.set('more', 'work')
    await o.makePersistent()
    const copy = await ctx.other(() => Cached.getByID(o.getID()!))
    assert.equal(copy.kept, 'kept')
    assert.deepEqual([...copy.cache!.keys()], ['made'], 'the constructor makes it anew')
    o.cache = undefined
    await o.reload()
    assert.equal(o.cache, undefined, 'no change was found, and reloading leaves it')
  }),

  law('I40', 'texts come back character by character', async (ctx) => {
    await same(ctx, ['', '\u0000', 'naïve 東京 🦊', '\ud800 alone', 'x'.repeat(100_000), '🦊'.repeat(20_000), '\u2028'])
    await same(ctx, 'plain')
    await same(ctx, 'ends alone \udc00')
  }),

  law('I41', '__proto__ and constructor are ordinary names in fields, objects and maps', async (ctx) => {
    const tricky = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":2}') as object
    const copy = await through(ctx, { tricky, map: new Map([['__proto__', 1]]) })
    assert.deepEqual(Object.keys(copy.tricky), ['__proto__', 'constructor', 'toString'])
    assert.equal(Object.getPrototypeOf(copy.tricky), Object.prototype)
    assert.equal(copy.map.get('__proto__'), 1)
    assert.equal(({} as { polluted?: unknown }).polluted, undefined)
    const o = new Anything()
    Object.defineProperty(o, '__proto__', { value: 'a field', enumerable: true, writable: true, configurable: true })
    await o.makePersistent()
    await ctx.other(async () => {
      const read = await Anything.getByID(o.getID()!)
      assert.ok(read instanceof Anything)
      assert.equal(Object.getOwnPropertyDescriptor(read, '__proto__')?.value, 'a field')
    })
    const shape = new Shape()
    Object.defineProperty(shape.centre, '__proto__', { value: { polluted: true }, enumerable: true, writable: true, configurable: true })
    await shape.makePersistent()
    const { centre } = await ctx.other(() => Shape.getByID(shape.getID()!))
    assert.ok(centre instanceof Point, 'of its class still')
    assert.deepEqual(Object.getOwnPropertyDescriptor(centre, '__proto__')?.value, { polluted: true })
  }),

  law('I42', 'references inside arrays, maps and plain values come back as the same handles', async (ctx) => {
    const dog = Object.assign(new Dog(), { name: 'Rex' })
    const copy = await through(ctx, {
      list: [dog],
      map: new Map<unknown, unknown>([
        ['d', dog],
        [dog, 1],
      ]),
      set: new Set([dog]),
    })
    assert.equal(copy.map.get('d'), copy.list[0])
    assert.ok(copy.set.has(copy.list[0]!))
    assert.equal(copy.map.get(copy.list[0]), 1)
    assert.ok(copy.list[0] instanceof Dog)
    assert.equal(copy.list[0].getID(), dog.getID())
  }),

  law('I43', 'a field may change its type from save to save', async (ctx) => {
    const o = await new Anything().makePersistent()
    for (const value of ['text', 5n, new Map([[1, 2]]), null, [1, [2]], undefined, new Date(9), { a: 1 }, 0]) {
      o.value = value
      await o.save()
      assert.deepStrictEqual((await ctx.other(() => Anything.getByID(o.getID()!))).value, value)
    }
  }),

  law('I44', 'a hundred thousand numbers, and a nesting of five hundred, come back', async (ctx) => {
    await same(
      ctx,
      Array.from({ length: 100_000 }, (_, i) => (i % 3 ? i : i / 7)),
    )
    let deep: unknown[] = []
    for (let i = 0; i < 500; i++) deep = [deep]
    let copy = await through(ctx, deep)
    let depth = 0
    while (copy.length > 0) {
      copy = copy[0] as unknown[]
      depth++
    }
    assert.equal(depth, 500)
  }),

  law('I45', 'plain objects keep the order of their keys, and arrays of objects their members', async (ctx) => {
    const value = [{ z: 1, a: 2 }, { a: 1, z: 2, m: [] }, {}]
    const copy = await through(ctx, value)
    assert.deepStrictEqual(copy, value)
    assert.deepEqual(Object.keys(copy[0]!), ['z', 'a'])
  }),

  law('I46', 'handles that a value holds load together', async (ctx) => {
    const dogs = Array.from({ length: 50 }, (_, i) => Object.assign(new Dog(), { name: `${i}` }))
    const o = await Object.assign(new Anything(), { value: dogs }).makePersistent()
    await ctx.other(async () => {
      const copy = (await Anything.getByID(o.getID()!)).value as Dog[]
      await loadAll(copy)
      assert.deepEqual(
        copy.map((d) => d.name),
        dogs.map((d) => d.name),
      )
    })
  }),
]
