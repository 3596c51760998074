import { expect } from 'chai'
import { type Cell, Packed } from '../../src/backend.js'
import { encodePlainCells } from '../../src/codec/plain-cells.js'
import { encodeWire } from '../../src/codec/wire.js'
import { randomOf } from '../crash/random.js'

const flat = (cells: ReadonlyMap<string, Cell>): Cell[] => [...cells].flat()
const of = (...values: Cell[]): Map<string, Cell> => new Map(values.map((value, i) => [`f${i}`, value]))

const same = (cells: ReadonlyMap<string, Cell>): void => {
  const plain = encodePlainCells(cells)
  expect(plain, 'is plain').to.not.equal(undefined)
  expect(Buffer.from(plain!).toString('hex')).to.equal(Buffer.from(encodeWire(flat(cells))).toString('hex'))
}

const EDGES = [
  0, 0x1f, 0x20, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000,
]
const NUMBERS = [
  ...EDGES,
  ...EDGES.filter(Boolean).map((n) => -n),
  ...EDGES.map((n) => -n - 1),
  0.5,
  -1e300,
  NaN,
  Infinity,
  -Infinity,
  2 ** 53,
]

describe('codec: cells that are all primitives', () => {
  it('are the bytes that the wire has for them', () => {
    same(of())
    for (const value of NUMBERS) same(of(value))
    same(of(...NUMBERS, null, true, false, 0n, -1n, 2n ** 63n - 1n, -(2n ** 63n)))
    for (const text of ['', 'é', '\0', '😀', `${'a'.repeat(23)}é`])
      for (const length of [1, 7, 8, 11, 23, 24, 25, 31, 32, 33, 85, 86, 127, 128, 255, 256, 257])
        same(new Map([[text.repeat(length).slice(0, 500).toWellFormed(), text.repeat(length).slice(0, 700).toWellFormed()]]))
  })

  it('are the same bytes for whatever texts and numbers', () => {
    const random = randomOf(11)
    const texts = ['a', 'ß', '漢', '😀', ' ']
    for (let nth = 0; nth < 2000; nth++) {
      const text = (max: number): string =>
        Array.from({ length: Math.floor(random() * max) }, () => texts[random() < 0.9 ? 0 : Math.floor(random() * 5)]).join('')
      same(
        new Map(
          Array.from({ length: nth % 12 }, () => [
            text(40),
            random() < 0.5 ? text(300) : Math.floor((random() - 0.5) * 2 ** (random() * 60)),
          ]),
        ),
      )
    }
  })

  it('are the same bytes where they do not fit into the memory that small results share', () => {
    for (const length of [600, 678, 679, 680, 681, 682, 683, 700, 1000, 2047, 2048, 2049, 2700]) same(of(1, 'x'.repeat(length), 'end'))
    same(of(...Array.from({ length: 300 }, (_, i) => `${i}`)))
  })

  it('stay as they are when others are written', () => {
    const cells = Array.from({ length: 2000 }, (_, i) => of(i, `${i}`.repeat(1 + (i % 40))))
    const written = cells.map((one) => encodePlainCells(one)!)
    for (const [i, bytes] of written.entries()) {
      expect(Buffer.from(bytes).toString('hex')).to.equal(Buffer.from(encodeWire(flat(cells[i]!))).toString('hex'))
      expect(bytes.byteOffset % 8, 'begins with a word').to.equal(0)
    }
  })

  it('are no business of theirs when they are anything else, or much', () => {
    const others: Cell[] = [new Packed(new Uint8Array(1)), new Uint8Array(1), new Date(), [1], '\ud800', -0, 2n ** 63n, 'x'.repeat(9000)]
    for (const other of others) expect(encodePlainCells(of(1, other, 'a')), String(other).slice(0, 20)).to.equal(undefined)
    expect(encodePlainCells(of(...new Array<string>(100).fill('x'.repeat(100))))).to.equal(undefined)
    same(of(1, 'a'))
  })
})
