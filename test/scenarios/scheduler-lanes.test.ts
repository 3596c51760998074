import { expect } from 'chai'
import { FEED_AHEAD_US } from '../../runtime/scheduler/index.js'
import { Scenario, type TaskSpec } from './scenario.js'

/** Two workers that know how long a task takes, and what tasks make, which has their names. */
function lanes(microseconds: number, data: string): Scenario {
  return new Scenario({ lanes: true }).join('w0 h0', 'w1 h0').submit({ first: {} }).finish('w0', 'first', microseconds).renamed(data)
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

/** Each point waits for both of the step before. */
function stencil(steps: number): Record<string, TaskSpec> {
  const points = upTo(steps).flatMap((i): [string, TaskSpec][] => {
    const reads = i === 0 ? '' : `a${i - 1} b${i - 1}`
    return [
      [`a${i}`, { reads, writes: `a${i}` }],
      [`b${i}`, { reads, writes: `b${i}` }],
    ]
  })
  return Object.fromEntries(points)
}

const namesOf = (specs: Record<string, TaskSpec>): string => Object.keys(specs).join(' ')

describe('scheduler: tasks that follow others in lanes', () => {
  it('a chain stays in one lane', () => {
    lanes(10, 'a b c')
      .submit({ a: { writes: 'a' }, b: { reads: 'a', writes: 'b' }, c: { reads: 'b', writes: 'c' } })
      .sent('w0 starts a b c', 'wake at 10')
  })

  it('two tasks that wait for the same two go to two lanes', () => {
    const points = stencil(3)
    lanes(10, namesOf(points)).submit(points).sent('w0 starts a0 a1 a2', 'w1 starts b0 b1 b2')
  })

  it('what follows a lane that has no room waits for it, and does not make another lane do both', () => {
    const points = stencil(12)
    const s = lanes(FEED_AHEAD_US / 4, namesOf(points))
      .submit(points)
      .sent('w0 starts a0 a1 a2 a3', 'w1 starts b0 b1 b2 b3')
    s.finish('w0', 'a0', FEED_AHEAD_US / 4).sent('done: a0', 'w0 starts a4', 'wake at 100')
    s.finish('w0', 'a1', FEED_AHEAD_US / 4).sent('done: a1', 'wake at 100')
    s.finish('w1', 'b0 b1', FEED_AHEAD_US / 4).sent('done: b0 b1', 'w1 starts b4 b5', 'w0 starts a5', 'release a0 b0')
  })

  it('followers of one task spread', () => {
    const specs = Object.fromEntries(upTo(8).map((i): [string, TaskSpec] => [`t${i}`, { reads: 'root', writes: `t${i}` }]))
    const s = lanes(10, `root ${namesOf(specs)}`).submit({ root: { writes: 'root' }, ...specs })
    expect(s.state.workers.map((w) => w!.assigned)).to.deep.equal([5, 4])
  })

  it('a lane that has nothing to do takes what waits for a full one', () => {
    const chain = upTo(6).map((i): [string, TaskSpec] => [`a${i}`, { reads: i === 0 ? '' : `a${i - 1}`, writes: `a${i}` }])
    const specs = Object.fromEntries(chain)
    lanes(FEED_AHEAD_US / 4, namesOf(specs))
      .submit(specs)
      .sent('w0 starts a0 a1 a2 a3', 'w1 starts a4 a5', 'wake at 100')
  })
})
