import { expect } from 'chai'
import { partitionOfId } from '../../backends/redis/redis-keys.js'
import { partitionOfRow, partitionsOf, partOfKey, partsFor, spreadId, spreadOf } from '../../backends/redis/spread.js'
import { isIdText, madeAtMs, newId, newTableId } from '../../src/ids.js'

const masters = { count: 3, of: (partition: number): string => `master ${partition % 3}` }

describe('redis: dicts over several partitions', () => {
  it('an id says over which partitions, each of them once, and where the definition lies', () => {
    for (let n = 0; n < 200; n++) {
      const owner = newId()
      const id = spreadId(owner.slice(-3), 1 + (n % 20), 2 ** (n % 11), masters)
      expect(isIdText(id)).to.equal(true)
      expect(Math.abs(madeAtMs(id) - Date.now())).to.be.below(10_000)
      expect(partitionOfId(id)).to.equal(partitionOfId(owner))
      expect(spreadOf(id)).to.include({ columns: Math.min(1 + (n % 20), 15), parts: 2 ** (n % 11) })
      expect(new Set(partitionsOf(id)).size).to.equal(2 ** (n % 11))
    }
    const plain = newTableId()
    expect(spreadOf(plain)).to.equal(undefined)
    expect(partitionsOf(plain)).to.deep.equal([partitionOfId(plain)])
    expect(partitionOfRow(plain, ['x'])).to.equal(partitionOfId(plain))
  })

  it('no master has many more parts than another', () => {
    const most = Array.from({ length: 50 }, () => {
      const counts = new Map<string, number>()
      for (const partition of partitionsOf(spreadId('abc', 1, 16, masters)))
        counts.set(masters.of(partition), (counts.get(masters.of(partition)) ?? 0) + 1)
      return Math.max(...counts.values())
    })
    expect(Math.max(...most)).to.be.at.most(8)
    expect([1, 4, 5, 100, 5000].map(partsFor)).to.deep.equal([16, 16, 32, 512, 1024])
  })

  it('keys of every sort are spread evenly, and those of one partition lie together', () => {
    const id = spreadId('000', 1, 16, masters)
    const kinds: Record<string, (n: number) => string | number | bigint | Date | Uint8Array | boolean[] | string[]> = {
      text: (n) => `word ${n}`,
      i32: (n) => n,
      i64: (n) => BigInt(n) * 1000n,
      f64: (n) => n / 8,
      timestamp: (n) => new Date(1_700_000_000_000 + n * 60_000),
      blob: (n) => Uint8Array.of(n & 255, n >> 8),
      uuid: () => newId(),
      tuple: (n) => ['a', String(n)],
    }
    for (const [kind, make] of Object.entries(kinds)) {
      const counts = new Array<number>(16).fill(0)
      for (let n = 0; n < 4000; n++) counts[partOfKey(spreadOf(id)!, [make(n), 1n])]!++
      expect(Math.max(...counts), kind).to.be.below(400)
      expect(Math.min(...counts), kind).to.be.above(120)
    }
    expect(partitionOfRow(id, ['x', 1n])).to.equal(partitionOfRow(id, ['x', 2n]))
    expect(partitionOfRow(id, [-0])).to.equal(partitionOfRow(id, [0]))
  })
})
