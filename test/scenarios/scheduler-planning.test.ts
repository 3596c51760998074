import { expect } from 'chai'
import { Scenario } from './scenario.js'

/** 1 byte a microsecond: a thousand bytes to move read as a millisecond. */
const AHEAD = { linkBytesPerUs: 1, fetchesAhead: true }

describe('scheduler: planning', () => {
  it('what the longest chain waits for starts first', () => {
    const s = new Scenario().join('w0 h0').renamed('a b', 1)
    s.submit({
      single: { ms: 10 },
      short: { ms: 5, writes: 'a' },
      afterShort: { ms: 5, reads: 'a' },
      head: { ms: 5, writes: 'b' },
      tail: { ms: 20, reads: 'b' },
    }).sent('w0 starts head')
    s.finish('w0', 'head', 5000).sent('done: head', 'w0 starts tail')
    s.finish('w0', 'tail', 20_000).sent('done: tail', 'w0 starts single')
  })

  it('priority goes before the length of what waits', () => {
    const s = new Scenario().join('w0 h0')
    s.submit({ long: { ms: 100 }, urgent: { ms: 3, priority: 5 } }).sent('w0 starts urgent')
  })

  it('longest first, so that the last to end end together', () => {
    const s = new Scenario().join('w0 h0 2').submit({ a: { ms: 10 }, b: { ms: 10 }, c: { ms: 20 } })
    s.sent('w0 starts c a')
  })

  it('chains behind a COMMUTATIVE group count it once', () => {
    const s = new Scenario().join('w0 h0').kept('sum')
    s.submit({ x: { ms: 4, commutative: 'sum' }, y: { ms: 4, commutative: 'sum' }, z: { ms: 9 } }).sent('w0 starts z')
  })

  it('a learned function is planned like a told one, once it is known to be long', () => {
    const s = new Scenario().join('w0 h0').submit({ first: { fn: 1 } })
    s.finish('w0', 'first', 30_000).submit({ busy: { ms: 2 } })
    s.submit({ told: { ms: 20 }, learned: { fn: 1 } }).sent()
    s.finish('w0', 'busy', 2000).sent('done: busy', 'w0 starts learned')
  })

  it('of a long and a short task, what was submitted first goes first', () => {
    const s = new Scenario().join('w0 h0').submit({ first: { ms: 3 } })
    s.submit({ short: { ms: 1 }, long: { ms: 50 } })
    s.finish('w0', 'first', 3000).sent('done: first', 'w0 starts short')
    s.finish('w0', 'short', 1000).sent('done: short', 'w0 starts long')
  })

  it('a host that must first get the data is told to fetch them, and the task starts when they are there', () => {
    const s = new Scenario(AHEAD).join('w0 h0', 'w1 h1').kept('x').lies('x', { h0: 10_000 })
    s.submit({ busy: { ms: 500, host: 'h0' }, t: { ms: 50, reads: 'x' } }).sent('w0 starts busy', 'h1 fetches x for t')
    expect(s.why('t')).to.match(/^t is ready and waits for a free slot/)
    s.fetched('h1', ['x', 10_000]).sent('w1 starts t')
    expect(s.state.totals).to.include({ moved: 1, bytesMoved: 10_000 })
  })

  it('while data are on their way their unit takes what ends before', () => {
    const s = new Scenario(AHEAD).join('w0 h0', 'w1 h1').kept('x').lies('x', { h0: 20_000 })
    s.submit({ busy: { ms: 500, host: 'h0' }, t: { ms: 100, reads: 'x' }, gap: { ms: 15 }, tooLong: { ms: 40 } })
    s.sent('w0 starts busy', 'w1 starts gap', 'h1 fetches x for t')
    s.now = 15
    s.finish('w1', 'gap', 15_000).sent('done: gap')
    s.now = 20
    s.fetched('h1', ['x', 20_000]).sent('w1 starts t')
  })

  it('data that cannot be fetched ahead are left to the task', () => {
    const s = new Scenario(AHEAD).join('w0 h0', 'w1 h1').kept('x').lies('x', { h0: 10_000 })
    s.submit({ busy: { ms: 500, host: 'h0' }, t: { ms: 50, reads: 'x' } }).sent('w0 starts busy', 'h1 fetches x for t')
    s.step({ on: 'FetchesEnded', host: 1, data: [s.datum('x')] }).sent('w1 starts t')
  })

  it('what cannot be fetched ahead does not keep its task from starting when the rest is there', () => {
    const s = new Scenario(AHEAD).join('w0 h0', 'w1 h1').kept('x y').lies('x', { h0: 10_000 }).lies('y', { h0: 10_000 })
    s.submit({ busy: { ms: 500, host: 'h0' }, t: { ms: 50, reads: 'x y' } }).sent('w0 starts busy', 'h1 fetches y for t, x for t')
    s.step({ on: 'FetchesEnded', host: 1, data: [s.datum('x')] }).sent()
    s.fetched('h1', ['y', 10_000]).sent('w1 starts t')
  })

  it('a host that is lost gets nothing more, and what was meant for it goes elsewhere', () => {
    const s = new Scenario(AHEAD).join('w0 h0', 'w1 h1', 'w2 h2').kept('x').lies('x', { h0: 10_000 })
    s.submit({ busy: { ms: 500, host: 'h0' }, t: { ms: 50, reads: 'x' } }).sent('w0 starts busy', 'h1 fetches x for t')
    s.lose('w1').sent('h2 fetches x for t', 'replace w1')
  })

  it('the parts of a merge are brought together while others are still computed', () => {
    const s = new Scenario(AHEAD).join('w0 h0', 'w1 h1').renamed('a b c', 1)
    s.submit({
      a: { ms: 10, writes: 'a', host: 'h0' },
      b: { ms: 20, writes: 'b', host: 'h1' },
      c: { ms: 90, writes: 'c', host: 'h0' },
      merge: { ms: 10, reads: 'a b c' },
    }).sent('w0 starts a', 'w1 starts b')
    s.lies('a', { h0: 50_000 }).finish('w0', 'a', 10_000).sent('done: a', 'w0 starts c')
    s.lies('b', { h1: 5000 }).finish('w1', 'b', 20_000).sent('done: b', 'h0 fetches b for merge')
    s.fetched('h0', ['b', 5000]).lies('c', { h0: 10 }).finish('w0', 'c', 90_000).sent('done: c', 'w0 starts merge')
  })

  it('without fetching ahead a task starts where it ends first, its fetch included', () => {
    const s = new Scenario({ linkBytesPerUs: 1 }).join('w0 h0', 'w1 h1').kept('x').lies('x', { h0: 10_000 })
    s.submit({ busy: { ms: 500, host: 'h0' }, t: { ms: 50, reads: 'x' } }).sent('w0 starts busy', 'w1 starts t')
  })
})

describe('scheduler: needs', () => {
  it('a task takes its units, over the workers of a host', () => {
    const s = new Scenario().join('w0 h0', 'w1 h0', 'w2 h0').needs({ units: 2 })
    s.submit({ wide: { need: 1, ms: 10 }, a: { ms: 5 }, b: { ms: 5 } }).sent('w0 starts wide', 'w1 starts a')
    s.finish('w1', 'a', 5000).sent('done: a', 'w1 starts b')
    s.submit({ wideToo: { need: 1, ms: 10 } })
      .finish('w1', 'b', 5000)
      .sent('done: b')
    s.finish('w0', 'wide', 10_000).sent('done: wide', 'w0 starts wideToo')
  })

  it('tasks run together as far as memory goes', () => {
    const s = new Scenario().needs({ memoryMb: 600 })
    s.step({ on: 'WorkersJoined', workers: [{ worker: 0, host: 0, slots: 4, memoryMb: 1000 }] })
    s.submit({ a: { need: 1 }, b: { need: 1 }, c: {} }).sent('w0 starts a c')
    s.finish('w0', 'a').sent('done: a', 'w0 starts b')
  })

  it('a task goes where its label is', () => {
    const s = new Scenario().needs({ labels: ['gpu'] }).join('w0 h0 4')
    s.submit({ t: { need: 1 } }).sent()
    expect(s.why('t')).to.equal('t is ready and waits for a free slot on any host, since no host there is at present has what it needs.')
    s.step({ on: 'WorkersJoined', workers: [{ worker: 1, host: 1, slots: 1, labels: ['gpu'] }] }).sent('w1 starts t')
  })

  it('a wide task whose worker is lost gives its units back and starts again', () => {
    const s = new Scenario().join('w0 h0', 'w1 h0').needs({ units: 2 })
    s.submit({ wide: { need: 1 } }).sent('w0 starts wide')
    s.lose('w0').sent('replace w0')
    s.join('w0 h0').sent('w1 starts wide')
  })
})
