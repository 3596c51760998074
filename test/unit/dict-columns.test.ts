import { expect } from 'chai'
import { t } from '../../src/dict/columns.js'
import { StorageDict } from '../../src/dict/storage-dict.js'
import { ValidationError } from '../../src/errors.js'

class Person {
  constructor(readonly name: string) {}
  getID(): null {
    return null
  }
}
class Pet {
  getID(): null {
    return null
  }
}

/** Writes a value into a column and reads it back. */
async function through(column: any, value: unknown): Promise<unknown> {
  const dict = new StorageDict({ k: t.i32 }, { v: column })
  dict.set({ k: 1 }, { v: value } as never)
  return ((await dict.get({ k: 1 })) as { v: unknown }).v
}

const refuses = (column: any, value: unknown): void => {
  const dict = new StorageDict({ k: t.i32 }, { v: column })
  expect(() => dict.set({ k: 1 }, { v: value } as never))
    .to.throw(ValidationError, /column 'v[^']*' wants/)
    .with.property('path')
    .that.matches(/^v/)
}

describe('columns', () => {
  const kept: [string, any, unknown[]][] = [
    ['text', t.text, ['', 'x', '😀 and more', '\0', 'a'.repeat(100_000)]],
    ['bool', t.bool, [true, false]],
    ['i32', t.i32, [0, -(2 ** 31), 2 ** 31 - 1]],
    ['i64', t.i64, [0n, -(2n ** 63n), 2n ** 63n - 1n]],
    ['f32', t.f32, [1.5, NaN, Infinity, -Infinity, -0]],
    ['f64', t.f64, [1, 0.1, NaN, Infinity, -Infinity, -0, Number.MAX_VALUE]],
    ['decimal', t.decimal, ['0', '-12.50', '1.00', '123456789012345678901234567890.000000001']],
    ['blob', t.blob, [new Uint8Array(0), new Uint8Array(1 << 20).fill(7)]],
    ['uuid', t.uuid, ['019aa5f0-0000-7000-8000-00000000abcd']],
    ['date', t.date, ['1940-01-01', '0001-01-01', '2024-02-29']],
    ['time', t.time, ['00:00:00', '23:59:59.123456', '12:00:00.000000001']],
    ['timestamp', t.timestamp, [new Date(0), new Date('1940-01-01T00:00:00.001Z')]],
    ['list', t.list(t.i64), [[], [1n, 2n]]],
    ['tuple', t.tuple(t.text, t.list(t.bool)), [['a', [true]]]],
    ['set', t.set(t.text), [new Set(), new Set(['a', 'b'])]],
    [
      'map',
      t.map(t.text, t.i32),
      [
        new Map(),
        new Map([
          ['a', 1],
          ['__proto__', 2],
        ]),
      ],
    ],
    ['vector', t.vector(2), [new Float32Array([0.5, NaN])]],
  ]
  for (const [name, column, values] of kept)
    it(`${name} comes back as it went in (H29, H30)`, async () => {
      for (const value of values) expect(await through(column, value)).to.deep.equal(value)
    })

  it('keeps -0 apart from 0 in values', async () => {
    expect(Object.is(await through(t.f64, -0), -0)).to.equal(true)
    expect(Object.is(await through(t.f32, -0), -0)).to.equal(true)
  })

  it('takes what loses nothing: a whole number as f64, a safe integer as i64, and rounds f32 (H22, H23)', async () => {
    expect(await through(t.f64, 3)).to.equal(3)
    expect(await through(t.i64, 3)).to.equal(3n)
    expect(await through(t.f32, 0.1)).to.equal(Math.fround(0.1))
    expect(await through(t.decimal, 5n)).to.equal('5')
    expect(await through(t.decimal, '+007.50')).to.equal('7.50')
    expect(await through(t.uuid, '019AA5F0-0000-7000-8000-00000000ABCD')).to.equal('019aa5f0-0000-7000-8000-00000000abcd')
    expect(await through(t.set(t.i32), [2, 1, 2])).to.deep.equal(new Set([1, 2]))
    expect(await through(t.vector(2), [1, 2])).to.deep.equal(new Float32Array([1, 2]))
  })

  it('iterates sets and maps in key order', async () => {
    expect([...((await through(t.set(t.i32), [10, 9, -1])) as Set<number>)]).to.deep.equal([-1, 9, 10])
    expect([
      ...((await through(t.map(t.text, t.i32), [
        ['b', 1],
        ['a', 2],
        ['b', 3],
      ])) as Map<string, number>),
    ]).to.deep.equal([
      ['a', 2],
      ['b', 3],
    ])
  })

  const refused: [string, any, unknown[]][] = [
    ['text', t.text, [1, '\ud800', {}, Symbol('s'), undefined]],
    ['bool', t.bool, ['false', 0, 1]],
    ['i32', t.i32, [3.7, '5', 2 ** 31, -(2 ** 31) - 1, NaN, 5n, true, new Date()]],
    ['i64', t.i64, [3.7, '5', 2n ** 63n, 2 ** 53, true]],
    ['f32', t.f32, ['1', 1n, true]],
    ['f64', t.f64, ['1.5', 1n, true]],
    ['decimal', t.decimal, [1.5, 'x', '1e5', '', '.', '1.']],
    ['blob', t.blob, [[1], 'x', new Uint16Array(1), new ArrayBuffer(1)]],
    ['uuid', t.uuid, ['x', 5, '019aa5f0-0000-7000-8000-00000000abcg']],
    ['date', t.date, ['1940-13-01', '2023-02-29', '1.1.1940', new Date(), 0]],
    ['time', t.time, ['24:00:00', '1:00:00', '12:00', '12:00:00.1234567890', 5]],
    ['timestamp', t.timestamp, [new Date(NaN), 0, '2020-01-01']],
    ['counter', t.counter, [1n, 1, null]],
    ['list', t.list(t.i32), ['ab', [1, 2.5], [null], Array(1), { 0: 1, length: 1 }]],
    ['tuple', t.tuple(t.i32, t.text), [[1], [1, 'a', 2], ['a', 1]]],
    ['set', t.set(t.text), ['abc', [1], 5, [null]]],
    ['map', t.map(t.text, t.i32), [['ab'], [['a', 'b']], new Map([[1, 1]]), {}]],
    ['map of texts', t.map(t.text, t.text), [['ab'], [['a']], [['a', 'b', 'c']]]],
    ['vector', t.vector(2), [[1], [1, 'x'], 'ab', new Float32Array(3)]],
    ['ref', t.ref(() => Person), [new Pet(), 'x', {}]],
  ]
  for (const [name, column, values] of refused)
    it(`${name} refuses what it would have to change (H22, H23)`, () => {
      for (const value of values) if (value !== undefined || name === 'text') refuses(column, value)
    })

  it('a Buffer reads as the plain bytes that it will be once stored', async () => {
    const read = await through(t.blob, Buffer.from('hi'))
    expect(Object.getPrototypeOf(read)).to.equal(Uint8Array.prototype)
    expect(read).to.deep.equal(new Uint8Array([104, 105]))
  })

  it('names the place inside a collection', () => {
    const dict = new StorageDict({ k: t.i32 }, { v: t.list(t.list(t.i32)) })
    expect(() => dict.set({ k: 1 }, { v: [[1], [2, 2.5]] })).to.throw(ValidationError, /'v\[1\]\[1\]' wants i32.*got 2\.5/)
  })

  it('null is a value in any column: it comes back and the key exists (H21)', async () => {
    const dict = new StorageDict({ k: t.i32 }, { a: t.text.nullable(), b: t.i64, c: t.text.optional() })
    dict.set({ k: 1 }, { a: null, b: null as never, c: null as never })
    expect(await dict.get({ k: 1 })).to.deep.equal({ a: null, b: null, c: null })
    expect(await dict.has({ k: 1 })).to.equal(true)
  })

  it('null or nothing is no key (H21)', async () => {
    const dict = new StorageDict({ k: t.text }, { v: t.i32 })
    for (const k of [null, undefined]) {
      expect(() => dict.set({ k: k as never }, { v: 1 })).to.throw(ValidationError, /'k' wants/)
      expect(() => dict.delete({ k: k as never })).to.throw(ValidationError)
      await expectRejected(dict.get({ k: k as never }))
    }
    expect(await dict.count()).to.equal(0)
  })

  it('an optional column may be left out, and is then not there; a required one may not', async () => {
    const dict = new StorageDict({ k: t.text }, { v: t.i32, note: t.text.optional(), constructor: t.text.optional() })
    dict.set({ k: 'a' }, { v: 1 } as never) // TypeScript thinks that every object brings a column of this name
    expect(await dict.get({ k: 'a' })).to.deep.equal({ v: 1 })
    expect(() => dict.set({ k: 'b' }, { note: 'x' } as never)).to.throw(ValidationError, /'v' wants/)
    expect(() => dict.set({ k: 'b' }, { v: 1, nope: 1 } as never)).to.throw(ValidationError, /nope/)
    expect(() => dict.set({ k: 'b' }, undefined as never)).to.throw(ValidationError)
    expect(await dict.count()).to.equal(1)
  })

  it('a refused value neither runs its code nor fills the message', () => {
    const dict = new StorageDict({ k: t.text }, { v: t.i32 })
    const hostile = {
      toString: () => expect.fail('ran'),
      get secret(): never {
        return expect.fail('ran')
      },
    }
    const handle = new Proxy(new Person('x'), { get: () => expect.fail('read a field') })
    expect(() => dict.set({ k: 'a' }, { v: hostile as never })).to.throw(ValidationError)
    expect(() => dict.set({ k: 'a' }, { v: handle as never })).to.throw(ValidationError, /got an object of class Person/)
    expect(() => dict.set({ k: 'a' }, { v: [handle] as never })).to.throw(ValidationError)
    expect(() => dict.set({ k: 'a' }, { v: 'x'.repeat(10_000) as never }))
      .to.throw(ValidationError)
      .with.property('message')
      .with.length.below(300)
  })

  it('nothing buffered is shared with the value given or read', async () => {
    const blob = new Uint8Array([1])
    const when = new Date(5)
    const list = [1]
    const dict = new StorageDict({ k: t.i32 }, { blob: t.blob, when: t.timestamp, list: t.list(t.i32) })
    dict.set({ k: 1 }, { blob, when, list })
    blob[0] = 9
    when.setTime(9)
    list.push(9)
    const read = (await dict.get({ k: 1 }))!
    read.blob[0] = 8
    read.when.setTime(8)
    ;(read.list as number[]).push(8)
    expect(await dict.get({ k: 1 })).to.deep.equal({ blob: new Uint8Array([1]), when: new Date(5), list: [1] })
  })

  it("a text key '__proto__' is an ordinary key", async () => {
    const dict = new StorageDict({ k: t.text }, { v: t.map(t.text, t.i32) })
    dict.set({ k: '__proto__' }, { v: [['constructor', 1]] })
    expect(await dict.get({ k: '__proto__' })).to.deep.equal({ v: new Map([['constructor', 1]]) })
    expect(await dict.has({ k: 'constructor' })).to.equal(false)
    expect(({} as Record<string, unknown>)['v']).to.equal(undefined)
  })

  it('refuses columns that cannot be', () => {
    const bad: (() => unknown)[] = [
      () => new StorageDict({}, { v: t.i32 }),
      () => new StorageDict({ k: t.counter }, {}),
      () => new StorageDict({ k: t.list(t.i32) }, {}),
      () => new StorageDict({ k: t.text.optional() }, {}),
      () => new StorageDict({ k: t.text }, { k: t.text }),
      () => new StorageDict({ ['__proto__']: t.text }, {}),
      () => new StorageDict({ k: t.text }, { ['__proto__']: t.text }),
      () => new StorageDict({ k: t.text }, { '': t.text }),
      () => new StorageDict({ '1': t.text, '0': t.text }, {}),
      () => new StorageDict({ a: t.text, b: t.text }, {}, { partition: [] }),
      () => new StorageDict({ a: t.text, b: t.text }, {}, { partition: ['a'], order: ['a'] }),
      () => new StorageDict({ a: t.text, b: t.text }, {}, { partition: ['x' as never] }),
      () => new StorageDict({ a: t.text }, {}, { writes: 'x' as never }),
      () => t.set(t.list(t.i32)),
      () => t.map(t.vector(2), t.i32),
      () => t.vector(0),
    ]
    for (const make of bad) expect(make, make.toString()).to.throw(ValidationError)
  })
})

async function expectRejected(promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  )
  expect(error).to.be.instanceOf(ValidationError)
}
