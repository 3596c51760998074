import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { fewAtOnce } from '../../backends/cassandra/few-at-once.js'

describe('a few at once', () => {
  const items = Array.from({ length: 100 }, (_, i) => i)

  it('never more than so many, and the results in order', async () => {
    let now = 0
    let most = 0
    const results = await fewAtOnce(items, 7, async (item) => {
      most = Math.max(most, ++now)
      await delay(item % 3)
      now--
      return item * 2
    })
    expect(most).to.equal(7)
    expect(results).to.deep.equal(items.map((item) => item * 2))
  })

  it('begins nothing further after a failure, which is told', async () => {
    let begun = 0
    const failing = fewAtOnce(items, 4, async (item) => {
      begun++
      await delay(1)
      if (item === 5) throw new Error('five')
    })
    let told: unknown
    await failing.catch((error: unknown) => (told = error))
    await delay(20)
    expect(String(told)).to.contain('five')
    expect(begun).to.be.below(20)
  })
})
