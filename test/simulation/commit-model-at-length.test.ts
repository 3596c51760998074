import { assert } from 'chai'
import { runSchedules } from './commit-model.js'

describe('commit protocol over several domains, at length', function () {
  this.timeout(1_200_000)

  it('keeps every law in 100,000 schedules', async () => {
    const { violations, schedules, commits, crashes } = await runSchedules({ seeds: 100_000, from: 1_000_000 })
    assert.deepEqual(violations, [])
    assert.equal(schedules, 100_000)
    assert.isAbove(commits, 400_000, 'schedules in which nothing commits prove nothing')
    assert.isAbove(crashes, 50_000)
  })
})
