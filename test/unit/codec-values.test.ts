/** Long because every type of value has its own laws. */
import { expect } from 'chai'
import fc from 'fast-check'
import { Packed, Ref } from '../../src/backend.js'
import { nestedClassesOf } from '../../src/codec/nested-classes.js'
import { Format } from '../../src/codec/value-format.js'
import {
  type CollectionCell,
  type DecodeContext,
  decodeFields,
  decodeValue,
  type EncodeContext,
  encodeFields,
  encodeValue,
} from '../../src/codec/values.js'
import { encodeWireAs, type Wire } from '../../src/codec/wire.js'
import { AliasTakenError, ConflictError, CorruptError, InsituError, ValidationError } from '../../src/errors.js'
import { type ClassId, newId } from '../../src/ids.js'
import { VALUE_DEPTH_MAX } from '../../src/limits.js'
import { differenceOf } from './codec-same-graph.js'

/** Stands for a StorageObject: stored as a reference, and the same instance comes back. */
class Thing {
  readonly ref = new Ref(newId(), 'test#Thing' as ClassId)
  constructor() {
    things.set(this.ref.id, this)
  }
}
const things = new Map<string, Thing>()

class Dict {
  path = ''
  constructor(readonly table: string) {}
}

class Point {
  x = 0
  y: unknown = 0
}
class Circle {
  static fields = { centre: () => Point }
  static transient = ['area']
  centre = new Point()
  next: unknown = null
  area = 1
}
class Secret {
  #code: string
  constructor(code: string) {
    if (typeof code !== 'string') throw new Error('a code is needed')
    this.#code = code
  }
  get code(): string {
    return this.#code
  }
  other: unknown
  store(): object {
    return { code: this.#code, other: this.other }
  }
  static restore(fields: { code: string; other: unknown }): Secret {
    return Object.assign(new Secret(fields.code), { other: fields.other })
  }
}
class Needy {
  constructor(readonly o: { v: number }) {
    this.v = o.v
  }
  v: number
}
class Oops extends Error {
  detail = 0
}
class Bag extends Map<string, number> {}
class Owner {
  static fields = { shapes: () => [Circle, Secret], needy: () => Needy, oops: () => Oops, bag: () => Bag }
}
class Unknown {}

const classes = nestedClassesOf(Owner)
const encoding: EncodeContext = {
  refOf: (value) => (value instanceof Thing ? value.ref : undefined),
  collectionOf: (value) => (value instanceof Dict ? { kind: 'dict', table: value.table } : undefined),
  classOf: classes.classOf,
}
const decoding: DecodeContext = {
  resolve: (ref) => things.get(ref.id) ?? ref,
  collection: (cell: CollectionCell, path) => Object.assign(new Dict(String(cell['table'])), { path }),
  nested: classes.nested,
}

const encode = (fields: object): ReturnType<typeof encodeFields> => encodeFields(new Map(Object.entries(fields)), encoding)
/** In the order of the fields: cells know none. */
const roundTrip = (fields: object): Record<string, unknown> => {
  const back = decodeFields(encode(fields), decoding)
  expect(back.size).to.equal(Object.keys(fields).length)
  return Object.fromEntries(Object.keys(fields).map((name) => [name, back.get(name)]))
}

function expectSame(fields: object): void {
  expect(differenceOf(fields, roundTrip(fields))).to.equal(undefined)
  for (const value of Object.values(fields))
    expect(differenceOf(value, decodeValue(encodeValue(value, encoding), decoding))).to.equal(undefined)
}

interface Refusal extends InsituError {
  readonly path?: string
  readonly className?: string
}

function refusal(value: unknown, field = 'box'): Refusal {
  let refused: unknown
  try {
    encode({ [field]: value })
  } catch (error) {
    refused = error
  }
  expect(refused, 'refused').to.be.instanceOf(ValidationError)
  return refused as Refusal
}

const pattern = Object.assign(/a(?<n>b)/giu, { lastIndex: 3 })
const shared = new SharedArrayBuffer(5)
new Uint8Array(shared).set([1, 2, 3])
const window = new Float64Array(new ArrayBuffer(64), 16, 3).fill(Math.PI)

const TABLE: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  'minus zero': () => -0,
  NaN: () => Number.NaN,
  infinity: () => -Infinity,
  'bigint of 64 bits': () => 2n ** 63n,
  'bigint of 1000 bits': () => -(3n ** 650n),
  'lone surrogate': () => 'a\udc00',
  'empty text': () => '',
  Map: () =>
    new Map<unknown, unknown>([
      [{ a: 1 }, new Map([[Number.NaN, -0]])],
      [undefined, null],
    ]),
  'flat Map': () => new Map([['a', 1]]),
  Set: () => new Set([1, 'a', new Set([[]])]),
  Date: () => new Date(8.64e15),
  'invalid Date': () => new Date(Number.NaN),
  RegExp: () => pattern,
  'match of a RegExp': () => /b(c)/.exec('abcd'),
  Buffer: () => Buffer.from('hello'),
  Uint8Array: () => new Uint8Array([1, 2]),
  'window on a larger buffer': () => window,
  DataView: () => new DataView(new Uint8Array([1, 2, 3]).buffer, 1),
  ArrayBuffer: () => new Uint8Array([1, 2, 3]).buffer,
  SharedArrayBuffer: () => shared,
  'view on shared memory': () => new Uint8Array(shared, 1, 3),
  'empty array': () => [],
  'array with holes': () => [, 1, , undefined, ,], // oxlint-disable-line no-sparse-arrays
  'array with as many properties as holes': () => Object.assign([1, , 3], { extra: true }), // oxlint-disable-line no-sparse-arrays
  'huge array with holes': () => Object.assign(new Array(4_000_000_000), { 3999999998: { far: true } }),
  'long array with holes': () =>
    Object.assign(
      Array.from({ length: 100 }, () => 1),
      { length: 200 },
    ),
  'array with a property': () => Object.assign([1, 2], { label: 'x' }),
  'array of some items with a property': () => Object.assign(new Array(20).fill(1), { label: undefined }),
  'array of many items with properties': () => Object.assign(new Array(5000).fill(1), { label: ' more items ]', list: [[2]] }),
  'array of many items, the last a hole': () => Object.assign(new Array(5000).fill(1), { length: 5001 }),
  'match of a RegExp with many groups': () => new RegExp('(.)'.repeat(90)).exec('x'.repeat(90)),
  'object without prototype': () => Object.assign(Object.create(null) as object, { a: 1, b: [Object.create(null)] }),
  'dangerous keys': () => JSON.parse('{"__proto__":{"x":{}},"constructor":1,"toJSON":[{}],"":{}}') as unknown,
  'object of objects': () => ({ a: { b: { c: [] } }, d: [{}, { e: undefined }] }),
  'nested class': () => Object.assign(new Circle(), { centre: Object.assign(new Point(), { y: new Map([[1, [new Point()]]]) }) }),
  'class with private state': () => Object.assign(new Secret('s3'), { other: [new Point()] }),
  'a reference': () => [...things.values()][0],
  'references everywhere': () => {
    const thing = [...things.values()][0]!
    return [
      [thing, thing, 1],
      { thing, n: 1 },
      new Map([[thing, thing]]),
      new Set([thing]),
      new Map([['k', [[thing]]]]),
      { deep: { thing } },
    ]
  },
  Error: () => Object.assign(new Error('e', { cause: new TypeError('inner') }), { code: 'E_CODE', info: { a: [] } }),
  AggregateError: () => new AggregateError([new RangeError('1'), 2], 'several'),
  'error without message': () => new SyntaxError(),
  'error with a name': () => Object.assign(new EvalError('x'), { name: 'Mine' }),
  DOMException: () => new DOMException('stopped', 'AbortError'),
  'errors of insitu': () => [
    new ConflictError('c', { ref: 'r', cause: new Error('why') }),
    new AliasTakenError('a'),
    new InsituError('i', { code: 'X' }),
  ],
  'error of a nested class': () => Object.assign(new Oops('o', { cause: [1] }), { detail: { deep: true } }),
  'system error': () => {
    try {
      return process.chdir('/no/such/folder')
    } catch (error) {
      return error
    }
  },
}
new Thing()
for (const C of [Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array])
  TABLE[C.name] = () => [new C([1, 2, 255, -1]), new C(0)]
for (const C of [BigInt64Array, BigUint64Array]) TABLE[C.name] = () => new C([1n, 2n ** 63n])

describe('values', () => {
  for (const [name, make] of Object.entries(TABLE))
    it(`come back as they went in: ${name}`, () => {
      const value = make()
      expectSame({ value })
      expectSame({ inside: [value, { deeper: value }] })
    })

  const { any } = fc.letrec<{ any: unknown }>((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(...Object.values(TABLE)).map((make) => make()),
      fc.string({ unit: 'binary' }),
      fc.double(),
      fc.bigInt(),
      fc.array(tie('any'), { maxLength: 6 }),
      fc.dictionary(fc.string({ unit: 'binary' }), tie('any'), { maxKeys: 6, noNullPrototype: false }),
      fc.array(fc.tuple(tie('any'), tie('any')), { maxLength: 4 }).map((entries) => new Map(entries)),
      fc.array(tie('any'), { maxLength: 4 }).map((items) => new Set(items)),
      fc.sparseArray(tie('any'), { maxNumElements: 4 }),
      tie('any').map((y) => Object.assign(new Point(), { y })),
    ),
  }))
  it('come back as they went in: any mixture, with sharing inside and between fields', function () {
    this.timeout(60_000)
    fc.assert(
      fc.property(fc.dictionary(fc.string(), any, { maxKeys: 5, noNullPrototype: true }), fc.nat(), (fields, pick) => {
        const values = Object.values(fields)
        const tied = { ...fields, '~tie': values.length ? { tie: values[pick % values.length] } : 0 }
        const cells = encodeFields(new Map(Object.entries(tied)), encoding)
        const back = decodeFields(cells, decoding)
        expect([...back.keys()].sort()).to.deep.equal(Object.keys(tied).sort())
        const ordered = Object.keys(tied).map((name) => [name, back.get(name)] as const)
        expect(
          differenceOf(
            Object.entries(tied),
            ordered.map((e) => [...e]),
          ),
        ).to.equal(undefined)
      }),
      { numRuns: 300 },
    )
  })

  it('come back with their cycles', () => {
    const self: unknown[] = [1]
    self.push(self, { self }, new Map([[self, self]]), new Set([self]))
    const circle = new Circle()
    circle.next = { back: circle }
    const error: Error & { self?: unknown } = new Error('loop')
    error.cause = { error }
    error.self = error
    const sparse: unknown[] = []
    sparse[2] = sparse
    for (const value of [self, circle, error, sparse]) {
      const { v } = roundTrip({ v: value })
      expect(differenceOf(value, v)).to.equal(undefined)
    }
  })

  it('come back with memory of their own', () => {
    const cells = encode({ a: new Float64Array(4), b: new Uint8Array(3), c: [new Uint8Array(3), Buffer.alloc(2)], d: Buffer.from('x') })
    const first = decodeFields(cells, decoding)
    ;(first.get('b') as Uint8Array).fill(9)
    ;(first.get('a') as Float64Array).fill(9)
    ;(first.get('c') as Uint8Array[])[0]!.fill(9)
    expect(decodeFields(cells, decoding).get('b')).to.deep.equal(new Uint8Array(3))
    expect(decodeFields(cells, decoding).get('a')).to.deep.equal(new Float64Array(4))
    expect((first.get('c') as Uint8Array[])[0]!.buffer.byteLength).to.equal(3)
  })
})

describe('cells of fields', () => {
  it('are native where that is exact', () => {
    const thing = new Thing()
    const cells = encode({ a: null, b: true, c: 1.5, d: 'text', e: 7n, f: new Date(3), g: new Uint8Array([1]), h: thing })
    expect([...cells.values()]).to.deep.equal([null, true, 1.5, 'text', 7n, new Date(3), new Uint8Array([1]), thing.ref])
  })

  it('are packed where a native one would lose something', () => {
    for (const value of [-0, Number.NaN, '\ud800', undefined, new Date(Number.NaN), Buffer.from('b'), [1]])
      expect(encode({ value }).get('value')).to.be.instanceOf(Packed)
  })

  it('do not change with the value afterwards', () => {
    const date = new Date(1)
    const bytes = new Uint8Array(2)
    const cells = encode({ date, bytes })
    date.setTime(2)
    bytes.fill(1)
    expect([cells.get('date'), cells.get('bytes')]).to.deep.equal([new Date(1), new Uint8Array(2)])
  })

  it('of fields that share a value are one, under the first name; others stay alone', () => {
    const list = [1]
    const thing = new Thing()
    const cells = encode({ z: list, a: 1, m: { list }, b: new Map([['x', [thing]]]), q: [thing], k: 'list' })
    expect([...cells.keys()].sort()).to.deep.equal(['a', 'b', 'k', 'm', 'q'])
    const back = decodeFields(cells, decoding)
    expect((back.get('m') as { list: unknown }).list).to.equal(back.get('z'))
  })

  for (const [name, make] of Object.entries({
    Date: () => new Date(5),
    Uint8Array: () => new Uint8Array(3),
    Float64Array: () => new Float64Array(3),
    Buffer: () => Buffer.from('x'),
    RegExp: () => /x/,
    Error: () => new Error('x'),
    instance: () => new Point(),
  }))
    it(`share a ${name} in any order of the fields`, () => {
      const value = make()
      for (const fields of [
        { a: value, b: value },
        { a: [value], b: value },
        { b: value, a: { value }, c: 1 },
      ]) {
        expect(encode(fields).has('b')).to.equal(false)
        expectSame(fields)
      }
    })

  it('join through a third field', () => {
    const x = {}
    const y = {}
    expect([...encode({ c: [x], b: [y], a: 'alone', d: { x, y } }).keys()].sort()).to.deep.equal(['a', 'b'])
  })

  it('rebuild collections with their place', () => {
    const back = roundTrip({ counts: new Dict('t1'), more: { list: [0, new Dict('t2')] } })
    expect(back['counts']).to.deep.equal(Object.assign(new Dict('t1'), { path: 'counts' }))
    expect((back['more'] as { list: unknown[] }).list[1]).to.deep.equal(Object.assign(new Dict('t2'), { path: 'more.list[1]' }))
  })

  it('keep fields of any name', () => {
    const fields = new Map<string, unknown>([
      ['__proto__', [1]],
      ['', { a: 1 }],
      ['constructor', 1],
    ])
    expect(decodeFields(encodeFields(fields, encoding), decoding)).to.deep.equal(fields)
  })
})

describe('nested classes', () => {
  it('leave out what is transient, and the constructor gives it again', () => {
    const { circle } = roundTrip({ circle: Object.assign(new Circle(), { area: 99 }) }) as { circle: Circle }
    expect(circle).to.be.instanceOf(Circle)
    expect(circle.area).to.equal(1)
    expect(circle.centre).to.be.instanceOf(Point)
  })

  it('keep private state through restore and store', () => {
    expect((roundTrip({ s: new Secret('abc') })['s'] as Secret).code).to.equal('abc')
  })

  it('with only restore cannot stand in a cycle', () => {
    const secret = new Secret('x')
    secret.other = [{ secret }]
    const error = refusal(secret)
    expect([error.code, error.path]).to.deep.equal(['ERR_CLASS_CANNOT_BE_REBUILT', 'box.other[0].secret'])
  })

  it('with only restore may be shared', () => {
    const secret = new Secret('x')
    expectSame({ a: [secret, secret], b: secret })
  })

  it('that cannot be rebuilt are refused with the reason', () => {
    for (const [value, reason] of [
      [new Needy({ v: 1 }), /box\.list\[0\] is a Needy, and `new Needy\(\)` without arguments throws.*static restore/],
      [new Bag(), /extends a built-in class.*restore/],
    ] as const) {
      const error = refusal({ list: [value] })
      expect(error.code).to.equal('ERR_CLASS_CANNOT_BE_REBUILT')
      expect(error.message).to.match(reason)
    }
  })

  it('need names that differ, and thunks that give classes', () => {
    const twin = class Point {}
    class Two {
      static fields = { a: () => Point, b: () => twin }
    }
    class Wrong {
      static fields = { a: () => undefined }
    }
    expect(() => nestedClassesOf(Two)).to.throw(ValidationError, 'typeName')
    expect(() => nestedClassesOf(Wrong)).to.throw(ValidationError, 'a: () => TheClass')
  })

  it('are known by typeName, and as the class itself, not a subclass', () => {
    class P3 extends Point {
      static typeName = 'geo.P3'
    }
    class Of {
      static fields = { p: () => P3 }
    }
    const of = nestedClassesOf(Of)
    expect(of.nested('geo.P3')).to.equal(of.classOf(new P3()))
    expect(of.classOf(new Point())).to.equal(undefined)
    expect(of.classOf(new (class extends P3 {})())).to.equal(undefined)
  })

  it('keep the default of a field that was not stored', () => {
    const nested = nestedClassesOf(Owner).nested('Circle')!
    expect(nested.rebuild(new Map([['next', 5]]))).to.deep.equal(Object.assign(new Circle(), { next: 5 }))
  })
})

describe('refused values', () => {
  it('are functions and symbols, with path and fix', () => {
    const error = refusal({ items: [1, 2, {}, { callback: () => 1 }] })
    expect(error.path).to.equal('box.items[3].callback')
    expect(error.message).to.equal(
      'box.items[3].callback is a function, which cannot be stored: make it transient (`static transient = ["box"]`), or take it out of the value',
    )
    expect(refusal(Symbol('x')).path).to.equal('box')
    expect(refusal({ [Symbol('x')]: 1 }).path).to.equal('box[Symbol(x)]')
  })

  it('name their place in any container', () => {
    const f = (): void => {}
    for (const [value, path] of [
      [new Map([['a b', [f]]]), 'box.get("a b")[0]'],
      [new Map([[f, 1]]), 'box.keys()[0]'],
      [new Set([1, f]), 'box.values()[1]'],
      [{ 'odd key': { ünder: f } }, 'box["odd key"].ünder'],
      [Object.assign(new Circle(), { next: f }), 'box.next'],
      [new Error('x', { cause: { f } }), 'box.cause.f'],
      [[, f], 'box["1"]'], // oxlint-disable-line no-sparse-arrays
    ] as const)
      expect(refusal(value).path).to.equal(path)
  })

  it('are instances of classes that are not known', () => {
    for (const [value, name, fix] of [
      [new Unknown(), 'Unknown', 'static fields = { box: () => Unknown }'],
      [new WeakMap(), 'WeakMap', 'static transient'],
      [Promise.resolve(1), 'Promise', 'await it'],
      [new URL('http://x'), 'URL', 'what it is made from'],
      [Object(5), 'Number', 'plain value'],
      [new (class Mine extends Error {})('x'), 'Mine', 'static fields'],
      [new (class Sub extends Array {})(), 'Sub', 'static fields'],
    ] as const) {
      const error = refusal([value])
      expect([error.code, error.path, error.className]).to.deep.equal(['ERR_CLASS_CANNOT_BE_REBUILT', 'box[0]', name])
      expect(error.message).to.contain(fix)
    }
  })

  it('are properties that would be lost, and buffers that would stop growing', () => {
    expect(refusal(Object.assign(new Map(), { x: 1 })).message).to.contain('"x"')
    expect(refusal([new ArrayBuffer(1, { maxByteLength: 4 })]).message).to.contain('slice')
  })

  it('are nested deeper than the limit, up to which they come back', function () {
    this.timeout(60_000)
    const nest = (depth: number, wrap: (inner: unknown) => unknown): unknown => {
      let value: unknown = 1
      for (let i = 0; i < depth; i++) value = wrap(value)
      return value
    }
    for (const wrap of [
      (v: unknown) => [v],
      (v: unknown) => ({ v }),
      (v: unknown) => new Map([[1, v]]),
      (v: unknown) => Object.assign(new Point(), { y: v }),
      (v: unknown) => new Error('x', { cause: v }),
    ]) {
      const deepest = nest(VALUE_DEPTH_MAX, wrap)
      const bytes = encodeValue(deepest, encoding)
      // Compared as bytes: comparing the values would take more stack than reading them.
      expect(Buffer.compare(encodeValue(decodeValue(bytes, decoding), encoding), bytes)).to.equal(0)
      for (const depth of [VALUE_DEPTH_MAX + 1, 5000]) expect(refusal(nest(depth, wrap)).message).to.contain('nested deeper')
    }
  })

  it('leave the fields as they were, and what the context throws goes through', () => {
    const mine = new Error('volatile')
    const context = {
      ...encoding,
      refOf: () => {
        throw mine
      },
    }
    expect(() => encodeValue([new Thing()], context)).to.throw(mine)
  })
})

describe('errors of any class', () => {
  it('become the nearest known one where reports need that, their name kept', () => {
    class Mine extends RangeError {
      extra = 1
    }
    const back = decodeValue(encodeValue(new Mine('m', { cause: 1 }), { ...encoding, anyError: true }), decoding) as Mine
    expect(back).to.be.instanceOf(RangeError)
    expect([back.name, back.message, back.cause, back.extra]).to.deep.equal(['RangeError', 'm', 1, 1])
    class Bad extends Error {
      override name = 'Bad'
    }
    expect((decodeValue(encodeValue(new Bad('b'), { ...encoding, anyError: true }), decoding) as Error).name).to.equal('Bad')
  })
})

const graph = (parts: Wire): Uint8Array => encodeWireAs(Format.graph, parts)

describe('damaged values', () => {
  const BITS = [1, 2, 4, 8, 16, 32, 64, 128]
  const fields = (): object => {
    const list: unknown[] = [
      { a: [1] },
      new Map([['k', new Set([[2]])]]),
      new Float64Array(2),
      /x/g,
      Object.assign(new Point(), { y: [1] }),
    ]
    list.push(
      list,
      new Error('e', { cause: { c: 1 } }),
      [, { s: 1 }],
      new DataView(new ArrayBuffer(2)),
      new Dict('t'),
      new Thing(),
      new Date(1),
    ) // oxlint-disable-line no-sparse-arrays
    return { one: list, two: { list }, alone: new Float64Array(3), map: new Map([['a', { b: null }]]) }
  }
  const lenient: DecodeContext = { ...decoding, nested: (name) => classes.nested(name) ?? classes.nested('Point') }
  const check = (name: string, bytes: Uint8Array): void => {
    try {
      decodeFields(new Map([[name, new Packed(bytes)]]), lenient)
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
    }
  }
  const samples = (): [string, Uint8Array][] => [...encode(fields())].map(([name, cell]) => [name, (cell as Packed).bytes])

  it('are a CorruptError or a value: every bit of every byte', function () {
    this.timeout(60_000)
    for (const [name, sample] of samples())
      for (let i = 0; i < sample.length; i++)
        for (const byte of [...BITS.map((bit) => sample[i]! ^ bit), 0, 0xff, 0xc0, 0x5b]) {
          const bytes = Uint8Array.from(sample)
          bytes[i] = byte
          check(name, bytes)
        }
  })

  it('are a CorruptError when cut off anywhere', () => {
    for (const [name, sample] of samples())
      for (let length = 0; length < sample.length; length++) {
        if (name === 'alone' && length >= 8 && length % 8 === 0) continue // a shorter array
        expect(() => decodeFields(new Map([[name, new Packed(sample.subarray(0, length))]]), decoding), `${name} ${length}`).to.throw(
          CorruptError,
        )
      }
  })

  it('are a CorruptError or a value: random heads and tokens', () => {
    const token = fc.oneof(
      fc.constantFrom(null, null, null, undefined, 'Point', 'Error', 'length', '__proto__', 'x'),
      fc.nat(20),
      fc.uint8Array({ maxLength: 16 }).map((b) => new Uint8Array(b)),
      fc.constant([1]),
      fc.constant({ kind: 'dict' }),
    )
    const head = fc.oneof(fc.nat(14), fc.nat(3), fc.constantFrom(2 ** 31, 2 ** 32, -1, 0.5))
    fc.assert(
      fc.property(fc.array(head), fc.array(token), (heads, tokens) => check('x', graph([heads, ...tokens]))),
      { numRuns: 3000 },
    )
  })

  it('of an array with a huge length take no memory', () => {
    const before = process.memoryUsage().rss
    const back = decodeFields(new Map([['x', new Packed(graph([[2, 30_000_000, 1], null, '7', 'seven']))]]), decoding).get('x') as unknown[]
    expect([back.length, back[7]]).to.deep.equal([30_000_000, 'seven'])
    expect(process.memoryUsage().rss - before).to.be.lessThan(100_000_000)
  })
})
