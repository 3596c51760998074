/** Parts of the ring as pieces: exact at its ends and over them, and the nodes of a piece that several hold. */
import { expect } from 'chai'
import { configOf } from '../../backends/cassandra/cassandra-config.js'
import { CassandraLink } from '../../backends/cassandra/cassandra-link.js'
import { Ring } from '../../backends/cassandra/ring.js'
import {
  boundsOfRange,
  cutsByTokens,
  cutsByWidth,
  type RingRange,
  rangeOfPiece,
  ringPieces,
  WHOLE_RING,
} from '../../backends/cassandra/ring-range.js'
import { newTableId } from '../../src/ids.js'

const MIN = -(2n ** 63n)
const MAX = 2n ** 63n - 1n
const TABLE = newTableId()

const piecesOf = (range: RingRange, cuts: readonly bigint[]): readonly RingRange[] => ringPieces(TABLE, range, cuts).map(rangeOfPiece)
const isIn = ({ after, upTo }: RingRange, token: bigint): boolean => token > after && token <= upTo

/** Each of the tokens, and those beside it, is in one piece and no other; nothing is beyond the range. */
function covers(range: RingRange, pieces: readonly RingRange[], tokens: readonly bigint[]): void {
  for (const token of tokens.flatMap((one) => [one - 1n, one, one + 1n]).filter((one) => one > MIN && one <= MAX))
    expect(pieces.filter((piece) => isIn(piece, token)).length, String(token)).to.equal(isIn(range, token) ? 1 : 0)
}

describe('cassandra: parts of the ring', () => {
  it('a piece and its range are one thing, at the ends of the ring too', () => {
    const edges = [MIN, MIN + 1n, -1n, 0n, 1n, MAX - 1n, MAX]
    for (const [i, after] of edges.entries())
      for (const upTo of edges.slice(i + 1)) {
        const { from, to } = boundsOfRange({ after, upTo })
        expect(rangeOfPiece({ table: TABLE, epoch: '', from, to }), `(${after}, ${upTo}]`).to.deep.equal({ after, upTo })
      }
  })

  it('as many as a hundred thousand pieces are cut in no time, of about the same width', () => {
    const pieces = piecesOf(WHOLE_RING, cutsByTokens(WHOLE_RING, [5n, 7n], 100_000))
    expect(pieces.length).to.equal(100_000)
    const widths = pieces.map(({ after, upTo }) => upTo - after).sort((a, b) => (a < b ? -1 : 1))
    expect(widths.at(-1)! / widths[1]! <= 2n, `${widths[1]} to ${widths.at(-1)}`).to.equal(true)
  })

  it('pieces are as many as are wanted, have each token once, and are the same ones again', () => {
    const tokens = [MIN + 1n, MIN + 2n, -5n, -4n, 0n, 7n, MAX - 1n, MAX]
    for (const wanted of [1, 2, 3, 7, 8, 9, 64, 1000])
      for (const cuts of [cutsByTokens(WHOLE_RING, tokens, wanted), cutsByWidth(WHOLE_RING, [MAX, 0n, MIN, -5n], wanted)]) {
        const pieces = piecesOf(WHOLE_RING, cuts)
        expect(pieces.length).to.be.at.least(wanted)
        covers(WHOLE_RING, pieces, [...tokens, ...cuts, MIN, MAX])
      }
    expect(cutsByTokens(WHOLE_RING, [...tokens].reverse(), 64)).to.deep.equal(cutsByTokens(WHOLE_RING, tokens, 64))
  })

  it('a piece of a few tokens is split into these, and no further', () => {
    const narrow = { after: MAX - 3n, upTo: MAX }
    const cuts = cutsByWidth(narrow, [], 10)
    expect(piecesOf(narrow, cuts)).to.deep.equal([MAX - 3n, MAX - 2n, MAX - 1n].map((after) => ({ after, upTo: after + 1n })))
  })

  it('partitions that lie close together are not all in one piece', () => {
    const close = Array.from({ length: 100 }, (_, i) => BigInt(i))
    const counts = piecesOf(WHOLE_RING, cutsByTokens(WHOLE_RING, close, 4)).map((piece) => close.filter((one) => isIn(piece, one)).length)
    expect(counts).to.deep.equal([25, 25, 25, 25])
  })
})

/** Ends of ranges and who holds what is up to there; the last one goes over the end of the ring to the first. */
class FourRanges extends CassandraLink {
  constructor(readonly ends: readonly (readonly [token: bigint, nodes: string])[]) {
    super(configOf('cassandra://127.0.0.1:1/shop'))
  }

  override get client(): never {
    const token = (n: bigint): object => ({ getValue: () => n })
    const hosts = 'abc'.split('').map((address) => ({ address }))
    const ranges = this.ends.map(([end], i) => ({ start: token(this.ends.at(i - 1)![0]), end: token(end) }))
    const holders = (n: bigint): string => this.ends.find(([end]) => end === n)![1]
    return {
      hosts: { values: () => hosts },
      metadata: {
        getTokenRanges: () => new Set(ranges),
        // By the end of what it is asked for, as the driver does, whatever else is in it.
        getReplicas: (_: string, { getValue }: { getValue(): bigint }) =>
          holders(getValue())
            .split('')
            .map((address) => ({ address })),
      },
    } as never
  }
}

describe('cassandra: nodes of a piece', () => {
  const quarter = 2n ** 62n
  const ring = new Ring(
    new FourRanges([
      [-quarter, 'ab'],
      [0n, 'bc'],
      [quarter, 'ca'],
      [2n * quarter - 2n, 'b'],
    ]),
  )
  const sharesOf = (after: bigint, upTo: bigint): Record<string, number> =>
    Object.fromEntries(ring.ofRange({ after, upTo }, 1000).map(({ host, bytes }) => [host, bytes]))

  it('each has the share of what it holds, and not all that the last node of the piece does', () => {
    expect(sharesOf(-quarter, 0n)).to.deep.equal({ b: 1000, c: 1000 })
    expect(sharesOf(-quarter, quarter)).to.deep.equal({ c: 1000, b: 500, a: 500 })
    expect(sharesOf(-quarter / 4n, (3n * quarter) / 4n)).to.deep.equal({ c: 1000, a: 750, b: 250 })
  })

  it('what goes over the end of the ring is held by the nodes that the ring gives to it, on both sides', () => {
    expect(sharesOf(MAX - 1n, MAX)).to.deep.equal({ a: 1000, b: 1000 })
    expect(sharesOf(MIN, MIN + 10n)).to.deep.equal({ a: 1000, b: 1000 })
    expect(sharesOf(quarter, MAX - 1n)).to.deep.equal({ b: 1000 })
  })

  it('the largest share is named first, and is the primary', () => {
    const [first, ...others] = ring.ofRange({ after: -quarter / 4n, upTo: (3n * quarter) / 4n }, 1000)
    expect([first?.host, first?.role]).to.deep.equal(['c', 'primary'])
    expect(others.map(({ host, role }) => [host, role])).to.deep.equal([
      ['a', 'copy'],
      ['b', 'copy'],
    ])
  })
})
