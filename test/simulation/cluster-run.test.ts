import { assert } from 'chai'
import { canaries, simulate } from './simulate.js'

describe('whole runs on a simulated cluster: scheduler, moves of values and commits on one clock', function () {
  this.timeout(120_000)

  it('200 runs end as if each program had run in order, once, with workers and hosts lost and messages late, doubled and reordered', async () => {
    const { violations, seeds, tasks, losses, moves, remade, sealed, doubled } = await simulate({ seeds: 200 })
    assert.deepEqual(violations, [])
    assert.equal(seeds, 200)
    assert.isAbove(tasks, 2000)
    assert.isAbove(losses, 100, 'runs in which nothing is lost prove nothing of losses')
    assert.isAbove(moves, 100, 'nor of moves, if nothing moves')
    assert.isAbove(remade, 5, 'nor of lost values, if none is made again')
    assert.isAbove(doubled, 100, 'nor of messages that come twice, if none does')
    assert.isAbove(sealed, 5, 'nor of tasks that are given up, if none is')
  })

  it('the same seed gives the same run', async () => {
    const run = () => simulate({ seeds: 30, from: 500 })
    assert.deepEqual(await run(), await run())
  })

  for (const [name, make] of Object.entries(canaries))
    it(`catches ${name}`, async () => {
      const { violations } = await simulate({ seeds: 400, variant: make(), untilCaught: true })
      assert.isNotEmpty(violations)
    })
})
