import { expect } from 'chai'
import fc from 'fast-check'
import { type Cell, type ColumnType, type Piece, type Range, Ref } from '../../src/backend.js'
import { compareBytes, decodeKey, encodeKey, encodeKeyText, type KeyColumns, prefixBounds } from '../../src/dict/row-key.js'
import { CorruptError, ValidationError } from '../../src/errors.js'
import { type ClassId, type Id, newId, newTableId } from '../../src/ids.js'

const table = (...types: ColumnType[]): KeyColumns => ({ keys: types.map((type, i) => ({ name: `k${i}`, type })) })
const id = newTableId()

const sign = (n: number): number => (n > 0 ? 1 : n < 0 ? -1 : 0)
const utf8Order = (a: string, b: string): number => sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
const plainOrder = <T>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0)
const floatOrder = (a: number, b: number): number =>
  Number.isNaN(a) || Number.isNaN(b) ? +Number.isNaN(a) - +Number.isNaN(b) : plainOrder(a, b)

/** Compares decimals as fractions over a common power of ten. */
function decimalOrder(a: string, b: string): number {
  const scaled = (text: string): bigint => {
    const [whole = '', fraction = ''] = text.split('.')
    return BigInt(whole + fraction.padEnd(20, '0'))
  }
  return plainOrder(scaled(a), scaled(b))
}

const decimals = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 25n }), fc.option(fc.stringMatching(/^\d{1,12}$/)))
  .map(([negative, whole, fraction]) => `${negative ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}`)
const days = fc
  .date({ min: new Date('0000-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((d) => d.toISOString().slice(0, 10))
const times = fc.integer({ min: 0, max: 86_399_999_999 }).map((micros) => {
  const clock = new Date(Math.floor(micros / 1000)).toISOString().slice(11, 23)
  return `${clock}${String(micros % 1000).padStart(3, '0')}`.replace(/0+$/, '').replace(/\.$/, '')
})
const texts = fc.oneof(
  fc.string({ unit: fc.constantFrom('\0', '\x01', '\x02', 'a', 'b', '\x7f', 'é', '\uffff', '😀'), maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const blobs = fc.uint8Array({ maxLength: 12 }).chain((a) =>
  fc.constantFrom(
    a,
    a.map((b) => b & 1),
    a.map((b) => b | 0xfe),
  ),
)

interface KeyCase<T extends Cell> {
  type: ColumnType
  values: fc.Arbitrary<T>
  order(a: T, b: T): number
}
const cases: KeyCase<any>[] = [
  { type: 'text', values: texts, order: utf8Order },
  { type: 'blob', values: blobs, order: (a, b) => sign(Buffer.compare(a, b)) },
  { type: 'bool', values: fc.boolean(), order: plainOrder },
  { type: 'i32', values: fc.integer(), order: plainOrder },
  { type: 'i64', values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), order: plainOrder },
  { type: 'f32', values: fc.float().map((n) => n + 0), order: floatOrder },
  { type: 'f64', values: fc.double().map((n) => n + 0), order: floatOrder },
  { type: 'decimal', values: decimals, order: decimalOrder },
  { type: 'uuid', values: fc.uuid(), order: plainOrder },
  { type: 'date', values: days, order: plainOrder },
  { type: 'timestamp', values: fc.date({ noInvalidDate: true }), order: (a, b) => plainOrder(+a, +b) },
  { type: 'ref', values: fc.uuid().map((u) => new Ref(u as Id, 'app/words#Block' as ClassId)), order: (a, b) => plainOrder(a.id, b.id) },
]

describe('row keys', () => {
  for (const { type, values, order } of cases) {
    it(`${type}: the order of the bytes is the order of the values`, () => {
      const t = table(type)
      fc.assert(
        fc.property(values, values, (a, b) => {
          expect(sign(compareBytes(encodeKey(t, [a]), encodeKey(t, [b])))).to.equal(order(a, b))
          expect(plainOrder(encodeKeyText(t, [a]), encodeKeyText(t, [b]))).to.equal(order(a, b))
        }),
        { numRuns: 300 },
      )
    })
    if (type !== 'decimal') {
      it(`${type}: decoding gives the key back`, () => {
        const t = table(type, 'i32')
        fc.assert(fc.property(values, (a) => void expect(decodeKey(t, encodeKey(t, [a, 7]))).to.deep.equal([a, 7])))
      })
    }
  }

  it('times keep nanoseconds and their order', () => {
    const t = table('time')
    fc.assert(
      fc.property(times, times, (a, b) => {
        expect(decodeKey(t, encodeKey(t, [a]))).to.deep.equal([a])
        const padded = (s: string): string => (s.length === 8 ? `${s}.` : s).padEnd(18, '0')
        expect(sign(compareBytes(encodeKey(t, [a]), encodeKey(t, [b])))).to.equal(plainOrder(padded(a), padded(b)))
      }),
    )
    expect(decodeKey(t, encodeKey(t, ['23:59:59.123456789']))).to.deep.equal(['23:59:59.123456789'])
  })

  it('decimals come back as the same number, without trailing zeros', () => {
    const t = table('decimal')
    for (const [given, back] of Object.entries({
      '1.50': '1.5',
      '100': '100',
      '-0.00': '0',
      '0.001': '0.001',
      '-12.34': '-12.34',
      '10.0': '10',
    }))
      expect(decodeKey(t, encodeKey(t, [given]))).to.deep.equal([back])
    fc.assert(
      fc.property(decimals, (d) => {
        const [back] = decodeKey(t, encodeKey(t, [d])) as [string]
        expect(decimalOrder(back, d)).to.equal(0)
        expect(encodeKey(t, [back])).to.deep.equal(encodeKey(t, [d]))
      }),
    )
  })

  it('several columns order like a tuple of their values', () => {
    const t = table('text', 'blob', 'i64', { tupleOf: ['text', 'bool'] })
    const row = fc.tuple(
      fc.constantFrom('', 'a', 'a\0', 'ab'),
      blobs,
      fc.bigInt({ min: -2n, max: 2n }),
      fc.tuple(fc.constantFrom('', '\0'), fc.boolean()),
    )
    const order = (a: any[], b: any[]): number =>
      utf8Order(a[0], b[0]) ||
      sign(Buffer.compare(a[1], b[1])) ||
      plainOrder(a[2], b[2]) ||
      utf8Order(a[3][0], b[3][0]) ||
      plainOrder(a[3][1], b[3][1])
    fc.assert(
      fc.property(row, row, (a, b) => {
        expect(sign(compareBytes(encodeKey(t, a), encodeKey(t, b)))).to.equal(order(a, b))
        expect(decodeKey(t, encodeKey(t, a))).to.deep.equal(a)
      }),
      { numRuns: 500 },
    )
  })

  it('orders a, a\\0, ab and keeps -0, 0 as one key and NaN last', () => {
    const t = table('text')
    const keys = ['ab', 'a\0', 'a', ''].map((k) => encodeKey(t, [k])).sort(compareBytes)
    expect(keys.map((k) => decodeKey(t, k)[0])).to.deep.equal(['', 'a', 'a\0', 'ab'])
    for (const type of ['f32', 'f64'] as const) {
      const bytes = (n: number): Uint8Array => encodeKey(table(type), [n])
      expect(bytes(-0)).to.deep.equal(bytes(0))
      expect(compareBytes(bytes(NaN), bytes(Infinity))).to.equal(1)
    }
    expect(encodeKey(table('f32'), [-1e-60])).to.deep.equal(encodeKey(table('f32'), [0]))
  })

  describe('bounds', () => {
    const t = table('text', 'i32')
    const rows: [string, number][] = ['', '\0', 'a', 'a\0', 'ab', '\u{10ffff}'].flatMap((s) =>
      [-(2 ** 31), -1, 0, 5, 2 ** 31 - 1].map((n): [string, number] => [s, n]),
    )
    const inside = (range: Omit<Range, 'in'>, piece?: Piece): Cell[][] => {
      const { from, to } = prefixBounds(t, { in: piece ?? id, ...range })
      return rows.filter((r) => compareBytes(encodeKey(t, r), from) >= 0 && compareBytes(encodeKey(t, r), to) < 0)
    }

    it('cover all, a prefix, and from inclusive to exclusive', () => {
      expect(inside({})).to.deep.equal(rows)
      expect(inside({ prefix: ['a'] })).to.deep.equal(rows.filter(([s]) => s === 'a'))
      expect(inside({ prefix: ['a'], from: [-1], to: [5] })).to.deep.equal([
        ['a', -1],
        ['a', 0],
      ])
      expect(inside({ prefix: ['a'], from: [5] })).to.deep.equal([
        ['a', 5],
        ['a', 2 ** 31 - 1],
      ])
      expect(inside({ from: ['a'], to: ['ab'] }).map(([s]) => s)).to.deep.equal([...Array(5).fill('a'), ...Array(5).fill('a\0')])
      expect(inside({ prefix: ['a', 5] })).to.deep.equal([['a', 5]])
      expect(inside({ from: ['b'], to: ['a'] })).to.deep.equal([])
    })

    it('hold the largest values of every type', () => {
      const ff = new Uint8Array(400).fill(0xff)
      const wide = table('i64', 'uuid', 'blob')
      const { to } = prefixBounds(wide, { in: id })
      const top = encodeKey(wide, [2n ** 63n - 1n, 'ffffffff-ffff-ffff-ffff-ffffffffffff', ff])
      expect(compareBytes(top, to)).to.equal(-1)
      const prefixed = prefixBounds(wide, { in: id, prefix: [2n ** 63n - 1n] })
      expect(compareBytes(top, prefixed.to)).to.equal(-1)
    })

    it('meet those of a piece', () => {
      const piece: Piece = { table: id, from: encodeKey(t, ['a', 0]), to: encodeKey(t, ['ab', 0]), epoch: '' }
      expect(inside({}, piece)).to.deep.equal(
        rows.slice(
          rows.findIndex(([s, n]) => s === 'a' && n === 0),
          rows.findIndex(([s, n]) => s === 'ab' && n === 0),
        ),
      )
      expect(inside({ prefix: ['a'], to: [5] }, piece)).to.deep.equal([['a', 0]])
    })

    it('agree with a plain filter for any prefix and bounds', () => {
      const some = fc.constantFrom(...rows)
      fc.assert(
        fc.property(some, fc.option(some), fc.option(some), ([s], from, to) => {
          const want = rows.filter(([r, n]) => r === s && (!from || n >= from[1]) && (!to || n < to[1]))
          expect(inside({ prefix: [s], ...(from && { from: [from[1]] }), ...(to && { to: [to[1]] }) })).to.deep.equal(want)
        }),
      )
    })
  })

  describe('refusals', () => {
    const refusals: [ColumnType, unknown][] = [
      ['text', null],
      ['text', 1],
      ['text', '\ud800'],
      ['text', 'x\udc00'],
      ['i32', 3.7],
      ['i32', '5'],
      ['i32', 2 ** 31],
      ['i32', -0.5],
      ['i64', 5],
      ['i64', 2n ** 63n],
      ['f64', '1'],
      ['decimal', '1e5'],
      ['decimal', 'x'],
      ['uuid', 'x'],
      ['date', '2023-02-30'],
      ['date', '2023-2-3'],
      ['time', '24:00:00'],
      ['timestamp', new Date(NaN)],
      ['timestamp', 5],
      ['blob', [1]],
      ['ref', 'x'],
      ['counter', 5n],
      [{ listOf: 'i32' }, [1]],
      [{ tupleOf: ['i32'] }, [1, 2]],
      [{ tupleOf: ['i32'] }, [null]],
    ]
    for (const [type, cell] of refusals)
      it(`refuses ${typeof cell === 'bigint' ? `${cell}n` : JSON.stringify(cell)} as ${JSON.stringify(type)}`, () =>
        expect(() => encodeKey(table(type), [cell as Cell]))
          .to.throw(ValidationError)
          .with.property('path', 'k0'))

    it('refuses keys over the limit, and takes those at it', () => {
      const t = table('text')
      expect(encodeKey(t, ['x'.repeat(1023)])).to.have.length(1024)
      for (const long of ['x'.repeat(1024), '\0'.repeat(600), '😀'.repeat(300), 'x'.repeat(1e6)])
        expect(() => encodeKey(t, [long]))
          .to.throw(ValidationError)
          .with.property('code', 'ERR_KEY_TOO_LONG')
      const many = table(...Array<ColumnType>(20).fill('text'))
      expect(() => encodeKey(many, Array(20).fill('\x01'.repeat(1000))))
        .to.throw(ValidationError)
        .with.property('code', 'ERR_KEY_TOO_LONG')
      expect(() => encodeKey(table('decimal'), ['7'.repeat(3000)]))
        .to.throw(ValidationError)
        .with.property('code', 'ERR_KEY_TOO_LONG')
    })

    it('refuses keys with too few or too many columns', () => {
      expect(() => encodeKey(table('i32', 'i32'), [1])).to.throw(ValidationError)
      expect(() => encodeKey(table('i32'), [1, 2])).to.throw(ValidationError)
      expect(() => prefixBounds(table('i32'), { in: id, prefix: [1, 2] })).to.throw(ValidationError)
    })
  })

  it('damaged bytes are a CorruptError or another valid key, never a crash', () => {
    const t = table('text', 'decimal', 'date', 'time', 'timestamp', 'bool', { tupleOf: ['ref', 'blob'] })
    const key = [
      'a\0é',
      '-12.5',
      '1940-01-01',
      '10:20:30.5',
      new Date(0),
      true,
      [new Ref(newId(), 'c' as ClassId), new Uint8Array([0, 1, 2])],
    ]
    const bytes = encodeKey(t, key)
    expect(decodeKey(t, bytes)).to.deep.equal(key)
    for (let i = 0; i < bytes.length; i++) expect(() => decodeKey(t, bytes.subarray(0, i)), `cut at ${i}`).to.throw(CorruptError)
    expect(() => decodeKey(t, Buffer.concat([bytes, Buffer.from([0])]))).to.throw(CorruptError)
    for (let i = 0; i < bytes.length; i++)
      for (const flip of [1, 0x80, 0xff]) {
        const damaged = bytes.map((b, j) => (j === i ? b ^ flip : b))
        try {
          decodeKey(t, damaged)
        } catch (e) {
          expect(e, `byte ${i}`).to.be.instanceOf(CorruptError)
        }
      }
  })
})
