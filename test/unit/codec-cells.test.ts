import { expect } from 'chai'
import { type Cell, Packed, Ref } from '../../src/backend.js'
import { collectionsIn, type EncodeContext, encodeFields, fingerprint, refsIn, sameCell } from '../../src/codec/values.js'
import { CorruptError } from '../../src/errors.js'
import { type ClassId, newId } from '../../src/ids.js'

const refOfNew = (): Ref => new Ref(newId(), 'test#Thing' as ClassId)
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))

/** Makes each cell anew, so that nothing is the same only by being the same object. */
const CELLS: (() => Cell)[] = [
  () => null,
  () => true,
  () => false,
  () => 1,
  () => 1n,
  () => -0,
  () => 0,
  () => Number.NaN,
  () => '1',
  () => 'd1',
  () => 'nNaN',
  () => '',
  () => 'x'.repeat(65),
  () => 'x'.repeat(66),
  () => 'x'.repeat(100_000),
  () => new Date(1),
  () => new Date(2),
  () => new Date(Number.NaN),
  () => bytes(''),
  () => bytes('1'),
  () => bytes('x'.repeat(65)),
  () => bytes('x'.repeat(100_000)),
  () => new Packed(bytes('1')),
  () => new Packed(bytes('x'.repeat(65))),
  () => new Packed(bytes('x'.repeat(64))),
  () => new Ref('a' as Ref['id'], 'C' as ClassId),
  () => new Ref('b' as Ref['id'], 'C' as ClassId),
  () => new Ref('a' as Ref['id'], 'D' as ClassId),
  () => [],
  () => [1],
  () => [[1], new Date(1), bytes('1')],
  () => [[1], new Date(1), bytes('2')],
]

describe('cells', () => {
  it('are the same exactly when made alike, and so are their fingerprints', () => {
    for (const [i, a] of CELLS.entries())
      for (const [j, b] of CELLS.entries()) {
        expect(sameCell(a(), b()), `${i} ${j}`).to.equal(i === j)
        expect(fingerprint(a()) === fingerprint(b()), `${i} ${j}`).to.equal(i === j)
      }
  })

  it('are remembered in little memory', () => {
    for (const make of CELLS) expect(String(fingerprint(make())).length).to.be.at.most(70)
  })

  it('have another fingerprint after any change of a byte', () => {
    const data = new Uint8Array(200)
    const seen = new Set([fingerprint(new Packed(data))])
    for (let i = 0; i < data.length; i++) {
      data[i] = 1
      seen.add(fingerprint(new Packed(data)))
      data[i] = 0
    }
    expect(seen.size).to.equal(201)
  })

  const refs = Array.from({ length: 12 }, refOfNew)
  class Thing {
    constructor(readonly ref: Ref) {}
  }
  class Dict {
    constructor(readonly owner: Ref) {}
  }
  const context: EncodeContext = {
    refOf: (value) => (value instanceof Thing ? value.ref : undefined),
    collectionOf: (value) => (value instanceof Dict ? { kind: 'dict', owner: value.owner } : undefined),
    classOf: () => undefined,
  }
  const [a, b, c, d, e, f, g, h, i, j, k, l] = refs.map((ref) => new Thing(ref)) as [
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
    Thing,
  ]
  const shared = { k }
  const fields = new Map<string, unknown>([
    ['direct', a],
    ['list', [b, c]],
    ['record', { d, more: [{ e }] }],
    ['map', new Map([[f, g]])],
    ['set', new Set([h, [a]])],
    ['error', new Error('x', { cause: i })],
    ['dict', [1, new Dict(j.ref)]],
    ['shared1', shared],
    ['shared2', [shared, l]],
    ['numbers', new Float64Array(4)],
    ['text', 'text'],
    ['looks', { kind: 'dict', owner: a }],
  ])

  it('tell all their references, each once, wherever they stand', () => {
    const found = refsIn(encodeFields(fields, context))
    expect(found.map((ref) => ref.id).sort()).to.deep.equal(refs.map((ref) => ref.id).sort())
    expect(refsIn(new Map([['x', [[refs[0]!], refs[1]!] as Cell]]))).to.have.length(2)
  })

  it('tell their collections, and take no other object for one', () => {
    expect(collectionsIn(encodeFields(fields, context))).to.deep.equal([{ kind: 'dict', owner: j.ref }])
  })

  it('of an unknown format are a CorruptError', () => {
    for (const packed of [Uint8Array.of(99), Uint8Array.of(1, 0xc3), Uint8Array.of(2, 1)])
      for (const look of [refsIn, collectionsIn]) expect(() => look(new Map([['x', new Packed(packed)]]))).to.throw(CorruptError)
  })
})
