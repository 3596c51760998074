import { expect } from 'chai'
import { CellCache } from '../../backends/redis/cell-cache.js'

const cell = (length: number, fill = 1): Buffer => Buffer.alloc(length, fill)

describe('redis: cache of large cells', () => {
  it('keeps what fits, the last used longest', () => {
    const cache = new CellCache(1000)
    for (let n = 0; n < 10; n++) cache.keep(`${n}`, cell(100, n))
    expect(cache.get('0')).to.deep.equal(cell(100, 0))
    cache.keep('10', cell(100, 10))
    expect([cache.get('1'), cache.get('0')?.[0], cache.get('10')?.[0]]).to.deep.equal([undefined, 0, 10])
  })

  it('keeps copies, and nothing that would push out most others, or that is told to keep nothing', () => {
    const cache = new CellCache(1000)
    const mine = cell(100)
    cache.keep('a', mine)
    mine.fill(9)
    cache.keep('large', cell(126))
    expect([cache.get('a'), cache.get('large')]).to.deep.equal([cell(100), undefined])
    const off = new CellCache(0)
    off.keep('a', cell(1))
    expect(off.get('a')).to.equal(undefined)
    cache.clear()
    expect(cache.get('a')).to.equal(undefined)
  })
})
