import { expect } from 'chai'
import { decide } from '../../runtime/scheduler/index.js'
import { Scenario } from './scenario.js'

/** 1 byte a microsecond: bytes to move read as microseconds. */
const LINK = { linkBytesPerUs: 1 }
const twoHosts = (slots = 1): Scenario => new Scenario(LINK).join(`w0 h0 ${slots}`, `w1 h1 ${slots}`)

describe('scheduler: placement', () => {
  it('a task goes to its data', () => {
    const s = twoHosts().kept('a b').lies('a', { h0: 5000 }).lies('b', { h1: 5000 })
    s.submit({ onB: { reads: 'b' }, onA: { writes: 'a' } }).sent('w0 starts onA', 'w1 starts onB')
    expect(s.why('onB')).to.equal('onB runs on w1 of h1 (attempt 1), because its data lie there.')
  })

  it('with data on several hosts, where most bytes are; a copy counts like the original', () => {
    twoHosts()
      .kept('a b c')
      .lies('a', { h0: 3000 })
      .lies('b', { h1: 2000 })
      .lies('c', { h0: 500, h1: 2000 })
      .submit({ t: { reads: 'a b c' } })
      .sent('w1 starts t')
  })

  it('waiting for a slot beside the data beats moving much, and moving little beats waiting', () => {
    const s = twoHosts().kept('big small').lies('big', { h0: 50_000 }).lies('small', { h0: 500 })
    s.submit({ busy: { reads: 'big' } }).sent('w0 starts busy')
    s.submit({ waits: { reads: 'big' } }).sent()
    expect(s.why('waits')).to.equal('waits is ready and waits for a free slot on h0, because its data lie there.')
    s.submit({ moves: { reads: 'small' } }).sent('w1 starts moves')
    expect(s.why('moves')).to.equal('moves runs on w1 of h1 (attempt 1), because a slot is free sooner there (500 bytes to move).')
  })

  it('the estimate is the wait plus the bytes that have to move ÷ link speed', () => {
    const s = new Scenario({ linkBytesPerUs: 10 }).join('w0 h0', 'w1 h1').kept('a').lies('a', { h0: 100_000 })
    s.submit({ busy: { host: 'h0' }, t: { reads: 'a', promises: 1 } })
    const { host, startUs, moveBytes } = decide(s.state, s.task('t'))
    expect({ host: host.index, startUs, moveBytes }).to.deep.equal({ host: 0, startUs: 2000, moveBytes: 0 })
    s.lies('a', { h0: 0, h1: 100_000 })
    expect(decide(s.state, s.task('t'))).to.include({ startUs: 0, moveBytes: 0 })
  })

  it('without data, tasks spread over the hosts', () => {
    twoHosts(2).submit({ a: {}, b: {}, c: {}, d: {} }).sent('w0 starts a c', 'w1 starts b d')
  })

  it('learned durations break ties', () => {
    const s = twoHosts(2)
      .submit({ a: { host: 'h0' }, b: { host: 'h1' } })
      .sent('w0 starts a', 'w1 starts b')
    s.finish('w0', 'a', 9000).finish('w1', 'b', 3000)
    s.submit({ c: {} }).sent('w1 starts c')
    expect(s.why('c')).to.equal('c runs on w1 of h1 (attempt 1), because its function was faster there.')
  })

  it('and so they do of short tasks, which are not planned', () => {
    const s = twoHosts(2)
      .submit({ a: { host: 'h0' }, b: { host: 'h1' } })
      .sent('w0 starts a', 'w1 starts b')
    s.finish('w0', 'a', 900).finish('w1', 'b', 300)
    s.submit({ c: {} }).sent('w1 starts c')
    expect(s.why('c')).to.equal('c runs on w1 of h1 (attempt 1), because its function was faster there.')
  })

  it('a pinned task runs on its host or waits for it', () => {
    const s = twoHosts()
      .submit({ a: { host: 'h1' }, b: { host: 'h1' }, c: { host: 'h7' } })
      .sent('w1 starts a')
    s.finish('w1', 'a').sent('done: a', 'w1 starts b')
    expect(s.why('c')).to.equal('c is ready and waits for a free slot on h7, where it must run.')
    s.join('w7 h7').sent('w7 starts c')
  })

  it('a host with nothing to do takes from the busiest what it starts sooner', () => {
    const s = twoHosts()
      .kept('x')
      .lies('x', { h0: 3000 })
      .submit({ a: { host: 'h0' }, b: { reads: 'x' }, c: { host: 'h1' } })
    s.sent('w0 starts a', 'w1 starts c')
      .submit({ d: { reads: 'x' } })
      .sent()
    s.finish('w1', 'c').sent('done: c', 'w1 starts d')
    expect(s.why('d')).to.contain('because it had nothing else to do and moving the data costs less than waiting (3000 bytes to move)')
  })

  it('what became ready while there was no worker starts with the first one', () => {
    const s = new Scenario().submit({ a: {} }).sent()
    expect(s.why('a')).to.equal('a is ready and waits for a free slot on any host, since there was no worker when it became ready.')
    s.join('w0 h0').sent('w0 starts a')
  })

  it('tasks queued at a host that lost its workers go to those that are left', () => {
    const s = twoHosts()
      .kept('x')
      .lies('x', { h0: 90_000 })
      .submit({ a: { reads: 'x' }, b: { reads: 'x' } })
      .sent('w0 starts a')
    s.lose('w0').sent('w1 starts a', 'replace w0')
    s.finish('w1', 'a').sent('done: a', 'w1 starts b')
  })

  it('with one host the data make no difference and nothing is counted as moved', () => {
    const s = new Scenario().join('w0 h0', 'w1 h0').kept('x').lies('x', { h0: 10 })
    s.submit({ a: { reads: 'x' }, b: { reads: 'x' } }).sent('w0 starts a', 'w1 starts b')
    expect(s.state.totals).to.include({ moved: 0, bytesMoved: 0, ranWhereDataIs: 2 })
  })
})
