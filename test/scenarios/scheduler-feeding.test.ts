import { expect } from 'chai'
import { FEED_AHEAD_US, FEED_COMMITS_US, FEED_TASKS_MAX } from '../../runtime/scheduler/index.js'
import { Scenario, type TaskSpec } from './scenario.js'

const many = (count: number, prefix: string, spec: TaskSpec = {}): Record<string, TaskSpec> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, spec]))

/** Workers that have learned how long function 0 takes. */
function learned(microseconds: number, ...workers: string[]): Scenario {
  return new Scenario()
    .join(...workers)
    .submit({ first: {} })
    .finish('w0', 'first', microseconds)
}

const given = (s: Scenario): number[] => s.state.workers.map((w) => w!.assigned)

describe('scheduler: feeding workers', () => {
  it('an unknown function fills a slot', () => {
    const s = new Scenario().join('w0 h0 2').submit(many(10, 't'))
    expect(given(s)).to.deep.equal([2])
  })

  it('a known short function is queued ahead for about two milliseconds', () => {
    expect(given(learned(100, 'w0 h0').submit(many(50, 't')))).to.deep.equal([FEED_AHEAD_US / 100])
  })

  it('what is known to change stored objects is queued ahead for longer, since it commits in groups', () => {
    const s = new Scenario().join('w0 h0').submit({ first: {} }).ran('w0', 'first', 100).finish('w0', 'first', 100)
    expect(given(s.submit(many(200, 't')))).to.deep.equal([FEED_COMMITS_US / 100])
  })

  it('one long duration says little: others of its kind are still queued ahead, and not once all are long', () => {
    const once = learned(100, 'w0 h0').submit({ slow: {} }).finish('w0', 'slow', 1_000_000).submit(many(50, 't'))
    expect(given(once)[0]).to.be.within(FEED_AHEAD_US / 200, FEED_AHEAD_US / 100)
    const always = learned(100, 'w0 h0')
    for (let n = 0; n < 10; n++) always.submit({ [`slow${n}`]: {} }).finish('w0', `slow${n}`, 1_000_000)
    expect(given(always.submit(many(50, 't')))).to.deep.equal([1])
  })

  it('empty tasks flow in batches, and no batch is beyond the limit', () => {
    expect(given(learned(0.2, 'w0 h0').submit(many(2000, 't')))).to.deep.equal([FEED_TASKS_MAX])
  })

  it('long tasks do not pile up', () => {
    expect(given(learned(5000, 'w0 h0 3').submit(many(10, 't')))).to.deep.equal([3])
  })

  it('few tasks spread over all workers before any is queued', () => {
    learned(1, 'w0 h0 2', 'w1 h0 2', 'w2 h0').submit(many(5, 't')).sent('w0 starts t0 t3', 'w1 starts t1 t4', 'w2 starts t2')
  })

  it('what is queued ahead is dealt out evenly', () => {
    expect(given(learned(1, 'w0 h0', 'w1 h0').submit(many(21, 't')))).to.deep.equal([11, 10])
  })

  it('a loner is never queued behind others', () => {
    const s = learned(1, 'w0 h0')
      .submit({ a: {}, b: {}, alone: { alone: true }, c: {} })
      .sent('w0 starts a b')
    s.finish('w0', 'a', 1).sent('done: a')
    s.finish('w0', 'b', 1).sent('done: b', 'w0 starts alone')
    s.finish('w0', 'alone', 1).sent('done: alone', 'w0 starts c')
  })

  it('a parent that awaits frees its slot', () => {
    const s = new Scenario().join('w0 h0').submit({ parent: {}, child: {} }).sent('w0 starts parent')
    s.step({ on: 'SlotsChanged', worker: 0, slots: 2 }).sent('w0 starts child')
    s.step({ on: 'SlotsChanged', worker: 0, slots: 1 }).finish('w0', 'child').sent('done: child')
  })

  it('what is queued behind a task that turns out long is asked back once another worker has nothing to do', () => {
    const s = learned(1, 'w0 h0', 'w1 h0').submit({ long: {}, x: {}, b: {}, c: {} }).sent('w0 starts long b', 'w1 starts x c')
    s.now = 5
    s.finish('w1', 'x c', 1).sent('done: x c', 'wake at 10')
    s.now = 10
    s.step({ on: 'TimePassed' }).sent('w0 gives back b')
    s.step({ on: 'TimePassed' }).sent()
    s.giveBack('w0', 'b').sent('w1 starts b')
  })

  it('a task whose changes are on their way holds no slot, and what depends on it waits for its end', () => {
    const s = learned(5000, 'w0 h0').kept('d')
    s.submit({ a: { writes: 'd' }, b: {}, after: { reads: 'd' } }).sent('w0 starts a')
    s.ran('w0', 'a', 5000).sent('w0 starts b')
    s.ran('w0', 'a b', 5000).sent()
    s.finish('w0', 'a', 5000).sent('done: a', 'w0 starts after')
    s.conflict('w0', 'b').sent()
    s.ran('w0', 'after', 5000).sent('w0 starts b')
    s.lose('w0').sent('replace w0')
    s.join('w0 h0').sent('w0 starts b')
  })

  it('nothing more is queued behind a task that turned out long', () => {
    const s = learned(1, 'w0 h0').submit({ long: {} })
    s.now = 50
    s.submit({ a: {} }).sent()
    s.finish('w0', 'long', 50_000).sent('done: long', 'w0 starts a')
  })
})
