import { expect } from 'chai'
import fc from 'fast-check'
import { addExtension, Packr } from 'msgpackr'
import { Packed, Ref } from '../../src/backend.js'
import { decodeWire, encodeWire, type Wire } from '../../src/codec/wire.js'
import { WIRE_DEPTH_MAX } from '../../src/codec/wire-format.js'
import { CorruptError, ValidationError } from '../../src/errors.js'
import { type ClassId, newId } from '../../src/ids.js'
import { differenceOf } from './codec-same-graph.js'

const back = (value: Wire): Wire => decodeWire(encodeWire(value))
const expectExact = (value: Wire): void => {
  expect(differenceOf(value, back(value))).to.equal(undefined)
}

const key = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('__proto__', 'constructor', 'hasOwnProperty', 'toJSON', 'toString', '', '0', '\ud800'),
)
const leaf = fc.oneof(
  fc.constantFrom(null, undefined, true, false, 0, -0, Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31), -(2 ** 63)),
  fc.constantFrom(0n, -1n, 2n ** 63n - 1n, 2n ** 63n, -(2n ** 63n), -(2n ** 63n) - 1n, 2n ** 64n, 12345678901234567890123n ** 40n),
  fc.constantFrom('\ufeffbom', '\ud800', 'a\udc00b', '\ufeff'.repeat(70), 'é'.repeat(31), '\u{1f600}'.repeat(40), '\0', 'x'.repeat(70_000)),
  fc.integer(),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes)),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array().map((bytes) => new Packed(new Uint8Array(bytes))),
  fc.string().map((name) => new Ref(newId(), name as ClassId)),
)
const { wire } = fc.letrec<{ wire: Wire }>((tie) => ({
  wire: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('wire'), { maxLength: 20 }),
    fc.array(fc.tuple(tie('wire'), tie('wire')), { maxLength: 8 }).map((entries) => new Map(entries)),
    fc.array(tie('wire'), { maxLength: 8 }).map((items) => new Set(items)),
    fc.array(fc.tuple(key, tie('wire')), { maxLength: 20 }).map((entries) => Object.fromEntries(entries) as object),
  ),
}))

describe('wire', () => {
  it('gives back any value exactly', function () {
    this.timeout(60_000)
    fc.assert(
      fc.property(wire, (value) => expectExact(value)),
      { numRuns: 500 },
    )
  })

  it('writes the same bytes for the same value, whatever was written in between', () => {
    fc.assert(
      fc.property(wire, wire, (value, other) => {
        const first = encodeWire(value)
        const copy = Uint8Array.from(first)
        encodeWire(other)
        expect(Buffer.compare(encodeWire(value), copy)).to.equal(0)
        expect(Buffer.compare(first, copy), 'earlier bytes stay').to.equal(0)
      }),
      { numRuns: 100 },
    )
  })

  it('holds short texts of many kinds in messages of many sizes, and maps of them', () => {
    const texts = ['a', 'zwölf', 'twelve chars', 'é', '\u{1f600}', 'a\0b', '\ufeff', 'thirteen char', '日本', '\x7f\x80']
    for (const bytes of [4_000, 4_096, 65_536, 200_000])
      for (const shift of [0, 1, 5, 11]) {
        const many = Array.from({ length: bytes / 8 }, (_, i) => `${texts[(i + shift) % texts.length]}${i % 97 === 0 ? '' : i}`)
        expectExact(['x'.repeat(shift), ...many])
        expectExact(new Map(many.map((text, i) => [`${text}:${i}`, text] as const)))
        expectExact({ first: 'x'.repeat(bytes), many: many.map((text) => ({ text })), last: 'short' })
      }
  })

  it('keeps an own __proto__ an ordinary key and sets no prototype', () => {
    const value = back(JSON.parse('{"a":1,"__proto__":{"polluted":true}}') as object) as Record<string, unknown>
    expect(Object.keys(value)).to.deep.equal(['a', '__proto__'])
    expect(Object.getPrototypeOf(value)).to.equal(Object.prototype)
    expect(value['polluted']).to.equal(undefined)
  })

  it('holds objects, maps, sets and arrays of more than 65,535 items', function () {
    this.timeout(60_000)
    const items = Array.from({ length: 70_000 }, (_, i) => i)
    for (const value of [items, new Set(items), new Map(items.map((i) => [i, i])), Object.fromEntries(items.map((i) => [`k${i}`, i]))])
      expectExact(value)
  })

  it('gives bytes with memory of their own, as Uint8Array even from a Buffer', () => {
    const source = Buffer.from(encodeWire([Buffer.from('abc'), new Packed(Buffer.from('def'))]))
    const [bytes, packed] = decodeWire(source) as [Uint8Array, Packed]
    source.fill(0)
    for (const [each, text] of [
      [bytes, 'abc'],
      [packed.bytes, 'def'],
    ] as const) {
      expect(each.constructor).to.equal(Uint8Array)
      expect(each.buffer.byteLength).to.equal(3)
      expect(Buffer.from(each).toString()).to.equal(text)
    }
  })

  it('reads bytes that stand in the middle of other memory', () => {
    const bytes = encodeWire([1.5, 'text', new Date(7), 2n])
    const page = new Uint8Array(bytes.length + 9)
    page.set(bytes, 5)
    expect(decodeWire(page.subarray(5, 5 + bytes.length))).to.deep.equal([1.5, 'text', new Date(7), 2n])
  })

  it('calls no toJSON and no extension that another user of msgpackr registered', () => {
    class Foreign {}
    const fail = (): never => expect.fail('a foreign extension was called')
    for (const Class of [Date, Map, Set, Uint8Array]) addExtension({ Class, type: 90, pack: fail, unpack: fail })
    expect(back(new Map([[new Date(1), new Set([new Uint8Array(1)])]]))).to.be.instanceOf(Map)
    const value = { toJSON: 'text', nested: { toJSON: null } }
    expect(back(value)).to.deep.equal(value)
    expect(() => encodeWire(new Foreign())).to.throw(TypeError, 'Foreign')
  })

  it('refuses what has no form, and goes on working', () => {
    for (const value of [() => 1, Symbol('s'), [new WeakMap()], { a: new Float64Array(2) }])
      expect(() => encodeWire(value as Wire)).to.throw(TypeError)
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(() => encodeWire(cycle)).to.throw(ValidationError)
    expect(back([1])).to.deep.equal([1])
  })

  it('carries values nested to the limit, in either direction', () => {
    let value: Wire = 1
    for (let i = 0; i < WIRE_DEPTH_MAX; i++) value = i % 2 ? [value] : new Map([[1, value]])
    expectExact(value)
    for (const deeper of [[[value]], new Map([[1, [value]]])]) expect(() => encodeWire(deeper)).to.throw(ValidationError, 'deeper')
  })
})

describe('wire, hostile bytes', () => {
  const only = (bytes: Uint8Array): void => {
    try {
      decodeWire(bytes)
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
    }
  }
  const sample = encodeWire({
    ref: new Ref(newId(), 'app/words#Block' as ClassId),
    set: new Map<string, Wire>([
      ['text', 'x'.repeat(40)],
      ['n', -0],
      ['packed', new Packed(new Uint8Array(20))],
      ['big', 2n ** 70n],
    ]),
    more: [new Set([1, 2]), new Date(5), 1.5, 70_000, -300, '\ud800', undefined],
    ['__proto__']: 1,
  })

  it('are a CorruptError or a value: every byte at every value', function () {
    this.timeout(60_000)
    for (let i = 0; i < sample.length; i++)
      for (let byte = 0; byte < 256; byte++) {
        const bytes = Uint8Array.from(sample)
        bytes[i] = byte
        only(bytes)
      }
  })

  it('are a CorruptError when cut off anywhere or followed by anything', () => {
    for (let length = 0; length < sample.length; length++) expect(() => decodeWire(sample.subarray(0, length))).to.throw(CorruptError)
    expect(() => decodeWire(Uint8Array.from([...sample, 0]))).to.throw(CorruptError)
  })

  it('are a CorruptError or a value: random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => only(new Uint8Array(bytes))),
      { numRuns: 3000 },
    )
  })

  it('take no memory for lengths that are not there, nor stack for depth', () => {
    const before = process.memoryUsage()
    for (const start of [0xdd, 0xdf, 0xdb, 0xc6])
      expect(() => decodeWire(Uint8Array.of(start, 0x7f, 0xff, 0xff, 0xff, 1, 2))).to.throw(CorruptError)
    expect(() => decodeWire(new Uint8Array(1_000_000).fill(0x91))).to.throw(CorruptError, 'deeply')
    const after = process.memoryUsage()
    expect(after.rss - before.rss).to.be.lessThan(100_000_000)
  })

  it('run nothing: extensions of msgpackr are not understood', () => {
    const packr = new Packr({ structuredClone: true, moreTypes: true })
    for (const value of [/a/, new Error('x'), new Float64Array(3), { a: 1 }])
      expect(() => decodeWire(new Uint8Array(packr.pack(value)))).to.throw(CorruptError)
  })
})
