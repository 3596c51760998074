import { assert } from 'chai'
import { brokenProtocols } from './broken-protocols.js'
import { runSchedules } from './commit-model.js'

describe('commit protocol over several domains (random schedules)', function () {
  this.timeout(120_000)

  it('keeps every law in 2,000 schedules with lost, late and doubled messages, crashes, strangers and jumping clocks', async () => {
    const counts = await runSchedules({ seeds: 2_000 })
    assert.deepEqual(counts.violations, [])
    assert.equal(counts.schedules, 2_000)
    assert.isAbove(counts.commits, 7_000, 'schedules in which nothing commits prove nothing')
    assert.isAbove(counts.crashes, 800)
  })

  it('gives the same events for the same seed', async () => {
    const run = () => runSchedules({ seeds: 50, from: 7 })
    assert.deepEqual(await run(), await run())
  })

  for (const [name, protocol] of Object.entries(brokenProtocols))
    it(`catches a broken variant: ${name}`, async () => {
      const { violations } = await runSchedules({ seeds: 20_000, protocol, untilCaught: true })
      assert.isNotEmpty(violations)
    })
})
